"""CSV with a column for the image and one for the label, or one 0/1 column a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.core.names import did_you_mean
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.formats.csv_headerless import fitted, header_of
from automl_vision.data.json_file import as_flag, as_number, as_size
from automl_vision.data.names import is_image, parse_split, split_of_path
from automl_vision.data.object import Object
from automl_vision.data.source import Source, folder_of
from automl_vision.data.urls import is_url
from automl_vision.data.writing import Export

_IMAGE = (
    "image", "image_url", "image_path", "filename", "file_name", "file", "path", "filepath", "image_name", "img_path",
    "image_id", "imageid", "img", "id_image", "image_uri", "fname", "photo", "picture", "id",
)  # fmt: skip
_LABEL = (
    "label", "labels", "class", "classes", "category", "target", "tags", "class_name", "label_name", "labelname",
    "category_name", "class_label", "tag", "name",
)  # fmt: skip
_SPLIT = ("split", "subset", "set", "partition")
_GROUP = ("group", "group_id")
_BOXES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("topx", "topy", "bottomx", "bottomy"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("left", "top", "right", "bottom"),
    ("x_0", "y_0", "x_1", "y_1"),
)
_EXTENTS = (
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("left", "top", "width", "height"),
)
_SIZES = (("image_width", "image_height"), ("width", "height"), ("img_width", "img_height"))
_CROWD = ("iscrowd", "is_crowd", "isgroupof")
_DIFFICULT = ("difficult",)
_SEPARATORS = ("|", ";")
_FLAGS = {"0": False, "1": True, "false": False, "true": True}
_LARGEST_SHARE = 1.5  # a share a little above 1 is rounding; no set of boxes in pixels ends within 1.5
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
    has_extent: bool
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
    box = _positions(header, _BOXES)
    has_extent = not box and bool(_positions(header, _EXTENTS))
    box = box or _positions(header, _EXTENTS)
    size = next((found for names in _SIZES if (found := _positions(header, [names])) and not set(found) & set(box)), ())
    taken = {image, label, split, group, crowd, difficult, *box, *size}
    flags = {name: i for i, name in enumerate(header) if i not in taken and name} if label is None else {}
    if label is None and not flags:
        return None
    plural = label is not None and header[label].lower() in ("labels", "classes", "tags")
    return _Layout(
        image, label, split, group, flags, plural, box if label is not None else (), has_extent, size, crowd, difficult
    )


def _positions(header: Sequence[str], choices: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
    """Positions of the first group of columns that is there as a whole; empty when none is."""
    lowered = [name.lower() for name in header]
    return next((tuple(map(lowered.index, names)) for names in choices if set(names) <= set(lowered)), ())


def _files(source: Source) -> list[str]:
    """The tables: those at the root, or in the nearest folders that have some."""
    files = source.with_suffix(".csv", ".tsv")
    nearest = min((path.count("/") for path in files), default=0)
    return [path for path in files if path.count("/") == nearest]


def _table(source: Source, path: str, columns: Columns) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """A table's header and its rows; the header of a table that has none is the one that its rows ask for."""
    rows = _rows(source, path)
    number, first = next(rows, (0, []))
    if columns == Columns() and (header := header_of(first)):
        rest = ((i, fitted(row, header)) for i, row in chain([(number, first)], rows))
        return header, ((i, row) for i, row in rest if row)
    return first, rows


def _labelled(source: Source) -> list[str]:
    """The tables of a source that hold labels, by their header and first rows; one of the images must be there."""
    found = []
    for file in _files(source):
        with suppress(DataError):  # an unreadable table beside the data is no reason to refuse the data
            header, rows = _table(source, file, Columns())
            layout = _layout(header, Columns())
            whole: list[list[str]] = []
            with suppress(DataError):  # whatever comes below the rows that are good
                whole.extend(row for _, row in islice(rows, _DETECTION_ROWS) if len(row) == len(header))
            if layout is None or not any(_is_there(source, row[layout.image], folder_of(file)) for row in whole):
                continue
            if any(all(row[i].lower() in _FLAGS for i in layout.flags.values()) for row in whole):
                found.append(file)
    return found


