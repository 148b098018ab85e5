"""The input of a detector from the sizes of images and boxes: canvas, pyramid levels, anchors; NumPy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CANVAS_STEP = 32  # pixels; the coarsest stride of the backbones
MULTI_SCALE = (0.75, 1.25)  # sizes of training batches relative to the canvas, where they change
LEAST_CELLS = 1.5  # of the finest level, over the side of a small box
_SMALL, _LARGE = 0.05, 0.95  # quantiles of the boxes' sizes that the pyramid must reach
_LOWEST, _HIGHEST = 2, 7
_COARSEST_FEATURE = 5  # stride 32; coarser levels are made from it


@dataclass(frozen=True)
class Geometry:
    """What a detector looks at.

    Attributes:
        height, width: of the canvas that every image is fitted into, in pixels.
        lowest, highest: levels of the feature pyramid; a cell of level l covers 2 ** l pixels.
        anchor_scale: side of a square anchor, in cells of its level.
        aspects: heights of the anchors relative to their widths.
        detections: maximum number of objects that are found per image.
    """

    height: int
    width: int
    lowest: int = 3
    highest: int = 6
    anchor_scale: float = 4.0
    aspects: tuple[float, ...] = (0.5, 1.0, 2.0)
    detections: int = 100

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas."""
        return self.height, self.width

    @property
    def levels(self) -> range:
        """Of the feature pyramid, finest first."""
        return range(self.lowest, self.highest + 1)


def fit_canvas(sizes: NDArray[np.float64], short_side: int, long_side: int) -> tuple[int, int]:
    """Height and width of the canvas for images of some sizes, multiples of 32.

    The typical image, by the median of the aspects, fills it.

    Args:
        sizes: (images, 2), height and width.
        short_side: wanted length of the canvas' shorter side in pixels.
        long_side: most pixels of its longer side.
    """
    aspect = float(np.exp(np.median(np.log(sizes[:, 0] / sizes[:, 1])))) if len(sizes) else 1.0
    longer = max(aspect, 1 / aspect)
    short = min(float(short_side), long_side / longer)
    long = short * longer
    height, width = (long, short) if aspect > 1 else (short, long)
    return rounded_side(height), rounded_side(width)


def fit_geometry(
    boxes: NDArray[np.float64], counts: NDArray[np.int64], canvas: tuple[int, int], *, most_detections: int
) -> Geometry:
    """Levels and anchors that suit the boxes of training images.

    Args:
        boxes: (n, 2), height and width in pixels of the canvas.
        counts: (images,), boxes of each image.
        canvas: height and width.
        most_detections: limit to the objects of an image.
    """
    detections = most_detections
    if len(counts):
        detections = min(most_detections, max(20, 2 * int(counts.max())))
    if not len(boxes):
        return Geometry(*canvas, detections=detections)
    sides = np.sqrt(np.maximum(boxes.prod(axis=1), 1.0))
    small, large = np.quantile(sides, [_SMALL, _LARGE])
    lowest = int(np.clip(math.floor(math.log2(max(small, 1.0) / LEAST_CELLS)), _LOWEST, _COARSEST_FEATURE - 2))
    coarsest = max(_COARSEST_FEATURE, int(math.log2(min(canvas))) - 1)
    wanted = math.ceil(math.log2(max(large, 1.0) / 8))
    highest = int(np.clip(wanted, _COARSEST_FEATURE, min(_HIGHEST, coarsest)))
    middle = 2 ** ((lowest + highest) / 2)
    scale = float(np.clip(math.sqrt(small * large) / middle, 1.5, 8.0))
    aspects = np.exp(np.quantile(np.log(boxes[:, 0] / np.maximum(boxes[:, 1], 1e-6)), [0.1, 0.5, 0.9]))
    return Geometry(
        *canvas,
        lowest=lowest,
        highest=highest,
        anchor_scale=round(scale, 2),
        aspects=tuple(round(float(a), 3) for a in _spread(aspects)),
        detections=detections,
    )


def _spread(aspects: NDArray[np.float64]) -> Sequence[float]:
    """Three aspects that differ by at least a quarter, around the middle one."""
    low, middle, high = aspects
    return min(low, middle / 1.25), middle, max(high, middle * 1.25)


def rounded_side(side: float, step: int = CANVAS_STEP) -> int:
    """The nearest multiple of a step in pixels, at least one of it."""
    return max(step, step * round(side / step))
