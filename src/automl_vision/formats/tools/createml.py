"""Apple's CreateML: a list of images, each with boxes given by their centres, in pixels."""

from __future__ import annotations

from typing import Any

from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.data.split_names import split_of_path
from automl_vision.formats.json_file import as_list, as_number, read_json_file, shown, some_json
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, as_text
from automl_vision.formats.usable import usable_objects

_SIDES = ("x", "y", "width", "height")


def _images(value: Any) -> list[dict[str, Any]]:
    """The images of a file; empty where it is something else."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return []
    return value if any(_coordinates(item) for item in value) else []


def _coordinates(item: dict[str, Any]) -> bool:
    found = item.get("annotations")
    first = found[0] if isinstance(found, list) and found else None
    return "image" in item and isinstance(first, dict) and isinstance(first.get("coordinates"), dict)


@dataset_format(
    "createml",
    "boxes",
    rank=Rank.DOCUMENTS + 70,
    layout='CreateML JSON: [{"image": "a.jpg", "annotations": [{"label": ..., "coordinates": {"x": ..., "y": ..., '
    '"width": ..., "height": ...}}]}]',
    detect=lambda source, _: some_json(source, _images),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every CreateML file; x and y are the box's centre."""
    annotations = Annotations("boxes")
    for path in source.with_suffix(".json"):
        split = split_of_path(path)
        for i, item in enumerate(_images(read_json_file(source, path))):
            place = f"{path}: [{i}]"
            name = as_text(item.get("image"))
            if not name:
                annotations.reject(place, 'the record has no "image"', "bad record")
                continue
            values = enumerate(as_list(item.get("annotations")), start=1)
            objects = list(usable_objects(values, _object, f"{place}, object ", annotations))
            annotations.add(Record(source.image(name, folder_of(path), split), place, (), objects, split))
    return annotations


def _object(value: Any) -> Object:
    """One box.

    Raises:
        ValueError: it has no label, or its numbers cannot be used.
    """
    label = as_text(value.get("label")) if isinstance(value, dict) else ""
    if not label:
        raise ValueError(f'the object has no "label": {shown(value)}')
    box = value.get("coordinates")
    if not isinstance(box, dict) or not all(side in box for side in _SIDES):
        raise ValueError(f"the coordinates need {', '.join(_SIDES)}, not {shown(box)}")
    x, y, width, height = (as_number(box[side]) for side in _SIDES)
    return Object(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
