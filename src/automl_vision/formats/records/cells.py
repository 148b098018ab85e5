"""What stands in a table's cells: flags, lists of labels, boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from automl_vision.core.errors import DataError
from automl_vision.formats.json_file import as_number, parse_json

FLAGS = {"0": False, "1": True, "false": False, "true": True, "0.0": False, "1.0": True, "-1": False, "-1.0": False}
UNCERTAIN = frozenset({"-1", "-1.0"})
_EMPTY = frozenset({"", "nan", "<na>", "#n/a", "null"})
_LONGEST = max(map(len, _EMPTY))
LIST = "[]"
"""Separator of labels in brackets, as Python and JSON write lists."""

_SEPARATORS = ("|", ";", ",", " ")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"(\d+)\.0+")


def is_empty(cell: str) -> bool:
    """Whether a cell holds nothing, also as pandas and Excel write it."""
    return len(cell) <= _LONGEST and cell.lower() in _EMPTY


def list_separator(cells: Sequence[str], *, plural: bool) -> str:
    """What stands between the labels of a cell; empty where each cell holds one label.

    Names of classes hold commas and spaces too. So these separate only where the words occur in other combinations:
    there are fewer words than cells that differ. Where the column is not named as for several, so do all separators.

    Args:
        cells: not empty.
        plural: whether the column is named as for several labels.
    """
    different = set(cells)
    if different and all(cell.startswith("[") and cell.endswith("]") for cell in different):
        return LIST
    for separator in _SEPARATORS:
        if plural and separator in "|;" and any(separator in cell for cell in different):
            return separator
        parts = [split_labels(cell, separator) for cell in different if separator in cell]
        if not any(len(labels) > 1 for labels in parts):
            continue
        words = {word for cell in different for word in split_labels(cell, separator)}
        combined = len(words) < len(different) or (len(words) == len(different) and plural)
        if separator == " ":
            if (combined and plural) or all(word.isdecimal() for word in words):
                return separator
        elif combined or _stand_alone(parts, different, separator):
            return separator
    return ""


def _stand_alone(parts: list[tuple[str, ...]], cells: set[str], separator: str) -> bool:
    """Whether all labels of some cell stand alone in others; never for commas, as in "crane, bird"."""
    return separator != "," and any(cells.issuperset(labels) for labels in parts)


def split_labels(cell: str, separator: str) -> tuple[str, ...]:
    """The labels of a cell, each once."""
    if is_empty(cell):
        return ()
    if separator == LIST:
        try:
            found = parse_json(cell.encode(errors="surrogatepass"), "the labels")
        except DataError:
            found = None
        if isinstance(found, list) and all(isinstance(name, str) for name in found):
            return tuple(dict.fromkeys(name.strip() for name in found if name.strip()))
        cell = cell[1:-1]
        parts = [part.strip().strip("'\"") for part in re.split(r",|(?<=['\"])\s+(?=['\"])", cell)]
    else:
        parts = cell.split() if separator == " " else cell.split(separator)
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def one_label(cell: str) -> str:
    """The label of a cell, without the decimal point that pandas adds to whole numbers."""
    whole = _WHOLE.fullmatch(cell)
    return whole[1] if whole else cell


def as_coordinate(cell: str) -> float:
    """A coordinate, also with a decimal comma.

    Raises:
        ValueError: it is not a number.
    """
    return as_number(cell.replace(",", ".") if "," in cell and "." not in cell else cell)


def numbers_in(cell: str) -> list[tuple[float, float, float, float]]:
    """The boxes of a cell, four numbers each.

    Raises:
        ValueError: the numbers are not a multiple of four.
    """
    numbers = [as_number(text) for text in _NUMBER.findall(cell)]
    if len(numbers) % 4:
        raise ValueError(f'a box needs 4 numbers, "{cell[:60]}" holds {len(numbers)}')
    return [(a, b, c, d) for a, b, c, d in zip(*(iter(numbers),) * 4, strict=True)]
