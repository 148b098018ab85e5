"""Opening a dataset: from files in any known format to a manifest."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.garbage_collection import without_garbage_collection
from automl_vision.core.tasks import has_objects, normalize_task
from automl_vision.data.annotations import Annotations
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest import build_manifest, natural_task
from automl_vision.data.manifest_file import is_manifest
from automl_vision.data.open_options import OpenOptions, open_options
from automl_vision.data.range_choice import decide_range
from automl_vision.data.scan import Progress, scan_images
from automl_vision.data.usability import require_usable
from automl_vision.data.value_range import STATED, parse_range
from automl_vision.formats.records.split_tables import follow_split_tables
from automl_vision.formats.registry import Format, find_format
from automl_vision.formats.source import Source
from automl_vision.formats.text_encoding import decoding
from automl_vision.formats.unsupported import unopened_archives
from automl_vision.storage.azure_paths import local_copy


def open_dataset(
    path: str | PathLike[str],
    *,
    task: str | None = None,
    options: OpenOptions | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Dataset:
    """Open labelled images in any known format; see `Dataset.open`, which calls this.

    Args:
        path: folder, annotation file, zip or tar archive, a URL of one of these, or a registered version.
        task: one of the four tasks; None follows the labels.
        options: how to open it.
        progress: called with (images done, images in all).
        **settings: fields of `OpenOptions`, instead of `options`; also `image_column`, `label_column`,
            `split_column`, `group_column`.

    Raises:
        DataError: nothing usable is there: no known format, fewer than 10 usable images, a single class, or
            more than `max_bad_share` of the images or of the objects left out.
    """
    options = options or open_options(settings)
    wanted = None if task is None else _known_task(task)
    if is_manifest(path):
        if options.exif != "auto" or options.value_range == STATED:
            asked = f'value_range="{STATED}"' if options.exif == "auto" else f'exif="{options.exif}"'
            raise DataError(f"{path} is a manifest, whose source was read already; give {asked} when that is opened")
        loaded = Dataset.load(path).with_range(options.value_range)
        return loaded.as_task(wanted or loaded.task)
    with decoding(options.encoding) as texts:
        source, format_, annotations = _read(local_copy(fspath(path)), options, wanted)
    for file, encoding in texts.found.items():
        annotations.ignore(file, f"the text is not UTF-8, and is read as {encoding}", "encoding")
    if not annotations.report.total:
        noted = "".join(f"\n  - {note.place}: {note.reason}" for note in annotations.report.notes[:5])
        raise DataError(f'{source.name} holds no records of the format "{format_.name}": {format_.layout}{noted}')
    facts = list(scan_images(annotations.images, annotations.sizes, source.storage, options, progress=progress))
    own = natural_task(annotations, wanted)
    table, classes = build_manifest(annotations, facts, own, exif=options.exif)
    range_ = decide_range(table, source.storage.root, facts, parse_range(options.value_range), annotations.report)
    dataset = Dataset(table, source.storage.root, own, classes, format_.name, annotations.report, range_)
    dataset = dataset.as_task(wanted or own)
    if options.is_part:
        return dataset
    try:
        require_usable(dataset, max_bad_share=options.max_bad_share)
    except DataError as error:
        if not any(fact.problem for fact in facts) or not (archives := unopened_archives(source)):
            raise
        raise DataError(f"{error}\n{archives}") from None
    return dataset


def _read(path: str | PathLike[str], options: OpenOptions, wanted: str | None) -> tuple[Source, Format, Annotations]:
    """The files at a path, their format, and the annotations in them.

    Raises:
        DataError: no known format was found.
    """
    source = Source.open(fspath(path), allow_outside=options.allow_outside)
    source.wants_objects = wanted is not None and has_objects(wanted)
    format_ = find_format(source, options.format, options.columns)
    with without_garbage_collection():
        annotations = format_.read(source, options.columns)
    follow_split_tables(source, annotations)
    _mark_contested(source, annotations)
    source.forget()
    for place, reason in source.storage.skipped.items():
        annotations.reject(place, reason, "not entered")
    return source, format_, annotations


def _mark_contested(source: Source, annotations: Annotations) -> None:
    """Mark the records of images that two references mean: nothing tells which of them is right."""
    contested = source.listing.contested
    for number, image in enumerate(annotations.images) if contested else ():
        if image in contested:
            first, second = contested[image]
            reason = f'"{first}" and "{second}" may both mean this image, which lies in neither folder'
            annotations.ambiguous[number] = reason


def _known_task(task: str) -> str:
    try:
        return normalize_task(task)
    except ValueError as error:
        raise DataError(str(error)) from None
