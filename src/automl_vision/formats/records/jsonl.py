"""JSON lines: `{"image_url": ..., "label": ...}` with a text, a list of texts, boxes or polygons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.core.text import did_you_mean, folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.data.split_names import parse_split, split_of_path
from automl_vision.formats.json_file import HEAD_FILES, as_flag, as_number, as_size, shown
from automl_vision.formats.records.class_names import name_classes
from automl_vision.formats.records.cloud_lines import standard_line
from automl_vision.formats.records.json_records import LINE_SUFFIXES, read_values
from automl_vision.formats.registry import Rank, dataset_format, export_format
from automl_vision.formats.shapes import bounds
from automl_vision.formats.source import Source, as_text
from automl_vision.formats.writing import Export, ExportRecord

SUFFIXES = LINE_SUFFIXES
_IMAGE_KEYS = (
    "image_url", "image", "imageUrl", "image_path", "imagePath", "img_path", "file_name", "filename", "fileName",
    "file", "path", "filepath", "file_path", "img", "url", "uri",
)  # fmt: skip
_LABEL_KEYS = ("label", "labels", "class", "category", "target", "tags", "classes", "class_name", "categories")
_CORNERS = ("topX", "topY", "bottomX", "bottomY")
_HEAD_LINES = 5
_SAME = 1e-3  # pixels; a box that differs more from its polygons is written too


@dataclass(frozen=True)
class _Keys:
    """What a file calls its image, label, split and group, and whether its labels are numbers."""

    image: str
    label: str
    split: str
    group: str
    numbers: bool = False


def _head(source: Source, path: str) -> list[dict[str, Any]]:
    """The first objects of a file, for finding the format."""
    try:
        values = [standard_line(value) for _, value in islice(read_values(source, path), _HEAD_LINES)]
    except (DataError, ValueError):
        return []
    return [value for value in values if isinstance(value, dict)]


def _keys(value: Any, columns: Columns) -> _Keys | None:
    """What an object calls its image and its label; None when it lacks one of them."""
    if not isinstance(value, dict):
        return None
    image = columns.image or next((key for key in _IMAGE_KEYS if isinstance(value.get(key), str)), None)
    label = columns.label or next((key for key in _LABEL_KEYS if key in value), None)
    if image is None or label is None or label not in value or not {image, "image"} & value.keys():
        return None
    found = value[label][0] if isinstance(value[label], list) and value[label] else value[label]
    found = found.get("label") if isinstance(found, dict) else found
    numbers = isinstance(found, int) and not isinstance(found, bool)
    return _Keys(image, label, columns.split or "split", columns.group or "group", numbers)


def _files(source: Source, columns: Columns) -> list[str]:
    """The files to read: those of lines, or else JSON whose values are alike."""
    if lines := source.with_suffix(*SUFFIXES):
        return lines
    return [path for path in source.with_suffix(".json")[:HEAD_FILES] if _is_labelled(source, path, columns)]


def _is_labelled(source: Source, path: str, columns: Columns) -> bool:
    return any(_keys(value, columns) for value in _head(source, path))


def _detect(source: Source, columns: Columns) -> bool:
    """Whether one of the first lines has an image and a label; other JSON lines, such as logs, are no data set."""
    if source.main and source.with_suffix(*SUFFIXES):
        return True
    files = source.with_suffix(*SUFFIXES, ".json")[:HEAD_FILES]
    return any(_is_labelled(source, path, columns) for path in files)


def _explain(source: Source) -> str | None:
    """What lines with images lack."""
    for path in source.with_suffix(*SUFFIXES, ".json")[:HEAD_FILES]:
        for value in _head(source, path):
            image = next((key for key in _IMAGE_KEYS if isinstance(value.get(key), str)), None)
            if image is not None and source.may_be_image(value[image]):
                keys = ", ".join(f'"{key}"' for key in value)
                return f'{path} has {keys}, of which none is known to be the label; name it with label_column="..."'
    return None


@dataset_format(
    "jsonl",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.TABLES + 20,
    layout='one object a line: {"image_url": "a.jpg", "label": "cat"}, {..., "label": ["cat", "sofa"]}, or a list of '
    '{"label": "cat", "topX": 0.1, "topY": ..., "bottomX": ..., "bottomY": ...} or {"label": ..., "polygon": [[...]]}; '
    "also as a JSON array, {IMAGE: LABEL}, and lines of Vertex AI and SageMaker",
    detect=_detect,
    explain=_explain,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every JSONL file; a file named after a split (`val.jsonl`) gives its lines that split."""
    annotations = Annotations("label", relative=True)
    several = has_splits = False
    files = _files(source, columns)
    for path in files:
        keys = next(filter(None, (_keys(value, columns) for value in _head(source, path))), _usual(columns))
        fallback = split_of_path(path)
        for place, value in read_values(source, path):
            try:
                line = standard_line(value)
                record = _record(line, place, keys, fallback)
                labels, objects = _label(line[keys.label], place, annotations, numbers=keys.numbers)
                image = source.image(record.image, folder_of(path), fallback)
            except (ValueError, DataError) as error:
                annotations.reject(place, str(error), "bad label")
                continue
            several |= isinstance(line[keys.label], list)
            has_splits |= keys.split in line
            annotations.add(Record(image, place, labels, objects, record.split, record.group, record.size))
    annotations.settle_kind(several=several)
    if not has_splits:
        annotations.split_by_folders()
    name_classes(source, annotations, files)
    return annotations


