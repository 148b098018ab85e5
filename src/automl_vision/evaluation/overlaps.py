"""Overlaps of masks, and their codes as COCO's tools take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.masks import MaskCode

Floats = NDArray[np.float64]


def mask_overlaps(found: Sequence[str], true: Sequence[str], crowd: NDArray[np.bool_]) -> Floats:
    """Intersection over union of masks, (found, true); for a crowd over the area of the found mask, as in COCO."""
    from faster_coco_eval.core import mask

    if not found or not true:
        return np.zeros((len(found), len(true)))
    codes = [[coco_code(text) for text in texts] for texts in (found, true)]
    return np.asarray(mask.iou(*codes, crowd.astype(int).tolist()), np.float64)


def coco_code(text: str) -> dict[str, Any]:
    """A mask's code in the form that COCO's tools take."""
    code = MaskCode.from_text(text)
    return {"size": [code.height, code.width], "counts": code.counts.encode()}


def mask_area(text: str) -> float:
    """Pixels of a mask."""
    from faster_coco_eval.core import mask

    return float(mask.area(coco_code(text)))
