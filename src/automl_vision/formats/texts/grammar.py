"""What the columns of label files without a header mean: the one reading under which all boxes lie in their images.

Four columns are a box, as corners, as x, y, width, height, or around a centre; a fifth is the class. A word is always
the class; of numbers the first or the last column is it where it holds few whole numbers. Every reading is held against
the sizes of the images, and only one that is left alone counts: a guess would train on wrong boxes without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.formats.json_file import is_number
from automl_vision.formats.records.objects import as_corners, box_sides
from automl_vision.formats.records.vocabulary import BOX_CONVENTIONS, DIFFICULT, OBJECT_LABEL, plain, usual

Cells = list[str]
Sized = tuple[Cells, tuple[int, int]]
"""The cells of a line, and the width and height of its image."""

_FITS = 0.98  # of all rows; the others are mistakes, which are reported one by one
_EQUAL = 0.9  # of all rows have the same number of columns
_MARGIN = 1.0  # pixels
_MOST_CLASSES, _REPEATED = 200, 2  # a class occurs twice on the average
_MOST_VALUE = 1000
_KINDS = ("corners", "extents", "centres")
_NAMES = {"corners": "x1 y1 x2 y2", "extents": "x y width height", "centres": "xc yc width height"}


@dataclass(frozen=True)
class RowReading:
    """What columns mean.

    Attributes:
        sides: four columns of a box.
        kind: "corners", "extents" or "centres".
        label: the column of the class; None where there is none.
        difficult: a column that flags objects that do not count; None where there is none.
        shares: whether the box is in shares of width and height.
        width: columns in all; None for at least as many as are needed.
        ignored: the class of regions that are no objects.
    """

    sides: tuple[int, ...]
    kind: str
    label: int | None
    difficult: int | None = None
    shares: bool = False
    width: int | None = None
    ignored: str = ""

    def __str__(self) -> str:
        names = dict(zip(self.sides, _NAMES[self.kind].split(), strict=True))
        names |= {} if self.label is None else {self.label: "label"}
        return " ".join(names.get(column, "-") for column in range(max(names) + 1))


def cells_of(line: str) -> Cells:
    """The cells of a line: between semicolons, tabs or commas where there are some, else between spaces."""
    separator = next((mark for mark in (";", "\t", ",") if mark in line), None)
    cells = [cell.strip() for cell in line.split(separator)]
    return cells[:-1] if separator and not cells[-1] else cells


def named_reading(fields: Sequence[str]) -> RowReading:
    """What columns mean that the user names, as "x1 y1 x2 y2 label"; a name of no meaning is passed over.

    Raises:
        DataError: there are not four names of a box.
    """
    sides, kind = box_sides(fields)
    if not sides:
        known = [name for _, conventions in BOX_CONVENTIONS for names in conventions for name in names]
        near = "".join(did_you_mean(name, known) for name in fields if plain(name) not in known)[:80]
        raise DataError(
            f'the fields "{" ".join(fields)}" name no box; name four columns x1 y1 x2 y2, x y width height or '
            f"xc yc width height, and one label.{near}"
        )
    places = {name: i for i, name in enumerate(fields)}
    label, difficult = (next(usual(fields, names), None) for names in (OBJECT_LABEL, DIFFICULT))
    return RowReading(
        tuple(places[side] for side in sides),
        kind,
        None if label is None else places[label],
        None if difficult is None else places[difficult],
    )


def find_reading(rows: Sequence[Sized]) -> RowReading:
    """The only reading that fits the rows.

    Raises:
        DataError: none fits, or several do.
    """
    widths = Counter(len(cells) for cells, _ in rows)
    width, count = widths.most_common(1)[0]
    if count < _EQUAL * len(rows):
        raise DataError(f"its lines have from {min(widths)} to {max(widths)} columns")
    table = [cells for cells, _ in rows if len(cells) == width]
    sizes = np.array([size for cells, size in rows if len(cells) == width], np.float64)
    found = list(_fitting(table, sizes))
    if len(found) == 1:
        return found[0]
    shown = " ".join(table[0])[:60]
    if not found:
        raise DataError(f'no reading of its {width} columns ("{shown}") puts the boxes into their images')
    several = " or ".join(f'"{reading}"' for reading in found)
    raise DataError(f'its columns ("{shown}") may mean {several}')


def _fitting(table: list[Cells], sizes: NDArray[np.float64]) -> Iterator[RowReading]:
    columns = list(zip(*table, strict=True))
    words = [i for i, cells in enumerate(columns) if not all(map(is_number, cells))]
    if convention := _by_convention(columns, words):
        if _fits(convention, columns, sizes):
            yield convention
        return
    if len(words) > 1 or len(columns) not in (4, 5):
        return
    labels: list[int | None] = [None]
    if len(columns) == 5:
        labels = [*(words or [i for i in (0, 4) if _may_be_classes(columns[i])])]
    elif words:
        return
    for label in labels:
        sides = tuple(i for i in range(len(columns)) if i != label)
        shares = all(0 <= float(cell) <= 1 for i in sides for cell in columns[i])
        for kind in _KINDS:
            reading = RowReading(sides, kind, label, shares=shares, width=len(columns))
            if _fits(reading, columns, sizes):
                yield reading


def _may_be_classes(cells: Sequence[str]) -> bool:
    """Whether a column of numbers may be classes: few whole numbers, which repeat themselves."""
    numbers = list(map(float, cells))
    few = len(set(numbers)) <= min(_MOST_CLASSES, len(numbers) / _REPEATED)
    return few and all(number.is_integer() and 0 <= number < _MOST_VALUE for number in numbers)


def _fits(reading: RowReading, columns: list[tuple[str, ...]], sizes: NDArray[np.float64]) -> bool:
    """Whether nearly all boxes are whole and lie in their images."""
    a, b, c, d = (np.array(columns[i], np.float64) for i in reading.sides)
    left, top, right, bottom = as_corners((a, b, c, d), reading.kind)
    limit, margin = (np.ones_like(sizes), 0.01) if reading.shares else (sizes, _MARGIN)
    inside = (left >= -margin) & (top >= -margin) & (right <= limit[:, 0] + margin) & (bottom <= limit[:, 1] + margin)
    return bool((inside & (right > left) & (bottom > top)).mean() >= _FITS)


def _are_flags(*most: int) -> Callable[[Sequence[Sequence[str]]], bool]:
    """Whether columns hold whole numbers from 0 up to a limit for each."""

    def check(columns: Sequence[Sequence[str]]) -> bool:
        pairs = zip(columns, most, strict=True)
        return all(cell.isdecimal() and int(cell) <= limit for column, limit in pairs for cell in column)

    return check


# published conventions of more columns: how many, which of them are words, which tell it, and what they mean
_CONVENTIONS: tuple[tuple[int, list[int], slice, Callable[[Sequence[Sequence[str]]], bool], RowReading], ...] = (
    # VisDrone, UAVDT: x, y, width, height, whether it counts, class, truncation, occlusion
    (8, [], slice(4, 8), _are_flags(1, 11, 1, 2), RowReading((0, 1, 2, 3), "extents", 5, width=8)),
    # KITTI: class, truncation, occlusion, angle, x1, y1, x2, y2, and the object's size and place in space
    (15, [0], slice(0, 0), lambda _: True, RowReading((4, 5, 6, 7), "corners", 0, width=15, ignored="DontCare")),
)


def _by_convention(columns: list[tuple[str, ...]], words: list[int]) -> RowReading | None:
    for count, of_words, part, check, reading in _CONVENTIONS:
        if count == len(columns) and of_words == words and check(columns[part]):
            return reading
    return None
