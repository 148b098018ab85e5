"""The records of tables: each row's image, split, group, and its labels or boxes."""

from __future__ import annotations

from contextlib import suppress

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import parse_split, split_of_path
from automl_vision.formats.json_file import as_size
from automl_vision.formats.records.csv_boxes import row_boxes, settled_boxes
from automl_vision.formats.records.csv_cells import FLAGS, UNCERTAIN, is_empty, one_label, split_labels
from automl_vision.formats.records.csv_columns import Layout, Split
from automl_vision.formats.records.csv_look import KnownTable, rows_of
from automl_vision.formats.source import Source
from automl_vision.storage.urls import is_url


class TableImages:
    """The images of a table's rows, which may be named without their suffix.

    Args:
        source: of the table.
        file: the table.
    """

    def __init__(self, source: Source, file: str) -> None:
        self.split = split_of_path(file)
        self._source, self._folder = source, folder_of(file)
        self._last = ("", "")

    def find(self, reference: str) -> str:
        """The image that a row names; several rows of one image often follow each other."""
        if self._last[0] != reference:
            self._last = (reference, self._find(reference))
        return self._last[1]

    def _find(self, reference: str) -> str:
        if not (is_image(reference) or is_url(reference)):
            found = self._source.listing.of_stem(reference, self._folder, self.split)
            if found is not None:
                return found
        return self._source.image(reference, self._folder, self.split)


class TableReader:
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
        self._labels_of: dict[str, tuple[str, tuple[str, ...]]] = {}  # by image: the first table that labels it
        self._agreed, self._contradictions = 0, 0
        self._files: list[str] = []

    def read(self, table: KnownTable) -> None:
        """Read one table."""
        self._files.append(table.file)
        header, rows = rows_of(self._source, table.file, self._columns)
        layout = table.layout
        if layout.flags:
            self._annotations.classes = list(dict.fromkeys([*(self._annotations.classes or []), *layout.flags]))
        self._note(table)
        images = TableImages(self._source, table.file)
        box_kind = settled_boxes(self._source, table.head, layout, images.find)
        for number, row in rows:
            place = f"{table.file}:{number}"
            try:
                record = self._record(row, len(header), layout, place, box_kind, images)
            except ValueError as error:
                self._annotations.reject(place, str(error), "bad label")
                continue
            for value in record.objects:
                self.largest = max(self.largest, *(value.bbox or ()))
            self._compare(table.file, record)
            self._annotations.add(record)

    def _record(
        self, row: list[str], width: int, layout: Layout, place: str, box_kind: str, images: TableImages
    ) -> Record:
        """One row's record.

        Raises:
            ValueError: the row has another length than the header, no image, no usable label, or an unknown split.
        """
        if len(row) != width:
            raise ValueError(f"the row has {len(row)} cells, the header {width}")
        if not row[layout.image]:
            raise ValueError("the image is empty")
        split = _split(row, layout.split) if layout.split is not None else None
        objects = row_boxes(row, layout, layout.box, box_kind) if layout.box else ()
        labels = () if layout.box else _row_labels(row, layout)
        image = images.find(row[layout.image])
        split = split or images.split or self._splits.get(image)
        size = as_size(row[layout.size[0]], row[layout.size[1]]) if layout.size else None
        return Record(image, place, labels, objects, split, _group(row, layout), size)

    def check_agreement(self) -> None:
        """Raise `DataError` when two tables give most of the images that they share different labels."""
        if self._contradictions > self._agreed:
            files = ", ".join(sorted(self._files))
            raise DataError(f"the tables {files} give the same images different labels; open one of them by its path")

    def _compare(self, file: str, record: Record) -> None:
        first, labels = self._labels_of.setdefault(record.image, (file, record.labels))
        if first != file and record.labels:
            agrees = set(record.labels) <= set(labels) or set(labels) <= set(record.labels)
            self._agreed += agrees
            self._contradictions += not agrees

    def _note(self, table: KnownTable) -> None:
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


def side_splits(source: Source, tables: list[KnownTable]) -> dict[str, str | None]:
    """The splits that tables without labels tell by a column, or by their own name, by image."""
    splits: dict[str, str | None] = {}
    for table in tables:
        header, rows = rows_of(source, table.file, Columns())
        images = TableImages(source, table.file)
        for _, row in rows:
            if len(row) == len(header):
                with suppress(ValueError):
                    split = _split(row, table.layout.split) if table.layout.split else images.split
                    splits[images.find(row[table.layout.image])] = split
    return splits


def _split(row: list[str], split: Split) -> str | None:
    """The split of a row.

    Raises:
        ValueError: it is unknown.
    """
    cell = row[split.column]
    if split.names is not None:
        return split.names.get(cell.lower())
    return None if is_empty(cell) else parse_split(cell)


def _group(row: list[str], layout: Layout) -> str | None:
    """The group of a row; a fold's number is told from other groups."""
    if layout.group is None or is_empty(row[layout.group]):
        return None
    return f"fold {row[layout.group]}" if layout.fold else row[layout.group]


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
