"""Boxes that contradict a detector: overlooked objects, badly placed boxes, swapped classes.

The three kinds are those of ObjectLab (U. Tkachenko, A. Thyagarajan, J. Mueller 2023). The rules are our own, because
cleanlab's scores did worse in crowded images: see docs/decisions/0017-boxes-against-detections.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.boxes import overlaps
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

SURE = 0.7  # minimum score of a detection that counts as evidence of an object or against a class
FAIR = 0.5  # minimum score of a detection that counts as evidence for or against the place of a box
SAME = 0.5  # intersection over union from which a box and a detection are of the same object
APART = 0.3  # below it they are of different objects
TOUCHING = 0.1  # below it they are unrelated


@dataclass(frozen=True)
class _Case:
    """One contradiction.

    Attributes:
        row: of the image.
        index: of the object; -1 if there is none.
        score: of the detection.
        label: class of the detection.
        overlap: of the object and the detection.
    """

    row: int
    index: int
    score: float
    label: int
    overlap: float


def require_fit(predictions: Detections, images: int, classes: int) -> None:
    """Raise `DataError` if detections have another number of images or more classes than a dataset."""
    if predictions.images != images:
        raise DataError(f"the predictions are of {predictions.images:,} images; the dataset has {images:,}")
    largest = predictions.labels.max(initial=-1)
    if largest >= classes:
        raise DataError(f"the labels of the predictions go up to {largest}; the dataset has {classes:,} classes")


@check(
    "overlooked-object",
    "warning",
    title="Objects that nobody labelled",
    advice="Label them; in training a detector is penalized for finding objects without a label.",
    needs="predictions",
)
def overlooked_object(evidence: Evidence) -> Found:
    """Confident detections where there is no box."""
    cases = _cases(evidence)[0]
    by_row: dict[int, list[_Case]] = {}
    for case in cases:
        by_row.setdefault(case.row, []).append(case)
    rows = sorted(by_row, key=lambda row: -max(case.score for case in by_row[row]))
    names = evidence.data.classes
    notes = tuple(", ".join(f"{names[case.label]} ({case.score:.0%})" for case in by_row[row]) for row in rows)
    summary = f"{plural(len(rows), 'image')} with {plural(len(cases), 'object')} that nobody labelled"
    return Found(summary, rows=np.array(rows, np.int64), notes=notes)


@check(
    "badly-placed-box",
    "warning",
    title="Boxes in the wrong place",
    advice="Redraw them around their object.",
    actions=("none", "drop"),
    needs="predictions",
)
def badly_placed_box(evidence: Evidence) -> Found:
    """Boxes that no detection confirms and that a detection of their class overlaps only partly."""
    cases = sorted(_cases(evidence)[1], key=lambda case: case.overlap)
    notes = tuple(f"shares {case.overlap:.0%} with a detection ({case.score:.0%})" for case in cases)
    return _of_cases(f"{plural(len(cases), 'box')} in the wrong place", cases, notes)


@check(
    "swapped-class",
    "warning",
    title="Boxes with the wrong class",
    advice="Look at each of them; relabel it if the suggested class is right.",
    actions=("none", "relabel", "drop"),
    needs="predictions",
)
def swapped_class(evidence: Evidence) -> Found:
    """Boxes where a confident detection sees another class, and none sees theirs."""
    cases = sorted(_cases(evidence)[2], key=lambda case: -case.score)
    objects, names = evidence.data.objects, evidence.data.classes
    notes = tuple(
        f"labelled {objects.names[objects.label[case.index]]}, looks like {names[case.label]} ({case.score:.0%})"
        for case in cases
    )
    suggestions = tuple(names[case.label] for case in cases)
    return _of_cases(f"{plural(len(cases), 'box')} of the wrong class", cases, notes, suggestions)


def _of_cases(summary: str, cases: list[_Case], notes: tuple[str, ...], suggestions: tuple[str, ...] = ()) -> Found:
    rows, objects = (np.array([getattr(case, name) for case in cases], np.int64) for name in ("row", "index"))
    return Found(summary, rows=rows, objects=objects, notes=notes, suggestions=suggestions)


def _cases(evidence: Evidence) -> tuple[list[_Case], list[_Case], list[_Case]]:
    """Overlooked, badly placed and swapped objects in the usable images in which the detector found anything."""
    found: tuple[list[_Case], list[_Case], list[_Case]] = ([], [], [])
    predictions = evidence.predictions
    if predictions is None or not evidence.has_objects:
        return found
    objects, seen = evidence.data.objects, np.unique(predictions.image)
    for row in seen[evidence.usable[seen]].tolist():
        own = np.array(objects.rows_of(row), np.int64)
        truth = (objects.bbox[own], objects.label[own], objects.iscrowd[own])
        for cases, more in zip(found, _cases_of_image(row, own, *truth, predictions.of_image(row)), strict=True):
            cases.extend(more)
    return found


def contradicted_images(true: GroundTruth, found: Detections, classes: Sequence[str]) -> dict[int, str]:
    """Images whose labelled objects contradict detections, by position, with what speaks against them.

    Args:
        true: the labelled objects.
        found: in the same images.
        classes: their names.
    """
    said = ("nobody labelled {}", "boxes in the wrong place: {}", "boxes look like another class: {}")
    notes = {}
    for image in np.unique(found.image).tolist():
        own = np.flatnonzero(true.image == image)
        truth = (true.boxes[own], true.labels[own], true.crowd[own])
        parts = _cases_of_image(image, own, *truth, found.of_image(image))
        texts = [
            text.format(name if times == 1 else f"{name} {times} times")
            for text, cases in zip(said, parts, strict=True)
            for name, times in Counter(classes[case.label] for case in cases).items()
        ]
        if texts:
            notes[image] = ", ".join(texts)
    return notes


def _cases_of_image(
    row: int,
    own: NDArray[np.int64],
    boxes: NDArray[np.float64],
    labels: NDArray[Any],
    is_crowd: NDArray[np.bool_],
    predictions: Detections,
) -> tuple[list[_Case], ...]:
    """The contradictions in one image.

    Args:
        row: of the image.
        own: (boxes,), numbers of its objects.
        boxes, labels, is_crowd: of these.
        predictions: in this image.
    """
    label, score = predictions.labels, predictions.scores
    overlap = overlaps(boxes[:, None], predictions.boxes)  # (boxes, detections)
    alike: Any = labels[:, None] == label[None, :]
    confirmed: Any = (alike & (overlap >= SAME)).any(axis=0)  # detections of a labelled object
    held: Any = (alike & (overlap >= SAME) & (score >= FAIR)).any(axis=1)  # boxes that a detection confirms
    hidden: Any = overlaps(predictions.boxes[:, None], boxes[is_crowd], True).max(axis=1, initial=0) > SAME

    def case(box: int, detection: int) -> _Case:
        index = int(own[box]) if box >= 0 else -1
        shared = float(overlap[box, detection]) if box >= 0 else 0.0
        return _Case(row, index, float(score[detection]), int(label[detection]), shared)

    alone = (score >= SURE) & (overlap.max(axis=0, initial=0) < APART) & ~hidden
    overlooked = [case(-1, detection) for detection in np.flatnonzero(alone).tolist()]
    near: Any = alike & (overlap >= TOUCHING) & (overlap < SAME) & (score >= FAIR) & ~confirmed
    other: Any = ~alike & (overlap >= SAME) & (score >= SURE) & ~confirmed
    placed, swapped = [], []
    for box in np.flatnonzero(~held & ~is_crowd).tolist():
        if other[box].any():
            swapped.append(case(box, int(np.where(other[box], overlap[box], -1).argmax())))
        elif near[box].any():
            placed.append(case(box, int(np.where(near[box], overlap[box], -1).argmax())))
    return overlooked, placed, swapped
