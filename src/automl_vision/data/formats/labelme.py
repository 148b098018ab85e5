"""LabelMe: one JSON file an image, with a list of shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import HEAD_FILES, as_number, as_size, read_json_file, shown, try_json
from automl_vision.data.names import split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, as_text, folder_of


def _is_labelme(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("shapes"), list)


@dataset_format(
    "labelme",
    layout='IMAGE.json of LabelMe beside IMAGE.jpg: {"shapes": [{"label": ..., "points": [...]}], "imagePath": ...}',
    detect=lambda source, _: any(_is_labelme(try_json(source, p)) for p in source.with_suffix(".json")[:HEAD_FILES]),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every LabelMe file; flags that are true are labels of the whole image where nothing is drawn."""
    annotations = Annotations("boxes")
    counts = {"boxes": 0, "masks": 0, "flags": 0}
    for path in source.with_suffix(".json"):
        try:
            value = read_json_file(source, path)
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
            continue
        if not _is_labelme(value):
            continue
        objects = _objects(value["shapes"], path, annotations, counts)
        flags = value.get("flags")
        labels = tuple(name for name, is_set in flags.items() if is_set is True) if isinstance(flags, dict) else ()
        counts["flags"] += len(labels)
        size = as_size(value.get("imageWidth"), value.get("imageHeight"))
        image, split = _image(source, path, value), split_of_path(f"{folder_of(path)}/-")
        annotations.add(Record(image, path, labels, objects, split, size=size))
    if counts["flags"] and not counts["boxes"] + counts["masks"]:
        annotations.kind = "label" if all(len(labels) == 1 for labels in annotations.labels) else "labels"
    elif counts["masks"] >= max(1, counts["boxes"]):
        annotations.kind = "masks"
    return annotations


def _image(source: Source, path: str, value: dict[str, Any]) -> str:
    """The image that a file names, else the one beside it."""
    name = as_text(value.get("imagePath"))
    found = source.image(name, folder_of(path)) if name else ""
    if found in source.image_set:
        return found
    return source.image_beside(path.rpartition(".")[0]) or found or f"{path.rpartition('.')[0]}.jpg"


def _objects(shapes: list[Any], path: str, annotations: Annotations, counts: dict[str, int]) -> list[Object]:
    """The objects of one file; shapes of one `group_id` are one object. Unusable ones are reported."""
    objects: list[Object] = []
    groups: dict[tuple[Any, str], int] = {}
    for i, shape in enumerate(shapes, start=1):
        try:
            value = _object(shape)
        except ValueError as error:
            annotations.reject(f"{path}: shape {i}", str(error), "bad annotation")
            continue
        group = shape.get("group_id")
        key = (group, value.label) if isinstance(group, int | str) else None
        if key in groups and value.segments:
            first = objects[groups[key]]
            objects[groups[key]] = Object(first.label, None, segments=first.segments + value.segments)
            continue
        if key is not None and value.segments:
            groups[key] = len(objects)
        annotations.report.total += 1
        counts["masks" if value.segments else "boxes"] += 1
        objects.append(value)
    return objects


def _object(shape: Any) -> Object:
    """One shape.

    Raises:
        ValueError: it is no rectangle, polygon or circle, or its values cannot be used.
    """
    if not isinstance(shape, dict):
        raise ValueError(f"a shape must be an object, not {shown(shape)}")
    label, points = as_text(shape.get("label")), shape.get("points")
    if not label:
        raise ValueError("the shape has no label")
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise ValueError(f"the points must be pairs of numbers, not {shown(points)}")
    xy = np.array([[as_number(x), as_number(y)] for x, y in points]).reshape(-1, 2)
    kind = shape.get("shape_type") or "polygon"
    if kind == "rectangle" and len(xy) >= 2:
        (x1, y1), (x2, y2) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
        return Object(label, (x1, y1, x2, y2))
    if kind == "circle" and len(xy) == 2:
        angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        radius = float(np.hypot(*(xy[1] - xy[0])))
        outline = xy[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return Object(label, segments=(outline.ravel().tolist(),))
    if kind == "polygon" and len(xy) >= 3:
        return Object(label, segments=(xy.ravel().tolist(),))
    raise ValueError(f'a shape "{kind}" of {len(xy)} points is no rectangle, polygon or circle')
