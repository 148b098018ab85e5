"""Annotation formats: one module a format, each registered by a decorator and found by `detect_format`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from automl_vision.core.errors import DataError
from automl_vision.core.names import did_you_mean
from automl_vision.data.annotations import Annotations, Columns

_MODULES = ("roboflow_multilabel", "jsonl", "csv_table", "folder")  # in the order in which they are tried


@dataclass(frozen=True)
class Format:
    """A format that data sets come in.

    Attributes:
        name: as in `Dataset.open(path, format=name)`.
        layout: what it looks like, for messages.
        detect: whether a path looks like this format; reads as little as it can; named columns
            help to recognise a table.
        read: all annotations under a path.
    """

    name: str
    layout: str
    detect: Callable[[Path, Columns], bool]
    read: Callable[[Path, Columns], Annotations]


_FORMATS: dict[str, Format] = {}


def dataset_format(
    name: str, *, layout: str, detect: Callable[[Path, Columns], bool]
) -> Callable[[Callable[[Path, Columns], Annotations]], Callable[[Path, Columns], Annotations]]:
    """Register the decorated function as the reader of a format."""

    def register(read: Callable[[Path, Columns], Annotations]) -> Callable[[Path, Columns], Annotations]:
        _FORMATS[name] = Format(name, layout, detect, read)
        return read

    return register


def list_formats() -> list[Format]:
    """All formats in the order in which they are tried."""
    for module in _MODULES:
        import_module(f"{__name__}.{module}")
    return list(_FORMATS.values())


def find_format(path: Path, name: str | None, columns: Columns) -> Format:
    """The named format, or the first one that recognises the path.

    Raises:
        DataError: the name is unknown, or no format recognises the path.
    """
    formats = {format_.name: format_ for format_ in list_formats()}
    if name is not None:
        if name not in formats:
            raise DataError(
                f'no data format is named "{name}".{did_you_mean(name, formats)} Formats: {", ".join(formats)}'
            )
        return formats[name]
    for format_ in formats.values():
        if format_.detect(path, columns):
            return format_
    layouts = "".join(f"\n  - {format_.name}: {format_.layout}" for format_ in formats.values())
    raise DataError(f"no known format was found in {path}. Known formats:{layouts}")
