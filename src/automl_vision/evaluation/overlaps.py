"""Overlaps of masks, and their codes as COCO's tools take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.data.texts import Texts

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


def mask_overlaps(found: Sequence[str], true: Sequence[str], crowd: NDArray[np.bool_]) -> Floats:
    """Intersection over union of masks, (found, true); for a crowd over the area of the found mask, as in COCO."""
    from faster_coco_eval.core import mask

    if not found or not true:
        return np.zeros((len(found), len(true)))
    codes = [[coco_code(text) for text in texts] for texts in (found, true)]
    return np.asarray(mask.iou(*codes, crowd.astype(int).tolist()), np.float64)


def overlapping_masks(
    found: Detections, true: GroundTruth, *, every: bool = False
) -> tuple[Positions, Positions, Floats]:
    """The pairs of a detection and an object of the same image whose masks share pixels.

    Args:
        found, true: both with masks.
        every: whether pairs that share nothing are returned too.

    Returns:
        Positions of both and their overlap, each (pairs,), sorted by detection and then by object.
    """
    ours, theirs = Texts.of(found.masks or ()), Texts.of(true.masks or ())
    images = np.intersect1d(found.image, true.image)
    bounds = [np.searchsorted(of, images, side=side) for of in (found.image, true.image) for side in ("left", "right")]
    parts: list[tuple[Positions, Positions, Floats]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for first, end, start, stop in zip(*(each.tolist() for each in bounds), strict=True):
        table = mask_overlaps(tuple(ours[first:end]), tuple(theirs[start:stop]), true.crowd[start:stop])
        a, b = np.nonzero((table > 0) | every)
        parts.append((a + first, b + start, table[a, b]))
    a, b, overlap = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return a, b, overlap


def coco_code(text: str) -> dict[str, Any]:
    """A mask's code in the form that COCO's tools take."""
    height, width, counts = text.split(" ", 2)
    return {"size": [int(height), int(width)], "counts": counts.encode()}


def mask_areas(texts: Iterable[str]) -> Floats:
    """(n,), pixels of masks."""
    from faster_coco_eval.core import mask

    codes = [coco_code(text) for text in texts]
    return np.asarray(mask.area(codes), np.float64) if codes else np.zeros(0)
