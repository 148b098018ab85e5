"""What a format's importer hands over: annotations by image, before any image has been opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from automl_vision.data.objects import Object, ObjectBuilder
from automl_vision.data.report import ImportReport

Kind = Literal["label", "labels", "boxes", "masks"]


@dataclass(frozen=True)
class Record:
    """One image's annotation.

    Attributes:
        image: path relative to the data's root, absolute path, or URL.
        place: where it was read, for messages.
        labels: the image's labels; exactly one for a single-label set, none where objects have labels.
        objects: its labelled objects.
        split: "train", "val", "test", or None when the source does not say.
        group: images of one group never stand in two splits.
        size: width and height in pixels as the source states them, or None.
    """

    image: str
    place: str
    labels: tuple[str, ...] = ()
    objects: Sequence[Object] = ()
    split: str | None = None
    group: str | None = None
    size: tuple[int, int] | None = None


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

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_objects(self) -> bool:
        """Whether objects are labelled, not images."""
        return self.kind in ("boxes", "masks")

    def add(self, record: Record) -> int | None:
        """Add one usable record and give its number; None when a name in it cannot be written."""
        texts = (record.image, *record.labels, record.group or "", *(o.label for o in record.objects))
        if not all(_is_unicode(text) for text in texts):
            self.reject(record.place, "the name is not valid Unicode; rename it in UTF-8", "bad name")
            return None
        self.report.total += 1
        self.images.append(record.image)
        self.places.append(record.place)
        self.labels.append(record.labels)
        self.splits.append(record.split)
        self.groups.append(record.group)
        self.sizes.append(record.size or (0, 0))
        number = len(self.images) - 1
        for value in record.objects:
            self.objects.add(number, value)
        return number

    def reject(self, place: str, reason: str, kind: str) -> None:
        """Count one record that cannot be used."""
        self.report.total += 1
        self.report.add(place.encode(errors="backslashreplace").decode(), reason, kind)


@dataclass(frozen=True)
class Columns:
    """Names of the columns that table formats read; None looks for the usual names."""

    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None


def _is_unicode(text: str) -> bool:
    """Whether a text can be written; file names in another encoding arrive with lone surrogates, which cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
