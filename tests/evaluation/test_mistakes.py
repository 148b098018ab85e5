"""What a model gets wrong."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.detection import DetectionCases, Thresholds
from automl_vision.evaluation.mistakes import KINDS, find_mistakes, object_errors
from automl_vision.evaluation.multi_label import MultiLabelCases

OBJECT = (10.0, 10.0, 50.0, 50.0)


def one_image(
    found: list[tuple[tuple[float, ...], int, float]],
    true: list[tuple[tuple[float, ...], int]],
    *,
    crowd: bool = False,
    difficult: bool = False,
) -> DetectionCases:
    """Boxes, classes and scores of detections, best first, and boxes and classes of objects, in one image."""
    return DetectionCases(
        Detections(
            images=1, image=np.zeros(len(found), int), labels=np.array([f[1] for f in found], int),
            boxes=np.array([f[0] for f in found]).reshape(-1, 4), scores=np.array([f[2] for f in found]),
        ),
        GroundTruth(
            sizes=np.array([[100, 100]]), image=np.zeros(len(true), int), labels=np.array([t[1] for t in true], int),
            boxes=np.array([t[0] for t in true]).reshape(-1, 4),
            crowd=np.full(len(true), crowd), difficult=np.full(len(true), difficult),
        ),
        Thresholds(0.5, 0.3, 2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "expected", "missed"),
    [
        ([(OBJECT, 0, 0.9)], [""], 0),
        ([(OBJECT, 1, 0.9)], ["class"], 0),
        ([((30.0, 10.0, 70.0, 50.0), 0, 0.9)], ["place"], 0),  # overlap 1/3
        ([((30.0, 10.0, 70.0, 50.0), 1, 0.9)], ["both"], 0),
        ([(OBJECT, 0, 0.9), (OBJECT, 0, 0.8)], ["", "duplicate"], 0),
        ([((80.0, 80.0, 90.0, 90.0), 0, 0.9)], ["background"], 1),
        ([(OBJECT, 0, 0.2)], [""], 1),  # below the operating threshold
        ([], [], 1),
    ],
)
def test_each_kind_of_error(found: list[tuple[tuple[float, ...], int, float]], expected: list[str], missed: int):
    errors = object_errors(one_image(found, [(OBJECT, 0)]))
    assert errors.kind.tolist() == expected
    assert errors.missed.sum() == missed
    assert errors.counts() == {kind: expected.count(kind) for kind in KINDS} | {"missed": missed}


@pytest.mark.parametrize("flag", ["crowd", "difficult"])
def test_crowds_and_difficult_objects_are_no_errors(flag: str):
    for found in ([], [(OBJECT, 0, 0.9)], [(OBJECT, 0, 0.9), (OBJECT, 0, 0.8)]):
        assert sum(object_errors(one_image(found, [(OBJECT, 0)], **{flag: True})).counts().values()) == 0


def test_an_image_without_objects_shows_background():
    cases = one_image([(OBJECT, 0, 0.9)], [])
    assert object_errors(cases).counts()["background"] == 1
    (mistake,) = find_mistakes(cases, ("a", "b"))
    assert (mistake.truth, mistake.predicted, mistake.loss) == ("0 objects", "background 1", 1.0)


def test_right_images_are_no_mistakes():
    assert find_mistakes(one_image([(OBJECT, 0, 0.9)], [(OBJECT, 0)]), ("a", "b")) == []


def test_the_surest_wrong_class_comes_first():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.05, 0.95], [0.2, 0.8]])
    found = find_mistakes(ClassificationCases(probabilities, np.array([0, 0, 0, 1])), ("cat", "dog"))
    assert [(m.image, m.truth, m.predicted) for m in found] == [(2, "cat", "dog (95%)"), (1, "cat", "dog (60%)")]
    assert found[0].loss == pytest.approx(-np.log(0.05))


def test_wrong_sets_of_labels_are_named():
    probabilities = np.array([[0.9, 0.9], [0.1, 0.1], [0.9, 0.1]])
    onehot = np.array([[True, False], [True, True], [True, False]])
    found = find_mistakes(MultiLabelCases(probabilities, onehot, np.full(2, 0.5)), ("cat", "dog"))
    assert [(m.image, m.truth, m.predicted) for m in found] == [(1, "cat, dog", "(none)"), (0, "cat", "cat, dog")]
