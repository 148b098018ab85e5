"""Overlaps of detections with ground truth: boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.masks import MaskCode

Floats = NDArray[np.float64]


def box_overlaps(found: Floats, true: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """Intersection over union of boxes, (found, true); for a crowd over the area of the found box, as in COCO."""
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    high = np.minimum(found[:, None, 2:], true[None, :, 2:])
    intersection = np.maximum(high - low, 0).prod(axis=2)
    area_found, area_true = (np.maximum(b[:, 2:] - b[:, :2], 0).prod(axis=1) for b in (found, true))
    union = np.where(crowd[None, :], area_found[:, None], area_found[:, None] + area_true[None, :] - intersection)
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))


def mask_overlaps(found: Sequence[str], true: Sequence[str], crowd: NDArray[np.bool_]) -> Floats:
    """Like `box_overlaps`, for masks."""
    from faster_coco_eval.core import mask

    if not found or not true:
        return np.zeros((len(found), len(true)))
    codes = [[coco_code(text) for text in texts] for texts in (found, true)]
    return np.asarray(mask.iou(*codes, crowd.astype(int).tolist()), np.float64)


def coco_code(text: str) -> dict[str, Any]:
    """A mask's code in the form that COCO's tools take."""
    code = MaskCode.from_text(text)
    return {"size": [code.height, code.width], "counts": code.counts.encode()}
