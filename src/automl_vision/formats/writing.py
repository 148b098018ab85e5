"""What a format's writer is given: the dataset's images with their annotations, and a folder to write into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automl_vision.core.errors import ImageError
from automl_vision.core.files import link_or_copy
from automl_vision.core.tasks import has_objects
from automl_vision.core.text import suffix_of
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_names import IMAGE_SUFFIXES, suffix_for
from automl_vision.data.images import open_image
from automl_vision.data.masks import MaskCode, mask_to_polygons
from automl_vision.data.object import Object
from automl_vision.data.report import ImportReport
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.storage.access import full_reference, read_image_bytes
from automl_vision.storage.urls import is_url


@dataclass(frozen=True)
class ExportRecord:
    """One image to write.

    Attributes:
        image: name to write it under, unique in the export, with a suffix and forward slashes.
        width, height: in pixels.
        labels: of the image.
        objects: in it.
        group: or None.
        further: what else is known of it, by name.
    """

    image: str
    width: int
    height: int
    labels: tuple[str, ...]
    objects: tuple[Object, ...]
    group: str | None
    further: dict[str, str | float]


class Export:
    """A dataset on its way into a folder.

    Args:
        dataset: to write.
        folder: as given.
        images: "copy", "link" or "none"; see `export_dataset`.

    Attributes:
        folder: where to write.
        kind: what is labelled: "label", "labels", "boxes" or "masks".
        classes: names in order.
        further: names of what else is known of the images.
        report: of what the format could not hold.
    """

    def __init__(self, dataset: Dataset, folder: Path, *, images: str) -> None:
        self.folder, self.kind, self.classes = folder, dataset.kind, list(dataset.classes)
        self.further, self.report = list(dataset.further), ImportReport()
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
        further = [self._dataset.column(name).take(rows).to_pylist() for name in self.further]
        values = list(zip(*further, strict=True)) if further else [()] * len(rows)
        for row, width, height, labels, group, own in zip(rows, *columns.values(), values, strict=True):
            self.report.total += 1
            yield ExportRecord(
                image=self._names[row],
                width=width,
                height=height,
                labels=tuple(labels),
                objects=tuple(objects[i] for i in objects.rows_of(row)) if self.has_objects else (),
                group=group,
                further={n: v for n, v in zip(self.further, own, strict=True) if v is not None},
            )

    def image(self, name: str, target: str | None = None) -> str:
        """Bring an image into the export.

        Args:
            name: of a record.
            target: path below the folder; None for `name` itself.

        Returns:
            How the annotations refer to it: `target`, or where the image is when images stay where they are.
        """
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
                link_or_copy(Path(full), path)
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
        filled = round(sum(map(polygon_area, polygons))) - int(mask.sum())
        holes = f" and lost its holes, {filled:,} pixels" if filled > 0 else ""
        self.lost(record.image, f"the mask of an object of class {value.label} became {len(polygons)} polygons{holes}")
        return polygons

    def lost(self, image: str, reason: str) -> None:
        """Note what the format cannot hold."""
        self.report.note(image, reason, "changed in the export")


def polygon_area(polygon: Sequence[float]) -> float:
    """The area that a polygon x, y, x, y, ... encloses, in pixels."""
    x, y = np.array(polygon[0::2]), np.array(polygon[1::2])
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


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
        return suffix_for(open_image(read_image_bytes(dataset.root, image)).format)
    except ImageError:
        return ".jpg"