def _usual(columns: Columns) -> _Keys:
    return _Keys(
        columns.image or _IMAGE_KEYS[0],
        columns.label or _LABEL_KEYS[0],
        columns.split or "split",
        columns.group or "group",
    )


def _record(value: Any, place: str, keys: _Keys, fallback_split: str | None) -> Record:
    """One line's record without its label.

    Raises:
        ValueError: the line is no object with an image and a label.
    """
    if isinstance(value, ValueError):
        raise value
    if not isinstance(value, dict):
        raise ValueError("the line is not a JSON object")
    image = value.get(keys.image) or value.get("image")
    if not isinstance(image, str) or not image.strip():
        raise ValueError(f'the line has no "{keys.image}".{did_you_mean(keys.image, value)}')
    if keys.label not in value:
        raise ValueError(f'the line has no "{keys.label}".{did_you_mean(keys.label, value)}')
    split, group = value.get(keys.split), value.get(keys.group)
    details = value.get("image_details")
    return Record(
        image=image.strip(),
        place=place,
        split=(None if split is None else parse_split(str(split))) or fallback_split,
        group=None if group is None else str(group),
        size=as_size(details.get("width"), details.get("height")) if isinstance(details, dict) else None,
    )


def _label(value: Any, place: str, annotations: Annotations, *, numbers: bool) -> tuple[tuple[str, ...], list[Object]]:
    """Labels and objects of one line; unusable objects are reported.

    Args:
        value: of the line.
        place: of the line.
        annotations: told of unusable objects.
        numbers: whether the file's labels are numbers; among texts a number is a mistake.

    Raises:
        ValueError: the label is neither a text, nor a list of texts, nor one of objects.
    """
    if isinstance(value, dict):
        value = [value]
    values = value if isinstance(value, list) else [value]
    if all(isinstance(item, dict) for item in values):
        return (), _objects(values, place, annotations, numbers=numbers)
    texts = [as_text(item) if numbers or isinstance(item, str) else "" for item in values]
    if not all(texts):
        raise ValueError(f"the label must be a text or a list of texts or objects, not {shown(value)}")
    return tuple(dict.fromkeys(texts)), []


def _objects(values: list[Any], place: str, annotations: Annotations, *, numbers: bool) -> list[Object]:
    objects = []
    for i, item in enumerate(values, start=1):
        try:
            objects.append(_object(item, numbers=numbers))
        except ValueError as error:
            annotations.reject(f"{place}, object {i}", str(error), "bad annotation")
    return objects


def _object(value: dict[str, Any], *, numbers: bool) -> Object:
    """One object, in shares of width and height.

    Raises:
        ValueError: it has no label, or neither a box nor a polygon, or numbers that are none.
    """
    given = value.get("label")
    label = as_text(given) if numbers or isinstance(given, str) else ""
    if not label:
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
        return Object(label, box, crowd, difficult, tuple(map(_polygon, polygons)))
    missing = [name for name in _CORNERS if name not in value]
    if missing:
        raise ValueError(f'the object has no "{missing[0]}" and no "polygon".{did_you_mean(missing[0], value)}')
    return Object(label, _corners(value), crowd, difficult)


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
            if not split:
                value["split"] = None  # not that of the image's folder
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
