"""Annotation formats: one module a format, with a reader and, where it is common to write it, a writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib import import_module

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.split_names import is_mask_folder
from automl_vision.formats.source import Source
from automl_vision.formats.unread import unread_files
from automl_vision.formats.unsupported import are_plain, drawings_beside, foreign_format, unread_annotations
from automl_vision.formats.writing import Export

# in the order in which they are tried: what can be told for certain comes first
_MODULES = (
    "records.mltable",
    "folders.cub",
    "records.roboflow_multilabel",
    "coco.reader",
    "coco.writer",
    "voc.reader",
    "tools.cvat",
    "tools.label_studio",
    "tools.via",
    "tools.labelme",
    "tools.createml",
    "yolo.reader",
    "masks.cityscapes",
    "records.huggingface",
    "records.jsonl",
    "records.csv_table",
    "masks.reader",
    "folders.reader",
)

_BY_FOLDERS = ("masks", "folder")  # told by names of folders alone, which other formats have too
_DRAWINGS = ("trimaps", "panoptic", "gtfine", "gtcoarse")  # folders of masks beside other annotations

Reader = Callable[[Source, Columns], Annotations]
Explanation = Callable[[Source], str | None]
Writer = Callable[[Export], None]


@dataclass(frozen=True)
class Format:
    """A format that data sets come in.

    Attributes:
        name: as in `Dataset.open(path, format=name)`.
        kinds: what it holds: "label", "labels", "boxes", "masks".
        layout: what it looks like, for messages.
        detect: whether files look like this format; reads as little as it can; named columns help to recognise a table.
        read: all annotations of a source.
        explain: what a source nearly is, and what it lacks for this format; None where it is something else.
    """

    name: str
    kinds: tuple[str, ...]
    layout: str
    detect: Callable[[Source, Columns], bool]
    read: Reader
    explain: Explanation


@dataclass(frozen=True)
class ExportFormat:
    """A format that data sets are written in.

    Attributes:
        name: as in `dataset.export(path, format=name)`.
        kinds: what it holds: "label", "labels", "boxes", "masks".
        holds: what else it holds: "group", "iscrowd", "difficult", "references" to images that lie elsewhere.
        write: writes annotations and asks the export for the images.
    """

    name: str
    kinds: frozenset[str]
    holds: frozenset[str]
    write: Writer


_FORMATS: dict[str, Format] = {}
_EXPORT_FORMATS: dict[str, ExportFormat] = {}


def dataset_format(
    name: str,
    *kinds: str,
    layout: str,
    detect: Callable[[Source, Columns], bool],
    explain: Explanation = lambda _: None,
) -> Callable[[Reader], Reader]:
    """Register the decorated function as the reader of a format that holds the given kinds of annotations."""

    def register(read: Reader) -> Reader:
        @wraps(read)
        def read_and_compare(source: Source, columns: Columns) -> Annotations:
            annotations = read(source, columns)
            _note_unnamed(source, annotations)
            return annotations

        _FORMATS[name] = Format(name, kinds, layout, detect, read_and_compare, explain)
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
    """Whether a folder says that an image is a mask, and no picture."""
    return any(is_mask_folder(part) or part.lower().startswith(_DRAWINGS) for part in path.split("/")[:-1])


def export_format(name: str, *kinds: str, holds: tuple[str, ...] = ()) -> Callable[[Writer], Writer]:
    """Register the decorated function as the writer of a format that holds the given kinds of annotations and more."""

    def register(write: Writer) -> Writer:
        _EXPORT_FORMATS[name] = ExportFormat(name, frozenset(kinds), frozenset(holds), write)
        return write

    return register


def list_formats() -> list[Format]:
    """All formats in the order in which they are tried."""
    for module in _MODULES:
        import_module(f"{__package__}.{module}")
    place = {f"{__package__}.{module}": i for i, module in enumerate(_MODULES)}
    return sorted(_FORMATS.values(), key=lambda format_: place[format_.read.__module__])


def list_export_formats() -> list[ExportFormat]:
    """All formats that can be written."""
    list_formats()
    return list(_EXPORT_FORMATS.values())


def find_format(source: Source, name: str | None, columns: Columns) -> Format:
    """The named format, or the first one that recognises the files.

    Raises:
        DataError: the name is unknown, no format recognises the files, or one does that is not read.
    """
    formats = {format_.name: format_ for format_ in list_formats()}
    if name is not None:
        return formats[known_name(name, formats)]
    for format_ in formats.values():
        if format_.name not in _BY_FOLDERS and format_.detect(source, columns):
            return format_
    if sentence := foreign_format(source):
        raise DataError(sentence)
    if not source.main and (found := _found_by_folders(source, columns, *map(formats.__getitem__, _BY_FOLDERS))):
        return found
    raise DataError(_not_found(source, list(formats.values())))


def _found_by_folders(source: Source, columns: Columns, masks: Format, folder: Format) -> Format | None:
    """Masks, or class folders where nothing says that the folders mean something else.

    Raises:
        DataError: pictures and masks of them would be taken for two classes.
    """
    if masks.detect(source, columns):
        return masks
    if are_plain(source) and unread_annotations(source):
        return None
    if sentence := drawings_beside(source):
        raise DataError(sentence)
    return folder if folder.detect(source, columns) else None


def _not_found(source: Source, formats: list[Format]) -> str:
    """What was seen instead of a known format, and what the formats look like."""
    explained = (unread_annotations(source), *(format_.explain(source) for format_ in formats))
    seen = [*unread_files(source), *filter(None, explained)]
    layouts = "".join(f"\n  - {format_.name}: {format_.layout}" for format_ in formats)
    skipped = "".join(f"\n  - {place}: {reason}" for place, reason in source.storage.skipped.items())
    not_entered = f"\nNot entered:{skipped}" if skipped else ""
    shown = f"\nSeen: {'; '.join(seen)}" if seen else ""
    return f"no known format was found in {source.name}.{shown}\nKnown formats:{layouts}{not_entered}"


def find_export_format(name: str) -> ExportFormat:
    """The format that is written under a name.

    Raises:
        DataError: the name is unknown.
    """
    formats = {format_.name: format_ for format_ in list_export_formats()}
    return formats[known_name(name, formats)]


def known_name(name: str, formats: dict[str, Format] | dict[str, ExportFormat]) -> str:
    """The name, when a format has it.

    Raises:
        DataError: none has; the message names the nearest one.
    """
    if name not in formats:
        raise DataError(f'no data format is named "{name}".{did_you_mean(name, formats)} Formats: {", ".join(formats)}')
    return name
