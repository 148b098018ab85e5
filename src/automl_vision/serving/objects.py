"""From an image to a detector's input, and from its outputs to detections; NumPy and Pillow only.

Training, evaluation and the predictor all use these functions, so a deployed detector sees what it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.data.detections import Detections
from automl_vision.data.images import fitted_size
from automl_vision.data.masks import MaskCode, encode_mask, mask_to_polygons

FILL = 114  # grey of the canvas around an image
MIN_SCORE = 0.01  # objects below it are dropped, even for metrics

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class TileGrid:
    """How an image is cut for small objects.

    Attributes:
        across, down: tiles.
        overlap: share of a tile that the next one repeats.
    """

    across: int
    down: int
    overlap: float

    @staticmethod
    def parse(text: str | None, overlap: float) -> TileGrid | None:
        """The grid of a text such as "3x2"."""
        if text is None:
            return None
        across, down = (int(part) for part in text.split("x"))
        return TileGrid(across, down, overlap)

    @property
    def views(self) -> int:
        """Parts of an image that the network sees: the whole one and its tiles."""
        return 1 + self.across * self.down

    def boxes(self, height: int, width: int) -> list[Box]:
        """Left, top, right and bottom of the tiles of an image, row by row."""
        rows, columns = _spans(height, self.down, self.overlap), _spans(width, self.across, self.overlap)
        return [(left, top, right, bottom) for top, bottom in rows for left, right in columns]

    def whole_size(self, canvas: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the image whose tiles each fill the canvas."""
        return tuple(  # type: ignore[return-value]
            round(side * (count - (count - 1) * self.overlap))
            for side, count in zip(canvas, (self.down, self.across), strict=True)
        )


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    side = length / (count - (count - 1) * overlap)
    starts = [i * side * (1 - overlap) for i in range(count)]
    return [(round(start), max(round(start) + 1, min(length, round(start + side)))) for start in starts]


def place(pixels: NDArray[np.uint8], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """An image that fits, at the upper left of a grey canvas: (height, width, 3)."""
    placed = np.full((*canvas, 3), FILL, np.uint8)
    placed[: pixels.shape[0], : pixels.shape[1]] = pixels
    return placed


def views(height: int, width: int, grid: TileGrid | None) -> list[Box]:
    """The parts of an image that the detector looks at, in its pixels: the whole, then its tiles."""
    whole = (0, 0, width, height)
    return [whole, *grid.boxes(height, width)] if grid is not None else [whole]


def view_pixels(pixels: NDArray[np.uint8], view: Box, canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """A part of an image, fitted into the canvas (height, width, 3)."""
    left, top, right, bottom = view
    part = pixels[top:bottom, left:right]
    size = placed_size(right - left, bottom - top, canvas)
    if size != (right - left, bottom - top):
        part = np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size, Image.Resampling.BICUBIC))
    return place(part, canvas)


@dataclass(frozen=True)
class Postprocessing:
    """How a detector's outputs become detections.

    Attributes:
        canvas: height and width of the network's input, in pixels.
        grid: the tiles, or None.
        tile_nms: intersection over union above which boxes of different views are one object.
        mask_threshold: probability from which a pixel belongs to an object.
        detections: the maximum number of objects per image.
        min_score: objects with a lower score are dropped.
    """

    canvas: tuple[int, int]
    grid: TileGrid | None
    tile_nms: float
    mask_threshold: float
    detections: int
    min_score: float = MIN_SCORE


