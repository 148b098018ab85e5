"""Boxes whose numbers mean something else than their format says: refused, for nobody would see it in the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations

_FEWEST = 10  # boxes to judge from
_BEYOND = 0.25  # a quarter of all boxes reaches beyond its image: no camera does that
_MARGIN = 1.0  # pixels
_LARGEST_SHARE = 1.001


def check_shares(annotations: Annotations, name: str) -> None:
    """Look at all boxes of a format that means pixels.

    Raises:
        DataError: they are shares of width and height.
    """
    _, box = annotations.objects.boxes()
    box = box[np.isfinite(box).all(axis=1)]
    if len(box) >= _FEWEST and box.min() >= 0 and 0 < box.max() <= _LARGEST_SHARE:
        raise DataError(
            f"{name}: the boxes are shares of width and height, from 0 to 1, and the format means pixels; multiply x "
            "and width by the image's width, y and height by its height"
        )


def check_corners(annotations: Annotations, name: str) -> None:
    """Look at all boxes that are given as x, y, width, height, in images of stated size.

    Raises:
        DataError: they are corners x1, y1, x2, y2.
    """
    image, box = annotations.objects.boxes()
    size = np.array(annotations.sizes, np.float64).reshape(-1, 2)[image]
    known: Any = np.isfinite(box).all(axis=1) & (size > 0).all(axis=1)
    if known.sum() < _FEWEST:
        return
    start, end, size = box[known, :2], box[known, 2:], size[known]
    second = end - start  # what stands in the file as width and height
    beyond = (end > size + _MARGIN).any(axis=1).mean()
    if beyond > _BEYOND and ((second > start) & (second <= size + _MARGIN)).all():
        raise DataError(
            f"{name}: {beyond:.0%} of the boxes reach beyond their image, and as corners x1, y1, x2, y2 all would fit; "
            "COCO means x, y, width, height: subtract x1 and y1 from the last two numbers of each box"
        )
