"""One label from several people, and how far they agree."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.data.object import Object
from automl_vision.labeling.agreement import agreement, cohens_kappa
from automl_vision.labeling.merging import Answer, by_person, merge

SIZE = (100, 80)


def said(who: str, *labels: str, at: int = 0, truth: bool = False) -> Answer:
    return Answer(who, f"2026-01-01T00:00:{at:02}Z", labels, is_truth=truth)


def drew(who: str, *objects: Object, at: int = 0) -> Answer:
    return Answer(who, f"2026-01-01T00:00:{at:02}Z", (), objects)


def box(x: float, label: str = "cat", width: float = 20) -> Object:
    return Object(label, (x, 10.0, x + width, 30.0))


@pytest.mark.parametrize(
    ("kind", "answers", "labels", "is_disputed"),
    [
        ("label", [said("a", "cat")], ("cat",), False),
        ("label", [said("a", "cat"), said("b", "cat"), said("c", "dog", at=9)], ("cat",), True),
        ("label", [said("a", "cat", at=5), said("b", "dog")], ("cat",), True),  # as often: the newest
        ("label", [said("a", "cat", at=5), said("b", "dog", truth=True)], ("dog",), False),
        ("label", [said("a", "cat"), said("a", "dog", at=1)], ("dog",), False),  # a person changed her mind
        ("labels", [said("a", "x", "y"), said("b", "x"), said("c", "x", "z")], ("x",), True),
        ("labels", [said("a", "x"), said("b", "x", "y", at=3)], ("x", "y"), True),  # y: half, and in the newest
        ("labels", [said("a"), said("b")], (), False),
    ],
)
def test_classes_are_merged(kind: str, answers: list[Answer], labels: tuple[str, ...], is_disputed: bool) -> None:
    merged = merge(answers, kind, SIZE)  # type: ignore[arg-type]
    assert (merged.labels, merged.is_disputed) == (labels, is_disputed)


def test_objects_are_merged() -> None:
    """Of three drawings of one object the middle one; one that a single person drew is dropped."""
    people = [drew("a", box(10), box(60)), drew("b", box(13)), drew("c", box(11), at=4)]
    merged = merge(people, "boxes", SIZE)
    assert merged.objects == (box(11),)
    assert merged.is_disputed
    assert merge([drew("a", box(10)), drew("b", box(11), at=2)], "boxes", SIZE).objects == (box(11),)
    other = merge([drew("a", box(10)), drew("b", box(10, "dog"), at=2)], "boxes", SIZE)
    assert other.objects == (box(10, "dog"),)  # two classes are two objects, each drawn by half: the newest decides


def test_masks_are_compared_as_masks() -> None:
    upper = Object("cat", segments=((10.0, 10.0, 50.0, 10.0, 10.0, 50.0),))
    lower = Object(
        "cat", segments=((50.0, 50.0, 50.0, 10.0, 10.0, 50.0),)
    )  # in the same box, without a pixel in common
    assert len(merge([drew("a", upper), drew("b", lower), drew("c", upper)], "masks", SIZE).objects) == 1
    assert not merge([drew("a", upper), drew("b", lower), drew("c")], "masks", SIZE).objects


def test_kappa_is_cohens() -> None:
    """The example of Cohen's paper has 0.492; of two who agree by chance alone it is 0."""
    table = np.array([[44, 5, 1], [7, 20, 3], [9, 5, 6]])  # of 100 cases, by both people
    one, other = (np.repeat(np.arange(9) // 3, table.ravel()), np.repeat(np.arange(9) % 3, table.ravel()))
    total, rows, columns = table.sum(), table.sum(axis=1), table.sum(axis=0)
    chance = (rows * columns).sum() / total**2
    assert cohens_kappa(one, other) == pytest.approx((0.70 - chance) / (1 - chance))
    assert cohens_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == pytest.approx(0)
    assert cohens_kappa(np.zeros(3, int), np.zeros(3, int)) is None


def test_agreement_is_of_images_that_several_labelled() -> None:
    answers = {
        "1": [said("a", "cat"), said("b", "cat")],
        "2": [said("a", "dog"), said("b", "dog")],
        "3": [said("a", "dog"), said("b", "cat")],
        "4": [said("a", "cat")],
    }
    sizes = dict.fromkeys(answers, SIZE)
    found = agreement(answers, sizes, "label", ("cat", "dog"))
    assert (found.people, found.images) == (("a", "b"), 3)
    assert found.kappa == pytest.approx(0.4)
    assert "kappa 0.40" in found.sentence
    drawn = {"1": [drew("a", box(10), box(60)), drew("b", box(12))]}
    found = agreement(drawn, sizes, "boxes", ("cat",))
    assert found.mean_iou == pytest.approx(18 / 22)
    assert found.share_found == pytest.approx(2 / 3)
    assert agreement({"1": [said("a", "cat")]}, sizes, "label", ("cat",)).sentence == ""


def test_of_one_person_the_newest_counts() -> None:
    assert [each.labels for each in by_person([said("a", "x", at=2), said("a", "y", at=1), said("b", "z")])] == [
        ("z",), ("x",),
    ]  # fmt: skip
