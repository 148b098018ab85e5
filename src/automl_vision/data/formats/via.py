"""VGG Image Annotator (VIA 2 and 3): one JSON file with regions by image."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import HEAD_FILES, as_number, parse_json, read_json_file, shown, try_json
from automl_vision.data.names import split_of_path, suffix_of
from automl_vision.data.object import Object
from automl_vision.data.shapes import ellipse
from automl_vision.data.source import Source, as_text, folder_of

_SHAPES_OF_VERSION_3 = {
    1: "point", 2: "rect", 3: "circle", 4: "ellipse", 5: "line", 6: "polyline", 7: "polygon", 8: "rect", 9: "circle",
}  # fmt: skip
_OTHERS = ("point", "line")
_ANY = "object"
_Region = tuple[Any, dict[str, Any]]  # shape, attributes


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
    "boxes",
    "masks",
    layout='via_region_data.json of VGG Image Annotator: {"KEY": {"filename": ..., "regions": [...]}}',
    detect=lambda source, _: (
        any(_is_via(try_json(source, path)) for path in source.with_suffix(".json")[:HEAD_FILES])
        or any(_is_table(source, path) for path in source.with_suffix(".csv")[:HEAD_FILES])
    ),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every VIA file; the region attribute that most regions have is the label (`label_column` names another).

    Where no region has an attribute, all are of the class "object".
    """
    annotations = Annotations("boxes")
    found: list[tuple[str, str, str, list[_Region]]] = []
    for path in _files(source):
        try:
            images = list(_images(source, path))
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
            continue
        found += [(path, name, f"{path}: {place}", regions) for name, place, regions in images]
    attribute = columns.label or _label_attribute([a for *_, regions in found for _, a in regions])
    nameless = attribute == "" and any(regions for *_, regions in found)
    for path, name, place, regions in found:
        if not name:
            annotations.reject(place, "the image has no filename", "bad record")
            continue
        objects = []
        for i, (shape, attributes) in enumerate(regions, start=1):
            label = _ANY if nameless else _label(attributes.get(attribute))
            try:
                value = _object(shape, label)
            except ValueError as error:
                annotations.reject(f"{place}, region {i}", str(error), "bad annotation")
                continue
            if value is None:
                reason = "a point or line is no rectangle, polygon, circle or ellipse"
                annotations.ignore(f"{place}, region {i}", reason, "other shape")
                continue
            objects.append(value)
        annotations.add(Record(source.image(name, folder_of(path)), place, objects=objects, split=split_of_path(path)))
    if nameless:
        annotations.ignore(source.name, f'no region has an attribute; all are of the class "{_ANY}"', "no label")
    annotations.settle_kind()
    return annotations


def _files(source: Source) -> list[str]:
    """The JSON files, or else the tables that VIA exports."""
    tables = [path for path in source.with_suffix(".csv") if _is_table(source, path)]
    projects = [path for path in source.with_suffix(".json") if _is_via(try_json(source, path))]
    return projects or tables or source.with_suffix(".json")


def _is_via(value: Any) -> bool:
    return bool(_entries(value)) or _is_version_3(value)


def _is_table(source: Source, path: str) -> bool:
    header = source.try_text(path).partition("\n")[0].lstrip("#")
    return "region_shape_attributes" in header and "filename" in header


def _images(source: Source, path: str) -> Iterator[tuple[str, str, list[_Region]]]:
    """File name, place and regions of each image of a file."""
    if suffix_of(path) == ".csv":
        return _table(source, path)
    value = read_json_file(source, path)
    return _version_3(value) if _is_version_3(value) else _version_2(value)


def _table(source: Source, path: str) -> Iterator[tuple[str, str, list[_Region]]]:
    """The rows of a table, one a region; an image without regions has one with an empty shape."""
    text = source.read_text(path).removeprefix("#")
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for row in rows:
            shape, attributes = (
                parse_json((row.get(name) or "{}").encode(errors="replace"), f"{path}:{rows.line_num}")
                for name in ("region_shape_attributes", "region_attributes")
            )
            regions = [(shape, attributes if isinstance(attributes, dict) else {})] if shape else []
            yield as_text(row.get("filename")), f"line {rows.line_num}", regions
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: {error}") from None


