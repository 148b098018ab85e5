"""A table and where its columns stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Columns
from automl_vision.formats.records.csv_columns import Layout, Table
from automl_vision.formats.records.csv_headerless import fitted, header_of
from automl_vision.formats.records.csv_rows import Row, is_list, read_rows
from automl_vision.formats.source import Source

_HEAD_ROWS, _EACH = 2000, 97  # of a table: its first rows, and of the others each so-and-so-manieth, tell its columns
_SHOWN_ROWS = 20


@dataclass(frozen=True)
class KnownTable:
    """A table and where its columns stand.

    Attributes:
        file: its path.
        header: names of its columns.
        layout: positions of its columns.
        head: some rows, each as long as the header.
    """

    file: str
    header: list[str]
    layout: Layout
    head: list[list[str]]


def rows_of(source: Source, path: str, columns: Columns) -> tuple[list[str], Iterator[Row]]:
    """A table's header and its rows; the header of a table that has none is the one that its rows ask for."""
    rows = read_rows(source, path)
    number, first = next(rows, (0, []))
    header = header_of(first) if columns == Columns() else None
    if header is None and is_list(path) and len(first) in (1, 2) and source.may_be_image(first[0]):
        header = ["image", "labels"][: len(first)]
    if header is None:
        return first, rows
    rest = ((i, fitted(row, header)) for i, row in chain([(number, first)], rows))
    return header, ((i, row) for i, row in rest if row)


def look_at(source: Source, file: str, columns: Columns) -> tuple[list[str], KnownTable | None]:
    """A table's header, and where its columns stand if one of them names images.

    Raises:
        DataError: a column that the user names is not there.
    """
    header, rows = rows_of(source, file, columns)
    sample: list[list[str]] = []
    with suppress(DataError):  # whatever comes below the rows that are good
        whole = (row for _, row in rows if len(row) == len(header))
        sample.extend(islice(whole, _HEAD_ROWS))
        sample.extend(islice(whole, _EACH - 1, None, _EACH))
    if is_list(file) and any(" " in row[-1] and row[-1].replace(" ", "").isdecimal() for row in sample):
        return header, None  # numbers without names, such as flags
    layout = Table(header, sample, source.may_be_image).layout(columns)
    return header, None if layout is None else KnownTable(file, header, layout, sample[:_SHOWN_ROWS])
