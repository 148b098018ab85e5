"""Boxes whose numbers mean something else than their format says: refused, for nobody would see it in the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations

_FEWEST, _MOST = 10, 50_000  # boxes to judge from
_BEYOND = 0.25  # a quarter of all boxes reaches beyond its image: no camera does that
_MARGIN = 1.0  # pixels
_LARGEST_SHARE = 1.001


def check_shares(annotations: Annotations, name: str) -> None:
    """Look at the boxes of a format that means pixels.

    Raises:
        DataError: they are shares of width and height.
    """
    _, box = _some_boxes(annotations)
    box = box[np.isfinite(box).all(axis=1)]
    if len(box) >= _FEWEST and box.min() >= 0 and 0 < box.max() <= _LARGEST_SHARE:
        raise DataError(
            f"{name}: the boxes are shares of width and height, from 0 to 1, and the format means pixels; multiply x "
            "and width by the image's width, y and height by its height"
        )


def check_corners(annotations: Annotations, name: str) -> None:
    """Look at the boxes that are given as x, y, width, height, in images of stated size.

    Raises:
        DataError: they are corners x1, y1, x2, y2.
    """
    image, box = _some_boxes(annotations)
    size = np.array([annotations.sizes[i] for i in image.tolist()], np.float64).reshape(-1, 2)
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


def _some_boxes(annotations: Annotations) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The images (n,) and corners (n, 4) of all boxes, or of so many, evenly chosen."""
    image, box = annotations.objects.boxes()
    step = max(1, len(box) // _MOST)
    return image[::step], box[::step]
