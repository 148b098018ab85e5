"""Draws images with their labels, boxes, polygons and masks, one by one or as a grid."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from automl_vision.core.text import visible
from automl_vision.data.fonts import Font, font_for
from automl_vision.data.masks import MaskCode
from automl_vision.data.object import Object

Colour = tuple[int, int, int]

TILE = 256  # pixels of a tile's longer side
_GAP = 10  # pixels between tiles
_CAPTION = 34  # pixels below a tile, for two lines of text
_BACKGROUND, _TEXT, _FAINT = (255, 255, 255), (28, 28, 32), (110, 110, 118)
_MASK_SHARE = 0.35  # opacity of a mask
_GOLDEN = 0.61803398875  # golden ratio: hues at multiples of it stay distinct for any number of classes


@dataclass(frozen=True)
class Tile:
    """One image of a grid.

    Attributes:
        pixels: (height, width, 3), uint8.
        size: width and height in pixels of the image that the objects' coordinates refer to.
        caption: line below the image.
        note: fainter line below the caption.
        objects: to draw.
        scores: of the objects, if they are predictions.
        dashed: further objects, drawn with dashed lines, such as predictions beside the truth.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    caption: str = ""
    note: str = ""
    objects: Sequence[Object] = ()
    scores: Sequence[float] = ()
    dashed: Sequence[Object] = ()


def class_colours(classes: Sequence[str]) -> dict[str, Colour]:
    """A colour for each class; it depends only on the class's position in the list."""
    colours = {}
    for i, name in enumerate(classes):
        red, green, blue = colorsys.hsv_to_rgb((0.6 + i * _GOLDEN) % 1, 0.75, (0.95, 0.75)[i % 2])
        colours[name] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours


