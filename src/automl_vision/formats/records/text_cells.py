"""The rows of tables in text files: delimited by what the header shows, or lists of a path and a label a line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from automl_vision.core.errors import DataError
from automl_vision.core.text import suffix_of
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.data.split_names import SPLIT_NAMES
from automl_vision.formats.source import Source

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_LIST_WORDS = frozenset({*SPLIT_NAMES, "trainval", "label", "labels", "list", "annotation", "annotations", "gt"})
_SUFFIXES = "|".join(suffix.removeprefix(".") for suffix in sorted(IMAGE_SUFFIXES))
_LIST_LINE = re.compile(rf"(.+?\.(?:{_SUFFIXES})|\S+)\s+(.+)", re.IGNORECASE)
_MOST_LISTS = 20  # more are notes to each image
_DELIMITERS = ",;\t"
_END = "\0"  # a line of its own after the last row, unless a quotation mark is open there

Row = tuple[int, list[str]]


def table_files(source: Source) -> list[str]:
    """The files that may be tables: CSV and TSV, and texts that are named as lists are."""
    lists = [path for path in source.with_suffix(".txt") if source.main or _is_named_as_list(path)]
    return source.with_suffix(*TABLE_SUFFIXES) + (lists if len(lists) <= _MOST_LISTS else [])


def is_list(path: str) -> bool:
    """Whether a file is a text, whose lines need no delimiter."""
    return suffix_of(path) == ".txt"


def _is_named_as_list(path: str) -> bool:
    words = re.split(r"[^a-z]+", path.rpartition("/")[2].lower())
    return not _LIST_WORDS.isdisjoint(words[:-1])


def names_partition(path: str) -> bool:
    """Whether a file is named for the parts that images are in, as CelebA's `list_eval_partition.txt`."""
    return "partition" in re.split(r"[^a-z]+", path.rpartition("/")[2].lower())


def read_cells(source: Source, path: str) -> Iterator[Row]:
    """Rows with the numbers of their first lines; the delimiter is the most frequent of `,;` and tab in the header.

    Raises:
        DataError: a quotation mark is never closed, or a cell is too long.
    """
    text = io.StringIO(source.read_text(path), newline="")
    head: list[str] = []
    while not (head and head[-1].strip()) and (line := text.readline()):
        head.append(line)
    header = head[-1] if head else ""
    lines, start = chain(head, text), 1
    if header.lower().startswith("sep=") and len(header.strip()) == 5:  # Excel's own line
        delimiter, lines, start = header.strip()[-1], chain(text), len(head) + 1
    else:
        delimiter = max(_DELIMITERS, key=header.count)
    if delimiter in header:
        yield from _delimited(lines, path, delimiter, start)
    elif is_list(path):
        if header.strip().isdecimal():
            first = [*head, text.readline(), text.readline()]
            columns, row = first[-2].split(), first[-1].split()
            if 1 < len(row) == len(columns) + 1 or 2 < len(row) == len(columns):
                yield from _counted(chain(first[-2:], text), len(first) - 1, names_all=len(row) == len(columns))
                return
            lines = chain(first, text)
        yield from _listed(lines)
    else:
        yield from _delimited(lines, path, "|" if "|" in header else ",", 1)


def _delimited(lines: Iterable[str], path: str, delimiter: str, start: int) -> Iterator[Row]:
    rows = csv.reader(chain(lines, ("\n", _END)), delimiter=delimiter, skipinitialspace=True)
    before = start
    try:
        for row in rows:
            if row and row[-1].endswith(_END):
                if row == [_END]:
                    return
                raise DataError(f"{path}:{start}: a quotation mark is never closed, which hides the rows below it")
            cells = list(map(str.strip, row))
            if any(cells):
                yield start, cells
            start = before + rows.line_num
    except csv.Error as error:
        raise DataError(f"{path}:{start}: {error}") from error


def _counted(lines: Iterable[str], start: int, *, names_all: bool) -> Iterator[Row]:
    """A header that stands below the number of rows, as in CelebA's `list_attr_celeba.txt`, and the rows.

    Args:
        lines: from the header on.
        start: number of the first one.
        names_all: whether the header also names the first column, which else is that of the image.
    """
    for number, line in enumerate(lines, start=start):
        if cells := line.split():
            yield number, (cells if names_all or number > start else ["image", *cells])


def _listed(lines: Iterable[str]) -> Iterator[Row]:
    """A path and what follows it, which may both hold spaces where the path has an image's suffix."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            match = _LIST_LINE.fullmatch(line.strip())
            yield number, [match[1], match[2].strip()] if match else [line.strip()]
