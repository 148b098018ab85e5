"""Whether an exported model predicts the same as the trained one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections
from automl_vision.evaluation.overlaps import mask_overlaps

PROBABILITY_TOLERANCE = 1e-4
REPRODUCED_PROBABILITY = 0.01  # TF32 keeps 10 bits of each factor
_ROUNDINGS = 8  # largest errors of two libraries that round in another order; 0.2 to 3 was measured
COMPARED_FROM = 0.02  # score; a detector's objects are compared from here on, shown or not
BEST_COMPARED = 10  # objects per image, where none reaches that score


@dataclass(frozen=True)
class Tolerance:
    """How far two detectors that should be the same may differ.

    Attributes:
        complaint: the sentence for more than that.
        box: of a side, in pixels of the image.
        box_share: of a side, relative to the box's longer side, where that is more.
        score: of an object's score.
        mask: minimum overlap of masks.
        same: minimum share of objects that have an equal.
        every_shown: whether each object at or above the operating threshold must have its equal.
    """

    complaint: str
    box: float
    box_share: float
    score: float
    mask: float
    same: float
    every_shown: bool


EXPORTED = Tolerance(
    "the exported model finds other objects than the trained one",
    box=0.5, box_share=0.0, score=1e-3, mask=0.99, same=0.99, every_shown=True,
)  # fmt: skip
"""Of an export; a rounding error may tip an NMS decision that is a tie."""

RECORDED = Tolerance(
    "the network finds other objects than the trial recorded",
    box=0.5, box_share=0.01, score=0.01, mask=0.95, same=0.9, every_shown=False,
)  # fmt: skip
"""Of a rebuilt network; the trial may have run on a GPU, where fp32 convolutions are TF32 and tip more ties."""


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
        away: largest distance in pixels of an object without an equal to the nearest one of its class.
    """

    compared: int = 0
    same: int = 0
    shown_other: int = 0
    box: float = 0.0
    score: float = 0.0
    mask: float = 1.0
    away: float = 0.0


def label_parity(
    mine: NDArray[np.float64],
    others: NDArray[np.float64],
    *,
    tolerance: float = PROBABILITY_TOLERANCE,
    exact: Callable[[], NDArray[np.float64]] | None = None,
) -> Parity:
    """Compare calibrated probabilities.

    Single precision rounds the probabilities of a network with extreme weights by more than the tolerance, in every
    library. So where they differ by more, they may still be as far from the probabilities in double precision as
    rounding put those of the trained network, a few times over.

    Args:
        mine: (images, classes), of the trained network.
        others: (images, classes), of the predictor, or as the trial recorded them.
        tolerance: of a probability.
        exact: computes those of the trained network in double precision; None allows no more than the tolerance.
    """
    difference = _largest_difference(mine, others)
    figures = {"largest_difference": difference, "tolerance": tolerance}
    if difference <= tolerance:
        return Parity(figures)
    problem = f"probabilities differ by up to {difference:.2g}; at most {tolerance:g} is allowed"
    if exact is not None and difference <= REPRODUCED_PROBABILITY:
        truth = exact()
        error, rounding = _largest_difference(others, truth), _largest_difference(mine, truth)
        figures |= {"error_against_double_precision": error, "error_of_the_trained_network": rounding}
        if error <= _ROUNDINGS * rounding:
            return Parity(figures)
        problem += (
            f", and in double precision the trained network's are {rounding:.2g} away, the exported one's {error:.2g}"
        )
    return Parity(figures, problem)


def _largest_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")


def object_parity(
    found: Detections,
    others: Sequence[Detections],
    *,
    compared_from: float,
    shown_from: float,
    tolerance: Tolerance = EXPORTED,
) -> Parity:
    """Compare object by object: each needs one of its class with the same box, score and mask on the other side.

    Every object that the model shows must have its equal, and nearly all of those below the operating threshold. Having
    nothing to compare is a problem too.

    Args:
        found: by the trained network.
        others: the predictor's detections in the same images, or what was recorded of them.
        compared_from: the score from which these were asked for; 0: the best few of each image are compared.
        shown_from: the operating threshold.
        tolerance: how far they may differ.
    """
    tally = _Tally()
    for image, other in enumerate(others):
        mine = found.of_image(image).above(compared_from - tolerance.score)
        _compare(_compared(mine, compared_from, tolerance), other, tally, shown_from, tolerance)
        _compare(_compared(other, compared_from, tolerance), mine, tally, shown_from, tolerance)
    share = tally.same / tally.compared if tally.compared else 1.0
    problem = None
    if not tally.compared:
        problem = (
            "the trained model finds nothing at all, so there is nothing to compare; train at another learning_rate"
        )
    elif (tolerance.every_shown and tally.shown_other) or share < tolerance.same:
        problem = (
            f"{tolerance.complaint}: {tally.shown_other} of those that are shown and {1 - share:.1%} of all differ, "
            f"with boxes up to {tally.away:.1f} px away; boxes may differ by {tolerance.box} px, scores by "
            f"{tolerance.score:g}, and masks must overlap by {tolerance.mask}"
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


def _compared(objects: Detections, compared_from: float, tolerance: Tolerance) -> Detections:
    """Those that need an equal; objects that a tolerance may lift over the threshold are left out."""
    if not compared_from:
        return objects.take(np.arange(min(BEST_COMPARED, len(objects))))
    return objects.above(compared_from + tolerance.score)


def _compare(mine: Detections, other: Detections, tally: _Tally, shown_from: float, tolerance: Tolerance) -> None:
    """Look for the equal of each object."""
    for i in range(len(mine)):
        score = float(mine.scores[i])
        boxes = np.abs(other.boxes - mine.boxes[i]).max(axis=1)
        scores = np.abs(other.scores - score)
        alike = other.labels == mine.labels[i]
        limit = max(tolerance.box, tolerance.box_share * float((mine.boxes[i, 2:] - mine.boxes[i, :2]).max()))
        good = alike & (boxes <= limit) & (scores <= tolerance.score)
        overlap = 1.0
        index = int(np.where(good, boxes, np.inf).argmin()) if good.any() else -1
        if index >= 0 and mine.masks is not None and other.masks is not None:
            overlap = _mask_overlap(mine.masks[i], other.masks[index])
        tally.compared += 1
        if index < 0 or overlap < tolerance.mask:
            tally.away = max(tally.away, float(boxes[alike].min()) if alike.any() else 0.0)
            tally.shown_other += score >= shown_from
            continue
        tally.same += 1
        tally.box, tally.score = max(tally.box, float(boxes[index])), max(tally.score, float(scores[index]))
        tally.mask = min(tally.mask, overlap)


def _mask_overlap(a: str, b: str) -> float:
    if a == b:  # also when both are empty, which overlap nothing
        return 1.0
    return float(mask_overlaps([a], [b], np.zeros(1, bool))[0, 0])