def draw_grid(tiles: Sequence[Tile], colours: Mapping[str, Colour], *, columns: int = 4) -> Image.Image:
    """Draw tiles as a grid.

    Args:
        tiles: row by row, each from the left.
        colours: by class.
        columns: tiles per row.
    """
    columns = max(1, min(columns, len(tiles)))
    rows = -(-len(tiles) // columns)
    step = (TILE + _GAP, TILE + _CAPTION + _GAP)
    sheet = Image.new("RGB", (columns * step[0] + _GAP, max(1, rows) * step[1] + _GAP), _BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    for place, item in enumerate(tiles):
        left, top = _GAP + place % columns * step[0], _GAP + place // columns * step[1]
        picture = draw_objects(item, colours, largest=TILE)
        sheet.paste(picture, (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2))
        for text, y, size, colour in ((item.caption, 3, 13, _TEXT), (item.note, 19, 11, _FAINT)):
            shown, font = _fitted(text, TILE, size)
            pen.text((left, top + TILE + y), shown, fill=colour, font=font)
    return sheet


def draw_objects(item: Tile, colours: Mapping[str, Colour], *, largest: int | None = None) -> Image.Image:
    """Draw an image with its objects.

    Args:
        item: the image.
        colours: by class; other classes are grey.
        largest: maximum length of a side in pixels; None keeps the size.
    """
    image = Image.fromarray(item.pixels)
    if largest is not None:
        image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    scale = (image.width / item.size[0], image.height / item.size[1])
    width = max(2, round(max(image.size) / 300))
    for value in item.objects:
        image = _with_mask(image, value, colours.get(value.label, _FAINT), scale)
    pen = ImageDraw.Draw(image)
    for i, value in enumerate(item.objects):
        colour = colours.get(value.label, _FAINT)
        for segment in value.segments:
            pen.line(_points([*segment, *segment[:2]], scale), fill=colour, width=width)
        if value.bbox is not None and not value.segments:
            x1, y1, x2, y2 = (number * scale[k % 2] for k, number in enumerate(value.bbox))
            pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour, width=width)
        score = f" {item.scores[i]:.2f}" if i < len(item.scores) else ""
        _tag(pen, f"{value.label}{score}", _corner(value, scale), colour, image.size)
    for value in item.dashed:
        _dash(pen, value, colours.get(value.label, _FAINT), scale, width)
    return image


def draw_labels(image: Image.Image, lines: Sequence[tuple[str, str]], colours: Mapping[str, Colour]) -> Image.Image:
    """A copy of an RGB image with lines of text in its upper left corner, from the top.

    Args:
        image: the image.
        lines: each a text, and the class in whose colour it is drawn.
        colours: by class; other classes are grey.
    """
    drawn = image.copy()
    pen, top = ImageDraw.Draw(drawn), 0.0
    for text, label in lines:
        top = _tag(pen, text, (0.0, top), colours.get(label, _FAINT), image.size, inside=True)
    return drawn


def _dash(pen: ImageDraw.ImageDraw, value: Object, colour: Colour, scale: tuple[float, float], width: int) -> None:
    """Draw an object's outline in dashes, white between them, so that it shows on any ground."""
    if value.bbox is None:
        return
    x1, y1, x2, y2 = (number * scale[k % 2] for k, number in enumerate(value.bbox))
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
    for start, end in pairwise(corners):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        steps = max(2, round(length / (3 * width)))
        places = [
            (start[0] + (end[0] - start[0]) * k / steps, start[1] + (end[1] - start[1]) * k / steps)
            for k in range(steps + 1)
        ]
        for k, (one, two) in enumerate(pairwise(places)):
            pen.line((*one, *two), fill=colour if k % 2 == 0 else _BACKGROUND, width=width)


def _with_mask(image: Image.Image, value: Object, colour: Colour, scale: tuple[float, float]) -> Image.Image:
    """The image with an object's mask in its colour."""
    if not value.segments and value.rle is None:
        return image
    area = Image.new("L", image.size)
    if value.rle is not None:
        mask = Image.fromarray(MaskCode.from_text(value.rle).decode().astype(np.uint8) * 255)
        area.paste(mask.resize(image.size, Image.Resampling.BILINEAR))
    pen = ImageDraw.Draw(area)
    for segment in value.segments:
        pen.polygon(_points(segment, scale), fill=255)
    share = area.point(lambda level: round(level * _MASK_SHARE))
    return Image.composite(Image.new("RGB", image.size, colour), image, share)


def _points(numbers: Sequence[float], scale: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * scale[0], y * scale[1]) for x, y in zip(numbers[0::2], numbers[1::2], strict=True)]


def _corner(value: Object, scale: tuple[float, float]) -> tuple[float, float]:
    """Upper left corner of an object."""
    if value.bbox is not None:
        return value.bbox[0] * scale[0], value.bbox[1] * scale[1]
    numbers = [number for segment in value.segments for number in segment] or [0.0, 0.0]
    return min(numbers[0::2]) * scale[0], min(numbers[1::2]) * scale[1]


def _tag(
    pen: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[float, float],
    colour: Colour,
    size: tuple[int, int],
    *,
    inside: bool = False,
) -> float:
    """Draw a name on a coloured background, above the corner or just inside the box, always within the image.

    Returns:
        The lower end of the background.
    """
    text, font = _fitted(text, max(size[0] - 6, 12), max(11, round(max(size) / (40 if inside else 60))))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 4
    x = min(max(0.0, corner[0]), max(0.0, size[0] - width))
    y = corner[1] - height if corner[1] >= height and not inside else max(0.0, corner[1])
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    is_bright = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
    pen.text((x + 3 - left, y + 2 - top), text, fill=(0, 0, 0) if is_bright else (255, 255, 255), font=font)
    return y + height


def _fitted(text: str, width: int, size: int) -> tuple[str, Font]:
    """A text as one line, cut to a width in pixels, and its font."""
    line = visible(text[:width])  # no letter is narrower than 1 pixel
    font = font_for(line, size)
    if line == visible(text) and font.getlength(line) <= width:
        return line, font
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…", font
