"""Boxes that a detector contradicts: overlooked objects, badly placed boxes, swapped classes.

U. Tkachenko, A. Thyagarajan, J. Mueller (2023): ObjectLab; the scores are cleanlab's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.doctor.evidence import Evidence, Predictions
from automl_vision.data.doctor.listing import Found, check, plural

SURE = 0.9  # score from which a detection speaks against the labels on class and presence
FAIR = 0.5  # score from which it speaks against the place of a box
OVERLOOKED = 0.5  # cleanlab's scores run from 0, surely wrong, to 1
BADLY_PLACED = 0.5
SWAPPED = 0.5


@check(
    "overlooked-object",
    "warning",
    title="Objects that nobody labelled",
    advice="Label them; a detector is punished for finding what the labels lack.",
    needs="predictions",
)
def overlooked_object(evidence: Evidence) -> Found | None:
    """Sure detections where no box is."""
    from cleanlab.object_detection.rank import compute_overlooked_box_scores

    rows, labels, predictions = _by_image(evidence)
    if not len(rows):
        return None
    scores = compute_overlooked_box_scores(labels=labels, predictions=predictions, high_probability_threshold=SURE)
    worst = np.array([np.nanmin(s) if len(s) and np.isfinite(s).any() else 1.0 for s in scores])
    order = np.argsort(worst, kind="stable")
    order = order[worst[order] < OVERLOOKED]
    if not len(order):
        return None
    notes = tuple(plural(int((scores[i] < OVERLOOKED).sum()), "object") + " without a box" for i in order.tolist())
    return Found(f"{plural(len(order), 'image')} with objects that nobody labelled", rows=rows[order], notes=notes)


@check(
    "badly-placed-box",
    "warning",
    title="Boxes in the wrong place",
    advice="Draw them anew around their object.",
    actions=("none", "drop"),
    needs="predictions",
)
def badly_placed_box(evidence: Evidence) -> Found | None:
    """Boxes that detections of their class overlap, but do not confirm."""
    from cleanlab.object_detection.rank import compute_badloc_box_scores

    rows, labels, predictions = _by_image(evidence)
    if not len(rows):
        return None
    scores = compute_badloc_box_scores(labels=labels, predictions=predictions, low_probability_threshold=FAIR)
    return _of_scores(evidence, rows, scores, BADLY_PLACED, "in the wrong place")


@check(
    "swapped-class",
    "warning",
    title="Boxes with the wrong class",
    advice="Look at each; where the suggested class is right, relabel it.",
    actions=("none", "relabel", "drop"),
    needs="predictions",
)
def swapped_class(evidence: Evidence) -> Found | None:
    """Boxes on which a sure detection sees another class."""
    from cleanlab.object_detection.rank import compute_swap_box_scores

    rows, labels, predictions = _by_image(evidence)
    if not len(rows) or evidence.predictions is None:
        return None
    scores = compute_swap_box_scores(labels=labels, predictions=predictions, high_probability_threshold=SURE)
    found = _of_scores(evidence, rows, scores, SWAPPED, "of the wrong class")
    if found is None:
        return None
    suggestions = tuple(_seen_class(evidence, evidence.predictions, index) for index in found.objects.tolist())
    return Found(found.summary, found.rows, found.objects, suggestions=suggestions, notes=found.notes)


def _by_image(
    evidence: Evidence,
) -> tuple[NDArray[np.int64], list[dict[str, NDArray[Any]]], list[NDArray[Any]]]:
    """Labels and predictions as cleanlab takes them, of the usable images in which the detector saw something."""
    predictions = evidence.predictions
    if predictions is None:
        return np.zeros(0, np.int64), [], []
    objects = evidence.data.objects
    order = np.argsort(predictions.image, kind="stable")
    image, seen = predictions.image[order], np.unique(predictions.image)
    rows = seen[evidence.usable[seen]]
    labels: list[dict[str, NDArray[Any]]] = []
    found: list[NDArray[Any]] = []
    for row in rows.tolist():
        own = objects.rows_of(row)
        labels.append({"bboxes": objects.bbox[own.start : own.stop], "labels": objects.label[own.start : own.stop]})
        part = order[slice(*np.searchsorted(image, [row, row + 1]).tolist())]
        boxes = np.concatenate([predictions.bbox[part], predictions.score[part, None]], axis=1)
        by_class = np.empty(len(evidence.data.classes), object)
        for position in range(len(by_class)):
            by_class[position] = boxes[predictions.label[part] == position]
        found.append(by_class)
    return rows, labels, found


def _of_scores(
    evidence: Evidence, rows: NDArray[np.int64], scores: list[NDArray[np.float64]], limit: float, what: str
) -> Found | None:
    """The objects whose score is below a limit, worst first."""
    objects = evidence.data.objects
    counts = [len(objects.rows_of(row)) for row in rows.tolist()]
    numbers = [np.arange(objects.rows_of(row).start, objects.rows_of(row).stop) for row in rows.tolist()]
    index = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
    values = np.concatenate([s if n else np.zeros(0) for s, n in zip(scores, counts, strict=True)])
    order = np.argsort(values, kind="stable")
    order = order[values[order] < limit]
    if not len(order):
        return None
    found = index[order]
    notes = tuple(
        f"{objects.names[objects.label[i]]}, quality {v:.2f}" for i, v in zip(found, values[order], strict=True)
    )
    return Found(f"{plural(len(found), 'box')} {what}", rows=objects.image[found], objects=found, notes=notes)


def _seen_class(evidence: Evidence, predictions: Predictions, index: int) -> str:
    """The class that the detector sees where an object's box is."""
    objects = evidence.data.objects
    (here,) = np.nonzero((predictions.image == objects.image[index]) & (predictions.label != objects.label[index]))
    box = objects.bbox[index]
    low, high = np.maximum(predictions.bbox[here, :2], box[:2]), np.minimum(predictions.bbox[here, 2:], box[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1) * predictions.score[here]
    return evidence.data.classes[int(predictions.label[here[int(shared.argmax())]])]
