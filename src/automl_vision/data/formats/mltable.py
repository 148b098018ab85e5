"""MLTable folders: an `MLTable` YAML file that names JSON lines or delimited files."""

from __future__ import annotations

from typing import Any

import yaml

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.formats import csv_table, dataset_format, jsonl
from automl_vision.data.names import suffix_of
from automl_vision.data.source import Source, as_text


def _tables(source: Source) -> list[str]:
    return [path for path in source.files if path.rpartition("/")[2] == "MLTable"]


@dataset_format(
    "mltable",
    "label",
    "labels",
    "boxes",
    "masks",
    layout="an MLTable file: paths: [- file: ./train_annotations.jsonl], transformations: [- read_json_lines: ...]",
    detect=lambda source, _: bool(_tables(source)),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read the files that the tables name; a column converted to a stream is the image.

    Raises:
        DataError: a table is unreadable, names no file, or one that is not there.
    """
    tables = [_read_table(source, path) for path in _tables(source)]
    if not tables:
        raise DataError(f"{source.name} holds no file MLTable")
    part = Source(source.storage, source.main)
    part.files = list(dict.fromkeys(file for files, _ in tables for file in files))
    if columns.image is None:
        image = next((column for _, column in tables if column), None)
        columns = Columns(image, columns.label, columns.split, columns.group)
    if all(suffix_of(file) in jsonl.SUFFIXES for file in part.files):
        return jsonl.read(part, columns)
    return csv_table.read(part, columns)


def _read_table(source: Source, path: str) -> tuple[list[str], str | None]:
    """The files that a table names, and its column of images."""
    try:
        value = yaml.safe_load(source.read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{path} is not valid YAML ({error})") from None
    if not isinstance(value, dict) or not isinstance(value.get("paths"), list):
        raise DataError(f"{path} needs a list of paths")
    named = [as_text(next(iter(entry.values()), "")) for entry in value["paths"] if isinstance(entry, dict)]
    files = [file for name in named for file in _matching(source, name, path)]
    if not files:
        raise DataError(f"{path} names no file of this folder: {', '.join(named)}")
    return files, _stream_column(value)


def _matching(source: Source, name: str, table: str) -> list[str]:
    """The listed files that an entry names, which may be a pattern or lead through a data store."""
    from fnmatch import fnmatch

    pattern = name.removeprefix("./")
    folder = table.rpartition("/")[0]
    for candidate in (f"{folder}/{pattern}" if folder else pattern, pattern):
        if found := [path for path in source.storage.files if fnmatch(path, candidate)]:
            return found
    last = pattern.rpartition("/")[2]
    found = [path for path in source.storage.files if path.rpartition("/")[2] == last]
    return found if len(found) == 1 else []


def _stream_column(value: dict[str, Any]) -> str | None:
    """The column that the table converts to a stream, which is the image's."""
    transformations = value.get("transformations")
    for step in transformations if isinstance(transformations, list) else ():
        conversions = step.get("convert_column_types") if isinstance(step, dict) else None
        for conversion in conversions if isinstance(conversions, list) else ():
            if isinstance(conversion, dict) and "stream" in str(conversion.get("column_type")):
                names = conversion.get("columns")
                return as_text(names[0] if isinstance(names, list) and names else names) or None
    return None
