"""JSON lines: `{"image_url": ..., "label": ...}` with a text, a list of texts, boxes or polygons."""

from __future__ import annotations

import json
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.core.names import did_you_mean
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.json_file import HEAD_FILES, as_flag, as_number, as_size, parse_json, shown
from automl_vision.data.names import parse_split, split_of_path
from automl_vision.data.object import Object
from automl_vision.data.shapes import bounds
from automl_vision.data.source import Source, folder_of
from automl_vision.data.writing import Export, ExportRecord

SUFFIXES = (".jsonl", ".ndjson")
_CORNERS = ("topX", "topY", "bottomX", "bottomY")
_HEAD_LINES = 5
_SAME = 1e-3  # pixels; a box that differs more from its polygons is written too


def _detect(source: Source, columns: Columns) -> bool:
    """Whether one of the first lines has an image and a label; other JSON lines, such as logs, are no data set."""
    if source.main:
        return bool(source.with_suffix(*SUFFIXES))
    image, label = columns.image or "image_url", columns.label or "label"
    for path in source.with_suffix(*SUFFIXES)[:HEAD_FILES]:
        for line in source.try_text(path).split("\n", _HEAD_LINES)[:_HEAD_LINES]:
            try:
                value = parse_json(line.encode(errors="replace"), path)
            except DataError:
                continue
            if isinstance(value, dict) and (image in value or "image" in value) and label in value:
                return True
    return False


