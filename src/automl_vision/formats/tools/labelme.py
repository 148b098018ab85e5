"""LabelMe: one JSON file an image, with a list of shapes."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import Any

import numpy as np

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.masks import MAX_MASK_PIXELS, encode_mask, mask_values
from automl_vision.data.object import Object
from automl_vision.formats.box_units import check_shares
from automl_vision.formats.json_file import as_number, as_size, read_json_file, shown, some_json
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.shapes import bounds, ellipse
from automl_vision.formats.source import Source, as_text

_OTHERS = ("point", "points", "line", "linestrip")


def _is_labelme(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("shapes"), list)


@dataset_format(
    "labelme",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.DOCUMENTS + 60,
    layout='IMAGE.json of LabelMe beside IMAGE.jpg: {"shapes": [{"label": ..., "points": [...]}], "imagePath": ...}',
    detect=lambda source, _: some_json(source, _is_labelme),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every LabelMe file; flags that are true are labels of the whole image where nothing is drawn."""
    annotations = Annotations("boxes")
    for path in source.with_suffix(".json"):
        try:
            value = read_json_file(source, path)
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
            continue
        if not _is_labelme(value):
            continue
        split = source.split_of(path)
        try:
            image = _image(source, path, value, split, annotations)
        except ValueError as error:
            annotations.reject(path, str(error), "missing image")
            continue
        size = as_size(value.get("imageWidth"), value.get("imageHeight"))
        objects = _objects(value["shapes"], size, path, annotations)
        flags = value.get("flags")
        labels = tuple(name for name, is_set in flags.items() if is_set is True) if isinstance(flags, dict) else ()
        split = split or source.split_of(image)
        annotations.add(Record(image, path, labels, objects, split, size=size))
    check_shares(annotations, source.name)
    annotations.settle_kind()
    return annotations


def _image(source: Source, path: str, value: dict[str, Any], split: str | None, annotations: Annotations) -> str:
    """The image beside a file, else the one that it names: a file that was renamed with its image names another one.

    Raises:
        ValueError: the image is only inside of the file.
    """
    name = as_text(value.get("imagePath"))
    found = source.image(name, folder_of(path), split) if name else ""
    if beside := source.listing.beside(path.rpartition(".")[0]):
        if beside != found and found in source.image_set:
            reason = f"the file names the image {found}; it was taken for the one beside it, {beside}"
            annotations.ignore(path, reason, "other image")
        return beside
    if found not in source.image_set and value.get("imageData"):
        reason = f"the image {name} is not there, only its copy inside of this file (imageData), which is not read"
        raise ValueError(f"{reason}; write it out with labelme_export_json")
    return found or f"{path.rpartition('.')[0]}.jpg"


def _objects(shapes: list[Any], size: tuple[int, int] | None, path: str, annotations: Annotations) -> list[Object]:
    """The objects of one file; polygons of one `group_id` are one object. Unusable ones are reported."""
    objects: list[Object] = []
    groups: dict[tuple[Any, str], int] = {}
    for i, shape in enumerate(shapes, start=1):
        try:
            value = _object(shape, size)
        except ValueError as error:
            annotations.reject(f"{path}: shape {i}", str(error), "bad annotation")
            continue
        if value is None:
            reason = f'a shape "{as_text(shape.get("shape_type"))}" is no rectangle, polygon, circle or mask'
            annotations.ignore(f"{path}: shape {i}", reason, "other shape")
            continue
        group = shape.get("group_id")
        key = (group, value.label) if isinstance(group, int | str) and value.segments else None
        if key in groups:
            first = objects[groups[key]]
            objects[groups[key]] = replace(first, segments=first.segments + value.segments)
            continue
        if key is not None:
            groups[key] = len(objects)
        objects.append(value)
    return objects


def _object(shape: Any, size: tuple[int, int] | None) -> Object | None:
    """One shape; None for points and lines.

    Raises:
        ValueError: its values cannot be used.
    """
    if not isinstance(shape, dict):
        raise ValueError(f"a shape must be an object, not {shown(shape)}")
    label, points = as_text(shape.get("label")), shape.get("points")
    if not label:
        raise ValueError("the shape has no label")
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise ValueError(f"the points must be pairs of numbers, not {shown(points)}")
    numbers = [as_number(number) for point in points for number in point]
    kind = as_text(shape.get("shape_type")) or "polygon"
    if kind in _OTHERS:
        return None
    if (kind == "rectangle" and len(numbers) >= 4) or (kind == "rotation" and len(numbers) >= 6):
        return Object(label, bounds(numbers))
    if kind == "circle" and len(numbers) == 4:
        x, y, edge_x, edge_y = numbers
        radius = math.hypot(edge_x - x, edge_y - y)
        return Object(label, segments=(ellipse(x, y, radius, radius),))
    if kind == "mask" and len(numbers) == 4:
        return Object(label, rle=_mask(shape.get("mask"), numbers, size))
    if kind == "polygon" and len(numbers) >= 6:
        return Object(label, segments=(numbers,))
    raise ValueError(f'a shape "{kind}" of {len(points)} points is no rectangle, polygon, circle or mask')


def _mask(code: Any, corners: list[float], size: tuple[int, int] | None) -> str:
    """A painted mask: a PNG in base64 of the rectangle between two corners, as code of the whole image.

    Raises:
        ValueError: it is no PNG, or does not fit into the image.
    """
    if not isinstance(code, str) or size is None:
        raise ValueError("a mask needs its PNG in base64, and the image's size")
    if size[0] * size[1] > MAX_MASK_PIXELS:
        raise ValueError(f"a mask of {size[0]} x {size[1]} pixels is too large")
    try:
        pixels = mask_values(base64.b64decode(code, validate=False))
    except (ImageError, ValueError) as error:
        raise ValueError(f"the mask cannot be read ({error})") from None
    left, top = round(min(corners[0::2])), round(min(corners[1::2]))
    height, width = pixels.shape
    if left < 0 or top < 0 or left + width > size[0] or top + height > size[1]:
        raise ValueError("the mask does not fit into the image")
    whole = np.zeros((size[1], size[0]), bool)
    whole[top : top + height, left : left + width] = pixels > 0
    return encode_mask(whole).to_text()
