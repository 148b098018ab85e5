"""Hugging Face's image folder: `metadata.jsonl`, `.csv` or `.parquet` with `file_name` and labels or objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import yaml

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.data.split_names import split_of_folder
from automl_vision.formats.json_file import as_number, parse_json, shown
from automl_vision.formats.records.csv_cells import LIST, split_labels
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, as_text

_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_NAME_KEYS = ("label", "labels", "class", "category", "tags")
_LABEL_KEYS = (*_NAME_KEYS, "text")
_BOX_KEYS = ("bbox", "bboxes", "boxes")
_MASK_KEYS = ("segmentation", "segmentations", "polygons")
_CATEGORY_KEYS = ("categories", "category", "labels", "label", "category_id", "category_name", "class")


def _files(source: Source) -> list[str]:
    return [path for path in source.files if path.rpartition("/")[2] in _FILES]


def _has_names(source: Source, path: str) -> bool:
    _, value = next(_rows(source, path), ("", None))
    return isinstance(value, dict) and ("file_name" in value or "image" in value)


def _detect(source: Source, columns: Columns) -> bool:  # noqa: ARG001 - the names are fixed by the format
    try:
        return any(_has_names(source, path) for path in _files(source))
    except DataError:
        return False


def _rows(source: Source, path: str) -> Iterator[tuple[str, Any]]:
    """The rows of a file, with their places."""
    if path.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(pa.BufferReader(source.read(path))).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} is no Parquet file ({error})") from None
        yield from ((f"{path}: row {i}", row) for i, row in enumerate(rows))
    elif path.endswith(".csv"):
        rows = csv.DictReader(io.StringIO(source.read_text(path), newline=""))
        try:
            yield from ((f"{path}:{rows.line_num}", dict(row)) for row in rows)
        except csv.Error as error:
            raise DataError(f"{path}:{rows.line_num}: {error}") from None
    else:
        for number, line in enumerate(source.read_text(path).split("\n"), start=1):
            if line.strip():
                try:
                    yield f"{path}:{number}", parse_json(line.encode(errors="surrogatepass"), "the line")
                except DataError as error:
                    yield f"{path}:{number}", ValueError(str(error))


@dataset_format(
    "huggingface",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.TABLES + 10,
    layout='metadata.jsonl (or .csv, .parquet) of a Hugging Face image folder: {"file_name": "a.jpg", "label": ...} or '
    '{"file_name": ..., "objects": {"bbox": [[x, y, w, h]], "categories": [...]}}',
    detect=_detect,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every metadata file; the folder's name is its split; without labels a class folder's name is the label."""
    annotations = Annotations("label")
    several, captions = False, 0
    names = _class_names(source)
    for path in _files(source):
        split = split_of_folder(folder_of(path))
        for place, row in _rows(source, path):
            try:
                if isinstance(row, ValueError):
                    raise row
                name, labels, objects = _row(row, columns, place, annotations)
                captions += columns.label is None and _is_caption(row)
            except ValueError as error:
                annotations.reject(place, str(error), "bad label")
                continue
            several |= len(labels) != 1
            labels = tuple(names.get(label, label) for label in labels)
            objects = [replace(value, label=names.get(value.label, value.label)) for value in objects]
            annotations.add(Record(source.image(name, folder_of(path)), place, labels, objects, split))
    if 2 * len(set(annotations.labels)) > captions > 0:
        raise DataError(
            'the rows have a "text" that differs from image to image: captions, not classes; if they are classes, say '
            'so with label_column="text"'
        )
    annotations.settle_kind(several=several)
    annotations.split_by_folders()
    return annotations


def _is_caption(row: Any) -> bool:
    """Whether the label of a row is its text, for want of another."""
    return isinstance(row.get("text"), str) and not any(row.get(key) is not None for key in (*_NAME_KEYS, "objects"))


def _class_names(source: Source) -> dict[str, str]:
    """Names of classes that the rows give as numbers, from the header of the data set's card (`README.md`)."""
    for path in source.files:
        if path.rpartition("/")[2] == "README.md":
            text = source.try_text(path)
            header = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
            try:
                found = _names_in(yaml.load(header, Loader=yaml.BaseLoader))
            except (yaml.YAMLError, RecursionError, ValueError):
                continue
            if found:
                return found
    return {}


