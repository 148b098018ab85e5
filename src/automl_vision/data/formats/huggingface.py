"""Hugging Face's image folder: `metadata.jsonl`, `.csv` or `.parquet` with `file_name` and labels or objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import as_number, parse_json, shown
from automl_vision.data.names import split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, as_text, folder_of

_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_LABEL_KEYS = ("label", "labels", "class", "category", "tags", "text")
_BOX_KEYS = ("bbox", "bboxes", "boxes")
_CATEGORY_KEYS = ("categories", "category", "labels", "label", "category_id")


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
    layout='metadata.jsonl (or .csv, .parquet) of a Hugging Face image folder: {"file_name": "a.jpg", "label": ...} or '
    '{"file_name": ..., "objects": {"bbox": [[x, y, w, h]], "categories": [...]}}',
    detect=_detect,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every metadata file; the folder's name is its split; without labels a class folder's name is the label."""
    annotations = Annotations("label")
    counts = {"objects": 0, "lists": 0}
    for path in _files(source):
        split = split_of_path(f"{folder_of(path)}/-")
        for place, row in _rows(source, path):
            try:
                if isinstance(row, ValueError):
                    raise row
                name, labels, objects = _row(row, columns, place, annotations, counts)
            except ValueError as error:
                annotations.reject(place, str(error), "bad label")
                continue
            image = source.image(name, folder_of(path))
            annotations.add(Record(image, place, labels, objects, split))
    if counts["objects"]:
        annotations.kind = "boxes"
    elif counts["lists"]:
        annotations.kind = "labels"
    return annotations


def _row(
    row: Any, columns: Columns, place: str, annotations: Annotations, counts: dict[str, int]
) -> tuple[str, tuple[str, ...], list[Object]]:
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
    if objects is not None:
        counts["objects"] += 1
        return name, (), _objects(objects, place, annotations)
    keys = (columns.label,) if columns.label else _LABEL_KEYS
    value = next((row[key] for key in keys if row.get(key) is not None), None)
    if isinstance(value, list):
        counts["lists"] += 1
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
        boxes: list[Any] = next((value[key] for key in _BOX_KEYS if isinstance(value.get(key), list)), [])
        names: list[Any] = next((value[key] for key in _CATEGORY_KEYS if isinstance(value.get(key), list)), [])
        if len(boxes) != len(names):
            raise ValueError(f"there are {len(boxes)} boxes and {len(names)} categories")
        pairs = list(zip(boxes, names, strict=True))
    elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
        pairs = [(item.get("bbox"), next((item[key] for key in _CATEGORY_KEYS if key in item), None)) for item in value]
    else:
        raise ValueError(f"the objects must be a mapping of lists, not {shown(value)}")
    objects = []
    for i, (box, name) in enumerate(pairs, start=1):
        try:
            if not as_text(name):
                raise ValueError("the object has no category")
            if not isinstance(box, list | tuple) or len(box) != 4:
                raise ValueError(f"a box needs 4 numbers: x, y, width, height, not {shown(box)}")
            x, y, width, height = map(as_number, box)
        except ValueError as error:
            annotations.reject(f"{place}, object {i}", str(error), "bad annotation")
            continue
        annotations.report.total += 1
        objects.append(Object(as_text(name), (x, y, x + width, y + height)))
    return objects
