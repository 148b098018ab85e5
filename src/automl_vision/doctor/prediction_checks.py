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
from automl_vision.data.box_pairs import overlapping
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
    predictions = evidence.predictions
    if predictions is None or not evidence.has_objects:
        return [], [], []
    objects = evidence.data.objects
    return _contradictions(
        predictions.take(evidence.usable[predictions.image]),
        objects.image,
        objects.bbox,
        objects.label,
        objects.iscrowd,
    )


def contradicted_images(true: GroundTruth, found: Detections, classes: Sequence[str]) -> dict[int, str]:
    """Images whose labelled objects contradict detections, by position, with what speaks against them.

    Args:
        true: the labelled objects.
        found: in the same images.
        classes: their names.
    """
    said = ("nobody labelled {}", "boxes in the wrong place: {}", "boxes look like another class: {}")
    notes: dict[int, list[str]] = {}
    for text, cases in zip(said, _contradictions(found, true.image, true.boxes, true.labels, true.crowd), strict=True):
        names: dict[int, Counter[str]] = {}
        for case in cases:
            names.setdefault(case.row, Counter())[classes[case.label]] += 1
        for row, counts in names.items():
            notes.setdefault(row, []).extend(
                text.format(name if times == 1 else f"{name} {times} times") for name, times in counts.items()
            )
    return {row: ", ".join(notes[row]) for row in sorted(notes)}


def _contradictions(
    found: Detections,
    image: NDArray[np.int64],
    boxes: NDArray[np.float64],
    labels: NDArray[Any],
    is_crowd: NDArray[np.bool_],
) -> tuple[list[_Case], list[_Case], list[_Case]]:
    """Overlooked, badly placed and swapped objects, by image, then by detection or object.

    Args:
        found: detections.
        image, boxes, labels, is_crowd: of the labelled objects, ascending by image.
    """
    score, unlabelled = found.scores, np.full(len(found), -1)
    a, b, overlap = overlapping(found.image, found.boxes, image, boxes)
    alike = found.labels[a] == labels[b]
    confirmed, held = np.zeros(len(found), bool), np.zeros(len(image), bool)
    confirmed[a[alike & (overlap >= SAME)]] = True  # detections of a labelled object
    held[b[alike & (overlap >= SAME) & (score[a] >= FAIR)]] = True  # boxes that a detection confirms
    hidden, apart = np.zeros(len(found), bool), np.ones(len(found), bool)
    in_crowd = is_crowd[b]
    hidden[a[in_crowd][overlaps(found.boxes[a[in_crowd]], boxes[b[in_crowd]], True) > SAME]] = True
    apart[a[overlap >= APART]] = False
    alone = np.flatnonzero((score >= SURE) & apart & ~hidden)
    open_ = ~held[b] & ~in_crowd & ~confirmed[a]
    swapped = _nearest(a, b, overlap, open_ & ~alike & (overlap >= SAME) & (score[a] >= SURE), len(image))
    near = open_ & alike & (overlap >= TOUCHING) & (overlap < SAME) & (score[a] >= FAIR)
    placed = _nearest(a, b, overlap, near, len(image))
    placed[swapped >= 0] = -1

    def cases(detections: NDArray[np.int64], objects: NDArray[np.int64], shared: NDArray[np.float64]) -> list[_Case]:
        columns = (found.image[detections], objects, score[detections], found.labels[detections], shared)
        return [_Case(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]

    def of_pairs(pair_of: NDArray[np.int64]) -> list[_Case]:
        pairs = pair_of[pair_of >= 0]
        return cases(a[pairs], b[pairs], overlap[pairs])

    return cases(alone, unlabelled[alone], np.zeros(len(alone))), of_pairs(placed), of_pairs(swapped)


def _nearest(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    overlap: NDArray[np.float64],
    possible: NDArray[np.bool_],
    objects: int,
) -> NDArray[np.int64]:
    """(objects,), the pair of each object with the highest overlap, the first one of equal ones; -1 for none.

    Args:
        a, b, overlap, possible: (pairs,), positions of detections and objects, and which pairs may be chosen.
        objects: how many there are.
    """
    chosen = np.flatnonzero(possible)
    order = chosen[np.lexsort((a[chosen], -overlap[chosen], b[chosen]))]
    first = np.flatnonzero(np.diff(b[order], prepend=-1))
    pair_of = np.full(objects, -1)
    pair_of[b[order[first]]] = order[first]
    return pair_of
