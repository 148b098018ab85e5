"""CSV with a column for the image and one for the label, or one 0/1 column a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from automl_vision.core.errors import DataError
from automl_vision.core.names import did_you_mean
from automl_vision.data.annotations import Annotations, Columns, Record, normalize_split, parse_split, read_text
from automl_vision.data.formats import dataset_format

_IMAGE = ("image", "image_url", "image_path", "filename", "file_name", "file", "path", "filepath")
_LABEL = ("label", "labels", "class", "classes", "category", "target", "tags")
_SPLIT = ("split", "subset", "set", "partition")
_GROUP = ("group", "group_id")
_SEPARATORS = ("|", ";")
_FLAGS = {"0": False, "1": True, "false": False, "true": True}
_DETECTION_ROWS = 20  # one good row among so many makes a table of flags
_END = "\0"  # a line of its own after the last row, unless a quotation mark is open there


@dataclass(frozen=True)
class _Layout:
    """Positions of a table's columns."""

    image: int
    label: int | None
    split: int | None
    group: int | None
    flags: dict[str, int]
    several: bool


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of their first lines; the delimiter is the most frequent of `,;` and tab in the header.

    Raises:
        DataError: a quotation mark is never closed, or a cell is too long.
    """
    lines = list(io.StringIO(read_text(path), newline=""))
    header = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader([*lines, "\n", _END], delimiter=delimiter, skipinitialspace=True)
    start = 1
    try:
        for row in rows:
            if row == [_END]:
                return
            if row and row[-1].endswith(_END):
                raise DataError(f"{path}:{start}: a quotation mark is never closed, which hides the rows below it")
            if any(cell.strip() for cell in row):
                yield start, [cell.strip() for cell in row]
            start = rows.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{start}: {error}") from error


def _find(header: Sequence[str], wanted: str | None, usual: Sequence[str]) -> int | None:
    """Position of the wanted column, or of the first usual name.

    Raises:
        DataError: a wanted column is not there.
    """
    lowered = [name.lower() for name in header]
    if wanted is not None:
        if wanted not in header:
            raise DataError(
                f'the table has no column "{wanted}".{did_you_mean(wanted, header)} It has: {", ".join(header)}'
            )
        return list(header).index(wanted)
    return next((lowered.index(name) for name in usual if name in lowered), None)


def _layout(header: list[str], columns: Columns) -> _Layout | None:
    """Where the columns stand, or None when this is no table of labelled images."""
    image = _find(header, columns.image, _IMAGE)
    label = _find(header, columns.label, _LABEL)
    split, group = _find(header, columns.split, _SPLIT), _find(header, columns.group, _GROUP)
    if image is None:
        return None
    taken = {image, label, split, group}
    flags = {name: i for i, name in enumerate(header) if i not in taken and name} if label is None else {}
    if label is None and not flags:
        return None
    plural = label is not None and header[label].lower() in ("labels", "classes", "tags")
    return _Layout(image, label, split, group, flags, plural)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in (".csv", ".tsv") else []
    return sorted(path.glob("*.csv")) + sorted(path.glob("*.tsv"))


def _labelled(path: Path) -> list[Path]:
    """The tables under a path that hold labels, by their header and first rows."""
    found = []
    for file in _files(path):
        with suppress(DataError):  # an unreadable table beside the data is no reason to refuse the data
            rows = _rows(file)
            _, header = next(rows, (0, []))
            layout = _layout(header, Columns())
            whole = (row for _, row in islice(rows, _DETECTION_ROWS) if len(row) == len(header))
            if layout and any(all(row[i].lower() in _FLAGS for i in layout.flags.values()) for row in whole):
                found.append(file)
    return found


def _tables(path: Path, columns: Columns) -> list[Path]:
    """The tables to read: one that is named itself, or all in a folder when columns are named, are read in any case."""
    return _files(path) if path.is_file() or columns != Columns() else _labelled(path)


def _row_labels(row: list[str], layout: _Layout) -> tuple[str, ...]:
    """The labels of one row.

    Raises:
        ValueError: a flag is not 0 or 1, or the label is empty.
    """
    if layout.label is None:
        bad = [name for name, i in layout.flags.items() if row[i].lower() not in _FLAGS]
        if bad:
            raise ValueError(f'column "{bad[0]}" must hold 0 or 1, not "{row[layout.flags[bad[0]]]}"')
        return tuple(name for name, i in layout.flags.items() if _FLAGS[row[i].lower()])
    cell = row[layout.label]
    if layout.several:
        separator = next((s for s in _SEPARATORS if s in cell), _SEPARATORS[0])
        return tuple(dict.fromkeys(part.strip() for part in cell.split(separator) if part.strip()))
    if not cell:
        raise ValueError("the label is empty")
    return (cell,)


@dataset_format(
    "csv",
    layout='columns image and label (or labels "cat|sofa", or one 0/1 column a label), optionally split, group',
    detect=lambda path, columns: bool(_tables(path, columns)),
)
def read(path: Path, columns: Columns) -> Annotations:
    """Read labelled tables; several rows of one image make a multi-label set."""
    root = path.parent if path.is_file() else path
    annotations = Annotations("label")
    merged: dict[str, Record] = {}
    for file in _tables(path, columns):
        rows = _rows(file)
        _, header = next(rows, (0, []))
        layout = _layout(header, columns)
        if layout is None:
            raise DataError(f"{file} needs a column for the image and one for the label; it has: {', '.join(header)}")
        if layout.label is None or layout.several:
            annotations.kind = "labels"
        if layout.flags:
            annotations.classes = list(dict.fromkeys([*(annotations.classes or []), *layout.flags]))
        for number, row in rows:
            place = f"{file.relative_to(root).as_posix()}:{number}"
            try:
                record = _read_row(row, len(header), layout, place, normalize_split(file.stem))
            except ValueError as error:
                annotations.reject(place, str(error), "bad label")
                continue
            known = merged.get(record.image)
            if known is not None:
                record = _merge(known, record)
                if len(record.labels) > 1:
                    annotations.kind = "labels"
            merged[record.image] = record
    for record in merged.values():
        annotations.add(record)
    return annotations


def _read_row(row: list[str], width: int, layout: _Layout, place: str, fallback_split: str | None) -> Record:
    """One row's record.

    Raises:
        ValueError: the row has another length than the header, no image, no usable label, or an unknown split.
    """
    if len(row) != width:
        raise ValueError(f"the row has {len(row)} cells, the header {width}")
    if not row[layout.image]:
        raise ValueError("the image is empty")
    split = parse_split(row[layout.split]) if layout.split is not None else None
    group = row[layout.group] or None if layout.group is not None else None
    return Record(row[layout.image], _row_labels(row, layout), place, split or fallback_split, group)


def _merge(first: Record, second: Record) -> Record:
    """One record for two rows of the same image."""
    labels = tuple(dict.fromkeys(first.labels + second.labels))
    return Record(first.image, labels, first.place, first.split or second.split, first.group or second.group)
