"""CSV with a column for the image and one for the label, or one 0/1 column a label, or boxes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.formats.class_names import name_classes
from automl_vision.data.formats.csv_boxes import row_boxes, settled_boxes
from automl_vision.data.formats.csv_cells import FLAGS, UNCERTAIN, is_empty, one_label, split_labels
from automl_vision.data.formats.csv_columns import CORNERS, GROUP, IMAGE, LABEL, SPLIT, Layout, Split, Table
from automl_vision.data.formats.csv_headerless import fitted, header_of
from automl_vision.data.formats.csv_rows import Row, is_list, read_rows, table_files
from automl_vision.data.json_file import as_size
from automl_vision.data.names import is_image, parse_split, split_of_path
from automl_vision.data.source import Source, folder_of
from automl_vision.data.urls import is_url
from automl_vision.data.writing import Export

_SEPARATORS = ("|", ";")
_LARGEST_SHARE = 1.5  # a share a little above 1 is rounding; no set of boxes in pixels ends within 1.5
_HEAD_ROWS, _EACH = 2000, 97  # of a table: its first rows, and of the others each so-and-so-manieth, tell its columns
_TRIED_ROWS = 20  # whose images are looked for
_ANSWERS = ("submission", "sample_sub")  # in names of tables that hold answers for a contest, not labels


@dataclass(frozen=True)
class _Found:
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


def _rows_of(source: Source, path: str, columns: Columns) -> tuple[list[str], Iterator[Row]]:
    """A table's header and its rows; the header of a table that has none is the one that its rows ask for."""
    rows = read_rows(source, path)
    number, first = next(rows, (0, []))
    header = header_of(first) if columns == Columns() else None
    if header is None and is_list(path) and len(first) == 2 and source.may_be_image(first[0]):
        header = ["image", "label"]
    if header is None:
        return first, rows
    rest = ((i, fitted(row, header)) for i, row in chain([(number, first)], rows))
    return header, ((i, row) for i, row in rest if row)


def _look_at(source: Source, file: str, columns: Columns) -> tuple[list[str], _Found | None]:
    """A table's header, and where its columns stand if one of them names images.

    Raises:
        DataError: a column that the user names is not there.
    """
    header, rows = _rows_of(source, file, columns)
    sample: list[list[str]] = []
    with suppress(DataError):  # whatever comes below the rows that are good
        whole = (row for _, row in rows if len(row) == len(header))
        sample.extend(islice(whole, _HEAD_ROWS))
        sample.extend(islice(whole, _EACH - 1, None, _EACH))
    if is_list(file) and any(" " in row[-1] and row[-1].replace(" ", "").isdecimal() for row in sample):
        return header, None  # numbers without names, such as flags
    layout = Table(header, sample, source.may_be_image).layout(columns)
    return header, None if layout is None else _Found(file, header, layout, sample[:_TRIED_ROWS])


def _is_there(source: Source, found: _Found) -> bool:
    """Whether one of the first rows names an image that is listed, a URL, or a path of another place."""
    for reference in filter(None, (row[found.layout.image] for row in found.head)):
        if is_url(reference) or reference.startswith("/") or not source.images:
            return True
        if _image(source, reference, found.file) in source.image_set:
            return True
    return False


def _candidates(source: Source) -> list[_Found]:
    """The tables of a folder that name its images."""
    tables = []
    for file in table_files(source):
        if any(part in file.rpartition("/")[2].lower() for part in _ANSWERS):
            continue
        with suppress(DataError):  # an unreadable table beside the data is no reason to refuse the data
            _, found = _look_at(source, file, Columns())
            if found is not None and _is_there(source, found):
                tables.append(found)
    return tables


def _labelled(tables: list[_Found]) -> list[_Found]:
    """Those nearest to the root that have labels: a column of them, else flags, else boxes without a name."""
    kinds = (
        [table for table in tables if table.layout.label is not None],
        [table for table in tables if table.layout.flags],
        [table for table in tables if table.layout.box],
    )
    chosen = next(filter(None, kinds), [])
    nearest = min((table.file.count("/") for table in chosen), default=0)
    return [table for table in chosen if table.file.count("/") == nearest]


