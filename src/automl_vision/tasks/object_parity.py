"""Whether an exported detector finds what the trained one finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.objects import FoundObjects, mask_overlaps
from automl_vision.serving.objects import Objects
from automl_vision.tasks.task import Parity


@dataclass(frozen=True)
class Tolerance:
    """What may differ between two detectors that are to be the same.

    Attributes:
        complaint: what is said when more differs.
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
"""Of an export; a rounding error may tip a suppression that is a tie."""
RECORDED = Tolerance(
    "the network finds other objects than the trial recorded",
    box=0.5, box_share=0.01, score=0.01, mask=0.95, same=0.9, every_shown=False,
)  # fmt: skip
"""Of a rebuilt network; the trial may have run on a GPU, where fp32 convolutions are TF32 and tip more ties."""
COMPARED_FROM = 0.02  # score; a detector's objects are compared from here on, shown or not
BEST_COMPARED = 10  # objects of an image, where none reaches that score


@dataclass
class _Tally:
    """What a comparison has seen.

    Attributes:
        compared, same: objects.
        shown_other: objects at or above the operating threshold that have no equal.
        box, score: largest differences of equal objects.
        mask: least overlap of their masks.
        away: largest distance in pixels of an object without an equal to the nearest one of its class.
    """

    compared: int = 0
    same: int = 0
    shown_other: int = 0
    box: float = 0.0
    score: float = 0.0
    mask: float = 1.0
    away: float = 0.0


def object_parity(
    found: FoundObjects,
    others: Sequence[Objects],
    *,
    compared_from: float,
    shown_from: float,
    tolerance: Tolerance = EXPORTED,
) -> Parity:
    """Compare object by object: each needs one of its class with the same box, score and mask on the other side.

    Every object that the model shows must have its equal; of those below the operating threshold nearly all. To have
    nothing to compare is a problem too.

    Args:
        found: by the trained network.
        others: what the predictor finds in the same images, or what was recorded of them.
        compared_from: the score from which these were asked for; 0: the best few of each image are compared.
        shown_from: the operating threshold.
        tolerance: what may differ.
    """
    tally = _Tally()
    for image, other in enumerate(others):
        mine = _of_image(found, image)
        mine = mine.take(np.flatnonzero(mine.scores >= compared_from - tolerance.score))
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


def recorded_objects(arrays: Mapping[str, NDArray[Any]], images: Sequence[int]) -> list[Objects]:
    """The objects of some images from the arrays of all of them, as `FoundObjects.to_arrays` returns them."""
    objects = []
    for image in images:
        first, end = np.searchsorted(arrays["image"], [image, image + 1]).tolist()
        masks = tuple(arrays["masks"][first:end].tolist()) if "masks" in arrays else None
        objects.append(
            Objects(arrays["bbox"][first:end], arrays["score"][first:end], arrays["label"][first:end], masks)
        )
    return objects


def _of_image(found: FoundObjects, image: int) -> Objects:
    first, end = np.searchsorted(found.image, [image, image + 1]).tolist()
    masks = None if found.masks is None else tuple(found.masks[first:end])
    return Objects(found.bbox[first:end], found.score[first:end], found.label[first:end], masks)


def _compared(objects: Objects, compared_from: float, tolerance: Tolerance) -> Objects:
    """Those that need an equal; ones that a tolerance may lift over the edge are left out."""
    if not compared_from:
        return objects.take(np.arange(min(BEST_COMPARED, len(objects.scores))))
    return objects.take(np.flatnonzero(objects.scores >= compared_from + tolerance.score))


def _compare(mine: Objects, other: Objects, tally: _Tally, shown_from: float, tolerance: Tolerance) -> None:
    """Look for the equal of each object."""
    for i in range(len(mine.scores)):
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
