"""What a prediction depends on, pixel by pixel: as an array, and as a picture over the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from automl_vision.serving.processors import Area

Map = NDArray[np.float32]
Box = tuple[float, float, float, float]

TOP_SHARE = 0.1  # of the pixels that the outline encloses
_SMOOTHING, _OUTLINE_SMOOTHING = 1 / 100, 1 / 40  # of the longer side: pixel noise has no outline
_FADED = 0.75  # opacity of the strongest colour
_CEILING = 0.995  # quantile of the attributions with the strongest colour, so that one pixel does not hide the rest
_RAMP = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))  # matplotlib's inferno, 5 of 256
_OUTLINE = (0, 230, 255)  # cyan: not in the ramp, and seen on grey
_BOX = (255, 255, 255)


@dataclass(frozen=True)
class Explanation:
    """Which pixels of an image a prediction depends on.

    Attributes:
        method: name, one of `serving.explainer.METHODS`.
        label: the class that is explained.
        probability: of the class as calibrated, or the score of the object.
        attributions: (height, width) of the image, float32. Positive pixels speak for the class, and 0 is what the
            model does not see. For `occlusion` of a class: by how much its probability is higher when the pixel is
            shown than when it is hidden; of an object: likewise of overlap times score of the best matching detection.
            For `integrated_gradients`: logits per pixel of the network's input. The others have no unit.
        image: (height, width, 3), uint8, upright.
        box: x1, y1, x2, y2 of the object in pixels; None for a class.
    """

    method: str
    label: str
    probability: float
    attributions: Map
    image: NDArray[np.uint8]
    box: Box | None = None

    @cached_property
    def strength(self) -> Map:
        """(height, width) from 0 to 1: the positive attributions, smoothed as they are drawn."""
        positive = np.maximum(self.attributions, 0)
        positive = _smoothed(np.minimum(positive, np.quantile(positive, _CEILING) or positive.max()), _SMOOTHING)
        top = float(positive.max())
        return positive / top if top > 0 else positive

    def overlay(self) -> Image.Image:
        """The image in grey with strong attributions in colour; an outline encloses the strongest tenth of its pixels.

        An object's box is white.
        """
        strength = self.strength
        grey = np.asarray(Image.fromarray(self.image).convert("L").convert("RGB"), np.float32)
        alpha = (_FADED * np.sqrt(strength))[..., None]
        mixed = grey * (1 - alpha) + _coloured(strength) * alpha
        mixed[_outline(_smoothed(strength, _OUTLINE_SMOOTHING), TOP_SHARE)] = _OUTLINE
        picture = Image.fromarray(mixed.round().astype(np.uint8))
        if self.box is not None:
            x1, y1, x2, y2 = self.box
            width = _line_width(picture.size)
            ImageDraw.Draw(picture).rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=_BOX, width=width)
        return picture

    def heat(self, max_side: int) -> Image.Image:
        """The strong attributions in colour with an alpha channel, to be laid over the image.

        Args:
            max_side: pixels of the longer side at most.
        """
        alpha = (255 * np.sqrt(self.strength))[..., None]
        picture = Image.fromarray(
            np.concatenate([_coloured(self.strength), alpha], -1).round().astype(np.uint8), "RGBA"
        )
        picture.thumbnail((max_side, max_side))
        return picture

    def beside(self) -> Image.Image:
        """The image, and right of it the overlay."""
        height, width = self.image.shape[:2]
        sheet = Image.new("RGB", (2 * width, height))
        sheet.paste(Image.fromarray(self.image), (0, 0))
        sheet.paste(self.overlay(), (width, 0))
        return sheet

    def save(self, file: str | Path) -> None:
        """Write the overlay as a picture, in the format of the file's ending."""
        self.overlay().save(file)

    def to_json(self) -> dict[str, Any]:
        """`{"method": .., "label": .., "probability": .., "box": [x1, y1, x2, y2] or null}`."""
        box = None if self.box is None else list(self.box)
        return {"method": self.method, "label": self.label, "probability": self.probability, "box": box}


def onto_image(values: Map, area: Area, size: tuple[int, int]) -> Map:
    """A map of what a view shows as a map of the whole image; 0 outside.

    Args:
        values: (height, width) of the view.
        area: of the image that the view shows.
        size: height and width of the image.
    """
    left, top, right, bottom = area.box
    columns, rows = _whole(left, right, size[1]), _whole(top, bottom, size[0])
    across, down = values.shape[1] / (right - left), values.shape[0] / (bottom - top)
    box = (
        max(0.0, (columns[0] - left) * across),
        max(0.0, (rows[0] - top) * down),
        min(float(values.shape[1]), (columns[1] - left) * across),
        min(float(values.shape[0]), (rows[1] - top) * down),
    )
    extent = (columns[1] - columns[0], rows[1] - rows[0])
    part = Image.fromarray(values.astype(np.float32)).resize(extent, Image.Resampling.BILINEAR, box=box)
    whole = np.zeros(size, np.float32)
    whole[rows[0] : rows[1], columns[0] : columns[1]] = np.asarray(part)
    return whole


def from_image(values: Map, area: Area) -> Map:
    """A map (height, width) of an image as a map of what a view shows."""
    size = (area.size[1], area.size[0])
    left, top, right, bottom = area.box
    box = (max(0.0, left), max(0.0, top), min(float(values.shape[1]), right), min(float(values.shape[0]), bottom))
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR, box=box))


def _whole(low: float, high: float, length: int) -> tuple[int, int]:
    """The pixels whose centres lie between two places, at least one."""
    first = min(max(0, int(np.ceil(low - 0.5))), length - 1)
    return first, max(first + 1, min(length, int(np.ceil(high - 0.5))))


def _smoothed(values: Map, share: float) -> Map:
    """Values blurred over a share of the longer side, in 256 steps."""
    top = float(values.max())
    if top <= 0:
        return values
    levels = Image.fromarray((values / top * 255).round().astype(np.uint8))
    blurred = levels.filter(ImageFilter.GaussianBlur(max(values.shape) * share))
    return np.asarray(blurred, np.float32)


def _coloured(strength: Map) -> Map:
    """(height, width, 3) from 0 to 255, from dark to bright."""
    stops = np.linspace(0, 1, len(_RAMP))
    return np.stack([np.interp(strength, stops, channel) for channel in zip(*_RAMP, strict=True)], axis=-1)


def _outline(strength: Map, share: float) -> NDArray[np.bool_]:
    """The border of the pixels with the highest values, as wide as a line."""
    level = float(np.quantile(strength, 1 - share))
    inside = (strength >= level) & (strength > 0)
    mask = Image.fromarray(inside.astype(np.uint8) * 255)
    size = 2 * (_line_width((mask.width, mask.height)) // 2) + 1
    grown = mask.filter(ImageFilter.MaxFilter(max(3, size)))
    return (np.asarray(grown) > 0) & ~inside


def _line_width(size: tuple[int, int]) -> int:
    return max(2, round(max(size) / 300))
