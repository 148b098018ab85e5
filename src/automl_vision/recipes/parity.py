"""Whether an exported model predicts the same as the trained one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections
from automl_vision.evaluation.overlaps import mask_overlaps

PROBABILITY_TOLERANCE = 1e-4
BOX_TOLERANCE = 0.5  # pixels of the image
SCORE_TOLERANCE = 1e-3
MASK_OVERLAP = 0.99
COMPARED_FROM = 0.02  # score; a detector's objects are compared from here on, shown or not
BEST_COMPARED = 10  # objects per image, where none reaches that score
MIN_SHARE = 0.99  # of all objects compared, shown or not; a rounding error may tip a suppression that is a tie


@dataclass(frozen=True)
class Parity:
    """How far an exported model is from the trained one.

    Attributes:
        figures: differences and their tolerances by name.
        problem: a sentence when they are too far apart, else None.
        is_empty: whether there was nothing to compare.
    """

    figures: dict[str, Any]
    problem: str | None = None
    is_empty: bool = False


@dataclass
class _Tally:
    """Counts and largest differences of a comparison.

    Attributes:
        compared, same: objects.
        shown_other: objects at or above the operating threshold that have no equal.
        box, score: largest differences of equal objects.
        mask: lowest overlap of their masks.
    """

    compared: int = 0
    same: int = 0
    shown_other: int = 0
    box: float = 0.0
    score: float = 0.0
    mask: float = 1.0


def label_parity(trained: NDArray[np.float64], exported: Sequence[NDArray[np.float64]]) -> Parity:
    """Compare calibrated probabilities.

    Args:
        trained: (images, classes), of the trained network.
        exported: (classes,) for each image, of the predictor.
    """
    difference = float(max(np.abs(a - b).max() for a, b in zip(trained, exported, strict=True)))
    problem = None
    if not difference <= PROBABILITY_TOLERANCE:
        problem = (
            f"the exported model's probabilities differ from the trained model's by up to {difference:.2g}; "
            f"at most {PROBABILITY_TOLERANCE:g} is allowed"
        )
    return Parity({"largest_difference": difference, "tolerance": PROBABILITY_TOLERANCE}, problem)


def object_parity(
    found: Detections, exported: Sequence[Detections], *, compared_from: float, shown_from: float
) -> Parity:
    """Compare object by object: each needs one of its class with the same box, score and mask on the other side.

    Every object that the model shows must have its equal, and nearly all of those below the operating threshold. Having
    nothing to compare is a problem too.

    Args:
        found: by the trained network.
        exported: the predictor's detections in the same images.
        compared_from: the score from which it was asked for objects; 0: the best few of each image are compared.
        shown_from: the operating threshold.
    """
    tally = _Tally()
    for image, other in enumerate(exported):
        mine = found.of_image(image).above(compared_from - SCORE_TOLERANCE)
        _compare(_compared(mine, compared_from), other, tally, shown_from)
        _compare(_compared(other, compared_from), mine, tally, shown_from)
    share = tally.same / tally.compared if tally.compared else 1.0
    problem = None
    if not tally.compared:
        problem = (
            "the trained model finds nothing at all, so there is nothing to compare; train at another learning_rate"
        )
    elif tally.shown_other or share < MIN_SHARE:
        problem = (
            f"the exported model finds other objects than the trained one: {tally.shown_other} of those that are shown "
            f"and {1 - share:.1%} of all differ; boxes may differ by {BOX_TOLERANCE} px, scores by "
            f"{SCORE_TOLERANCE:g}, and masks must overlap by {MASK_OVERLAP}"
        )
    figures = {
        "objects": tally.compared,
        "equal_share": share,
        "largest_box_difference": tally.box,
        "largest_score_difference": tally.score,
    }
    if found.masks is not None:
        figures["least_mask_overlap"] = tally.mask
    return Parity(figures, problem, tally.compared == 0)


def _compared(objects: Detections, compared_from: float) -> Detections:
    """Those that need an equal; objects that a tolerance may lift over the threshold are left out."""
    if not compared_from:
        return objects.take(np.arange(min(BEST_COMPARED, len(objects))))
    return objects.above(compared_from + SCORE_TOLERANCE)


def _compare(mine: Detections, other: Detections, tally: _Tally, shown_from: float) -> None:
    """Look for the equal of each object."""
    for i in range(len(mine)):
        score = float(mine.scores[i])
        boxes = np.abs(other.boxes - mine.boxes[i]).max(axis=1)
        scores = np.abs(other.scores - score)
        good = (other.labels == mine.labels[i]) & (boxes <= BOX_TOLERANCE) & (scores <= SCORE_TOLERANCE)
        overlap = 1.0
        index = int(np.where(good, boxes, np.inf).argmin()) if good.any() else -1
        if index >= 0 and mine.masks is not None and other.masks is not None:
            overlap = _mask_overlap(mine.masks[i], other.masks[index])
        tally.compared += 1
        if index < 0 or overlap < MASK_OVERLAP:
            tally.shown_other += score >= shown_from
            continue
        tally.same += 1
        tally.box, tally.score = max(tally.box, float(boxes[index])), max(tally.score, float(scores[index]))
        tally.mask = min(tally.mask, overlap)


def _mask_overlap(a: str, b: str) -> float:
    if a == b:  # also when both are empty, which overlap nothing
        return 1.0
    return float(mask_overlaps([a], [b], np.zeros(1, bool))[0, 0])
