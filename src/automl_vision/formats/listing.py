"""Listing the images at a location to predict them: those that its annotations name, or all where it has no labels."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike, fspath
from typing import Any

import pyarrow as pa

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.garbage_collection import without_garbage_collection
from automl_vision.core.text import suffix_of
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_list import ImageList, digest_of_texts
from automl_vision.data.image_names import is_image
from automl_vision.data.manifest_file import is_manifest
from automl_vision.data.open_options import OpenOptions, open_options
from automl_vision.formats.records.json_values import LINE_SUFFIXES, read_values
from automl_vision.formats.records.reader import RowImages
from automl_vision.formats.records.rows import read_table
from automl_vision.formats.records.tables import look_at
from automl_vision.formats.records.text_cells import table_files
from automl_vision.formats.records.vocabulary import IMAGE, IMAGE_IDENTIFIERS, usual
from automl_vision.formats.registry import Rank, find_format
from automl_vision.formats.root_folder import ANNOTATION_SUFFIXES
from automl_vision.formats.source import Source
from automl_vision.formats.text_encoding import decoding

_SHOWN = 5


def list_images(
    path: str | PathLike[str], *, options: OpenOptions | None = None, labels: bool = True, **settings: Any
) -> ImageList:
    """List the images at a location that `Dataset.open` reads, and at one without labels.

    Without labels these are all images of a folder, a prefix of a store or an archive; or those that a list, a table or
    JSON lines name; or a single image file. No image is opened.

    Args:
        path: folder, image, annotation file, list of images, archive, a URL of one of these, or a registered version.
        options: how the location is opened.
        labels: whether annotations decide which images are listed; False lists every image at the location.
        **settings: fields of `OpenOptions` and names of columns, instead of `options`; see `Dataset.open`.

    Raises:
        DataError: nothing is there, or no image.
    """
    options = options or open_options(settings)
    if is_manifest(path):
        return ImageList.of(Dataset.load(path))
    source = Source.open(fspath(path), allow_outside=options.allow_outside)
    with decoding(options.encoding):
        found = _labelled(source, options) if labels else None
        references, notes = found or (_unlabelled(source, options), list(_passed_over(source)))
    source.forget()
    if not references:
        raise DataError(f"{source.name} holds no images")
    notes += [f"{place}: {reason}" for place, reason in source.storage.skipped.items()]
    return _resolved(source, references, options, labelled=found is not None, notes=notes)


def _labelled(source: Source, options: OpenOptions) -> tuple[list[str], list[str]] | None:
    """The images that annotations name, and notes; None where there are no labels.

    Any folder may be a class, also one of unlabelled photos, so that images beside class folders count too.

    Raises:
        DataError: the format that the user names cannot be read.
    """
    if source.main is not None and is_image(source.main):
        return None
    try:
        format_ = find_format(source, options.format, options.columns)
        with without_garbage_collection():
            annotations = format_.read(source, options.columns)
    except DataError:
        if options.format is not None:
            raise
        return None
    if not annotations.images:
        return None
    if format_.rank >= Rank.CLASS_FOLDERS:
        return list(source.images), []
    report = annotations.report
    notes = [f"{note.place}: {note.reason}" for note in [*report.problems, *report.notes]]
    return list(annotations.images), notes


def _unlabelled(source: Source, options: OpenOptions) -> list[str]:
    """All images, or those that a single file names.

    Raises:
        DataError: the file is neither an image nor a list of images.
    """
    if source.main is None:
        return list(source.images)
    if is_image(source.main):
        return [source.main]
    if source.main.lower().endswith(LINE_SUFFIXES):
        return _of_lines(source, source.main, options)
    if table_files(source):
        _, table = look_at(source, source.main, options.columns)
        if table is not None:
            images = RowImages(source, source.main)
            rows = read_table(source, source.main, options.columns)[1]
            named = (row[table.layout.image] for _, row in rows if not isinstance(row, ValueError))
            return list(dict.fromkeys(images.find(reference) for reference in named if reference))
    raise DataError(
        f"{source.name} names no images: it is neither an image, nor a table with a column for the image, nor a list "
        'of images, one a line; name the column with image_column="..."'
    )


def _passed_over(source: Source) -> Iterator[str]:
    """A note on the files of a folder that are neither images nor texts."""
    others = [path for path in source.files if not is_image(path) and suffix_of(path) not in ANNOTATION_SUFFIXES]
    if source.main is None and others:
        suffixes = ", ".join(sorted({suffix_of(path) or "no suffix" for path in others})[:_SHOWN])
        yield f"{len(others)} files ({suffixes}) are not read as images, such as {others[0]}"


def _of_lines(source: Source, file: str, options: OpenOptions) -> list[str]:
    """The images that JSON lines name."""
    images, found = RowImages(source, file), []
    for _, value in read_values(source, file):
        if not isinstance(value, dict):
            continue
        keys = [options.columns.image] if options.columns.image else usual(
            value, ("imageurl", *IMAGE), but=IMAGE_IDENTIFIERS
        )  # fmt: skip
        reference = next((value[key] for key in keys if isinstance(value.get(key), str)), None)
        if reference:
            found.append(images.find(reference))
    return list(dict.fromkeys(found))


def _resolved(
    source: Source, references: list[str], options: OpenOptions, *, labelled: bool, notes: list[str]
) -> ImageList:
    """References as a manifest has them, each with what the storage states of its file."""
    storage = source.storage
    images: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for reference in references:
        image, stated = reference, "missing"
        try:
            image = storage.resolve(reference, allow_outside=options.allow_outside)
            stated = storage.identity(image, stat_only=True) or ""
        except ImageError as error:
            if image == reference:
                reasons[image] = str(error)
        images.setdefault(image, stated)
    refused = {position: reasons[image] for position, image in enumerate(images) if image in reasons}
    fingerprint = digest_of_texts(list(images), list(images.values()))
    printable = [image.encode(errors="backslashreplace").decode() for image in images]
    return ImageList(storage.root, pa.array(printable, pa.string()), fingerprint, labelled, refused, tuple(notes))
