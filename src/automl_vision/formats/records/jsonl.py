"""JSON lines: `{"image_url": ..., "label": ...}` with a text, a list of texts, boxes or polygons."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.formats.json_file import HEAD_FILES
from automl_vision.formats.records import vocabulary
from automl_vision.formats.records.class_names import name_classes
from automl_vision.formats.records.cloud_lines import standard_line
from automl_vision.formats.records.json_values import LINE_SUFFIXES, read_values
from automl_vision.formats.records.layout import Layout
from automl_vision.formats.records.objects import box_sides
from automl_vision.formats.records.reader import LARGEST_SHARE, RowReader
from automl_vision.formats.records.rows import changed
from automl_vision.formats.records.vocabulary import is_further, usual, whole
from automl_vision.formats.registry import Rank, dataset_format, export_format
from automl_vision.formats.shapes import bounds, shares
from automl_vision.formats.source import Source
from automl_vision.formats.writing import Export, ExportRecord

SUFFIXES = LINE_SUFFIXES
_CORNERS = ("topX", "topY", "bottomX", "bottomY")
_HEAD_LINES = 5
_SAME = 1e-3  # pixels; a box that differs more from its polygons is written too


def _head(source: Source, path: str) -> list[dict[str, Any]]:
    """The first objects of a file, for finding the format."""
    try:
        values = [standard_line(value) for _, value in islice(read_values(source, path), _HEAD_LINES)]
    except (DataError, ValueError):
        return []
    return [value for value in values if isinstance(value, dict)]


def _image_key(value: dict[str, Any]) -> str | None:
    """What an object calls its image; a URL under a name of its own is meant rather than a bare name beside it."""
    keys = usual(value, ("imageurl", *vocabulary.IMAGE), but=vocabulary.IMAGE_IDENTIFIERS)
    return next((key for key in keys if isinstance(value[key], str)), None)


def _layout(value: Any, columns: Columns) -> Layout | None:
    """The meaning of an object's fields; None when it lacks an image or a label."""
    if not isinstance(value, dict):
        return None
    image = columns.image or _image_key(value)
    label = columns.label or next(
        usual(value, (*vocabulary.LABEL, *vocabulary.OBJECTS), but=vocabulary.LABEL_IDENTIFIERS), None
    )
    if image is None or label is None or label not in value or not {image, "image"} & value.keys():
        return None
    found = value[label][0] if isinstance(value[label], list) and value[label] else value[label]
    is_objects = isinstance(found, dict)
    found = next((found[name] for name in usual(found, vocabulary.OBJECT_LABEL)), None) if is_objects else found
    found = found[0] if isinstance(found, list) and found else found  # a mapping of lists
    return replace(
        _usual(columns),
        image=image,
        label=label,
        numbers=isinstance(found, int) and not isinstance(found, bool),
        is_object=not is_objects and not isinstance(value[label], list) and _has_box(value),
        size=whole(tuple(value), vocabulary.SIZE),
    )


def _has_box(value: dict[str, Any]) -> bool:
    """Whether an object has four sides of a box, which are numbers, and no others of that name as its size."""
    sides, _ = box_sides(tuple(value))
    return bool(sides) and all(isinstance(value[side], int | float) for side in sides)


def _files(source: Source, columns: Columns) -> list[str]:
    """The files to read: those of lines, or else JSON whose values are alike."""
    if lines := source.with_suffix(*SUFFIXES):
        return lines
    return [path for path in source.with_suffix(".json")[:HEAD_FILES] if _is_labelled(source, path, columns)]


def _is_labelled(source: Source, path: str, columns: Columns) -> bool:
    return any(_layout(value, columns) for value in _head(source, path))


def _detect(source: Source, columns: Columns) -> bool:
    """Whether one of the first lines has an image and a label; other JSON lines, such as logs, are not a dataset."""
    if source.main and source.with_suffix(*SUFFIXES):
        return True
    files = source.with_suffix(*SUFFIXES, ".json")[:HEAD_FILES]
    return any(_is_labelled(source, path, columns) for path in files)


def _explain(source: Source) -> str | None:
    """What lines with images lack."""
    for path in source.with_suffix(*SUFFIXES, ".json")[:HEAD_FILES]:
        for value in _head(source, path):
            image = _image_key(value)
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
    """Read every JSONL file; the lines of a file named after a split (`val.jsonl`) belong to it."""
    annotations = Annotations("label")
    reader = RowReader(source, annotations)
    files = _files(source, columns)
    for path in files:
        layout = next(filter(None, (_layout(value, columns) for value in _head(source, path))), _usual(columns))
        reader.read(path, changed(read_values(source, path), standard_line), layout)
    annotations.relative = reader.shares or annotations.objects.largest <= LARGEST_SHARE
    annotations.settle_kind(several=reader.several)
    if not reader.states_splits:
        annotations.split_by_folders()
    name_classes(source, annotations, files)
    return annotations


def _usual(columns: Columns) -> Layout:
    """The layout of lines whose head says nothing."""
    return Layout(
        columns.image or "image_url",
        columns.label or "label",
        split=columns.split or "split",
        group=columns.group or "group",
        typed=True,
    )


@export_format(
    "jsonl", "label", "labels", "boxes", "masks", holds=("group", "further", "iscrowd", "difficult", "references")
)
def write(export: Export) -> None:
    """Write `SPLIT.jsonl` for each split (`annotations.jsonl` without splits), and the images under their own names."""
    for split in export.splits:
        lines = []
        for record in export.records(split):
            details = {"format": record.image.rpartition(".")[2], "width": record.width, "height": record.height}
            value: dict[str, Any] = {"image_url": export.image(record.image), "image_details": details}
            value["label"] = _written(record, export)
            value |= {name: found for name, found in record.further.items() if is_further(name)}
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
            value["polygon"] = [shares(polygon, scale) for polygon in polygons]
        around = bounds([number for polygon in polygons for number in polygon]) if polygons else None
        box = item.bbox or around or ()
        if around is None or max(abs(a - b) for a, b in zip(box, around, strict=True)) > _SAME:
            value |= dict(zip(_CORNERS, shares(box, scale), strict=True))
        values.append(value)
    return values
