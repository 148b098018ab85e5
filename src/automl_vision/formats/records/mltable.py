"""MLTable folders: an `MLTable` YAML file that names JSON lines or delimited files."""

from __future__ import annotations

from typing import Any

import yaml

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import split_in_name
from automl_vision.formats.json_file import as_list, as_mapping
from automl_vision.formats.records import csv_table, jsonl
from automl_vision.formats.records.text_cells import TABLE_SUFFIXES
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, as_text


def _tables(source: Source) -> list[str]:
    return [path for path in source.files if path.rpartition("/")[2] == "MLTable"]


@dataset_format(
    "mltable",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.NAMED_FILES + 10,
    layout="an MLTable file: paths: [- file: ./train_annotations.jsonl], transformations: [- read_json_lines: ...]",
    detect=lambda source, _: bool(_tables(source)),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read the files that the tables name; a column converted to a stream is the image.

    Raises:
        DataError: a table is unreadable, names no file, or one that is not there.
    """
    tables = {path: _read_table(source, path) for path in _tables(source)}
    if not tables:
        raise DataError(f"{source.name} holds no file MLTable")
    part = Source(source.storage, source.main)
    split_of = {file: split_in_name(folder_of(path)) for path, (files, _) in tables.items() for file in files}
    part.files = list(split_of)
    if columns.image is None:
        image = next((column for _, column in tables.values() if column), None)
        columns = Columns(image, columns.label, columns.split, columns.group)
    are_lines = all(suffix_of(file) in jsonl.SUFFIXES for file in part.files)
    annotations = jsonl.read(part, columns) if are_lines else csv_table.read(part, columns)
    for i, place in enumerate(annotations.places):
        annotations.splits[i] = annotations.splits[i] or split_of.get(place.rpartition(":")[0])
    return annotations


def _read_table(source: Source, path: str) -> tuple[list[str], str | None]:
    """The files that a table names, and its column of images."""
    try:
        value = yaml.safe_load(source.read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{path} is not valid YAML ({error})") from None
    if not isinstance(value, dict) or not isinstance(value.get("paths"), list):
        raise DataError(f"{path} needs a list of paths")
    entries = [entry for entry in value["paths"] if isinstance(entry, dict) and entry]
    named = [f"{as_text(name)}/*" if kind == "folder" else as_text(name) for e in entries for kind, name in e.items()]
    files = [file for name in named for file in _matching(source, name, path) if not is_image(file)]
    if not files:
        raise DataError(f"{path} names no file of this folder: {', '.join(named)}")
    if other := [file for file in files if suffix_of(file) not in (*jsonl.SUFFIXES, *TABLE_SUFFIXES, ".txt")]:
        raise DataError(f"{path} names {other[0]}; JSON lines and delimited files are read, write it as one of these")
    return files, _stream_column(value)


def _matching(source: Source, name: str, table: str) -> list[str]:
    """The listed files that an entry names, which may be a pattern or lead through a data store."""
    from fnmatch import fnmatch

    pattern = name.removeprefix("./")
    folder = folder_of(table)
    for candidate in (f"{folder}/{pattern}" if folder else pattern, pattern):
        if found := [path for path in source.storage.files if fnmatch(path, candidate)]:
            return found
    last = pattern.rpartition("/")[2]
    found = [path for path in source.storage.files if path.rpartition("/")[2] == last]
    return found if len(found) == 1 else []


def _stream_column(value: dict[str, Any]) -> str | None:
    """The column that the table converts to a stream, which is the image's."""
    for step in as_list(value.get("transformations")):
        for conversion in as_list(as_mapping(step).get("convert_column_types")):
            if "stream" in str(as_mapping(conversion).get("column_type")):
                names = conversion.get("columns")
                return as_text(names[0] if isinstance(names, list) and names else names) or None
    return None
