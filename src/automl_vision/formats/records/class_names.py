"""Names of classes that a dataset states as numbers, from a list or table beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from automl_vision.core.errors import DataError
from automl_vision.core.text import suffix_of
from automl_vision.data.annotations import Annotations
from automl_vision.formats.json_file import HEAD_FILES, try_json
from automl_vision.formats.records.text_cells import read_cells
from automl_vision.formats.records.vocabulary import CLASS_NAME, CLASS_NUMBER, plain
from automl_vision.formats.source import Source, as_text
from automl_vision.storage.urls import is_url

_LISTS = frozenset({
    "classes", "classnames", "names", "labels", "labelnames", "categories", "categorynames",
})  # fmt: skip
_TABLE_WORDS = frozenset({
    "class", "classes", "label", "labels", "category", "categories", "map", "names", "mapping", "dict", "index",
    "description", "id", "ids",
})  # fmt: skip
_MOST_CLASSES = 100_000  # no longer file is a list of classes


def name_classes(source: Source, annotations: Annotations, tables: Collection[str]) -> None:
    """Give classes that are numbers the names that a file beside the data has for all of them, and say so.

    Args:
        source: the data.
        annotations: as they were read from `tables`.
        tables: files that hold no names.
    """
    labels = {label for row in annotations.labels for label in row} | set(annotations.objects.names)
    if described := _descriptions(source):
        annotations.rename(described)
    if not labels or not all(label.isdecimal() for label in labels):
        return
    for path, names in _lists(source, tables):
        found = _fitting(names, labels)
        if found is not None:
            annotations.rename(found)
            annotations.ignore(path, "the classes, which are numbers, have their names from here", "names")
            return


def _fitting(names: Mapping[str, str] | Sequence[str], labels: set[str]) -> dict[str, str] | None:
    """The names by label when there is one for each."""
    numbers = {label: int(label) for label in labels}
    if isinstance(names, Mapping):
        by_number = {int(key): name for key, name in names.items() if key.isdecimal()}
    else:
        first = 0 if 0 in numbers.values() or max(numbers.values()) < len(names) else 1
        by_number = dict(enumerate(names, start=first))
    if not all(number in by_number for number in numbers.values()):
        return None
    return {label: by_number[number] for label, number in numbers.items()}


def _lists(source: Source, tables: Collection[str]) -> Iterator[tuple[str, Mapping[str, str] | Sequence[str]]]:
    """Files that may hold names of classes: mappings by number, or lists."""
    if is_url(source.storage.root) and source.main:
        return
    others = [path for path in source.storage.files if path not in tables]
    for path in [path for path in others if suffix_of(path) == ".json" and _is_named(path)][:HEAD_FILES]:
        if mapping := _mapping(try_json(source, path)):
            yield path, mapping
    for path in [path for path in others if suffix_of(path) in (".csv", ".tsv", ".txt") and _is_named(path)][
        :HEAD_FILES
    ]:
        with suppress(DataError):
            if found := _names_of_rows([row for _, row in read_cells(source, path)], path):
                yield path, found


def _is_named(path: str) -> bool:
    words = re.split(r"[\W_]+", path.rpartition("/")[2].rpartition(".")[0].lower())
    return not _TABLE_WORDS.isdisjoint(words) or "".join(words) in _LISTS


def _mapping(value: object) -> dict[str, str]:
    """Names by number, from a JSON object that maps numbers to names or names to numbers, or from a list."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(i): name for i, name in enumerate(value)}
    if not isinstance(value, dict) or not value:
        return {}
    pairs = [(as_text(key), as_text(other)) for key, other in value.items()]
    for found in (dict(pairs), {other: key for key, other in pairs}):
        if len(found) == len(pairs) and all(key.isdecimal() and name for key, name in found.items()):
            return found
    return {}


def _names_of_rows(rows: list[list[str]], path: str) -> dict[str, str] | list[str]:
    """Names of a table with a column of numbers, or of a list."""
    if not rows or len(rows) > _MOST_CLASSES:
        return {}
    if all(len(row) == 1 for row in rows):
        stem = plain(path.rpartition("/")[2].rpartition(".")[0])
        names = [row[0] for row in rows]
        return names if stem in _LISTS and len(set(names)) == len(names) else []
    header = [plain(name) for name in rows[0]]
    number = next((i for name in CLASS_NUMBER for i, found in enumerate(header) if _is_called(found, name)), None)
    name = next((i for n in CLASS_NAME for i, found in enumerate(header) if i != number and _is_called(found, n)), None)
    if number is None or name is None:
        return {}
    whole = [row for row in rows[1:] if len(row) == len(header)]
    return {row[number]: row[name] for row in whole if row[number].isdecimal()}


def _is_called(column: str, name: str) -> bool:
    """Whether a column has a name, or one that ends like it, such as attributeid."""
    return column == name or (name in ("id", "name") and column.endswith(name))


def _descriptions(source: Source) -> dict[str, str]:
    """Words by identifier (`/m/01yrx,Cat`), from the table that Open Images has beside its boxes."""
    names: dict[str, str] = {}
    for path in source.storage.files if not is_url(source.storage.root) else ():
        if "class-descriptions" in path and path.endswith(".csv"):
            names |= {row[0]: row[1] for _, row in read_cells(source, path) if len(row) == 2}
    return names
