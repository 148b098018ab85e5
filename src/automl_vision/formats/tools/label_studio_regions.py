"""Label Studio's results: regions in percent of width and height, choices, masks painted with a brush."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from automl_vision.data.annotations import Annotations
from automl_vision.data.masks import encode_mask
from automl_vision.data.object import Object
from automl_vision.formats.json_file import as_list, as_mapping, as_number, as_size, shown
from automl_vision.formats.shapes import bounds, ellipse, rectangle, shares
from automl_vision.formats.source import as_text
from automl_vision.formats.tools.label_studio_results import FLAGS
from automl_vision.formats.usable import check_mask_size

_REGIONS = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "labels")
_SHAPES = frozenset({"rle", "points", "width", "radiusX"})


def contents_of(
    results: list[Any], place: str, annotations: Annotations
) -> tuple[tuple[str, ...], list[Object], tuple[int, int] | None]:
    """Labels, objects and image size of one annotation; unusable results are reported, other controls noted."""
    labels: list[str] = []
    objects: list[Object] = []
    size = None
    labelled = {_id(result) for result in results if _region_labels(_value(result))}
    for i, result in enumerate(results, start=1):
        value = _value(result)
        size = as_size(result.get("original_width"), result.get("original_height")) or size if value else size
        if choices := _texts(value.get("choices")):
            labels += [] if _SHAPES & set(value) else choices  # else a remark on a region
            continue
        if not value or (not _region_labels(value) and _id(result) in labelled):
            continue  # a relation between regions; a shape that another result of the same region labels
        is_region = "rle" in value or "points" in value or {"x", "y"} <= set(value)
        if not is_region or "keypointlabels" in value or not _SHAPES & set(value):
            kind = as_text(result.get("type")) or ", ".join(map(str, value))
            annotations.ignore(
                f"{place}, result {i}", f'a result "{kind}" is not a box, polygon or mask', "other shape"
            )
            continue
        try:
            objects.append(_flagged(_object(value, size), result))
        except ValueError as error:
            annotations.reject(f"{place}, result {i}", str(error), "bad annotation")
    return tuple(dict.fromkeys(labels)), objects, size


def _flagged(value: Object, result: dict[str, Any]) -> Object:
    """An object with what the texts of its region's `meta` say of it, where this program wrote them."""
    crowd, difficult = (name in _texts(as_mapping(result.get("meta")).get("text")) for name in FLAGS)
    return replace(value, iscrowd=crowd, difficult=difficult)


def _value(result: Any) -> dict[str, Any]:
    return as_mapping(as_mapping(result).get("value"))


def _id(result: Any) -> str:
    return as_text(as_mapping(result).get("id"))


def _texts(value: Any) -> list[str]:
    return [item.strip() for item in as_list(value) if isinstance(item, str) and item.strip()]


def _region_labels(value: dict[str, Any]) -> list[str]:
    return next((found for name in _REGIONS if (found := _texts(value.get(name)))), [])


def _object(value: dict[str, Any], size: tuple[int, int] | None) -> Object:
    """One region, in shares of width and height.

    Raises:
        ValueError: it has no label, or its numbers are none.
    """
    labels = _region_labels(value)
    if not labels:
        raise ValueError("the region has no label")
    if "rle" in value:
        return Object(labels[0], rle=_brush(value["rle"], size))
    if "points" in value:
        points = value["points"]
        if not isinstance(points, list) or len(points) < 3:
            raise ValueError(f"a polygon needs at least 3 points, not {shown(points)}")
        pairs = [pair if isinstance(pair, list) and len(pair) == 2 else [None, None] for pair in points]
        return Object(labels[0], segments=([as_number(number) / 100 for pair in pairs for number in pair],))
    scale = size or (1, 1)  # turned in pixels, for shares of width and height are of different lengths
    x, y = (as_number(value.get(name)) / 100 * side for name, side in zip("xy", scale, strict=True))
    names = ("radiusX", "radiusY") if "radiusX" in value else ("width", "height")
    width, height = (as_number(value.get(name)) / 100 * side for name, side in zip(names, scale, strict=True))
    angle = as_number(value.get("rotation") or 0)
    if angle and size is None:
        raise ValueError("a turned region needs the image's size (original_width, original_height)")
    if "radiusX" in value:
        return Object(labels[0], segments=(shares(ellipse(x, y, width, height, angle=angle), scale),))
    x1, y1, x2, y2 = shares(bounds(rectangle(x, y, width, height, angle=angle)), scale)
    return Object(labels[0], (x1, y1, x2, y2))


def _brush(code: Any, size: tuple[int, int] | None) -> str:
    """A mask painted with the brush, from Label Studio's own run-length code of RGBA values.

    Source: label-studio-converter, `brush.py` (`decode_rle`).

    Raises:
        ValueError: it is not such a code, or of an image of another size.
    """
    if size is None or not isinstance(code, list) or not all(isinstance(v, int) and 0 <= v < 256 for v in code):
        raise ValueError("the brush's code needs a list of bytes and the image's size")
    check_mask_size(size)
    bits = np.unpackbits(np.array(code, np.uint8))
    position = 0

    def take(count: int) -> int:
        nonlocal position
        if position + count > len(bits):
            raise ValueError("the brush's code ends too early")
        value = int("".join(map(str, bits[position : position + count].tolist())) or "0", 2)
        position += count
        return value

    total, word = take(32), take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    if total != size[0] * size[1] * 4:
        raise ValueError("the brush's code does not fit the image's size")
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        is_run = take(1)
        count = take(lengths[take(2)]) + 1
        for _ in range(1 if is_run else count):
            step = count if is_run else 1
            values[done : done + step] = take(word)
            done += step
    return encode_mask(values.reshape(size[1], size[0], 4)[..., 3] > 0).to_text()
