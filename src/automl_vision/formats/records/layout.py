"""Which fields of a table's rows hold what: by their usual names, checked against what stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.data.annotations import Columns
from automl_vision.data.split_names import normalize_split
from automl_vision.formats.json_file import is_number
from automl_vision.formats.records import vocabulary
from automl_vision.formats.records.cells import FLAGS, is_empty, list_separator
from automl_vision.formats.records.objects import box_sides
from automl_vision.formats.records.rows import Row
from automl_vision.formats.records.runs import are_runs
from automl_vision.formats.records.vocabulary import plain, usual, whole

_TRUE_MEANS = {"isval": "val", "istest": "test", "istrain": "train"}  # by the start of a name
_FALSE_MEANS = {"val": "train", "test": "train", "train": "test"}
_NUMBERED_SPLITS = {"0": "train", "1": "val", "2": "test"}  # as CelebA's partitions
_LOOKED_AT = 40  # cells of a column
_MOST = 0.5  # of the cells must fit for a column to be what its name says


@dataclass(frozen=True)
class Layout:
    """The meaning of the fields of some rows.

    Attributes:
        image: the image.
        label: the label; None where flags state it, or boxes have none.
        separator: between the labels in a cell; "" where it holds one.
        flags: a field of 0 and 1 for each label.
        split: the split.
        split_names: splits by what stands there; None for their usual names.
        box: four fields of a box, or one that holds all numbers.
        runs: a field that holds a mask as runs of pixels.
        run_order: "column" or "row", once the masks have been looked at.
        box_kind: "corners" for numbers x1, y1, x2, y2, "extents" for x, y, width, height, or "centres"; else "text",
            for one field whose numbers have not been looked at.
        group, size, crowd, difficult: what else is stated.
        fold: whether the group is a fold.
        has_words: whether labels are words, so that "nan" and "null" may be names of classes.
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
    split: str | None = None
    split_names: dict[str, str] | None = None
    group: str | None = None
    box: tuple[str, ...] = ()
    box_kind: str = ""
    runs: str | None = None
    run_order: str = ""
    size: tuple[str, ...] = ()
    crowd: str | None = None
    difficult: str | None = None
    fold: bool = False
    has_words: bool = False
    plural: bool = False
    others: tuple[str, ...] = ()
    typed: bool = False
    numbers: bool = False
    is_object: bool = False

    @property
    def is_labelled(self) -> bool:
        """Whether images, or objects with names, are labelled."""
        return self.label is not None or bool(self.flags)

    @property
    def holds_objects(self) -> bool:
        """Whether each row is an object, or several."""
        return bool(self.box) or self.runs is not None


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
        self.header, self._rows, self._refers = header, rows, refers
        self._taken: set[str | None] = set()

    def layout(self, columns: Columns) -> Layout | None:
        """What the fields mean, or None when none names images.

        Raises:
            DataError: a column that the user names is not there.
        """
        image = self._image(columns.image)
        if image is None:
            return None
        split, split_names = self._split(columns.split)
        group = self._take(columns.group, vocabulary.GROUP)
        fold = self._take(None, vocabulary.FOLD) if group is None else None
        crowd, difficult = self._take(None, vocabulary.CROWD), self._take(None, vocabulary.DIFFICULT)
        box, box_kind = self._box()
        size = whole(self._free(), vocabulary.SIZE)
        runs = None if box else self._mark(next(filter(self._holds_runs, usual(self._free(), vocabulary.RUNS)), None))
        is_object = bool(box) or runs is not None
        label = self._label(columns.label, is_object=is_object)
        flags = self._flags() if label is None and not is_object else []
        plural = label is not None and not vocabulary.LABEL_PLURALS.isdisjoint(_words(label))
        left = (name for name in self._free() if name and name not in flags)
        return Layout(
            image=image,
            label=label,
            separator="" if label is None or is_object else list_separator(self._cells(label), plural=plural),
            flags=tuple(flags),
            split=split,
            split_names=split_names,
            group=fold if group is None else group,
            box=box,
            box_kind=box_kind,
            runs=runs,
            has_words=label is not None and not _are_numbers(self._cells(label)),
            size=size,
            crowd=crowd,
            difficult=difficult,
            fold=fold is not None,
            plural=plural,
            others=tuple(map(label_of, left)),
        )

    def _image(self, wanted: str | None) -> str | None:
        if wanted is not None:
            return self._take(wanted)
        known = list(usual(self.header, vocabulary.IMAGE))
        others = (name for name in self.header if name not in known)
        fitting = (name for name in (*known, *others) if self._share(name, self._refers) > _MOST)
        return self._mark(next(fitting, known[0] if known else None))

    def _split(self, wanted: str | None) -> tuple[str | None, dict[str, str] | None]:
        """The column that states the split; an ambiguous name counts only when most of its cells are splits."""
        if wanted is not None:
            self._take(wanted)
            return wanted, self._split_names(wanted)
        for name in self.header:
            names = self._split_names(name)
            may_fit = plain(name) in vocabulary.SPLIT_IF_FITTING
            fits = may_fit and self._share(name, lambda cell: bool(normalize_split(cell))) > _MOST
            if fits or names is not None or plain(name) in vocabulary.SPLIT:
                return self._mark(name), names
        return None, None

    def _split_names(self, column: str) -> dict[str, str] | None:
        name, cells = plain(column), {cell.lower() for cell in self._cells(column)}
        meant = next((split for start, split in _TRUE_MEANS.items() if name.startswith(start)), None)
        if meant is not None and cells and cells <= FLAGS.keys():
            return {cell: meant if flag else _FALSE_MEANS[meant] for cell, flag in FLAGS.items()}
        return _NUMBERED_SPLITS if name == "partition" and cells and cells <= _NUMBERED_SPLITS.keys() else None

    def _box(self) -> tuple[tuple[str, ...], str]:
        sides, kind = box_sides(self._free())
        if not sides:
            sides, kind = tuple(islice(filter(self._holds_boxes, usual(self._free(), vocabulary.BOX)), 1)), "text"
        self._taken.update(sides)
        return sides, kind if sides else ""

    def _holds_boxes(self, column: str) -> bool:
        """Whether the cells with a number hold four."""
        counts = [len(re.findall(r"\d+(?:\.\d+)?", cell)) for cell in self._cells(column)[:_LOOKED_AT]]
        return any(counts) and all(count % 4 == 0 for count in counts if count)

    def _holds_runs(self, column: str) -> bool:
        cells = self._cells(column)[:_LOOKED_AT]
        return bool(cells) and all(map(are_runs, cells))

    def _label(self, wanted: str | None, *, is_object: bool) -> str | None:
        """The column of labels: words rather than numbers that say the same, or the only one left, if that may be."""
        if wanted is not None:
            return self._take(wanted)
        free = list(filter(self._may_be_label, self._free()))
        named = list(usual(free, vocabulary.LABEL))
        named += [name for name in free if name not in named and vocabulary.LABEL_WORDS & {*_words(name)[-1:]}]
        if is_object and not named:
            named = [name for name in free if vocabulary.OBJECT_LABEL_WORDS & {*_words(name)[-1:]}]
        column = next(iter(named), None if is_object else self._only_one_left())
        if column is not None and _are_numbers(self._cells(column)):
            words = (name for name in named if not _are_numbers(self._cells(name)) and self._say_the_same(column, name))
            column = next(words, column)
        return self._mark(column)

    def _may_be_label(self, column: str) -> bool:
        """Whether a column holds neither objects of JSON, nor measures, nor names of single images."""
        cells = self._cells(column)
        if any(cell.startswith(("{", "[{")) for cell in cells[:_LOOKED_AT]):
            return False
        if _are_numbers(cells) and any(not float(cell).is_integer() for cell in cells):
            return False
        return plain(column) != "name" or 2 * len(set(cells)) <= len(cells)

    def _only_one_left(self) -> str | None:
        """The only column left, if it repeats itself as classes do."""
        left = [name for name in self._free() if name and not plain(name).startswith("unnamed")]
        if len(left) != 1 or plain(left[0]) in vocabulary.NO_LABEL:
            return None
        cells = self._cells(left[0])
        are_flags = sum(cell.lower() in FLAGS for cell in cells) > _MOST * len(cells)
        if 2 * len(set(cells)) > len(cells) or are_flags or not self._may_be_label(left[0]):
            return None
        return left[0]

    def _flags(self) -> list[str]:
        """Columns in which most cells are flags."""
        found, is_set = [], False
        for name in self._free():
            if plain(name) and plain(name) not in vocabulary.NO_LABEL and not plain(name).startswith("unnamed"):
                cells = [row[name].lower() for row in self._rows]
                known = sum(cell in FLAGS for cell in cells)
                if known and known + sum(map(is_empty, cells)) > _MOST * len(cells):
                    found.append(name)
                    is_set |= any(map(FLAGS.get, cells))
        return found if is_set else []

    def _free(self) -> list[str]:
        return [name for name in self.header if name not in self._taken]

    def _cells(self, column: str) -> list[str]:
        return [row[column] for row in self._rows if not is_empty(row[column])]

    def _share(self, column: str, fits: Callable[[str], bool]) -> float:
        cells = self._cells(column)[:_LOOKED_AT]
        return sum(map(fits, cells)) / len(cells) if cells else 0.0

    def _say_the_same(self, one: str, other: str) -> bool:
        pairs = {(row[one], row[other]) for row in self._rows}
        return len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})

    def _take(self, wanted: str | None, names: Sequence[str] = ()) -> str | None:
        """The column that the user names, else the first free one with a usual name, which is then taken.

        Raises:
            DataError: the column that the user names is not there.
        """
        if wanted is not None and wanted not in self.header:
            raise DataError(
                f'the table has no column "{wanted}".{did_you_mean(wanted, self.header)} '
                f"It has: {', '.join(map(label_of, self.header))}"
            )
        return self._mark(next(usual(self._free(), names), None) if wanted is None else wanted)

    def _mark(self, column: str | None) -> str | None:
        self._taken.add(column)
        return column


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.lower()) if word]


def _are_numbers(cells: Sequence[str]) -> bool:
    return bool(cells) and all(map(is_number, cells))
