"""Boxes that a detector contradicts: overlooked objects, badly placed boxes, swapped classes.

The three kinds are those of ObjectLab (U. Tkachenko, A. Thyagarajan, J. Mueller 2023). The rules are our own, for
cleanlab's scores did worse in crowded images: see docs/decisions/0017-boxes-against-detections.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.detections import Detections
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

SURE = 0.7  # score from which a detection speaks for an object or against a class
FAIR = 0.5  # score from which it speaks for or against the place of a box
SAME = 0.5  # intersection over union of a box and a detection of the same object
APART = 0.3  # below it a detection is of another object than the box
TOUCHING = 0.1  # below it a box and a detection have nothing to do with each other


@dataclass(frozen=True)
class _Case:
    """One contradiction.

    Attributes:
        row: of the image.
        index: of the object, or -1.
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
    """Raise `DataError` when detections are of other images or classes than a dataset has."""
    if predictions.images != images:
        raise DataError(f"the predictions are of {predictions.images:,} images; the dataset has {images:,}")
    largest = predictions.labels.max(initial=-1)
    if largest >= classes:
        raise DataError(f"the labels of the predictions go up to {largest}; the dataset has {classes:,} classes")


@check(
    "overlooked-object",
    "warning",
    title="Objects that nobody labelled",
    advice="Label them; a detector is punished for finding what the labels lack.",
    needs="predictions",
)
def overlooked_object(evidence: Evidence) -> Found | None:
    """Sure detections where no box is."""
    cases = _cases(evidence)[0]
    by_row: dict[int, list[_Case]] = {}
    for case in cases:
        by_row.setdefault(case.row, []).append(case)
    if not by_row:
        return None
    rows = sorted(by_row, key=lambda row: -max(case.score for case in by_row[row]))
    names = evidence.data.classes
    notes = tuple(", ".join(f"{names[case.label]} ({case.score:.0%})" for case in by_row[row]) for row in rows)
    summary = f"{plural(len(rows), 'image')} with {plural(len(cases), 'object')} that nobody labelled"
    return Found(summary, rows=np.array(rows, np.int64), notes=notes)


@check(
    "badly-placed-box",
    "warning",
    title="Boxes in the wrong place",
    advice="Draw them anew around their object.",
    actions=("none", "drop"),
    needs="predictions",
)
def badly_placed_box(evidence: Evidence) -> Found | None:
    """Boxes that a detection of their class touches without confirming, and that no detection confirms."""
    cases = sorted(_cases(evidence)[1], key=lambda case: case.overlap)
    notes = tuple(f"shares {case.overlap:.0%} with a detection ({case.score:.0%})" for case in cases)
    return _of_cases(f"{plural(len(cases), 'box')} in the wrong place", cases, notes)


@check(
    "swapped-class",
    "warning",
    title="Boxes with the wrong class",
    advice="Look at each; where the suggested class is right, relabel it.",
    actions=("none", "relabel", "drop"),
    needs="predictions",
)
def swapped_class(evidence: Evidence) -> Found | None:
    """Boxes on which a sure detection sees another class, and none their own."""
    cases = sorted(_cases(evidence)[2], key=lambda case: -case.score)
    objects, names = evidence.data.objects, evidence.data.classes
    notes = tuple(
        f"labelled {objects.names[objects.label[case.index]]}, looks like {names[case.label]} ({case.score:.0%})"
        for case in cases
    )
    suggestions = tuple(names[case.label] for case in cases)
    return _of_cases(f"{plural(len(cases), 'box')} of the wrong class", cases, notes, suggestions)


def _of_cases(
    summary: str, cases: list[_Case], notes: tuple[str, ...], suggestions: tuple[str, ...] = ()
) -> Found | None:
    if not cases:
        return None
    rows, objects = (np.array([getattr(case, name) for case in cases], np.int64) for name in ("row", "index"))
    return Found(summary, rows=rows, objects=objects, notes=notes, suggestions=suggestions)


def _cases(evidence: Evidence) -> tuple[list[_Case], list[_Case], list[_Case]]:
    """Overlooked, badly placed and swapped, in the usable images in which the detector saw something."""
    found: tuple[list[_Case], list[_Case], list[_Case]] = ([], [], [])
    predictions = evidence.predictions
    if predictions is None or not evidence.has_objects:
        return found
    seen = np.unique(predictions.image)
    for row in seen[evidence.usable[seen]].tolist():
        for cases, more in zip(found, _cases_of_image(evidence, row, predictions.of_image(row)), strict=True):
            cases.extend(more)
    return found


def _cases_of_image(evidence: Evidence, row: int, predictions: Detections) -> tuple[list[_Case], ...]:
    """The contradictions in one image.

    Args:
        evidence: the data.
        row: of the image.
        predictions: in this image.
    """
    objects, label, score = evidence.data.objects, predictions.labels, predictions.scores
    own = np.array(objects.rows_of(row), np.int64)
    overlap = overlaps(objects.bbox[own], predictions.boxes)  # (boxes, detections)
    alike: Any = objects.label[own][:, None] == label[None, :]
    confirmed: Any = (alike & (overlap >= SAME)).any(axis=0)  # detections of a labelled object
    held: Any = (alike & (overlap >= SAME) & (score >= FAIR)).any(axis=1)  # boxes that a detection confirms
    hidden: Any = _in_crowd(objects.bbox[own[objects.iscrowd[own]]], predictions.boxes)

    def case(box: int, detection: int) -> _Case:
        index = int(own[box]) if box >= 0 else -1
        shared = float(overlap[box, detection]) if box >= 0 else 0.0
        return _Case(row, index, float(score[detection]), int(label[detection]), shared)

    alone = (score >= SURE) & (overlap.max(axis=0, initial=0) < APART) & ~hidden
    overlooked = [case(-1, detection) for detection in np.flatnonzero(alone).tolist()]
    near: Any = alike & (overlap >= TOUCHING) & (overlap < SAME) & (score >= FAIR) & ~confirmed
    other: Any = ~alike & (overlap >= SAME) & (score >= SURE) & ~confirmed
    placed, swapped = [], []
    for box in np.flatnonzero(~held & ~objects.iscrowd[own]).tolist():
        if other[box].any():
            swapped.append(case(box, int(np.where(other[box], overlap[box], -1).argmax())))
        elif near[box].any():
            placed.append(case(box, int(np.where(near[box], overlap[box], -1).argmax())))
    return overlooked, placed, swapped


def overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m), intersection over union of boxes (n, 4) and (m, 4)."""
    shared = _shared(a, b)
    areas = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None, :]
    share: NDArray[np.float64] = shared / np.maximum(areas - shared, 1e-9)
    return share


def _in_crowd(crowds: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(m,), whether most of a box lies in a region that stands for many objects."""
    areas = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-9)
    inside: NDArray[np.bool_] = (_shared(crowds, boxes) / areas).max(axis=0, initial=0) > SAME
    return inside


def _shared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m), area of the intersections."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    area: NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=2)
    return area
