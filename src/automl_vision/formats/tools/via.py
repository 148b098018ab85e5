"""VGG Image Annotator (VIA 1 to 3): one JSON file with regions by image."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.data.split_names import split_of_path
from automl_vision.formats.box_units import check_shares
from automl_vision.formats.json_file import (
    HEAD_FILES,
    as_list,
    as_mapping,
    as_number,
    parse_json,
    read_json_file,
    shown,
    some_json,
)
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.shapes import ellipse
from automl_vision.formats.source import Source, as_text
from automl_vision.formats.tools.via_labels import label_attribute, labels_of
from automl_vision.formats.usable import OtherShapeError, usable_objects

_SHAPES_OF_VERSION_3 = {
    1: "point", 2: "rect", 3: "circle", 4: "ellipse", 5: "line", 6: "polyline", 7: "polygon", 8: "rect", 9: "circle",
}  # fmt: skip
_OTHERS = ("point", "line", "polyline")
_ANY = "object"
_Region = tuple[Any, dict[str, Any]]  # shape, attributes


@dataclass(frozen=True)
class _Image:
    """One image of a file: its name there, where it stands, its regions and its own attributes."""

    path: str
    name: str
    place: str
    regions: list[_Region]
    attributes: dict[str, Any]


def _entries(value: Any) -> dict[str, Any]:
    """The images of a project or an export of version 2; empty when it is something else."""
    if isinstance(value, dict):
        value = value.get("_via_img_metadata", value)
    if not isinstance(value, dict):
        return {}
    return {k: v for k, v in value.items() if isinstance(v, dict) and "filename" in v and "regions" in v}


def _is_version_3(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metadata"), dict) and isinstance(value.get("file"), dict)


@dataset_format(
    "via",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.DOCUMENTS + 50,
    layout='via_region_data.json of VGG Image Annotator: {"KEY": {"filename": ..., "regions": [...]}}',
    detect=lambda source, _: (
        some_json(source, _is_via) or any(_is_table(source, path) for path in source.with_suffix(".csv")[:HEAD_FILES])
    ),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every VIA file; a region's attribute, or where there are no regions the image's, is the label.

    Where no region has an attribute, all are of the class "object".

    Raises:
        DataError: several attributes could be the label, and `label_column` names none.
    """
    annotations = Annotations("boxes")
    found = _images(source, annotations)
    regions = [attributes for image in found for _, attributes in image.regions]
    own = [] if regions else [image.attributes for image in found]
    attribute = columns.label or label_attribute(regions or own, source.name, only_usual=not regions)
    for image in found:
        if not image.name:
            annotations.reject(image.place, "the image has no filename", "bad record")
            continue
        split = split_of_path(image.path)
        name = source.image_or_copy(image.name, folder_of(image.path), split)
        labels = tuple(labels_of(image.attributes.get(attribute))) if not regions else ()
        read_region = partial(_region, attribute=attribute)
        found_regions = enumerate(image.regions, start=1)
        objects = list(usable_objects(found_regions, read_region, f"{image.place}, region ", annotations))
        split = split or source.split_of(name)
        annotations.add(Record(name, image.place, labels, objects, split))
    if regions and not attribute:
        annotations.ignore(source.name, f'no region has an attribute; all are of the class "{_ANY}"', "no label")
    check_shares(annotations, source.name)
    annotations.settle_kind()
    return annotations


def _region(region: _Region, attribute: str) -> Object:
    """One region.

    Raises:
        OtherShapeError: it is a point or a line.
        ValueError: it has no label or several, or its shape cannot be used.
    """
    shape, attributes = region
    found = labels_of(attributes.get(attribute)) if attribute else [_ANY]
    if len(found) > 1:
        raise ValueError(f'the attribute "{attribute}" has {len(found)} options set, and a region one label')
    return _object(shape, "".join(found))


def _images(source: Source, annotations: Annotations) -> list[_Image]:
    """The images of all JSON files, or else of the tables that VIA exports; broken files are reported.

    Where there are VIA files, other broken JSON is none of them, and is passed over.
    """
    found: list[_Image] = []
    broken: dict[str, str] = {}
    for path in source.with_suffix(".json"):
        try:
            value = read_json_file(source, path)
            found += _version_3(path, value) if _is_version_3(value) else _version_2(path, value)
        except DataError as error:
            broken[path] = str(error)
    if found:
        return found
    tables = [path for path in source.with_suffix(".csv") if _is_table(source, path)]
    for path in tables:
        try:
            found += _table(source, path)
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
    for path, reason in () if tables else broken.items():
        annotations.reject(path, reason, "bad record")
    return found


def _is_via(value: Any) -> bool:
    return bool(_entries(value)) or _is_version_3(value)


def _is_table(source: Source, path: str) -> bool:
    header = source.try_text(path).partition("\n")[0].lstrip("#")
    return "region_shape_attributes" in header and "filename" in header