def _named_tables(source: Source, columns: Columns) -> list[_Found]:
    """The table that the user points at, or those that have the columns that the user names.

    Raises:
        DataError: there is none.
    """
    files = table_files(source)
    nearest = min((path.count("/") for path in files), default=0)
    found, error = [], None
    for file in (path for path in files if path.count("/") == nearest):
        try:
            header, table = _look_at(source, file, columns)
            if table is None or not (table.layout.is_labelled or table.layout.box):
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
        f"{file} needs a column for the image and one for the label; it has: {', '.join(header)}; name them with "
        'image_column="..." and label_column="..."'
    )


def _explain(source: Source) -> str | None:
    """What the first table lacks that looks like one of labels."""
    for file in table_files(source):
        with suppress(DataError):
            header, found = _look_at(source, file, Columns())
            has_pixels = any(name.lower().startswith("pixel") for name in header)
            if has_pixels or (found is not None and not found.layout.is_labelled and _is_there(source, found)):
                return _lacking(file, header)
    return None


def _detect(source: Source, columns: Columns) -> bool:
    if source.main or columns != Columns():
        return bool(table_files(source))
    return bool(_labelled(_candidates(source)))


@dataset_format(
    "csv",
    "label",
    "labels",
    "boxes",
    layout='columns image and label (or labels "cat|sofa", or one 0/1 column a label), optionally split, group, '
    "and xmin, ymin, xmax, ymax for boxes; also lists of PATH LABEL",
    detect=_detect,
    explain=_explain,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read labelled tables; several rows of one image make a multi-label set, or its boxes.

    Raises:
        DataError: a table that the user points at lacks a column, or two tables contradict each other.
    """
    annotations = Annotations("label")
    if source.main or columns != Columns():
        tables, others = _named_tables(source, columns), []
    else:
        candidates = _candidates(source)
        tables = _labelled(candidates)
        others = [table for table in candidates if table.layout.split and table not in tables]
    reader = _Reader(source, columns, annotations, _side_splits(source, others))
    for table in tables:
        reader.read(table)
    reader.check_agreement()
    annotations.relative = len(annotations.objects) > 0 and reader.largest <= _LARGEST_SHARE
    layouts = [table.layout for table in tables]
    has_room = any(layout.plural or layout.flags for layout in layouts) and not any(annotations.labels)
    annotations.settle_kind(several=has_room or any(len(layout.flags) == 1 for layout in layouts))
    if any(layout.box for layout in layouts) and not len(annotations.objects):
        annotations.kind = "boxes"
    if not any(layout.split for layout in layouts):
        annotations.split_by_folders()
    name_classes(source, annotations, [table.file for table in tables])
    return annotations


class _Reader:
    """Reads tables into annotations.

    Args:
        source: where they lie.
        columns: as the user names them.
        annotations: what is filled.
        splits: of images, from tables that tell nothing else.
    """

    def __init__(
        self, source: Source, columns: Columns, annotations: Annotations, splits: dict[str, str | None]
    ) -> None:
        self.largest = 0.0
        self._source, self._columns, self._annotations, self._splits = source, columns, annotations, splits
        self._labels_of: dict[
            str, tuple[str, tuple[str, ...]]
        ] = {}  # by image: the first table that labels it, and how
        self._agreed, self._contradictions = 0, 0
        self._files: list[str] = []

    def read(self, table: _Found) -> None:
        """Read one table."""
        self._files.append(table.file)
        header, rows = _rows_of(self._source, table.file, self._columns)
        layout = table.layout
        if layout.flags:
            self._annotations.classes = list(dict.fromkeys([*(self._annotations.classes or []), *layout.flags]))
        self._note(table)
        box_kind = settled_boxes(self._source, table.head, layout, self._image_of(table.file))
        for number, row in rows:
            place = f"{table.file}:{number}"
            try:
                record = _read_row(row, len(header), layout, place, box_kind)
                image = _image(self._source, record.image, table.file)
                split = record.split or split_of_path(table.file) or self._splits.get(image)
                record = replace(record, image=image, split=split)
            except ValueError as error:
                self._annotations.reject(place, str(error), "bad label")
                continue
            for value in record.objects:
                self.largest = max(self.largest, *(value.bbox or ()))
            self._compare(table.file, record)
            self._annotations.add(record)

    def check_agreement(self) -> None:
        """Raise `DataError` when two tables give most of the images that they share different labels."""
        if self._contradictions > self._agreed:
            files = ", ".join(sorted(self._files))
            raise DataError(f"the tables {files} give the same images different labels; open one of them by its path")

    def _compare(self, file: str, record: Record) -> None:
        first, labels = self._labels_of.setdefault(record.image, (file, record.labels))
        if first != file and record.labels:
            self._contradictions += labels != record.labels
            self._agreed += labels == record.labels

    def _image_of(self, file: str) -> Callable[[str], str]:
        return lambda reference: _image(self._source, reference, file)

    def _note(self, table: _Found) -> None:
        """Say what was understood that the user may see otherwise."""
        layout, file = table.layout, table.file
        flags = [row[i] for row in table.head for i in layout.flags.values()]
        if not UNCERTAIN.isdisjoint(flags) and not {"0", "0.0"}.isdisjoint(flags):
            self._annotations.ignore(file, "-1 is read as 0, not set", "flags")
        if layout.separator in (" ", ","):
            self._annotations.ignore(file, f'labels are read as separated by "{layout.separator}"', "labels")
        if layout.box and layout.label is None:
            self._annotations.ignore(
                file, 'the boxes have no column of labels; all are of the class "object"', "labels"
            )
        if layout.flags and layout.others:
            others = ", ".join(layout.others)
            self._annotations.ignore(file, f"columns that hold no 0 or 1 are not labels: {others}", "columns")


def _side_splits(source: Source, tables: list[_Found]) -> dict[str, str | None]:
    """The splits that tables without labels tell, by image."""
    splits: dict[str, str | None] = {}
    for table in tables:
        header, rows = _rows_of(source, table.file, Columns())
        for _, row in rows:
            if len(row) == len(header) and table.layout.split:
                with suppress(ValueError):
                    image = _image(source, row[table.layout.image], table.file)
                    splits[image] = _split(row, table.layout.split)
    return splits


def _image(source: Source, reference: str, file: str) -> str:
    """The image of a table's row, which may be named without its suffix."""
    folder, split = folder_of(file), split_of_path(file)
    if is_image(reference) or is_url(reference):
        return source.image(reference, folder, split)
    return source.image_of_stem(reference, folder, split) or source.image(reference, folder, split)


def _split(row: list[str], split: Split) -> str | None:
    """The split of a row.

    Raises:
        ValueError: it is unknown.
    """
    cell = row[split.column]
    if split.names is not None:
        return split.names.get(cell.lower())
    return None if is_empty(cell) else parse_split(cell)


def _read_row(row: list[str], width: int, layout: Layout, place: str, box_kind: str) -> Record:
    """One row's record.

    Raises:
        ValueError: the row has another length than the header, no image, no usable label, or an unknown split.
    """
    if len(row) != width:
        raise ValueError(f"the row has {len(row)} cells, the header {width}")
    if not row[layout.image]:
        raise ValueError("the image is empty")
    split = _split(row, layout.split) if layout.split is not None else None
    group = row[layout.group] if layout.group is not None and not is_empty(row[layout.group]) else None
    if group is not None and layout.fold:
        group = f"fold {group}"
    size = as_size(row[layout.size[0]], row[layout.size[1]]) if layout.size else None
    objects = row_boxes(row, layout, box_kind) if layout.box else ()
    labels = () if layout.box else _row_labels(row, layout)
    return Record(row[layout.image], place, labels, objects, split, group, size)


def _row_labels(row: list[str], layout: Layout) -> tuple[str, ...]:
    """The labels of one row.

    Raises:
        ValueError: a flag is not 0 or 1, or the label is empty.
    """
    if layout.label is None:
        bad = [name for name, i in layout.flags.items() if not (row[i].lower() in FLAGS or is_empty(row[i]))]
        if bad:
            raise ValueError(f'column "{bad[0]}" must hold 0 or 1, not "{row[layout.flags[bad[0]]]}"')
        return tuple(name for name, i in layout.flags.items() if FLAGS.get(row[i].lower()))
    cell = row[layout.label]
    if layout.separator:
        return split_labels(cell, layout.separator)
    if is_empty(cell):
        if layout.plural:
            return ()
        raise ValueError("the label is empty")
    return (one_label(cell),)


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
        if bad := [name for name in export.classes if name.lower() in (*IMAGE, *LABEL, *SPLIT, *GROUP)]:
            raise DataError(f'the label "{bad[0]}" is also the name of a column; choose another format')
        header += export.classes
    elif export.kind == "boxes":
        header += ["label", *CORNERS[0], "iscrowd", "difficult"]
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
