"""What a change of the data does to a linear probe, and the choice of fixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl_vision import Dataset, Workspace, what_if
from automl_vision.core.errors import ConfigError, DataError
from automl_vision.core.files import write_json
from automl_vision.data.manifest import with_column
from automl_vision.doctor.features import FeatureStore
from automl_vision.experiment.fixes import FixChoice, apply_fixes, proposals, proposed_fixes, reviews_of
from automl_vision.experiment.label_reviews import LabelReview, LabelReviews
from conftest import write_shape_folders


def with_labels(dataset: Dataset, labels: list[list[str]]) -> Dataset:
    return replace(dataset, table=with_column(dataset.table, "labels", pa.array(labels, pa.list_(pa.string()))))


def known_features(dataset: Dataset, cache: Path, *, spread: float) -> Path:
    """Features, kept as those of a network would be: the class with noise around it."""
    random = np.random.default_rng(0)
    classes = dataset.targets.argmax(axis=1)
    centres = random.normal(size=(len(dataset.classes), 16))
    values = centres[classes] + spread * random.normal(size=(len(dataset), 16))
    folder = FeatureStore(cache).folder
    folder.mkdir(parents=True)
    np.save(folder / "all.npy", values.astype(np.float16))
    write_json(folder / "all.json", dataset.table["digest"].to_pylist())
    return cache


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = write_shape_folders(tmp_path_factory.mktemp("shapes"), per_class=60)
    return Dataset.open(folder).with_validation(0.4)


@pytest.fixture(scope="module")
def cache(shapes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return known_features(shapes, tmp_path_factory.mktemp("cache"), spread=1.0)


def spoiled(dataset: Dataset, split: str, share: float) -> tuple[Dataset, int]:
    """A part of a split with the next class as its label, and how many images that are."""
    labels = dataset.table["labels"].to_pylist()
    rows = np.flatnonzero(dataset.splits == split)
    rows = np.random.default_rng(1).permutation(rows)[: int(share * len(rows))]
    for row in rows.tolist():
        at = dataset.classes.index(labels[row][0])
        labels[row] = [dataset.classes[(at + 1) % len(dataset.classes)]]
    return with_labels(dataset, labels), len(rows)


def test_correcting_training_labels_helps_and_spoiling_them_hurts(shapes: Dataset, cache: Path) -> None:
    wrong, count = spoiled(shapes, "train", 0.45)
    found = what_if(wrong, shapes, cache=cache)
    assert found.relabelled == count
    assert found.images == int((shapes.splits == "val").sum())
    assert found.changed is None
    assert found.comparison.difference.low > 0
    assert found.comparison.p_value < 0.05
    assert found.sentence.startswith("Better: accuracy")
    back = what_if(shapes, wrong, cache=cache)
    assert back.comparison.difference.high < 0
    assert back.sentence.startswith("Worse")
    assert back.to_json()["training"] == (108, 108)


def test_no_change_is_no_difference(shapes: Dataset, cache: Path) -> None:
    found = what_if(shapes, shapes, cache=cache)
    assert found.comparison.difference.value == 0
    assert found.before == found.after
    assert "cannot tell the two apart" in found.sentence


def test_changed_validation_labels_are_apart(shapes: Dataset, cache: Path) -> None:
    wrong, count = spoiled(shapes, "val", 0.5)
    found = what_if(wrong, shapes, cache=cache)
    assert found.changed is not None
    assert found.changed.images == count
    assert found.images == int((shapes.splits == "val").sum()) - count
    # the training images are the same, so that both probes are one; only the labels tell them right or wrong
    assert found.comparison.difference.value == 0
    assert found.changed.old_labels[0] == found.changed.old_labels[1] < 0.5 < found.changed.new_labels[1]


def test_a_validation_image_of_one_version_alone_does_not_count(shapes: Dataset, cache: Path) -> None:
    row = int(np.flatnonzero(shapes.splits == "val")[0])
    found = what_if(shapes, shapes.excluding({row: "a reason"}), cache=cache)
    assert (found.only_in_one, found.images) == (1, int((shapes.splits == "val").sum()) - 1)


def test_several_labels_are_judged_by_their_overlap(shapes: Dataset, cache: Path) -> None:
    several = shapes.as_task("image-classification-multi-label")
    wrong, _ = spoiled(several, "train", 0.45)
    found = what_if(wrong, several, cache=cache)
    assert found.metric == "iou"
    assert found.after.value > found.before.value


def test_data_without_splits_get_the_same_ones(tmp_path: Path) -> None:
    plain = Dataset.open(write_shape_folders(tmp_path / "plain", per_class=20))
    found = what_if(plain, plain, cache=known_features(plain, tmp_path / "cache", spread=0.5))
    assert found.images == 12
    assert found.only_in_one == 0


def test_versions_for_different_tasks_are_refused(shapes: Dataset) -> None:
    with pytest.raises(DataError, match="different tasks"):
        what_if(shapes, shapes.as_task("image-classification-multi-label"))


def review(dataset: Dataset, row: int, verdict: str, suggested: str | None = None, *, time: float = 1.0) -> LabelReview:
    table = dataset.table
    values = {"digest": table["digest"][row].as_py(), "image": table["image"][row].as_py()}
    return LabelReview.model_validate(
        {**values, "time": time, "row": row, "trial": 0, "verdict": verdict, "suggested": suggested}
    )


WRONG = (10, 70, 130)


def wrong_labels(dataset: Dataset) -> Dataset:
    """One image of each class with the label of another one."""
    labels = dataset.table["labels"].to_pylist()
    given = [labels[row] for row in WRONG]
    for row, label in zip(WRONG, [*given[1:], given[0]], strict=True):
        labels[row] = label
    return with_labels(dataset, labels)


def test_fixes_of_the_doctor_and_of_people_can_be_taken_or_left(shapes: Dataset, tmp_path: Path) -> None:
    data = wrong_labels(shapes)
    report = data.check(cache=known_features(shapes, tmp_path, spread=0.1))
    assert set(WRONG) <= set(report["wrong-label"].rows.tolist())
    right = shapes.table["labels"][5].as_py()[0]
    reviews = [review(data, WRONG[0], "model"), review(data, 5, "label", "cross" if right != "cross" else "square")]
    fixes = proposed_fixes(data, report, reviews)
    assert WRONG[0] not in fixes["wrong-label"].rows  # a person called this label right
    assert "wrong-label" not in proposals(fixes)
    assert proposals(fixes)["reviewed-label"] == FixChoice("relabel")
    position = fixes["wrong-label"].rows.tolist().index(WRONG[1])
    fixed = apply_fixes(data, fixes, {"wrong-label": FixChoice("relabel", (position,)), **proposals(fixes)})
    before, after = data.table["labels"].to_pylist(), fixed.table["labels"].to_pylist()
    assert after[WRONG[0]] == before[WRONG[0]]
    assert after[WRONG[1]] == before[WRONG[1]]
    assert after[WRONG[2]] == shapes.table["labels"][WRONG[2]].as_py()
    assert after[5] == [reviews[1].suggested]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"wrong-label": FixChoice("relabel", (999,))}, "there is no case 999"),
        ({"wrong-label": FixChoice("rename")}, 'no action "rename"'),
        ({"wrong-lable": FixChoice("relabel")}, "wrong-lable"),
    ],
)
def test_unknown_choices_are_refused(shapes: Dataset, tmp_path: Path, choices: dict[str, FixChoice], said: str) -> None:
    data = wrong_labels(shapes)
    fixes = proposed_fixes(data, data.check(cache=known_features(shapes, tmp_path, spread=0.1)))
    with pytest.raises(ConfigError, match=said):
        apply_fixes(data, fixes, choices)


def test_reviews_of_all_runs_are_found_by_contents(shapes: Dataset, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    decisions: list[tuple[str, Callable[[LabelReviews], object]]] = [
        ("first", lambda kept: kept.add(shapes, 3, "skip", trial=0)),
        ("second", lambda kept: kept.add(shapes, 3, "model", trial=1)),
    ]
    for run_id, decide in decisions:
        folder = workspace.runs_path / run_id
        folder.mkdir()
        write_json(folder / "spec.json", {})
        write_json(folder / "status.json", {"status": "Completed"})
        decide(LabelReviews(workspace.run_folder(run_id)))
    assert [found.verdict for found in reviews_of(workspace, shapes)] == ["model"]
    assert reviews_of(workspace, shapes[4:9]) == []
