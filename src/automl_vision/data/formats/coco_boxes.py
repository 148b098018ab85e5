"""Boxes in a COCO file that are not what COCO means by them: refused, for nobody would see it in the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations

_FEWEST = 10  # boxes to judge from
_BEYOND = 0.25  # a quarter of all boxes reaches beyond its image: no camera does that
_MARGIN = 1.0  # pixels


def check_convention(annotations: Annotations, name: str) -> None:
    """Look at all boxes of images of stated size together.

    Raises:
        DataError: they are corners x1, y1, x2, y2, or shares of width and height.
    """
    image, box = annotations.objects.boxes()
    size = np.array(annotations.sizes, np.float64).reshape(-1, 2)[image]
    known: Any = np.isfinite(box).all(axis=1) & (size > 0).all(axis=1)
    if known.sum() < _FEWEST:
        return
    start, end, size = box[known, :2], box[known, 2:], size[known]
    if (size > 4).all() and (start >= 0).all() and (end <= 1 + 1e-3).all():
        raise DataError(
            f"{name}: the boxes are shares of width and height, and COCO means pixels; multiply x and width by the "
            "image's width, y and height by its height"
        )
    second = end - start  # what stands in the file as width and height
    beyond = (end > size + _MARGIN).any(axis=1).mean()
    if beyond > _BEYOND and ((second > start) & (second <= size + _MARGIN)).all():
        raise DataError(
            f"{name}: {beyond:.0%} of the boxes reach beyond their image, and as corners x1, y1, x2, y2 all would fit; "
            "COCO means x, y, width, height: subtract x1 and y1 from the last two numbers of each box"
        )
