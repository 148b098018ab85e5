"""The tables of a dataset: their layouts, which of them hold its labels, and what others lack."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.formats.json_file import as_size
from automl_vision.formats.records.cells import UNCERTAIN, is_empty, numbers_in
from automl_vision.formats.records.headerless import is_assumed
from automl_vision.formats.records.layout import Layout, Table, label_of
from automl_vision.formats.records.reader import RowImages, RowReader, row_split
from automl_vision.formats.records.rows import Row, read_table
from automl_vision.formats.records.runs import run_order
from automl_vision.formats.records.text_cells import is_list, table_files
from automl_vision.formats.source import Source, size_of_file
from automl_vision.storage.urls import is_url

_ANSWERS = ("submission", "sample_sub")  # in names of tables that hold answers for a contest, not labels
_MOST_TABLES = 200  # that are looked at, the nearest to the root first
_SHOWN = 3
_HEAD_ROWS, _EACH = 2000, 97  # a table's layout follows from its first rows and every 97th of the others
_SHOWN_ROWS = 20


@dataclass(frozen=True)
class KnownTable:
    """A table and the meaning of its fields.

    Attributes:
        file: its path.
        layout: of its rows.
        head: the first rows.
        is_assumed: whether the table has no header, so that only the order of its cells says what they mean.
    """

    file: str
    layout: Layout
    head: list[Row]
    is_assumed: bool = False


Look = tuple[list[str], KnownTable | None]  # a table's fields, and what they mean if one of them names images


def look_at(source: Source, file: str, columns: Columns) -> Look:
    """What a table holds; it is looked through once.

    Raises:
        DataError: a column that the user names is not there, or the file cannot be read.
    """
    return source.look_once(("table", file, columns), lambda: _look(source, file, columns))


def _look(source: Source, file: str, columns: Columns) -> Look:
    fields, rows = read_table(source, file, columns)
    sample: list[Row] = []
    with suppress(DataError):  # whatever comes below the rows that are good
        whole = (row for _, row in rows if not isinstance(row, ValueError))
        sample.extend(islice(whole, _HEAD_ROWS))
        sample.extend(islice(whole, _EACH - 1, None, _EACH))
    last = fields[-1] if fields else ""
    if is_list(file) and any(" " in row[last] and row[last].replace(" ", "").isdecimal() for row in sample):
        return fields, None  # numbers without names, such as flags
    layout = Table(fields, sample, source.may_be_image).layout(columns)
    return fields, None if layout is None else KnownTable(file, layout, sample[:_SHOWN_ROWS], is_assumed(fields))


def _is_there(source: Source, found: KnownTable) -> bool:
    """Whether one of the first rows names an image that is listed, a URL, or a path of another place."""
    images = RowImages(source, found.file)
    for reference in filter(None, (row[found.layout.image] for row in found.head)):
        if is_url(reference) or reference.startswith("/") or not source.images:
            return True
        if images.find(reference) in source.image_set:
            return True
    return False


def read_tables(source: Source, reader: RowReader, tables: list[KnownTable], columns: Columns) -> None:
    """Read tables, and say what was understood that the user may see otherwise.

    Raises:
        DataError: two tables contradict each other.
    """
    for table in tables:
        layout, annotations = table.layout, reader.annotations
        if layout.flags:
            names = map(label_of, layout.flags)
            annotations.classes = list(dict.fromkeys([*(annotations.classes or []), *names]))
        _note(table, annotations)
        layout = replace(layout, box_kind=settled_boxes(source, table), run_order=_settled_runs(source, table))
        reader.read(table.file, read_table(source, table.file, columns)[1], layout, compare=len(tables) > 1)
    reader.check_agreement()
    for name in sorted(reader.odd_names):
        reason = f'"{name}" is read as the name of a class; leave the cell empty where none is meant'
        reader.annotations.ignore(tables[0].file, reason, "labels")


def _note(table: KnownTable, annotations: Annotations) -> None:
    layout, file = table.layout, table.file
    flags = [row[name] for row in table.head for name in layout.flags]
    if not UNCERTAIN.isdisjoint(flags) and not {"0", "0.0"}.isdisjoint(flags):
        annotations.ignore(file, "-1 is read as 0, not set", "flags")
    if layout.separator in (" ", ","):
        annotations.ignore(file, f'labels are read as separated by "{layout.separator}"', "labels")
    if layout.holds_objects and layout.label is None:
        annotations.ignore(file, 'the objects have no column of labels; all are of the class "object"', "labels")
    if layout.flags and layout.others:
        others = ", ".join(layout.others)
        annotations.ignore(file, f"columns that hold no 0 or 1 are not labels: {others}", "columns")


def side_splits(source: Source, tables: list[KnownTable]) -> dict[str, str | None]:
    """The splits that tables without labels state in a field, or by their own name, by image."""
    splits: dict[str, str | None] = {}
    for table in tables:
        images, layout = RowImages(source, table.file), table.layout
        for _, row in read_table(source, table.file, Columns())[1]:
            if not isinstance(row, ValueError):
                with suppress(ValueError):
                    split = row_split(row, layout.split, layout.split_names) if layout.split else images.split
                    splits[images.find(row[layout.image])] = split
    return splits


def side_labels(source: Source, tables: list[KnownTable], classes: set[str]) -> dict[str, str]:
    """The labels of images that tables state, of those whose labels are all among some classes."""
    labels: dict[str, str] = {}
    for table in tables:
        images, label = RowImages(source, table.file), table.layout.label
        if label is None or not classes.issuperset(row[label] for row in table.head):
            continue
        for _, row in read_table(source, table.file, Columns())[1]:
            if not isinstance(row, ValueError) and row[label] in classes:
                labels[images.find(row[table.layout.image])] = row[label]
    return labels


def settled_boxes(source: Source, table: KnownTable) -> str:
    """What the numbers of a table's boxes are; where no name says it, the first rows and their images decide.

    Whichever is wrong in fewer rows, for corners have an order, and x, y, width, height may lead out of an image; else
    extents for numbers in one field, as COCO and most others write them, and corners for a table without header.
    """
    layout = table.layout
    if layout.box_kind != "text" and not table.is_assumed:
        return layout.box_kind
    images = RowImages(source, table.file)
    bad_corners, bad_extents = 0, 0
    for row in table.head:
        try:
            boxes = numbers_in(" ".join(row[name] for name in layout.box))
        except ValueError:
            continue
        bad_corners += any(c < a or d < b for a, b, c, d in boxes)
        if boxes and (size := _size_of(source, row, layout, images)) is not None:
            bad_extents += any(a + c > size[0] + 1 or b + d > size[1] + 1 for a, b, c, d in boxes)
    if bad_corners == bad_extents:
        return "corners" if table.is_assumed else "extents"
    return "extents" if bad_corners > bad_extents else "corners"


def _size_of(source: Source, row: Row, layout: Layout, images: RowImages) -> tuple[int, int] | None:
    """The size of a row's image, as the row or the image states it."""
    stated = as_size(*(row[name] for name in layout.size)) if layout.size else None
    return stated or size_of_file(source, images.find(row[layout.image]))


