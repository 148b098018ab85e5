"""Which tables of a data set hold its labels, and what others lack."""

from __future__ import annotations

from contextlib import suppress

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Columns
from automl_vision.formats.records.csv_look import KnownTable, look_at
from automl_vision.formats.records.csv_records import TableImages
from automl_vision.formats.records.csv_rows import table_files
from automl_vision.formats.source import Source
from automl_vision.storage.urls import is_url

_ANSWERS = ("submission", "sample_sub")  # in names of tables that hold answers for a contest, not labels
_MOST_TABLES = 200  # that are looked at, the nearest to the root first
_SHOWN = 3


def _is_there(source: Source, found: KnownTable) -> bool:
    """Whether one of the first rows names an image that is listed, a URL, or a path of another place."""
    images = TableImages(source, found.file)
    for reference in filter(None, (row[found.layout.image] for row in found.head)):
        if is_url(reference) or reference.startswith("/") or not source.images:
            return True
        if images.find(reference) in source.image_set:
            return True
    return False


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
        [table for table in tables if table.layout.box],
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
