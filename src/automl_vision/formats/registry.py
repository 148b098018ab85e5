"""Annotation formats: one module per format, with a reader and, where it is common to write it, a writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

from automl_vision import formats
from automl_vision.core.errors import DataError
from automl_vision.core.plugins import load_plugins
from automl_vision.core.text import did_you_mean
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.split_names import is_mask_folder
from automl_vision.formats.masks_aside import masks_aside
from automl_vision.formats.source import Source
from automl_vision.formats.unsupported import (
    annotations_beside,
    are_plain,
    drawings_beside,
    foreign_format,
    unread_annotations,
    unread_files,
)
from automl_vision.formats.writing import Export

_SHOWN = 5
_DRAWINGS = ("trimaps", "panoptic", "gtfine", "gtcoarse")  # folders of masks beside other annotations

Reader = Callable[[Source, Columns], Annotations]
Explanation = Callable[[Source], str | None]
Writer = Callable[[Export], None]


class Rank(IntEnum):
    """How certainly a format is recognised; formats are tried in ascending order of rank.

    A format adds a number below 100 for its place among those of one level, such as `Rank.DOCUMENTS + 25`.
    """

    NAMED_FILES = 100
    """By files of fixed names, such as MLTable."""
    DOCUMENTS = 200
    """By what JSON or XML holds."""
    LABEL_FILES = 300
    """By files with an image's name, and their contents."""
    TABLES = 400
    """By rows that name images; other formats have tables too."""
    MASK_FOLDERS = 500
    """By names of folders, which other formats have too. Refused formats are looked for before."""
    CLASS_FOLDERS = 600
    """Any folder may be a class: only where nothing says that folders mean something else."""


@dataclass(frozen=True)
class Format:
    """A format that datasets come in.

    Attributes:
        name: as in `Dataset.open(path, format=name)`.
        kinds: what it holds: "label", "labels", "boxes", "masks".
        rank: its place in the order in which formats are tried, see `Rank`.
        layout: what it looks like, for messages.
        detect: whether files look like this format; reads as little as it can; named columns help to recognise a table.
        read: all annotations of a source.
        explain: what a source nearly is, and what it lacks for this format; None where it is something else.
        veto: why class folders must not be read although this format cannot be either; None where nothing speaks
            against it.
    """

    name: str
    kinds: tuple[str, ...]
    rank: int
    layout: str
    detect: Callable[[Source, Columns], bool]
    read: Reader
    explain: Explanation
    veto: Explanation


@dataclass(frozen=True)
class ExportFormat:
    """A format that datasets are written in.

    Attributes:
        name: as in `dataset.export(path, format=name)`.
        kinds: what it holds: "label", "labels", "boxes", "masks".
        holds: what else it holds: "group", "further" columns, "iscrowd", "difficult", "references" to images that
            lie elsewhere.
        write: writes annotations and asks the export for the images.
    """

    name: str
    kinds: frozenset[str]
    holds: frozenset[str]
    write: Writer


AnyFormat = TypeVar("AnyFormat", Format, ExportFormat)
_FORMATS: dict[str, Format] = {}
_EXPORT_FORMATS: dict[str, ExportFormat] = {}


def dataset_format(
    name: str,
    *kinds: str,
    rank: int,
    layout: str,
    detect: Callable[[Source, Columns], bool],
    explain: Explanation = lambda _: None,
    veto: Explanation = lambda _: None,
) -> Callable[[Reader], Reader]:
    """Register the decorated function as the reader of a format that holds the given kinds of annotations.

    Modules in the packages beside this one are found by themselves; other packages name theirs as entry points of the
    group `automl_vision.formats`.

    Args:
        name: of the format.
        *kinds: see `Format`.
        rank: see `Rank`.
        layout: see `Format`.
        detect: see `Format`.
        explain: see `Format`.
        veto: see `Format`.
    """

    def register(read: Reader) -> Reader:
        @wraps(read)
        def read_and_compare(source: Source, columns: Columns) -> Annotations:
            annotations = read(source, columns)
            _note_unnamed(source, annotations)
            return annotations

        _FORMATS[name] = Format(name, kinds, rank, layout, detect, read_and_compare, explain, veto)
        return read

    return register


def _note_unnamed(source: Source, annotations: Annotations) -> None:
    """Note the images of a folder that no annotation names; whether they are without objects nobody knows."""
    if source.main or not len(annotations) or annotations.reads_all:
        return
    unnamed = sorted(path for path in source.image_set.difference(annotations.images) if not _is_drawing(path))
    if unnamed:
        reason = f"{len(unnamed)} images here are named by no annotation and left alone, such as {unnamed[0]}"
        annotations.ignore(source.name, reason, "not named")


