"""What a format's importer hands over: annotations by image, before any image has been opened."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from automl_vision.data.report import ImportReport

Kind = Literal["label", "labels"]

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One image's annotation.

    Attributes:
        image: path relative to the data's root, absolute path, or URL.
        labels: the image's labels; exactly one for a single-label set.
        place: where it was read, for messages.
        split: "train", "val", "test", or None when the source does not say.
        group: images of one group never stand in two splits.
    """

    image: str
    labels: tuple[str, ...]
    place: str
    split: str | None = None
    group: str | None = None


@dataclass
class Annotations:
    """All records of one source.

    Attributes:
        kind: "label" for one label an image, "labels" for any number.
        records: in the order in which they were read.
        report: what could not be read.
        classes: the source's own list of classes, in its order, when it has one.
    """

    kind: Kind
    records: list[Record] = field(default_factory=list)
    report: ImportReport = field(default_factory=ImportReport)
    classes: list[str] | None = None

    def add(self, record: Record) -> None:
        """Add one usable record."""
        texts = (record.image, *record.labels, record.group or "")
        if not all(_is_unicode(text) for text in texts):
            self.reject(record.place, "the name is not valid Unicode; rename it in UTF-8", "bad name")
            return
        self.report.total += 1
        self.records.append(record)

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
    return not any("\ud800" <= character <= "\udfff" for character in text)


def read_text(path: Path) -> str:
    """The text of an annotation file: UTF-8 with or without mark, UTF-16 with mark, else Windows-1252."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def parse_split(value: str) -> str | None:
    """The product's name of a split that a record states, or None when it states none.

    Raises:
        ValueError: the split is unknown; to train on what was meant to be held out would be worse than to leave it.
    """
    split = normalize_split(value)
    if value.strip() and split is None:
        raise ValueError(f'the split "{value}" is unknown; splits: {", ".join(SPLIT_NAMES)}')
    return split


def normalize_split(value: str | None) -> str | None:
    """The product's name of a split, or None for an empty or unknown one."""
    return SPLIT_NAMES.get(value.strip().lower()) if value else None
