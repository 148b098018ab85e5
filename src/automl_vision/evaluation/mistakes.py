"""What a model gets wrong, the worst first: images with the wrong labels, and the kinds of errors of a detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.detection import DetectionCases
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.suspects import suspected_images

BACKGROUND_IOU = 0.1
"""A detection that overlaps every object by less than this shows background (Bolya et al. 2020)."""

KINDS = {
    "class": "the place of an object, but the wrong class",
    "place": "the class of an object nearby, but too little overlap",
    "both": "near an object, with the wrong class and too little overlap",
    "duplicate": "an object that a better detection has found already",
    "background": "where no object is",
    "missed": "an object that no detection shows, not even with the wrong class or place",
}
"""The kinds of errors of a detector, with their meanings (Bolya et al. 2020)."""


@dataclass(frozen=True)
class Mistake:
    """An image that the model gets wrong.

    Attributes:
        image: position of the image among the cases.
        truth: what is right: classes, or how many objects there are.
        predicted: what the model says, or its errors by kind.
        loss: how bad it is; mistakes are ordered by it.
        suspected: why not the model but the label may be wrong; empty where nothing speaks against the label.
    """

    image: int
    truth: str
    predicted: str
    loss: float
    suspected: str = ""


@dataclass(frozen=True)
class ObjectErrors:
    """The errors of a detector at its operating threshold.

    Attributes:
        kind: (detections,), one of `KINDS`, or empty for detections that are right, hidden or do not count.
        missed: (objects,), bool.
    """

    kind: NDArray[np.str_]
    missed: NDArray[np.bool_]

    def counts(self) -> dict[str, int]:
        """How many errors there are of each kind."""
        return {name: int((self.kind == name).sum()) for name in KINDS if name != "missed"} | {
            "missed": int(self.missed.sum())
        }


def find_mistakes(cases: Any, classes: tuple[str, ...]) -> list[Mistake]:
    """The images that a model gets wrong, the worst first.

    Classifiers are ordered by the loss of an image, detectors by the number of errors in it.

    Args:
        cases: predictions beside their truth.
        classes: their names.
    """
    if isinstance(cases, ClassificationCases):
        found = _wrong_classes(cases, classes)
    elif isinstance(cases, MultiLabelCases):
        found = _wrong_labels(cases, classes)
    else:
        found = _wrong_objects(cases)
    suspected = suspected_images(cases, classes)
    found = [replace(mistake, suspected=suspected.get(mistake.image, "")) for mistake in found]
    return sorted(found, key=lambda mistake: -mistake.loss)


def _wrong_classes(cases: ClassificationCases, classes: tuple[str, ...]) -> list[Mistake]:
    confidence = cases.probabilities.max(axis=1)
    return [
        Mistake(
            image,
            classes[cases.truth[image]],
            f"{classes[cases.predicted[image]]} ({confidence[image]:.0%})",
            float(cases.losses[image]),
        )
        for image in np.flatnonzero(~cases.right).tolist()
    ]


def _wrong_labels(cases: MultiLabelCases, classes: tuple[str, ...]) -> list[Mistake]:
    def names(row: NDArray[np.bool_]) -> str:
        return ", ".join(classes[i] for i in np.flatnonzero(row).tolist()) or "(none)"

    wrong = np.flatnonzero((cases.predicted != cases.onehot).any(axis=1))
    return [
        Mistake(image, names(cases.onehot[image]), names(cases.predicted[image]), float(cases.losses[image]))
        for image in wrong.tolist()
    ]


def _wrong_objects(cases: DetectionCases) -> list[Mistake]:
    errors, images = object_errors(cases), len(cases)
    numbers = np.zeros((images, len(KINDS)), np.int64)
    for kind, name in enumerate(KINDS):
        wrong = cases.true.image[errors.missed] if name == "missed" else cases.found.image[errors.kind == name]
        numbers[:, kind] = np.bincount(wrong, minlength=images)
    objects = np.bincount(cases.true.image, minlength=images)
    found = []
    for image in np.flatnonzero(numbers.any(axis=1)).tolist():
        text = ", ".join(f"{name} {count}" for name, count in zip(KINDS, numbers[image].tolist(), strict=True) if count)
        found.append(Mistake(image, f"{objects[image]} objects", text, float(numbers[image].sum())))
    return found


def object_errors(cases: DetectionCases) -> ObjectErrors:
    """The kind of every error of a detector at its operating threshold, by the overlap of boxes.

    Args:
        cases: detections beside their truth.
    """
    found, true, iou = cases.found, cases.true, cases.thresholds.iou
    shown, pairs = found.scores >= cases.thresholds.score, cases.box_pairs
    a, b, overlap = pairs.found, pairs.true, pairs.overlap
    same, crowd = found.labels[a] == true.labels[b], true.crowd[b]
    own, nearest = _most(a, b, np.where(same & ~crowd, overlap, -1.0), len(found))
    other, stranger = _most(a, b, np.where(same, -1.0, overlap), len(found))
    found_own, found_other = own >= iou, other >= iou
    names = np.select(
        [found_own, found_other, own >= BACKGROUND_IOU, other >= BACKGROUND_IOU], ["", "class", "place", "both"],
        "background",
    )  # fmt: skip
    finders = np.flatnonzero(shown & found_own)  # best first within an image
    first = np.unique(nearest[finders], return_index=True)[1]
    names[np.delete(finders, first)] = "duplicate"
    # a detection of a difficult object or in a crowd is no error
    is_excused = np.zeros(len(found), bool)
    is_excused[a[(crowd | true.difficult[b]) & same & (overlap >= iou)]] = True
    covered = np.where((names == "class") | (names == "both"), stranger, nearest)[shown & (names != "background")]
    missed = ~(true.crowd | true.difficult)
    missed[covered] = False
    return ObjectErrors(np.where(shown & ~is_excused, names, ""), missed)


def _most(
    found: NDArray[np.int64], true: NDArray[np.int64], overlap: NDArray[np.float64], detections: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The highest overlap of each detection, -1 where it has none, and the first object that it has it with.

    Args:
        found, true, overlap: (pairs,), sorted by detection and then by object; -1 for a pair that does not count.
        detections: how many there are.
    """
    highest, place = np.full(detections, -1.0), np.full(detections, -1)
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    if len(starts):
        highest[found[starts]] = np.maximum.reduceat(overlap, starts)
        best = np.where(overlap == highest[found], np.arange(len(found)), len(found))
        place[found[starts]] = true[np.minimum.reduceat(best, starts)]
    return highest, place
