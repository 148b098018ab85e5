"""CSV with a column for the image and one for the label, or one 0/1 column a label, or boxes."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.formats.class_names import name_classes
from automl_vision.data.formats.csv_cells import is_empty, list_separator, one_label
from automl_vision.data.formats.csv_columns import CORNERS, Table
from automl_vision.data.formats.csv_look import KnownTable, look_at
from automl_vision.data.formats.csv_records import TableImages, TableReader, side_splits
from automl_vision.data.formats.csv_rows import table_files
from automl_vision.data.names import is_image
from automl_vision.data.source import Source
from automl_vision.data.urls import is_url
from automl_vision.data.writing import Export

_SEPARATORS = ("|", ";")
_LARGEST_SHARE = 1.5  # a share a little above 1 is rounding; no set of boxes in pixels ends within 1.5
_ANSWERS = ("submission", "sample_sub")  # in names of tables that hold answers for a contest, not labels


def _is_there(source: Source, found: KnownTable) -> bool:
    """Whether one of the first rows names an image that is listed, a URL, or a path of another place."""
    images = TableImages(source, found.file)
    for reference in filter(None, (row[found.layout.image] for row in found.head)):
        if is_url(reference) or reference.startswith("/") or not source.images:
            return True
        if images.find(reference) in source.image_set:
            return True
    return False


def _candidates(source: Source) -> list[KnownTable]:
    """The tables of a folder that name its images."""
    tables = []
    for file in table_files(source):
        if any(part in file.rpartition("/")[2].lower() for part in _ANSWERS):
            continue
        with suppress(DataError):  # an unreadable table beside the data is no reason to refuse the data
            _, found = look_at(source, file, Columns())
            if found is not None and _is_there(source, found):
                tables.append(found)
    return tables


def _labelled(tables: list[KnownTable]) -> list[KnownTable]:
    """Those nearest to the root that have labels: a column of them, else flags, else boxes without a name."""
    kinds = (
        [table for table in tables if table.layout.label is not None],
        [table for table in tables if table.layout.flags],
        [table for table in tables if table.layout.box],
    )
    chosen = next(filter(None, kinds), [])
    nearest = min((table.file.count("/") for table in chosen), default=0)
    return [table for table in chosen if table.file.count("/") == nearest]


def _named_tables(source: Source, columns: Columns) -> list[KnownTable]:
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
            header, found = look_at(source, file, Columns())
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
    reader = TableReader(source, columns, annotations, side_splits(source, others))
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
    row = ["a.jpg", *[""] * (len(header) - 1), *["1"] * len(classes)]
    layout = Table([*header, *classes], [row], is_image).layout(Columns())
    bad = [name for name in classes if layout is None or name not in layout.flags]
    if bad:
        raise DataError(f'the label "{bad[0]}" is also the name of a column; choose another format')
    return classes


@export_format("csv", "label", "labels", "boxes", holds=("group", "iscrowd", "difficult", "references"))
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