def _is_drawing(path: str) -> bool:
    """Whether a folder says that an image is a mask, and not a picture."""
    return any(is_mask_folder(part) or part.lower().startswith(_DRAWINGS) for part in path.split("/")[:-1])


def export_format(name: str, *kinds: str, holds: tuple[str, ...] = ()) -> Callable[[Writer], Writer]:
    """Register the decorated function as the writer of a format that holds the given kinds of annotations and more."""

    def register(write: Writer) -> Writer:
        _EXPORT_FORMATS[name] = ExportFormat(name, frozenset(kinds), frozenset(holds), write)
        return write

    return register


def list_formats() -> list[Format]:
    """All formats in the order in which they are tried.

    Raises:
        PluginError: a package that adds something cannot be imported.
    """
    _load()
    return sorted(_FORMATS.values(), key=lambda format_: (format_.rank, format_.name))


@cache
def _load() -> None:
    """Import the modules of all formats, which register themselves."""
    for package in sorted(module.name for module in iter_modules(formats.__path__) if module.ispkg):
        inside = import_module(f"{formats.__name__}.{package}")
        for module in sorted(module.name for module in iter_modules(inside.__path__)):
            import_module(f"{inside.__name__}.{module}")
    load_plugins()


def list_export_formats() -> list[ExportFormat]:
    """All formats that can be written, in the order of those that are read."""
    order = {format_.name: i for i, format_ in enumerate(list_formats())}
    return sorted(_EXPORT_FORMATS.values(), key=lambda format_: (order.get(format_.name, len(order)), format_.name))


def find_format(source: Source, name: str | None, columns: Columns) -> Format:
    """The named format, or the first one that recognises the files.

    Raises:
        DataError: the name is unknown, no format recognises the files, or one does that is not read.
    """
    listed = list_formats()
    if name is not None:
        return _named(name, listed)
    for format_ in listed:
        if format_.rank < Rank.MASK_FOLDERS and format_.detect(source, columns):
            return format_
    if sentence := foreign_format(source):
        raise DataError(sentence)
    by_folders = [format_ for format_ in listed if format_.rank >= Rank.MASK_FOLDERS]
    if not source.main and (found := _found_by_folders(source, columns, by_folders)):
        return found
    raise DataError(_not_found(source, listed))


def _found_by_folders(source: Source, columns: Columns, listed: list[Format]) -> Format | None:
    """Masks, or class folders where nothing says that the folders mean something else.

    Raises:
        DataError: pictures and masks of them would be taken for two classes, or annotations would be passed over.
    """
    masks = [format_ for format_ in listed if format_.rank < Rank.CLASS_FOLDERS]
    if found := next((format_ for format_ in masks if format_.detect(source, columns)), None):
        return found
    if are_plain(source) and unread_annotations(source):
        return None
    if not masks_aside(source) and (sentence := drawings_beside(source)):
        raise DataError(sentence)
    found = next((format_ for format_ in listed[len(masks) :] if format_.detect(source, columns)), None)
    if found is not None and (reason := _veto(source)) is not None:
        raise DataError(f'{reason}. If the folders are the classes, open the data with format="{found.name}"')
    return found


def _veto(source: Source) -> str | None:
    """Why the folders of images are not all that a source says of them."""
    vetoes = (format_.veto(source) for format_ in list_formats())
    return next(filter(None, vetoes), None) or annotations_beside(source)


def _not_found(source: Source, listed: list[Format]) -> str:
    """What was seen instead of a known format, and what the formats look like."""
    explained = (unread_annotations(source), *(format_.explain(source) for format_ in listed))
    seen = [*unread_files(source), *filter(None, explained)]
    layouts = "".join(f"\n  - {format_.name}: {format_.layout}" for format_ in listed)
    skipped = sorted(source.storage.skipped.items())
    places = "".join(f"\n  - {place}: {reason}" for place, reason in skipped[:_SHOWN])
    more = f"\n  - and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
    not_entered = f"\nNot entered:{places}{more}" if skipped else ""
    shown = f"\nSeen: {'; '.join(seen)}" if seen else ""
    return f"no known format was found in {source.name}.{not_entered}{shown}\nKnown formats:{layouts}"


def find_export_format(name: str) -> ExportFormat:
    """The format that is written under a name.

    Raises:
        DataError: the name is unknown.
    """
    return _named(name, list_export_formats())


def _named(name: str, listed: Sequence[AnyFormat]) -> AnyFormat:
    known = {format_.name: format_ for format_ in listed}
    if name not in known:
        raise DataError(f'no data format is named "{name}".{did_you_mean(name, known)} Formats: {", ".join(known)}')
    return known[name]
