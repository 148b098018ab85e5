"""Hugging Face's image folder: `metadata.jsonl`, `.csv` or `.parquet` with `file_name` and labels or objects."""

from __future__ import annotations

from typing import Any

import yaml

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.split_names import normalize_split
from automl_vision.formats.json_file import as_list, as_mapping, parse_json
from automl_vision.formats.records.cells import LIST, split_labels
from automl_vision.formats.records.layout import Layout
from automl_vision.formats.records.reader import RowReader
from automl_vision.formats.records.rows import Row, changed, read_records
from automl_vision.formats.records.vocabulary import LABEL, LABEL_IDENTIFIERS, is_further, usual
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, as_text

_LAYOUT = Layout("image", "label", split="split", group="group", typed=True, numbers=True)
_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


def _files(source: Source) -> list[str]:
    return [path for path in source.files if path.rpartition("/")[2] in _FILES]


def _has_names(source: Source, path: str) -> bool:
    _, value = next(read_records(source, path), ("", None))
    return isinstance(value, dict) and ("file_name" in value or "image" in value)


def _detect(source: Source, columns: Columns) -> bool:  # noqa: ARG001 - the names are fixed by the format
    try:
        return any(_has_names(source, path) for path in _files(source))
    except DataError:
        return False


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
    reader = RowReader(source, annotations)
    rows = _Standard(columns)
    for path in _files(source):
        reader.read(path, changed(read_records(source, path), rows.standard), _LAYOUT)
    if 2 * len(set(annotations.labels)) > rows.captions > 0:
        raise DataError(
            'the rows have a "text" that differs from image to image: captions, not classes; if they are classes, say '
            'so with label_column="text"'
        )
    annotations.rename(_class_names(source))
    annotations.relative = reader.shares
    annotations.settle_kind(several=reader.several)
    annotations.split_by_folders()
    return annotations


class _Standard:
    """Rows with the image, the label and the rest under the names of `_LAYOUT`; `captions` counts texts as labels."""

    def __init__(self, columns: Columns) -> None:
        self.captions = 0
        self._columns = columns

    def standard(self, row: Any) -> Row:
        """One row.

        Raises:
            ValueError: it has no file name, or neither labels nor objects.
        """
        if not isinstance(row, dict):
            raise ValueError("the line is not a JSON object")
        name = as_text(row.get(self._columns.image or "file_name", row.get("image")))
        if not name:
            raise ValueError('the row has no "file_name"')
        found = {
            **{key: value for key, value in row.items() if key not in vars(self._columns).values() and is_further(key)},
            "image": name,
            "split": normalize_split(as_text(row.get(self._columns.split or "split"))),
            "group": as_text(row.get(self._columns.group or "group")) or None,
        }
        objects = row.get("objects")
        if objects is not None:
            return found | {"label": _parsed(objects) if isinstance(objects, str) else objects}
        return found | {"label": self._label(row, name)}

    def _label(self, row: dict[str, Any], name: str) -> Any:
        """The label of a row, else its text, else the folder of its image."""
        label = self._columns.label
        value = (
            row.get(label)
            if label
            else next((row[key] for key in usual(row, LABEL, but=LABEL_IDENTIFIERS) if row[key] is not None), None)
        )
        if value is None and label is None and isinstance(row.get("text"), str):
            self.captions += 1
            value = row["text"]
        if isinstance(value, str) and value.startswith("[") and value.endswith("]"):  # in a table
            value = list(split_labels(value, LIST))
        if isinstance(value, list) and len(value) == 1:
            return value[0]  # one label a row is a single label, in a list or not
        if value is None and "/" in name:
            return name.split("/")[-2]
        if not isinstance(value, list) and not as_text(value):
            raise ValueError(f"the row has no label; it has: {', '.join(map(str, row))}")
        return value


def _class_names(source: Source) -> dict[str, str]:
    """Names of classes that the rows state as numbers, from the header of the dataset's card (`README.md`)."""
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
    names = as_mapping(as_mapping(value).get("class_label")).get("names")
    if isinstance(names, dict):
        return {as_text(key): as_text(name) for key, name in names.items() if as_text(name)}
    items = [*as_mapping(value).values(), *as_list(value)]
    return next((found for item in items if (found := _names_in(item))), {})


def _parsed(text: str) -> Any:
    try:
        return parse_json(text.encode(errors="replace"), "the objects")
    except DataError as error:
        raise ValueError(str(error)) from None