@dataset_format(
    "jsonl",
    "label",
    "labels",
    "boxes",
    "masks",
    layout='one object a line: {"image_url": "a.jpg", "label": "cat"}, {..., "label": ["cat", "sofa"]}, or a list of '
    '{"label": "cat", "topX": 0.1, "topY": ..., "bottomX": ..., "bottomY": ...} or {"label": ..., "polygon": [[...]]}',
    detect=_detect,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every JSONL file; a file named after a split (`val.jsonl`) gives its lines that split."""
    annotations = Annotations("label", relative=True)
    several = False
    for path in source.with_suffix(*SUFFIXES):
        split = split_of_path(path)
        for number, line in enumerate(source.read_text(path).split("\n"), start=1):
            if not line.strip():
                continue
            place = f"{path}:{number}"
            try:
                value = parse_json(line.encode(errors="surrogatepass"), "the line")
                record = _record(value, place, columns, split)
                label = value[columns.label or "label"]
                labels, objects = _label(label, place, annotations)
                image = source.image(record.image, folder_of(path))
            except (ValueError, DataError) as error:
                annotations.reject(place, str(error), "bad label")
                continue
            several |= isinstance(label, list)
            annotations.add(Record(image, place, labels, objects, record.split, record.group, record.size))
    annotations.settle_kind(several=several)
    return annotations


def _record(value: Any, place: str, columns: Columns, fallback_split: str | None) -> Record:
    """One line's record without its label.

    Raises:
        ValueError: the line is no object with an image and a label.
    """
    if not isinstance(value, dict):
        raise ValueError("the line is not a JSON object")
    image_key, label_key = columns.image or "image_url", columns.label or "label"
    image = value.get(image_key) or value.get("image")
    if not isinstance(image, str) or not image.strip():
        raise ValueError(f'the line has no "{image_key}".{did_you_mean(image_key, value)}')
    if label_key not in value:
        raise ValueError(f'the line has no "{label_key}".{did_you_mean(label_key, value)}')
    split, group = value.get(columns.split or "split"), value.get(columns.group or "group")
    details = value.get("image_details")
    return Record(
        image=image.strip(),
        place=place,
        split=(None if split is None else parse_split(str(split))) or fallback_split,
        group=None if group is None else str(group),
        size=as_size(details.get("width"), details.get("height")) if isinstance(details, dict) else None,
    )


def _label(value: Any, place: str, annotations: Annotations) -> tuple[tuple[str, ...], list[Object]]:
    """Labels and objects of one line; unusable objects are reported.

    Raises:
        ValueError: the label is neither a text, nor a list of texts, nor one of objects.
    """
    if isinstance(value, str) and value.strip():
        return (value.strip(),), []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise ValueError(f"the label must be a text or a list of texts or objects, not {shown(value)}")
    if all(isinstance(item, str) and item.strip() for item in value):
        return tuple(dict.fromkeys(item.strip() for item in value)), []
    if not all(isinstance(item, dict) for item in value):
        raise ValueError(f"the label must be a text or a list of texts or objects, not {shown(value)}")
    objects = []
    for i, item in enumerate(value, start=1):
        try:
            objects.append(_object(item))
        except ValueError as error:
            annotations.reject(f"{place}, object {i}", str(error), "bad annotation")
    return (), objects


def _object(value: dict[str, Any]) -> Object:
    """One object, in shares of width and height.

    Raises:
        ValueError: it has no label, or neither a box nor a polygon, or numbers that are none.
    """
    label = value.get("label")
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f'the object has no "label".{did_you_mean("label", value)}')
    crowd = as_flag(value.get("isCrowd", value.get("iscrowd")))
    difficult = as_flag(value.get("difficult"))
    if "polygon" in value:
        polygons = value["polygon"]
        if isinstance(polygons, list) and polygons and not isinstance(polygons[0], list):
            polygons = [polygons]
        if not isinstance(polygons, list) or not polygons:
            raise ValueError(f"a polygon must be a list of lists of numbers, not {shown(polygons)}")
        box = _corners(value) if all(name in value for name in _CORNERS) else None
        return Object(label.strip(), box, crowd, difficult, tuple(map(_polygon, polygons)))
    missing = [name for name in _CORNERS if name not in value]
    if missing:
        raise ValueError(f'the object has no "{missing[0]}" and no "polygon".{did_you_mean(missing[0], value)}')
    return Object(label.strip(), _corners(value), crowd, difficult)


def _corners(value: dict[str, Any]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (as_number(value[name]) for name in _CORNERS)
    return x1, y1, x2, y2


def _polygon(value: Any) -> list[float]:
    """One polygon.

    Raises:
        ValueError: it has fewer than three points.
    """
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        raise ValueError(f"a polygon needs at least 3 points x, y, not {shown(value)}")
    return [as_number(number) for number in value]


@export_format("jsonl", "label", "labels", "boxes", "masks", holds=("group", "iscrowd", "difficult", "references"))
def write(export: Export) -> None:
    """Write `SPLIT.jsonl` for each split (`annotations.jsonl` without splits), and the images under their own names."""
    for split in export.splits:
        lines = []
        for record in export.records(split):
            details = {"format": record.image.rpartition(".")[2], "width": record.width, "height": record.height}
            value: dict[str, Any] = {"image_url": export.image(record.image), "image_details": details}
            value["label"] = _written(record, export)
            if record.group:
                value["group"] = record.group
            lines.append(json.dumps(value, ensure_ascii=False) + "\n")
        write_text(export.folder / f"{split or 'annotations'}.jsonl", "".join(lines))


def _written(record: ExportRecord, export: Export) -> Any:
    """The label of a line."""
    if export.kind == "label":
        return record.labels[0]
    if export.kind == "labels":
        return list(record.labels)
    values = []
    scale = (record.width, record.height)
    for item in record.objects:
        value: dict[str, Any] = {"label": item.label, "isCrowd": int(item.iscrowd)}
        if item.difficult:
            value["difficult"] = 1
        polygons = export.polygons(item, record) if export.kind == "masks" else []
        if polygons:
            value["polygon"] = [[number / scale[i % 2] for i, number in enumerate(p)] for p in polygons]
        around = bounds([number for polygon in polygons for number in polygon]) if polygons else None
        box = item.bbox or around or ()
        if around is None or max(abs(a - b) for a, b in zip(box, around, strict=True)) > _SAME:
            value |= {name: x / scale[i % 2] for i, (name, x) in enumerate(zip(_CORNERS, box, strict=True))}
        values.append(value)
    return values
