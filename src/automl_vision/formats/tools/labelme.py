"""LabelMe: one JSON file an image, with a list of shapes."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import Any

from automl_vision.core.errors import ImageError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.masks import mask_values
from automl_vision.data.object import Object
from automl_vision.formats.box_units import check_shares
from automl_vision.formats.json_file import as_number, as_size, json_documents, shown, some_json
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.shapes import bounds, ellipse
from automl_vision.formats.source import Source, as_text
from automl_vision.formats.usable import OtherShapeError, check_mask_size, mask_in_image, usable_objects

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
    for path, value in json_documents(source, annotations):
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

    def read(shape: Any) -> tuple[Object, Any]:
        return _object(shape, size), shape.get("group_id")

    for value, group in usable_objects(enumerate(shapes, start=1), read, f"{path}: shape ", annotations):
        key = (group, value.label) if isinstance(group, int | str) and value.segments else None
        if key in groups:
            first = objects[groups[key]]
            objects[groups[key]] = replace(first, segments=first.segments + value.segments)
            continue
        if key is not None:
            groups[key] = len(objects)
        objects.append(value)
    return objects


def _object(shape: Any, size: tuple[int, int] | None) -> Object:
    """One shape.

    Raises:
        OtherShapeError: it is a point or a line.
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
        raise OtherShapeError(f'a shape "{kind}" is no rectangle, polygon, circle or mask')
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
        ValueError: it is not a PNG, or does not fit into the image.
    """
    if not isinstance(code, str) or size is None:
        raise ValueError("a mask needs its PNG in base64, and the image's size")
    check_mask_size(size)
    try:
        pixels = mask_values(base64.b64decode(code, validate=False))
    except (ImageError, ValueError) as error:
        raise ValueError(f"the mask cannot be read ({error})") from None
    return mask_in_image(pixels > 0, round(min(corners[0::2])), round(min(corners[1::2])), size)
