"""Writing a dataset in a format of others: one writer a format, the images copied, linked or left where they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.tasks import has_objects
from automl_vision.core.text import suffix_of
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.data.images import open_image
from automl_vision.data.masks import MaskCode, mask_to_polygons
from automl_vision.data.object import Object
from automl_vision.data.report import ImportReport
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.formats.registry import ExportFormat, find_export_format
from automl_vision.formats.writing import ExportRecord
from automl_vision.storage.access import full_reference, read_image_bytes
from automl_vision.storage.urls import is_url

_IMAGES = ("copy", "link", "none")


class _Export:
    """A dataset on its way into a folder, as its writer sees it (`writing.Export`).

    Attributes:
        folder: where to write.
        kind: what is labelled: "label", "labels", "boxes" or "masks".
        classes: names in order.
        report: of what the format could not hold.
    """

    def __init__(self, dataset: Dataset, folder: Path, *, images: str) -> None:
        self.folder, self.kind, self.classes = folder, dataset.kind, list(dataset.classes)
        self.report = ImportReport()
        self._dataset, self._images = dataset, images
        self._rows = {split: np.flatnonzero(dataset.splits == split).tolist() for split in self.splits}
        self._names = _unique_names(dataset)
        self._row_of = {name: row for row, name in self._names.items()}

    @property
    def splits(self) -> list[str]:
        """The splits that hold images; "" for those without one."""
        found = set(self._dataset.splits.tolist())
        return [split for split in ("train", "val", "test", "") if split in found]

    @property
    def has_objects(self) -> bool:
        """Whether objects are labelled."""
        return has_objects(self._dataset.task)

    def records(self, split: str) -> Iterator[ExportRecord]:
        """The images of a split."""
        objects = self._dataset.objects
        rows = self._rows[split]
        columns = self._dataset.table.select(["width", "height", "labels", "group"]).take(rows).to_pydict()
        for row, width, height, labels, group in zip(rows, *columns.values(), strict=True):
            self.report.total += 1
            yield ExportRecord(
                image=self._names[row],
                width=width,
                height=height,
                labels=tuple(labels),
                objects=tuple(objects[i] for i in objects.rows_of(row)) if self.has_objects else (),
                group=group,
            )

    def image(self, name: str, target: str | None = None) -> str:
        """Bring an image into the export, as `writing.Export` says."""
        target = target or name
        row = self._row_of[name]
        reference = self._dataset.table["image"][row].as_py()
        full = full_reference(self._dataset.root, reference)
        if self._images == "none":
            return full
        path = self.folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self._images == "link" and Path(full).is_file():
                os.symlink(full, path)  # noqa: PTH211 - the link's text is the path as it is
            else:
                path.write_bytes(read_image_bytes(self._dataset.root, reference))
        except ImageError as error:
            self.lost(name, str(error))
        return target

    def polygons(self, value: Object, record: ExportRecord) -> list[list[float]]:
        """An object's polygons; outlines of its run-length code, which lose its holes."""
        if value.rle is None:
            return [list(segment) for segment in value.segments]
        mask = MaskCode.from_text(value.rle).decode()
        polygons = mask_to_polygons(mask)
        self.lost(record.image, f"the mask of an object of class {value.label} became {len(polygons)} polygons")
        return polygons

    def lost(self, image: str, reason: str) -> None:
        """Note what the format cannot hold."""
        self.report.note(image, reason, "changed in the export")


def export_dataset(dataset: Dataset, folder: str | PathLike[str], format: str, *, images: str = "copy") -> ImportReport:
    """Write a dataset in a format; images that were left out are not written.

    Args:
        dataset: with or without splits.
        folder: new or empty.
        format: "coco", "csv", "folder", "jsonl", "voc" or "yolo".
        images: "copy" writes them below the folder, "link" makes symbolic links, "none" refers to where they are; the
            last two lead out of the folder, so that it must be opened with `allow_outside=True`.

    Returns:
        What the format could not hold; `notes` names each loss.

    Raises:
        DataError: the format is unknown or cannot hold such labels, or the folder is not empty.
    """
    format_ = find_export_format(format)
    if images not in _IMAGES:
        raise DataError(f'images must be one of {", ".join(_IMAGES)}, not "{images}"')
    target = Path(folder).expanduser().absolute()
    if dataset.kind not in format_.kinds:
        holds = ", ".join(sorted(format_.kinds))
        raise DataError(
            f'the format "{format_.name}" cannot hold {dataset.task}: it holds {holds}, the data has {dataset.kind}; '
            "choose another format, or another task with as_task"
        )
    if images == "none" and "references" not in format_.holds:
        raise DataError(f'the format "{format_.name}" needs its images beside it: images="copy" or "link"')
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} is not an empty folder; nothing is overwritten")
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        export = _Export(dataset, partial, images=images)
        format_.write(export)
        _note_losses(dataset, format_, export.report)
        if target.exists():
            target.rmdir()
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return export.report


def _note_losses(dataset: Dataset, format_: ExportFormat, report: ImportReport) -> None:
    """Note the marks that a format cannot hold."""
    kept = dataset.splits != LEFT_OUT
    marks = {"group": int((dataset.table["group"].is_valid().to_numpy() & kept).sum())}
    if has_objects(dataset.task):
        written = kept[dataset.objects.image]
        marks["iscrowd"] = int((dataset.objects.iscrowd & written).sum())
        marks["difficult"] = int((dataset.objects.difficult & written).sum())
    for mark, count in marks.items():
        if count and mark not in format_.holds:
            report.note(format_.name, f'the format has no place for "{mark}", which {count} records had', "lost mark")


def _unique_names(dataset: Dataset) -> dict[int, str]:
    """The name of each row: its path below the root, without folders where it comes from elsewhere."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    images = dataset.table["image"].to_pylist()
    for row in np.flatnonzero(dataset.splits != LEFT_OUT).tolist():
        image = images[row]
        name = image.partition("?")[0].rpartition("/")[2] if is_url(image) or image.startswith("/") else image
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        name = "/".join(f"_{part}" if part.startswith(".") else part for part in parts) or "image"  # hidden is unread
        if suffix_of(name) not in IMAGE_SUFFIXES:
            name += _suffix(dataset, image)
        stem, suffix, number = name.rpartition(".")[0], name.rpartition(".")[2], 1
        while stem.lower() in taken:  # stems, for annotation files are named after them
            number += 1
            stem = f"{name.rpartition('.')[0]}-{number}"
        taken.add(stem.lower())
        names[row] = f"{stem}.{suffix}"
    return names


def _suffix(dataset: Dataset, image: str) -> str:
    """The suffix that an image's bytes ask for."""
    try:
        format_ = open_image(read_image_bytes(dataset.root, image)).format or "PNG"
    except ImageError:
        return ".jpg"
    return {"JPEG": ".jpg"}.get(format_, f".{format_.lower()}")