def _settled_runs(source: Source, table: KnownTable) -> str:
    """The order of a table's runs of pixels, which the first masks show.

    Raises:
        DataError: they do not show it.
    """
    layout, images = table.layout, RowImages(source, table.file)
    if layout.runs is None:
        return ""
    masks = ((row[layout.runs], row) for row in table.head if not is_empty(row[layout.runs]))
    sized = ((cell, _size_of(source, row, layout, images)) for cell, row in masks)
    try:
        return run_order((cell, size) for cell, size in sized if size is not None)
    except ValueError as error:
        raise DataError(f"{table.file}: {error}") from None


def candidate_tables(source: Source) -> list[KnownTable]:
    """The tables of a folder that name its images."""
    tables = []
    for file in sorted(table_files(source), key=lambda path: path.count("/"))[:_MOST_TABLES]:
        if any(part in file.rpartition("/")[2].lower() for part in _ANSWERS):
            continue
        with suppress(DataError):  # an unreadable table beside the data is no reason to refuse the data
            _, found = look_at(source, file, Columns())
            if found is not None and _is_there(source, found):
                tables.append(found)
    return tables


def labelled_tables(tables: list[KnownTable]) -> list[KnownTable]:
    """Those nearest to the root that have labels: a column of them, else flags, else boxes without a name."""
    kinds = (
        [table for table in tables if table.layout.label is not None],
        [table for table in tables if table.layout.flags],
        [table for table in tables if table.layout.holds_objects],
    )
    chosen = next(filter(None, kinds), [])
    nearest = min((table.file.count("/") for table in chosen), default=0)
    return [table for table in chosen if table.file.count("/") == nearest]


def named_tables(source: Source, columns: Columns) -> list[KnownTable]:
    """The table that the user points at, or those that have the columns that the user names.

    Raises:
        DataError: there is none.
    """
    files = table_files(source)
    nearest = min((path.count("/") for path in files), default=0)
    found, error = [], None
    for file in (path for path in files if path.count("/") == nearest):
        try:
            header, table = look_at(source, file, columns)
            if table is None or not (table.layout.is_labelled or table.layout.holds_objects):
                raise DataError(_lacking(file, header))
            found.append(table)
        except DataError as problem:
            error = error or problem
    if error is not None and not found:
        raise error
    return found


def _lacking(file: str, header: list[str]) -> str:
    """What a table lacks."""
    if pixels := [name for name in header if name.lower().startswith("pixel")]:
        return f'{file} holds pixels ("{pixels[0]}"), not names of images; write each row to an image file'
    return (
        f"{file} needs a column for the image and one for the label; it has: {', '.join(map(label_of, header))}; "
        'name them with image_column="..." and label_column="..."'
    )


def unlabelled_tables(source: Source) -> list[str]:
    """What tables lack that name the data's images, or hold them as pixels, and have no labels."""
    found = []
    for file in table_files(source)[:_MOST_TABLES]:
        with suppress(DataError):
            header, table = look_at(source, file, Columns())
            has_pixels = any(name.lower().startswith("pixel") for name in header)
            has_more = table is not None and len(table.layout.others) > 0
            if has_pixels or (table and has_more and not table.layout.is_labelled and _is_there(source, table)):
                found.append(_lacking(file, header))
    return found


def explain_tables(source: Source) -> str | None:
    """The same as one text; None when there are none."""
    return "; ".join(unlabelled_tables(source)[:_SHOWN]) or None