def _is_there(source: Source, reference: str, folder: str) -> bool:
    """Whether a row's image is listed, a URL, or a path of another place."""
    if is_url(reference) or reference.startswith("/") or not source.images:
        return True
    return _image(source, reference, folder) in source.image_set


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
    "label",
    "labels",
    "boxes",
    layout='columns image and label (or labels "cat|sofa", or one 0/1 column a label), optionally split, group, '
    "and xmin, ymin, xmax, ymax for boxes",
    detect=lambda source, columns: bool(_tables(source, columns)),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read labelled tables; several rows of one image make a multi-label set, or its boxes."""
    annotations = Annotations("label")
    names = _descriptions(source)
    plural = has_boxes = False
    largest = 0.0
    for file in _tables(source, columns):
        header, rows = _table(source, file, columns)
        layout = _layout(header, columns)
        if layout is None:
            raise DataError(f"{file} needs a column for the image and one for the label; it has: {', '.join(header)}")
        plural |= not layout.box and (layout.label is None or layout.several)
        has_boxes |= bool(layout.box)
        if layout.flags:
            annotations.classes = list(dict.fromkeys([*(annotations.classes or []), *layout.flags]))
        for number, row in rows:
            place = f"{file}:{number}"
            try:
                record = _read_row(row, len(header), layout, place, split_of_path(file))
                record = replace(record, image=_image(source, record.image, folder_of(file)))
            except ValueError as error:
                annotations.reject(place, str(error), "bad label")
                continue
            for value in record.objects:
                largest = max(largest, *(value.bbox or ()))
            annotations.add(_named(record, names))
    annotations.relative = len(annotations.objects) > 0 and largest <= _LARGEST_SHARE
    annotations.settle_kind(several=plural)
    if has_boxes and not len(annotations.objects):
        annotations.kind = "boxes"
    return annotations


def _image(source: Source, reference: str, folder: str) -> str:
    """The image of a row, which may be named without its suffix."""
    found = source.image(reference, folder)
    if is_image(reference) or found in source.image_set:
        return found
    return source.image_named(reference, folder) or found


def _named(record: Record, names: dict[str, str]) -> Record:
    """The record with the words for its labels."""
    if not names:
        return record
    objects = [replace(value, label=names.get(value.label, value.label)) for value in record.objects]
    return replace(record, labels=tuple(names.get(label, label) for label in record.labels), objects=objects)


def _descriptions(source: Source) -> dict[str, str]:
    """Words by identifier (`/m/01yrx,Cat`), from the table that Open Images has beside its boxes."""
    names: dict[str, str] = {}
    for path in source.storage.files if not is_url(source.storage.root) else ():
        if "class-descriptions" in path and path.endswith(".csv"):
            names |= {row[0]: row[1] for _, row in _rows(source, path) if len(row) == 2}
    return names


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
    if layout.has_extent:
        x2, y2 = x1 + x2, y1 + y2
    crowd = layout.crowd is not None and as_flag(row[layout.crowd])
    difficult = layout.difficult is not None and as_flag(row[layout.difficult])
    return (Object(label, (x1, y1, x2, y2), crowd, difficult),)


@export_format("csv", "label", "labels", "boxes", holds=("group", "iscrowd", "difficult", "references"))
def write(export: Export) -> None:
    """Write `labels.csv`, one row an image, or a box, and the images under their own names.

    Raises:
        DataError: a label holds what separates labels, and is also the name of another column.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    header = ["image", "split", "group"]
    has_flags = export.kind == "labels" and any(mark in name for name in export.classes for mark in _SEPARATORS)
    if has_flags:
        if bad := [name for name in export.classes if name.lower() in (*_IMAGE, *_LABEL, *_SPLIT, *_GROUP)]:
            raise DataError(f'the label "{bad[0]}" is also the name of a column; choose another format')
        header += export.classes
    elif export.kind == "boxes":
        header += ["label", *_BOXES[0], "iscrowd", "difficult"]
    else:
        header.append(export.kind)
    table.writerow(header)
    for split in export.splits:
        for record in export.records(split):
            start = [export.image(record.image), split, record.group or ""]
            if export.kind == "boxes":
                rows = [[v.label, *(v.bbox or ()), int(v.iscrowd), int(v.difficult)] for v in record.objects]
                table.writerows([*start, *row] for row in rows or [[""] * (len(header) - 3)])
            elif has_flags:
                table.writerow([*start, *(int(name in record.labels) for name in export.classes)])
            else:
                table.writerow([*start, "|".join(record.labels)])
    write_text(export.folder / "labels.csv", text.getvalue())