def _table(source: Source, path: str) -> Iterator[_Image]:
    """The rows of a table, one a region; an image without regions has one with an empty shape."""
    text = source.read_text(path).removeprefix("#")
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    names = ("region_shape_attributes", "region_attributes", "file_attributes")
    try:
        for row in rows:
            place = f"{path}:{rows.line_num}"
            shape, own, whole = (parse_json((row.get(name) or "{}").encode(errors="replace"), place) for name in names)
            regions = [(shape, as_mapping(own))] if shape else []
            line = f"{path}: line {rows.line_num}"
            yield _Image(path, as_text(row.get("filename")), line, regions, as_mapping(whole))
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: {error}") from None


def _version_2(path: str, value: Any) -> Iterator[_Image]:
    """The images of versions 1 and 2."""
    for key, entry in _entries(value).items():
        regions = entry["regions"]
        items = [*as_mapping(regions).values(), *as_list(regions)]
        regions = [item for item in items if isinstance(item, dict)]
        pairs = [(item.get("shape_attributes"), as_mapping(item.get("region_attributes"))) for item in regions]
        own = as_mapping(entry.get("file_attributes"))
        yield _Image(path, as_text(entry["filename"]), f"{path}: {key}", pairs, own)


def _version_3(path: str, value: Any) -> Iterator[_Image]:
    """The images of version 3, which keeps regions apart from files; one without a shape is about the image."""
    views, attributes = as_mapping(value.get("view")), as_mapping(value.get("attribute"))
    files = {str(key): file for key, file in value["file"].items() if isinstance(file, dict)}
    found = {
        key: _Image(path, as_text(file.get("src") or file.get("fname")), f"{path}: file {key}", [], {})
        for key, file in files.items()
    }
    for item in value["metadata"].values():
        if not isinstance(item, dict):
            continue
        listed = as_mapping(views.get(str(item.get("vid")))).get("fid_list")
        key = str(listed[0]) if isinstance(listed, list) and listed else str(item.get("vid"))
        named = dict(_attribute(attributes, n, text) for n, text in as_mapping(item.get("av")).items())
        if key in found and item.get("xy"):
            found[key].regions.append((item["xy"], named))
        elif key in found:
            found[key].attributes.update(named)
    yield from found.values()


def _attribute(attributes: dict[str, Any], number: str, value: Any) -> tuple[str, Any]:
    """An attribute's name and value: the text of an option where it is chosen from a list."""
    attribute = as_mapping(attributes.get(number))
    option = as_mapping(attribute.get("options")).get(value, value) if isinstance(value, str) else value
    return as_text(attribute.get("aname")) or number, option


def _object(shape: Any, label: str) -> Object:
    """A region's shape.

    Raises:
        OtherShapeError: it is a point or a line.
        ValueError: it has no label, is not a rectangle, polygon, circle or ellipse, or its values cannot be used.
    """
    if isinstance(shape, list) and shape:
        kind = _SHAPES_OF_VERSION_3.get(int(as_number(shape[0])), str(shape[0]))
        numbers = [as_number(number) for number in shape[1:]]
        named = dict(zip(_NAMES.get(kind, ()), numbers, strict=False))
        points = numbers if kind == "polygon" else []
    elif isinstance(shape, dict):
        kind = as_text(shape.get("name"))
        named = {name: as_number(shape.get(name)) for name in _NAMES.get(kind, ())}
        points = _points(shape) if kind == "polygon" else []
    else:
        raise ValueError(f"the region has no shape: {shown(shape)}")
    if kind in _OTHERS:
        raise OtherShapeError("a point or line is not a rectangle, polygon, circle or ellipse")
    if not label:
        raise ValueError("the region has no label")
    if kind == "rect" and len(named) == 4:
        x, y = named["x"], named["y"]
        return Object(label, (x, y, x + named["width"], y + named["height"]))
    if kind in ("circle", "ellipse") and len(named) == len(_NAMES[kind]):
        rx, ry = (named["r"], named["r"]) if kind == "circle" else (named["rx"], named["ry"])
        theta = as_number(shape.get("theta") or 0) if isinstance(shape, dict) else 0.0
        return Object(label, segments=(ellipse(named["cx"], named["cy"], rx, ry, angle=math.degrees(theta)),))
    if len(points) >= 6:
        return Object(label, segments=(points[: len(points) // 2 * 2],))
    raise ValueError(f'a region "{kind}" is no rectangle, polygon, circle or ellipse')


_NAMES = {"rect": ("x", "y", "width", "height"), "circle": ("cx", "cy", "r"), "ellipse": ("cx", "cy", "rx", "ry")}


def _points(shape: dict[str, Any]) -> list[float]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        raise ValueError("a polygon needs all_points_x and all_points_y of equal length")
    return [as_number(number) for pair in zip(xs, ys, strict=True) for number in pair]
