"""Which fields of a table's rows hold what: by their usual names, checked against what stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.data.annotations import Columns
from automl_vision.data.split_names import normalize_split
from automl_vision.formats.records import vocabulary
from automl_vision.formats.records.cells import FLAGS, is_empty, list_separator
from automl_vision.formats.records.headerless import is_number
from automl_vision.formats.records.objects import box_sides
from automl_vision.formats.records.rows import Row
from automl_vision.formats.records.vocabulary import plain, usual

_TRUE_MEANS = {"isval": "val", "istest": "test", "istrain": "train"}  # by the start of a name
_FALSE_MEANS = {"val": "train", "test": "train", "train": "test"}
_NUMBERED_SPLITS = {"0": "train", "1": "val", "2": "test"}  # as CelebA's partitions
_LOOKED_AT = 40  # cells of a column
_MOST = 0.5  # of the cells must fit for a column to be what its name says


@dataclass(frozen=True)
class Split:
    """A field that states the split.

    Attributes:
        field: its name.
        names: splits by what stands in it; None for their usual names.
    """

    field: str
    names: dict[str, str] | None = None


@dataclass(frozen=True)
class Box:
    """Fields of a box.

    Attributes:
        fields: four, or one that holds all numbers.
        kind: "corners" (x1, y1, x2, y2), "extents" (x, y, width, height), "centres", or "text" for the single field.
    """

    fields: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Layout:
    """The meaning of the fields of some rows.

    Attributes:
        image: the image.
        label: the label; None where flags state it, or boxes have none.
        separator: between the labels in a cell; "" where it holds one.
        flags: a field of 0 and 1 for each label.
        split, group, box, size, crowd, difficult: what else is stated.
        fold: whether the group is a fold.
        plural: whether the label's field is named as for several.
        others: fields that are not read.
        typed: whether values have types, as in JSON, rather than being the texts of cells.
        numbers: of typed rows: whether labels may be numbers; among texts a number is a mistake.
        is_object: of typed rows: whether the row itself is an object with a box.
    """

    image: str
    label: str | None = None
    separator: str = ""
    flags: tuple[str, ...] = ()
    split: Split | None = None
    group: str | None = None
    box: Box | None = None
    size: tuple[str, ...] = ()
    crowd: str | None = None
    difficult: str | None = None
    fold: bool = False
    plural: bool = False
    others: tuple[str, ...] = ()
    typed: bool = False
    numbers: bool = False
    is_object: bool = False

    @property
    def is_labelled(self) -> bool:
        """Whether images, or objects with names, are labelled."""
        return self.label is not None or bool(self.flags)


def label_of(field: str) -> str:
    """The name of a field as its file spells it; see `distinct`."""
    return field.rstrip("\0")


class Table:
    """The fields of a table and some of its rows, in which a layout is looked for.

    Args:
        header: names of the fields.
        rows: with all fields, which hold texts.
        refers: whether a cell names an image that is there.
    """

    def __init__(self, header: list[str], rows: Sequence[Row], refers: Callable[[str], bool]) -> None:
        self.header, self._refers = header, refers
        self._rows = [[row[name] for name in header] for row in rows]
        self._plain = [plain(name) for name in header]
        self._taken: set[int] = set()

    def layout(self, columns: Columns) -> Layout | None:
        """What the fields mean, or None when none names images.

        Raises:
            DataError: a column that the user names is not there.
        """
        image = self._image(columns.image)
        if image is None:
            return None
        split, group, fold = self._split_and_group(columns)
        crowd, difficult = self._take(None, vocabulary.CROWD), self._take(None, vocabulary.DIFFICULT)
        box = self._box()
        size = next((found for names in vocabulary.SIZE if (found := self._positions(names))), ())
        label = self._label(columns.label, alone=box is None)
        flags = self._flags() if label is None and box is None else []
        plural = label is not None and not vocabulary.LABEL_PLURALS.isdisjoint(self._words(label))
        left = (name for i, name in enumerate(self.header) if name and i not in self._taken | set(flags))
        return Layout(
            image=self.header[image],
            label=self._name(label),
            separator="" if label is None or box is not None else list_separator(self._cells(label), plural=plural),
            flags=tuple(self.header[i] for i in flags),
            split=split,
            group=self._name(group),
            box=box,
            size=tuple(self.header[i] for i in size),
            crowd=self._name(crowd),
            difficult=self._name(difficult),
            fold=fold,
            plural=plural,
            others=tuple(map(label_of, left)),
        )

    def _name(self, column: int | None) -> str | None:
        return None if column is None else self.header[column]

    def _image(self, wanted: str | None) -> int | None:
        known = [i for name in vocabulary.IMAGE for i, found in enumerate(self._plain) if found == name]
        if wanted is None:
            others = [i for i in range(len(self.header)) if i not in known]
            fitting = (i for i in [*known, *others] if self._share(i, self._refers) > _MOST)
            found = next(fitting, known[0] if known else None)
        else:
            found = self._named(wanted)
        if found is not None:
            self._taken.add(found)
        return found

    def _split_and_group(self, columns: Columns) -> tuple[Split | None, int | None, bool]:
        split = self._split(columns.split)
        group = self._take(columns.group, vocabulary.GROUP)
        if group is not None:
            return split, group, False
        fold = self._take(None, vocabulary.FOLD)
        return split, fold, fold is not None

    def _split(self, wanted: str | None) -> Split | None:
        """The column that tells splits; one that may also tell something else counts when most of its cells fit."""
        if wanted is not None:
            column = self._named(wanted)
            self._taken.add(column)
            return Split(self.header[column], self._split_names(column))
        for i, name in enumerate(self._plain):
            names = self._split_names(i)
            fits = (
                name in vocabulary.SPLIT_IF_FITTING and self._share(i, lambda cell: bool(normalize_split(cell))) > _MOST
            )
            if fits or names is not None or name in vocabulary.SPLIT:
                self._taken.add(i)
                return Split(self.header[i], names)
        return None

    def _split_names(self, column: int) -> dict[str, str] | None:
        name, cells = self._plain[column], {cell.lower() for cell in self._cells(column)}
        meant = next((split for start, split in _TRUE_MEANS.items() if name.startswith(start)), None)
        if meant is not None and cells and cells <= FLAGS.keys():
            return {cell: meant if flag else _FALSE_MEANS[meant] for cell, flag in FLAGS.items()}
        return _NUMBERED_SPLITS if name == "partition" and cells and cells <= _NUMBERED_SPLITS.keys() else None

    def _box(self) -> Box | None:
        free = [self.header[i] for i in self._free()]
        sides, kind = box_sides(free)
        if not sides:
            texts = (name for name in usual(free, vocabulary.BOX) if self._holds_boxes(self.header.index(name)))
            sides, kind = tuple(islice(texts, 1)), "text"
        self._taken.update(map(self.header.index, sides))
        return Box(sides, kind) if sides else None

    def _holds_boxes(self, column: int) -> bool:
        """Whether the cells with a number hold four."""
        counts = [len(re.findall(r"\d+(?:\.\d+)?", cell)) for cell in self._cells(column)[:_LOOKED_AT]]
        return any(counts) and all(count % 4 == 0 for count in counts if count)

    def _label(self, wanted: str | None, *, alone: bool) -> int | None:
        """The column of labels: words rather than numbers that say the same, or the only one left, if that may be."""
        if wanted is not None:
            return self._take(wanted, ())
        free = [i for i in self._free() if self._may_be_label(i)]
        named = [i for name in vocabulary.LABEL for i in free if self._plain[i] == name]
        named += [
            i for i in free if i not in named and self._words(i)[-1:] and self._words(i)[-1] in vocabulary.LABEL_WORDS
        ]
        column = next(iter(named), self._only_one_left() if alone else None)
        if column is None:
            return None
        if _are_numbers(self._cells(column)):
            words = (i for i in named if not _are_numbers(self._cells(i)) and self._say_the_same(column, i))
            column = next(words, column)
        self._taken.add(column)
        return column

    def _may_be_label(self, column: int) -> bool:
        """Whether a column holds neither objects of JSON, nor measures, nor names of single images."""
        cells = self._cells(column)
        if any(cell.startswith(("{", "[{")) for cell in cells[:_LOOKED_AT]):
            return False
        if _are_numbers(cells) and any(not float(cell).is_integer() for cell in cells):
            return False
        return self._plain[column] != "name" or 2 * len(set(cells)) <= len(cells)

    def _only_one_left(self) -> int | None:
        """The only column left, if it repeats itself as classes do."""
        left = [i for i in self._free() if self.header[i] and not self._plain[i].startswith("unnamed")]
        if len(left) != 1 or self._plain[left[0]] in vocabulary.NO_LABEL:
            return None
        cells = self._cells(left[0])
        are_flags = sum(cell.lower() in FLAGS for cell in cells) > _MOST * len(cells)
        if 2 * len(set(cells)) > len(cells) or are_flags or not self._may_be_label(left[0]):
            return None
        return left[0]

    def _flags(self) -> list[int]:
        """Columns in which most cells are flags."""
        found = []
        for i in self._free():
            name = self._plain[i]
            if name and name not in vocabulary.NO_LABEL and not name.startswith("unnamed"):
                cells = [row[i].lower() for row in self._rows]
                known = sum(cell in FLAGS for cell in cells)
                if known and known + sum(map(is_empty, cells)) > _MOST * len(cells):
                    found.append(i)
        return found if any(FLAGS.get(row[i].lower()) for row in self._rows for i in found) else []

    def _free(self) -> list[int]:
        return [i for i in range(len(self.header)) if i not in self._taken]

    def _cells(self, column: int) -> list[str]:
        return [row[column] for row in self._rows if not is_empty(row[column])]

    def _share(self, column: int, fits: Callable[[str], bool]) -> float:
        cells = self._cells(column)[:_LOOKED_AT]
        return sum(map(fits, cells)) / len(cells) if cells else 0.0

    def _words(self, column: int) -> list[str]:
        return [word for word in re.split(r"[\W_]+", self.header[column].lower()) if word]

    def _say_the_same(self, one: int, other: int) -> bool:
        pairs = {(row[one], row[other]) for row in self._rows}
        return len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})

    def _named(self, wanted: str) -> int:
        """Position of a column that the user names.

        Raises:
            DataError: it is not there.
        """
        if wanted not in self.header:
            raise DataError(
                f'the table has no column "{wanted}".{did_you_mean(wanted, self.header)} '
                f"It has: {', '.join(map(label_of, self.header))}"
            )
        return self.header.index(wanted)

    def _take(self, wanted: str | None, names: Sequence[str]) -> int | None:
        if wanted is not None:
            found: int | None = self._named(wanted)
        else:
            found = next((i for name in names for i in self._free() if self._plain[i] == name), None)
        if found is not None:
            self._taken.add(found)
        return found

    def _positions(self, names: Collection[str]) -> tuple[int, ...]:
        """Positions of columns that are there as a whole; empty when they are not."""
        free = {self._plain[i]: i for i in reversed(self._free())}
        return tuple(free[name] for name in names) if set(names) <= free.keys() else ()


def _are_numbers(cells: Sequence[str]) -> bool:
    return bool(cells) and all(map(is_number, cells))