def _names_in(value: Any) -> dict[str, str]:
    """The first mapping of numbers to names below a `class_label`."""
    if isinstance(value, dict):
        label = value.get("class_label")
        names = label.get("names") if isinstance(label, dict) else None
        if isinstance(names, dict):
            return {as_text(key): as_text(name) for key, name in names.items() if as_text(name)}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in items if (found := _names_in(item))), {})


def _row(row: Any, columns: Columns, place: str, annotations: Annotations) -> tuple[str, tuple[str, ...], list[Object]]:
    """File name, labels and objects of one row.

    Raises:
        ValueError: it has no file name, or neither labels nor objects.
    """
    if not isinstance(row, dict):
        raise ValueError("the line is not a JSON object")
    name = as_text(row.get(columns.image or "file_name", row.get("image")))
    if not name:
        raise ValueError('the row has no "file_name"')
    objects = row.get("objects")
    if isinstance(objects, str):  # in a table
        objects = _parsed(objects)
    if objects is not None:
        return name, (), _objects(objects, place, annotations)
    keys = (columns.label,) if columns.label else _LABEL_KEYS
    value = next((row[key] for key in keys if row.get(key) is not None), None)
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):  # in a table
        value = list(split_labels(value, LIST))
    if isinstance(value, list):
        texts = [as_text(item) for item in value]
        if not all(texts):
            raise ValueError(f"the labels must be texts, not {shown(value)}")
        return name, tuple(dict.fromkeys(texts)), []
    if as_text(value):
        return name, (as_text(value),), []
    parts = name.split("/")
    if value is None and len(parts) > 1:
        return name, (parts[-2],), []
    raise ValueError(f"the row has no label; it has: {', '.join(map(str, row))}")


def _objects(value: Any, place: str, annotations: Annotations) -> list[Object]:
    """The objects of one row: a mapping of lists, or a list of mappings. Unusable ones are reported.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, dict):
        columns = [_column(value, _BOX_KEYS), _column(value, _CATEGORY_KEYS), _column(value, _MASK_KEYS)]
        boxes, names, masks = columns
        if len(boxes or masks) != len(names):
            raise ValueError(f"there are {len(boxes or masks)} boxes and {len(names)} categories")
        items = list(zip_longest(boxes, names, masks))
    elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
        items = [tuple(_cell(item, keys) for keys in (_BOX_KEYS, _CATEGORY_KEYS, _MASK_KEYS)) for item in value]
    else:
        raise ValueError(f"the objects must be a mapping of lists, not {shown(value)}")
    objects = []
    for i, (box, name, mask) in enumerate(items, start=1):
        try:
            objects.append(_object(box, name, mask))
        except ValueError as error:
            annotations.reject(f"{place}, object {i}", str(error), "bad annotation")
    return objects


def _column(value: dict[str, Any], keys: tuple[str, ...]) -> list[Any]:
    return next((value[key] for key in keys if isinstance(value.get(key), list)), [])


def _cell(value: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _object(box: Any, name: Any, mask: Any) -> Object:
    """One object.

    Raises:
        ValueError: it has no category, or neither box nor polygon.
    """
    label = as_text(name)
    if not label:
        raise ValueError("the object has no category")
    polygons: list[Any] = mask if isinstance(mask, list) and mask else []
    if polygons and not isinstance(polygons[0], list):
        polygons = [polygons]
    segments = tuple([as_number(number) for number in polygon] for polygon in polygons if isinstance(polygon, list))
    segments = tuple(segment for segment in segments if len(segment) >= 6 and len(segment) % 2 == 0)
    if box is None and segments:
        return Object(label, segments=segments)
    if not isinstance(box, list | tuple) or len(box) != 4:
        raise ValueError(f"a box needs 4 numbers: x, y, width, height, not {shown(box)}")
    x, y, width, height = map(as_number, box)
    return Object(label, (x, y, x + width, y + height), segments=segments)


def _parsed(text: str) -> Any:
    try:
        return parse_json(text.encode(errors="replace"), "the objects")
    except DataError as error:
        raise ValueError(str(error)) from None
