"""CSV with a column for the image and one for the label, or one 0/1 column a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.core.names import did_you_mean
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.json_file import as_flag, as_number, as_size
from automl_vision.data.names import parse_split, split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, folder_of
from automl_vision.data.writing import Export

_IMAGE = ("image", "image_url", "image_path", "filename", "file_name", "file", "path", "filepath")
_LABEL = ("label", "labels", "class", "classes", "category", "target", "tags")
_SPLIT = ("split", "subset", "set", "partition")
_GROUP = ("group", "group_id")
_BOXES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("topx", "topy", "bottomx", "bottomy"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("left", "top", "right", "bottom"),
)
_CROWD = ("iscrowd", "is_crowd", "isgroupof")
_DIFFICULT = ("difficult",)
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
    box: tuple[int, ...]
    size: tuple[int, ...]
    crowd: int | None
    difficult: int | None


def _rows(source: Source, path: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of their first lines; the delimiter is the most frequent of `,;` and tab in the header.

    Raises:
        DataError: a quotation mark is never closed, or a cell is too long.
    """
    lines = list(io.StringIO(source.read_text(path), newline=""))
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
    crowd, difficult = _find(header, None, _CROWD), _find(header, None, _DIFFICULT)
    box, size = _positions(header, _BOXES), _positions(header, [("width", "height")])
    taken = {image, label, split, group, crowd, difficult, *box, *size}
    flags = {name: i for i, name in enumerate(header) if i not in taken and name} if label is None else {}
    if label is None and not flags:
        return None
    plural = label is not None and header[label].lower() in ("labels", "classes", "tags")
    return _Layout(image, label, split, group, flags, plural, box if label is not None else (), size, crowd, difficult)


def _positions(header: Sequence[str], choices: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
    """Positions of the first group of columns that is there as a whole; empty when none is."""
    lowered = [name.lower() for name in header]
    return next((tuple(map(lowered.index, names)) for names in choices if set(names) <= set(lowered)), ())


def _files(source: Source) -> list[str]:
    """The tables: those at the root, or in the nearest folders that have some."""
    files = source.with_suffix(".csv", ".tsv")
    nearest = min((path.count("/") for path in files), default=0)
    return [path for path in files if path.count("/") == nearest]


def _labelled(source: Source) -> list[str]:
    """The tables of a source that hold labels, by their header and first rows."""
    found = []
    for file in _files(source):
        with suppress(DataError):  # an unreadable table beside the data is no reason to refuse the data
            rows = _rows(source, file)
            _, header = next(rows, (0, []))
            layout = _layout(header, Columns())
            whole = (row for _, row in islice(rows, _DETECTION_ROWS) if len(row) == len(header))
            if layout and any(all(row[i].lower() in _FLAGS for i in layout.flags.values()) for row in whole):
                found.append(file)
    return found


def _tables(source: Source, columns: Columns) -> list[str]:
    """The tables to read: one that is named itself, or all in a folder when columns are named, are read in any case."""
    return _files(source) if source.main or columns != Columns() else _labelled(source)


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
    layout='columns image and label (or labels "cat|sofa", or one 0/1 column a label), optionally split, group, '
    "and xmin, ymin, xmax, ymax for boxes",
    detect=lambda source, columns: bool(_tables(source, columns)),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read labelled tables; several rows of one image make a multi-label set, or its boxes."""
    annotations = Annotations("label")
    numbers: dict[str, int] = {}
    largest = 0.0
    for file in _tables(source, columns):
        rows = _rows(source, file)
        _, header = next(rows, (0, []))
        layout = _layout(header, columns)
        if layout is None:
            raise DataError(f"{file} needs a column for the image and one for the label; it has: {', '.join(header)}")
        if layout.box:
            annotations.kind = "boxes"
        elif annotations.kind == "label" and (layout.label is None or layout.several):
            annotations.kind = "labels"
        if layout.flags:
            annotations.classes = list(dict.fromkeys([*(annotations.classes or []), *layout.flags]))
        for number, row in rows:
            place = f"{file}:{number}"
            try:
                record = _read_row(row, len(header), layout, place, split_of_path(file))
                image = source.image(record.image, folder_of(file))
            except ValueError as error:
                annotations.reject(place, str(error), "bad label")
                continue
            for value in record.objects:
                largest = max(largest, *(value.bbox or ()))
            _add(annotations, numbers, replace(record, image=image))
    annotations.relative = len(annotations.objects) > 0 and largest <= 1.0
    return annotations


def _add(annotations: Annotations, numbers: dict[str, int], record: Record) -> None:
    """Add a record, or what it says to an earlier one of the same image."""
    number = numbers.get(record.image)
    if number is None:
        added = annotations.add(record)
        if added is not None:
            numbers[record.image] = added
        return
    for value in record.objects:
        annotations.objects.add(number, value)
        annotations.report.total += 1
    labels = tuple(dict.fromkeys(annotations.labels[number] + record.labels))
    if len(labels) > 1 and annotations.kind == "label":
        annotations.kind = "labels"
    annotations.labels[number] = labels
    annotations.splits[number] = annotations.splits[number] or record.split
    annotations.groups[number] = annotations.groups[number] or record.group


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
    size = as_size(row[layout.size[0]], row[layout.size[1]]) if layout.size else None
    objects = _row_objects(row, layout) if layout.box else ()
    labels = () if layout.box else _row_labels(row, layout)
    return Record(row[layout.image], place, labels, objects, split or fallback_split, group, size)


def _row_objects(row: list[str], layout: _Layout) -> tuple[Object, ...]:
    """The box of a row; none where label and box are empty, as for an image without objects.

    Raises:
        ValueError: a value cannot be used.
    """
    label = row[layout.label] if layout.label is not None else ""
    cells = [row[i] for i in layout.box]
    if not any([label, *cells]):
        return ()
    if not label:
        raise ValueError("the label is empty")
    x1, y1, x2, y2 = (as_number(cell) for cell in cells)
    crowd = layout.crowd is not None and as_flag(row[layout.crowd])
    difficult = layout.difficult is not None and as_flag(row[layout.difficult])
    return (Object(label, (x1, y1, x2, y2), crowd, difficult),)


@export_format("csv", "label", "labels", "boxes", holds=("group", "iscrowd", "difficult", "references"))
def write(export: Export) -> None:
    """Write `labels.csv`, one row an image, or a box, and the images under their own names."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    labels = "labels" if export.kind == "labels" else "label"
    box = [*_BOXES[0], "iscrowd", "difficult"] if export.kind == "boxes" else []
    table.writerow(["image", labels, "split", "group", *box])
    for split in export.splits:
        for record in export.records(split):
            image, rest = export.image(record.image), [split, record.group or ""]
            if export.kind == "boxes":
                rows = [[v.label, *rest, *(v.bbox or ()), int(v.iscrowd), int(v.difficult)] for v in record.objects]
                table.writerows([image, *row] for row in rows or [["", *rest, *[""] * len(box)]])
            else:
                table.writerow([image, "|".join(record.labels), *rest])
    write_text(export.folder / "labels.csv", text.getvalue())
