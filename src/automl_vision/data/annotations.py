"""What a format's importer hands over: annotations by image, before any image has been opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from automl_vision.core.tasks import Kind
from automl_vision.core.text import composed
from automl_vision.data.further_columns import FurtherColumns
from automl_vision.data.object import Object
from automl_vision.data.objects import ObjectBuilder, Objects
from automl_vision.data.report import ImportReport
from automl_vision.data.split_names import outermost_split

_MASK_SHARE = 0.8  # of all objects; with fewer masks the others would be lost beyond what `max_bad_share` allows


@dataclass(frozen=True)
class Record:
    """One image's annotation.

    Attributes:
        image: path relative to the data's root, absolute path, or URL.
        place: where it was read, for messages.
        labels: the image's labels; exactly one for single-label data, none if objects are labelled.
        objects: its labelled objects.
        split: "train", "val", "test", or None when the source does not say.
        group: images of one group are always in the same split.
        size: width and height in pixels as the source states them, or None.
        further: what else the source says of the image, by name, such as its camera; None for nothing.
    """

    image: str
    place: str
    labels: tuple[str, ...] = ()
    objects: Sequence[Object] = ()
    split: str | None = None
    group: str | None = None
    size: tuple[int, int] | None = None
    further: Mapping[str, str] | None = None


@dataclass
class Annotations:
    """All records of one source.

    Attributes:
        kind: "label" for one label an image, "labels" for any number, "boxes" and "masks" for objects.
        relative: whether coordinates are shares of width and height, instead of pixels.
        images, places, labels, splits, groups, sizes: the records' values, in the order in which they were read.
        objects: the records' objects, by number of the record.
        report: what could not be read.
        classes: the source's own list of classes, in its order, when it has one.
        further: what else the source says of its images.
        reads_all: whether each image of the source is a record, a mask, or reported already.
        swaps_sizes: whether the source states sizes of pixels as they are stored beside objects of upright images.
        ambiguous: why it is not clear which image a record means, by its number; such records are left out.
    """

    kind: Kind
    relative: bool = False
    images: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    objects: ObjectBuilder = field(default_factory=ObjectBuilder)
    report: ImportReport = field(default_factory=ImportReport)
    classes: list[str] | None = None
    further: FurtherColumns = field(default_factory=FurtherColumns)
    reads_all: bool = False
    swaps_sizes: bool = False
    ambiguous: dict[int, str] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _repeated: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_objects(self) -> bool:
        """Whether objects are labelled, not images."""
        return self.kind in ("boxes", "masks")

    def add(self, record: Record) -> int | None:
        """Add a usable record; returns its number, or None if a name in it cannot be written.

        A further record of an image that is known adds its labels and objects to the first one.
        """
        texts = (record.image, *record.labels, record.group or "", *(o.label for o in record.objects))
        if not all(_is_unicode(text) for text in texts):
            self.reject(record.place, "the name is not valid Unicode; rename it in UTF-8", "bad name")
            return None
        self.report.count(objects=len(record.objects))
        labels = tuple(map(composed, record.labels))
        number = self._numbers.get(record.image)
        if number is None:
            self.report.count(images=1)
            number = self._numbers[record.image] = len(self.images)
            self.images.append(record.image)
            self.places.append(record.place)
            self.labels.append(labels)
            self.splits.append(record.split)
            self.groups.append(record.group)
            self.sizes.append(record.size or (0, 0))
        else:
            self._join(number, record, labels)
        if record.further:
            self.further.add(number, record.further)
        for value in record.objects:
            self.objects.add(number, value)
        return number

    def _join(self, number: int, record: Record, labels: tuple[str, ...]) -> None:
        if _file(record.place) != _file(self.places[number]):
            self._repeated.add(number)
        if labels:
            self.labels[number] = tuple(dict.fromkeys(self.labels[number] + labels))
        self.splits[number] = self.splits[number] or record.split
        self.groups[number] = self.groups[number] or record.group
        if record.size and self.sizes[number] == (0, 0):
            self.sizes[number] = record.size

    def build_objects(self) -> Objects:
        """All objects, sorted by image; of an image that several files describe, equal ones are kept once."""
        objects = self.objects.build()
        if not self._repeated or not len(objects):
            return objects
        rows = np.flatnonzero(np.isin(objects.image, list(self._repeated)))
        values = [objects.image[rows], objects.label[rows], *objects.bbox[rows].T, *objects.polygon_bounds()[rows].T]
        table = np.nan_to_num(np.stack(values, axis=1).astype(np.float64), nan=-1.0)
        _, first = np.unique(table, axis=0, return_index=True)
        codes = [row for row in range(len(rows)) if int(rows[row]) in objects.rle]  # their masks are not compared
        again = np.setdiff1d(np.arange(len(rows)), np.union1d(first, codes).astype(np.int64))
        if not len(again):
            return objects
        for image in np.unique(objects.image[rows[again]]).tolist():
            self.ignore(self.places[image], "another file holds some of the same objects; they count once", "repeated")
        return objects.take(np.setdiff1d(np.arange(len(objects)), rows[again]))

    def settle_kind(self, *, several: bool = False) -> None:
        """Decide what is labelled from what was read: objects if there are any, else images.

        Args:
            several: the source has room for several labels an image, even where each has one.
        """
        masks = self.objects.with_mask
        if len(self.objects):
            self.kind = "masks" if masks >= _MASK_SHARE * len(self.objects) else "boxes"
        elif several or any(len(labels) > 1 for labels in self.labels):
            self.kind = "labels"
        elif any(self.labels):
            self.kind = "label" if all(self.labels) else "labels"

    def split_by_folders(self) -> None:
        """Where no record has a split, take those that the images' folders name: all, or more than one of them."""
        if any(self.splits):
            return
        found = [outermost_split(image) for image in self.images]
        if "train" in found and (None not in found or len({*found} - {None}) > 1):
            self.splits = found

    def rename(self, names: Mapping[str, str]) -> None:
        """Give labels other names."""
        self.labels = [tuple(dict.fromkeys(names.get(label, label) for label in row)) for row in self.labels]
        self.objects.rename(names)

    def ignore(self, place: str, reason: str, kind: str) -> None:
        """Note something that is valid but not used here, such as a key point."""
        self.report.note(_printable(place), _printable(reason), kind)

    def reject(self, place: str, reason: str, kind: str) -> None:
        """Count one record that cannot be used."""
        self.report.reject(_printable(place), _printable(reason), kind)


@dataclass(frozen=True)
class Columns:
    """Names of the columns that table formats read; None looks for the usual names.

    `fields` are names for all columns of files that have none, in their order: ("x1", "y1", "x2", "y2", "label").
    """

    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    fields: tuple[str, ...] = ()


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _file(place: str) -> str:
    return place.partition(":")[0]


def _is_unicode(text: str) -> bool:
    """Whether a text can be written; file names in another encoding arrive with lone surrogates, which cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
