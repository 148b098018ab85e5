"""Rows with named fields, from every kind of file that holds some: one place that opens each.

A row comes with its place for messages ("file.csv:12"); a `ValueError` in its stead says why it cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.text import suffix_of
from automl_vision.data.annotations import Columns
from automl_vision.formats.records.headerless import fitted, header_of
from automl_vision.formats.records.json_values import LINE_SUFFIXES, read_values
from automl_vision.formats.records.text_cells import is_list, names_partition, read_cells
from automl_vision.formats.source import Source

Row = Mapping[str, Any]
Rows = Iterator[tuple[str, Any]]  # places, and rows, errors, or JSON values that are not rows

MANIFEST_KEY = b"automl_vision"  # in the metadata of a Parquet file that this package wrote


def read_table(source: Source, path: str, columns: Columns) -> tuple[list[str], Rows]:
    """The fields of a table, and its rows, whose values are texts.

    A table that has no header has the one that its first row asks for, unless the user names columns.

    Raises:
        DataError: the file cannot be read.
    """
    if suffix_of(path) == ".parquet":
        fields, rows = read_parquet(source, path)
        return fields, ((place, {field: cell_text(value) for field, value in row.items()}) for place, row in rows)
    cells = read_cells(source, path)
    number, first = next(cells, (0, []))
    header = list(columns.fields) or (header_of(first) if columns == Columns() else None)
    if header is None and is_list(path) and len(first) in (1, 2) and source.may_be_image(first[0]):
        header = ["image", "labels"][: len(first)]
    if header is not None and len(header) == 2 and names_partition(path):
        header = [name if name == "image" else "partition" for name in header]
    if header is None:
        fields = distinct(first)
    else:
        rest = ((i, fitted(row, header)) for i, row in chain([(number, first)], cells))
        fields, cells = header, ((i, row) for i, row in rest if row)
    return fields, _named(path, fields, cells)


def _named(path: str, fields: list[str], cells: Iterator[tuple[int, list[str]]]) -> Rows:
    width = len(fields)
    for number, row in cells:
        if len(row) == width:
            yield f"{path}:{number}", dict(zip(fields, row, strict=True))
        else:
            yield f"{path}:{number}", ValueError(f"the row has {len(row)} cells, the header {width}")


def distinct(header: list[str]) -> list[str]:
    """The names of a header as keys: equal ones differ by null characters at the end, which no meaning depends on."""
    found: dict[str, None] = {}
    for name in header:
        while name in found:
            name += "\0"  # noqa: PLW2901
        found[name] = None
    return list(found)


def read_records(source: Source, path: str) -> Rows:
    """The rows of a file whose fields have fixed names, such as Hugging Face's metadata.

    Raises:
        DataError: the file cannot be read.
    """
    if suffix_of(path) == ".parquet":
        return read_parquet(source, path)[1]
    if suffix_of(path) in LINE_SUFFIXES:
        return read_values(source, path)
    cells = read_cells(source, path)
    return _named(path, distinct(next(cells, (0, []))[1]), cells)


def changed(rows: Rows, change: Callable[[Any], Any]) -> Rows:
    """Rows as a function returns them, or the `ValueError` that it raises."""
    for place, row in rows:
        try:
            yield place, row if isinstance(row, ValueError) else change(row)
        except ValueError as error:
            yield place, error


def read_parquet(source: Source, path: str) -> tuple[list[str], Rows]:
    """The fields of a Parquet file that hold no bytes, and its rows.

    Raises:
        DataError: it is not a Parquet file, or a manifest of this package.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(source.read(path)))
        schema = file.schema_arrow
        if any(key.startswith(MANIFEST_KEY) for key in schema.metadata or {}):
            raise DataError(f"{path} is a manifest; open it by its path")
        fields = [field.name for field in schema if not _holds_bytes(field.type)]
        batches = file.iter_batches(columns=fields)
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file ({error})") from None
    return fields, ((f"{path}: row {i}", row) for i, row in enumerate(_checked(rows, path)))


def _checked(rows: Iterator[Any], path: str) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file ({error})") from None


def _holds_bytes(kind: Any) -> bool:
    return "binary" in str(kind)


def cell_text(value: Any) -> str:
    """A value as a table's cell holds it: lists and mappings as JSON, nothing as an empty text."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).strip()