def _version_2(value: Any) -> Iterator[tuple[str, str, list[_Region]]]:
    """File name, place and regions (shape, attributes) of each image."""
    for key, entry in _entries(value).items():
        regions = entry["regions"]
        items = regions.values() if isinstance(regions, dict) else regions if isinstance(regions, list) else []
        pairs = [
            (item.get("shape_attributes"), item.get("region_attributes") or {})
            for item in items
            if isinstance(item, dict)
        ]
        yield as_text(entry["filename"]), key, [(s, a if isinstance(a, dict) else {}) for s, a in pairs]


def _version_3(value: Any) -> Iterator[tuple[str, str, list[_Region]]]:
    """The same of version 3, which keeps regions apart from files."""
    views = value.get("view") if isinstance(value.get("view"), dict) else {}
    names = {key: as_text(f.get("src") or f.get("fname")) for key, f in value["file"].items() if isinstance(f, dict)}
    attributes = value.get("attribute") if isinstance(value.get("attribute"), dict) else {}
    regions: dict[str, list[_Region]] = {str(key): [] for key in names}
    for item in value["metadata"].values():
        if not isinstance(item, dict) or not item.get("xy"):
            continue
        view = views.get(str(item.get("vid")), {})
        files = view.get("fid_list") if isinstance(view, dict) else None
        key = str(files[0]) if isinstance(files, list) and files else str(item.get("vid"))
        given = item.get("av")
        values = given if isinstance(given, dict) else {}
        named = {_name(attributes, number): _option(attributes, number, text) for number, text in values.items()}
        if key in regions:
            regions[key].append((item["xy"], named))
    for key, found in regions.items():
        yield names[key], f"file {key}", found


def _name(attributes: dict[str, Any], number: str) -> str:
    attribute = attributes.get(number)
    return as_text(attribute.get("aname")) or number if isinstance(attribute, dict) else number


def _option(attributes: dict[str, Any], number: str, value: Any) -> Any:
    """An attribute's value: the text of an option where it is chosen from a list."""
    attribute = attributes.get(number)
    options = attribute.get("options") if isinstance(attribute, dict) else None
    return options.get(value, value) if isinstance(options, dict) and isinstance(value, str) else value


def _label_attribute(attributes: list[dict[str, Any]]) -> str:
    """The attribute that most regions have; of several, the one whose name says that it is the label."""
    counts = Counter(name for item in attributes for name, value in item.items() if _label(value))
    usual = ("label", "class", "name", "type", "category", "object")
    return max(counts, key=lambda name: (counts[name], name.lower() in usual), default="")


def _label(value: Any) -> str:
    """The label that an attribute's value gives: a text, or the one option that is set."""
    if isinstance(value, dict):
        chosen = [name for name, is_set in value.items() if is_set]
        return str(chosen[0]).strip() if len(chosen) == 1 else ""
    return as_text(value)


def _object(shape: Any, label: str) -> Object | None:
    """One region; None for points and lines.

    Raises:
        ValueError: it has no label, is no rectangle, polygon, circle or ellipse, or its values cannot be used.
    """
    if isinstance(shape, list) and shape:
        kind = _SHAPES_OF_VERSION_3.get(int(as_number(shape[0])), str(shape[0]))
        numbers = [as_number(number) for number in shape[1:]]
        named = dict(zip(_NAMES.get(kind, ()), numbers, strict=False))
        points = numbers if kind in ("polygon", "polyline") else []
    elif isinstance(shape, dict):
        kind = as_text(shape.get("name"))
        named = {name: as_number(shape.get(name)) for name in _NAMES.get(kind, ())}
        points = _points(shape) if kind in ("polygon", "polyline") else []
    else:
        raise ValueError(f"the region has no shape: {shown(shape)}")
    if kind in _OTHERS:
        return None
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
