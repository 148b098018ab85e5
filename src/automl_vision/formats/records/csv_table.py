"""CSV with a column for the image and one for the label, or one 0/1 column a label, or boxes."""

from __future__ import annotations

import csv
import io

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.image_names import is_image
from automl_vision.formats.folder_layout import class_folders, layout_of
from automl_vision.formats.masks.files import has_masks
from automl_vision.formats.records.cells import is_empty, list_separator, one_label
from automl_vision.formats.records.class_names import name_classes
from automl_vision.formats.records.layout import Table, label_of
from automl_vision.formats.records.reader import LARGEST_SHARE, RowImages, RowReader
from automl_vision.formats.records.rows import distinct
from automl_vision.formats.records.tables import (
    KnownTable,
    candidate_tables,
    explain_tables,
    labelled_tables,
    named_tables,
    read_tables,
    side_splits,
)
from automl_vision.formats.records.text_cells import table_files
from automl_vision.formats.records.vocabulary import CORNERS, is_further
from automl_vision.formats.registry import Rank, dataset_format, export_format
from automl_vision.formats.source import Source
from automl_vision.formats.writing import Export

_SHOWN = 4
_SEPARATORS = ("|", ";")


def _detect(source: Source, columns: Columns) -> bool:
    if source.main or columns != Columns():
        return bool(table_files(source))
    tables = labelled_tables(candidate_tables(source))
    _check_folders(source, tables)
    return bool(tables) and not _masks_say_more(source, tables) and not _folders_say_more(source, tables)


def _folders_say_more(source: Source, tables: list[KnownTable]) -> bool:
    """Whether tables label only images outside of class folders, once, and with their names.

    So does Tiny ImageNet's validation. GTSDB's list names an image once for each object, and its folders hold crops.
    """
    if any(table.layout.label is None or _names_images_twice(table) for table in tables):
        return False
    layout = layout_of(source)
    if layout is None or len(names := {meaning.label for meaning in layout.meaning.values()}) < 2:
        return False
    for table in tables:
        images, label = RowImages(source, table.file), table.layout.label
        if label is None or not names.issuperset(row[label] for row in table.head):
            return False
        if any(folder_of(images.find(row[table.layout.image])) in layout.meaning for row in table.head):
            return False
    return True


def _names_images_twice(table: KnownTable) -> bool:
    return len({row[table.layout.image] for row in table.head}) < len(table.head)


def _masks_say_more(source: Source, tables: list[KnownTable]) -> bool:
    """Whether tables hold only runs of pixels, or numbers without a name such as counts, and images have masks."""
    return all(map(_is_weak, tables)) and has_masks(source)


def _is_weak(table: KnownTable) -> bool:
    layout = table.layout
    return layout.runs is not None or (table.is_assumed and layout.label is not None and not layout.has_words)


def _check_folders(source: Source, tables: list[KnownTable]) -> None:
    """Raise `DataError` when folders look like classes, and the tables have only one column of 0 and 1."""
    flags = {name for table in tables if table.layout.label is None for name in table.layout.flags}
    if len(flags) != 1:
        return
    classes = class_folders(source)
    if len(classes) > 1 and not classes & flags:
        raise DataError(
            f'{tables[0].file} has a column of 0 and 1, "{flags.pop()}", and folders look like classes '
            f'({", ".join(sorted(classes)[:_SHOWN])}); say which are the labels with format="csv" or format="folder"'
        )


@dataset_format(
    "csv",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.TABLES + 30,
    layout='columns image and label (or labels "cat|sofa", or one 0/1 column a label), optionally split, group, '
    "xmin, ymin, xmax, ymax for boxes, and EncodedPixels for masks as runs of pixels; also lists of PATH LABEL",
    detect=_detect,
    explain=explain_tables,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read labelled tables; several rows of one image make a multi-label set, or its boxes.

    Raises:
        DataError: a table that the user points at lacks a column, or two tables contradict each other.
    """
    annotations = Annotations("label")
    if source.main or columns != Columns():
        tables, others = named_tables(source, columns), []
    else:
        candidates = candidate_tables(source)
        tables = labelled_tables(candidates)
        others = [table for table in candidates if table not in tables and not table.layout.is_labelled]
    reader = RowReader(source, annotations, side_splits(source, others))
    read_tables(source, reader, tables, columns)
    annotations.relative = len(annotations.objects) > 0 and annotations.objects.largest <= LARGEST_SHARE
    layouts = [table.layout for table in tables]
    has_room = any(layout.plural or layout.flags for layout in layouts) and not any(annotations.labels)
    annotations.settle_kind(several=has_room or any(len(layout.flags) == 1 for layout in layouts))
    if any(layout.holds_objects for layout in layouts) and not len(annotations.objects):
        annotations.kind = "boxes"
    if not any(layout.split for layout in layouts):
        annotations.split_by_folders()
    name_classes(source, annotations, [table.file for table in tables])
    return annotations


def _need_columns(export: Export) -> bool:
    """Whether the names of classes would not come back from the cells of one column."""
    plural = export.kind == "labels"
    changed = [name for name in export.classes if is_empty(name) or one_label(name) != name]
    has_marks = plural and any(mark in name for name in export.classes for mark in _SEPARATORS)
    return bool(changed or has_marks or list_separator(export.classes, plural=plural))


def _flag_columns(classes: list[str], header: list[str]) -> list[str]:
    """A column for each class.

    Raises:
        DataError: a class has the name of another column.
    """
    fields = distinct([*header, *classes])
    cells = ["a.jpg", *[""] * (len(header) - 1), *["1"] * len(classes)]
    layout = Table(fields, [dict(zip(fields, cells, strict=True))], is_image).layout(Columns())
    flags = set(map(label_of, layout.flags)) if layout else set()
    bad = [name for name in classes if name not in flags]
    if bad:
        raise DataError(f'the label "{bad[0]}" is also the name of a column; choose another format')
    return classes


@export_format("csv", "label", "labels", "boxes", holds=("group", "further", "iscrowd", "difficult", "references"))
def write(export: Export) -> None:
    """Write `labels.csv`, one row an image, or a box, and the images under their own names.

    Raises:
        DataError: a label holds what separates labels, and is also the name of another column.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    header = ["image", "split", "group"]
    has_flags = export.kind in ("label", "labels") and _need_columns(export)
    if has_flags:
        header += _flag_columns(export.classes, header)
    elif export.kind == "boxes":
        header += ["label", *CORNERS[0], "iscrowd", "difficult"]
    else:
        header.append(export.kind)
    further = [] if has_flags else [name for name in export.further if name not in header and is_further(name)]
    table.writerow([*header, *further])
    for split in export.splits:
        for record in export.records(split):
            start = [export.image(record.image), split, record.group or ""]
            end = [record.further.get(name, "") for name in further]
            if export.kind == "boxes":
                rows = [[v.label, *(v.bbox or ()), int(v.iscrowd), int(v.difficult)] for v in record.objects]
                table.writerows([*start, *row, *end] for row in rows or [[""] * (len(header) - 3)])
            elif has_flags:
                table.writerow([*start, *(int(name in record.labels) for name in export.classes)])
            else:
                table.writerow([*start, "|".join(record.labels), *end])
    write_text(export.folder / "labels.csv", text.getvalue())