def postprocess(
    outputs: Sequence[Sequence[NDArray[Any]]],
    kept: tuple[int, int],
    original: tuple[int, int],
    settings: Postprocessing,
) -> Detections:
    """The detections in one image, from the network's outputs for its views.

    Args:
        outputs: for each view boxes (d, 4) in pixels of the canvas, scores (d,), labels (d,), and masks (d, m, m)
            where the detector predicts them.
        kept: height and width of the image that the views were cut from.
        original: height and width of the image itself.
        settings: of the detector.
    """
    boxes, scores, labels, maps = [], [], [], []
    parts = views(*kept, settings.grid)
    for (left, top, right, bottom), output in zip(parts, outputs, strict=True):
        shown = output[1] >= settings.min_score
        box = np.asarray(output[0][shown], np.float64)
        width, height = placed_size(right - left, bottom - top, settings.canvas)
        scale = np.array([(right - left) / width, (bottom - top) / height] * 2)
        boxes.append(np.clip(box * scale, 0, [right - left, bottom - top] * 2) + [left, top] * 2)
        scores.append(np.asarray(output[1][shown], np.float64).clip(0, 1))  # rounding may exceed 1
        labels.append(np.asarray(output[2][shown], np.int64))
        if len(output) > 3:
            maps.append(np.asarray(output[3][shown], np.float32))
    found = np.concatenate(boxes) * ([original[1] / kept[1], original[0] / kept[0]] * 2)
    score, label = np.concatenate(scores), np.concatenate(labels)
    solid = np.flatnonzero((found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1]))
    order = solid[np.argsort(-score[solid], kind="stable")]
    if len(parts) > 1:
        order = order[nms(found[order], label[order], settings.tile_nms)]
    order = order[: settings.detections]
    masks = None
    if maps:
        chosen = np.concatenate(maps)[order]
        masks = tuple(
            paste(grid, box, original, settings.mask_threshold).to_text()
            for grid, box in zip(chosen, found[order], strict=True)
        )
    return Detections(1, np.zeros_like(order), label[order], found[order], score[order], masks)


def placed_size(width: int, height: int, canvas: tuple[int, int]) -> tuple[int, int]:
    """The size at which `view_pixels` places a part: as it is when it fits."""
    return (width, height) if width <= canvas[1] and height <= canvas[0] else fitted_size(width, height, canvas)


def nms(boxes: NDArray[np.float64], labels: NDArray[np.int64], threshold: float) -> NDArray[np.intp]:
    """Positions that non-maximum suppression within each class keeps.

    Args:
        boxes: (n, 4), best first.
        labels: (n,).
        threshold: intersection over union above which the worse box is dropped.
    """
    kept: list[int] = []
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    alive = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        kept.append(i)
        low, high = np.maximum(boxes[i, :2], boxes[i + 1 :, :2]), np.minimum(boxes[i, 2:], boxes[i + 1 :, 2:])
        intersection = np.maximum(high - low, 0).prod(axis=1)
        union = areas[i] + areas[i + 1 :] - intersection
        alive[i + 1 :] &= ~((intersection > threshold * union) & (labels[i + 1 :] == labels[i]))
    return np.array(kept, np.intp)


def paste(grid: Floats, box: NDArray[np.float64], size: tuple[int, int], threshold: float) -> MaskCode:
    """The mask of an object in its image.

    Args:
        grid: (m, m), probabilities over the box.
        box: x1, y1, x2, y2 in pixels of the image.
        size: height and width of the image.
        threshold: probability from which a pixel belongs to the object.
    """
    mask = np.zeros(size, bool)
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.minimum(np.ceil(box[2:]).astype(int), [size[1], size[0]])
    columns, rows = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    if len(columns) and len(rows):
        x = interpolation(columns, box[0], box[2], grid.shape[1])
        y = interpolation(rows, box[1], box[3], grid.shape[0])
        mask[top:bottom, left:right] = y @ grid @ x.T >= threshold
    return encode_mask(mask)


def interpolation(centres: NDArray[np.float64], low: float, high: float, cells: int) -> Floats:
    """Weights (pixels, cells) of bilinear interpolation."""
    position = np.clip((centres - low) / max(high - low, 1e-6) * cells - 0.5, 0, cells - 1)
    first = np.minimum(position.astype(int), cells - 2) if cells > 1 else np.zeros(len(position), int)
    weights = np.zeros((len(position), cells), np.float32)
    rest = (position - first).astype(np.float32)
    index = np.arange(len(position))
    weights[index, first] = 1 - rest
    if cells > 1:
        weights[index, first + 1] = rest
    return weights


def mask_polygons(text: str) -> list[list[float]]:
    """The outlines of a mask, x, y, x, y, ... in pixels."""
    return mask_to_polygons(MaskCode.from_text(text).decode())
