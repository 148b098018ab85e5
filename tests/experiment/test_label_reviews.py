"""What people decided about labels: it survives, can be taken back, and becomes a report that corrects the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.experiment.label_reviews import LabelReviews, review_report
from automl_vision.workspace.run_folder import RunFolder


@pytest.fixture
def reviews(tmp_path: Path) -> LabelReviews:
    folder = RunFolder(tmp_path / "shapes-1")
    folder.create({"task": "image-classification"})
    return LabelReviews(folder)


def test_the_newest_decision_about_an_image_holds_until_it_is_undone(reviews: LabelReviews, shapes: Dataset):
    other = shapes.classes[1]
    reviews.add(shapes, 0, "model", trial=3)
    reviews.add(shapes, 1, "skip", trial=3, who="Ada")
    reviews.add(shapes, 0, "label", trial=3, suggested=other)
    reviews.add(shapes, 1, "undone", trial=3)
    again = LabelReviews(RunFolder(reviews.path.parent))
    assert {row: (review.verdict, review.suggested) for row, review in again.standing().items()} == {
        0: ("label", other)
    }
    assert [review.verdict for review in again.read()] == ["model", "skip", "label", "undone"]
    assert again.read()[1].who == "Ada"
    assert again.read()[0].digest == shapes.table["digest"][0].as_py()


def test_half_a_line_of_a_crash_hides_no_decision(reviews: LabelReviews, shapes: Dataset):
    reviews.add(shapes, 0, "model", trial=0)
    with reviews.path.open("a", encoding="utf-8") as file:
        file.write('{"time": 1, "dig')
    assert len(reviews.read()) == 1


@pytest.mark.parametrize(
    ("row", "verdict", "suggested", "message"),
    [
        (10**6, "model", None, "there is no row 1000000"),
        (0, "model", "square", "not with the verdict"),
        (0, "label", "squar", 'no class "squar"'),
    ],
)
def test_decisions_that_cannot_be_are_refused(reviews, shapes, row, verdict, suggested, message):
    with pytest.raises(DataError, match=message):
        reviews.add(shapes, row, verdict, trial=0, suggested=suggested)
    assert not reviews.path.exists()


def test_labels_called_wrong_are_corrected_in_another_version(reviews: LabelReviews, shapes: Dataset):
    own = [labels[0] for labels in shapes.table["labels"].to_pylist()]
    other = next(name for name in shapes.classes if name != own[5])
    reviews.add(shapes, 5, "label", trial=0, suggested=other)
    reviews.add(shapes, 6, "label", trial=0)
    reviews.add(shapes, 7, "model", trial=0)
    version = shapes[3:]  # rows have other numbers there
    report = review_report(version, list(reviews.standing().values()))
    assert {finding.check: finding.rows.tolist() for finding in report.findings} == {
        "reviewed-label": [2],
        "reviewed-image": [3],
    }
    corrected = version.apply(report)
    assert corrected.table["labels"].to_pylist()[:4] == [[own[3]], [own[4]], [other], [own[6]]]
    excluded = version.apply(report, {"reviewed-image": "exclude"})
    assert excluded.splits[3] == "left_out"
    gone = review_report(replace(shapes[:3]), list(reviews.standing().values()))
    assert (gone.findings, gone.counts["reviewed images that are not here"]) == ((), 2)
