"""From rows and their layout to annotations: one loop for tables, JSON and Parquet."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean, folder_of
from automl_vision.data.annotations import Annotations, Record
from automl_vision.data.image_names import is_image
from automl_vision.data.object import Object
from automl_vision.data.split_names import parse_split, split_of_path
from automl_vision.formats.json_file import as_flag, as_size, shown
from automl_vision.formats.records.cells import FLAGS, as_coordinate, is_empty, numbers_in, one_label, split_labels
from automl_vision.formats.records.layout import Layout, label_of
from automl_vision.formats.records.nested import OtherShape
from automl_vision.formats.records.objects import as_corners, object_fields, objects_in, read_object
from automl_vision.formats.records.rows import Row, Rows
from automl_vision.formats.records.runs import mask_of_runs
from automl_vision.formats.records.vocabulary import is_further
from automl_vision.formats.source import Source, as_text, size_of_file
from automl_vision.formats.usable import OtherShapeError, usable_objects
from automl_vision.storage.urls import is_url

UNNAMED = "object"  # the class of boxes that have none
LARGEST_SHARE = 1.5  # a share a little above 1 is rounding; no set of boxes in pixels ends within 1.5

Content = tuple[tuple[str, ...], list[Object]]  # labels, or objects


class RowImages:
    """The images that the rows of a file name, perhaps without their suffix.

    Args:
        source: of the file.
        file: its path.
    """

    def __init__(self, source: Source, file: str) -> None:
        self.split = split_of_path(file)
        self._source, self._folder = source, folder_of(file)
        self._last = ("", "")

    def find(self, reference: str) -> str:
        """The image that a row names; several rows of one image often follow each other."""
        if self._last[0] != reference:
            self._last = (reference, self._find(reference))
        return self._last[1]

    def _find(self, reference: str) -> str:
        if not (is_image(reference) or is_url(reference)):
            found = self._source.listing.of_stem(reference, self._folder, self.split)
            if found is not None:
                return found
        return self._source.image(reference, self._folder, self.split)


class RowReader:
    """Adds the rows of one file after another to annotations.

    Args:
        source: where the files lie.
        annotations: what is filled.
        splits: of images, from tables that state nothing else.

    Attributes:
        annotations: as given.
        shares: whether an object is written in a convention of shares of width and height.
        several: whether a row has room for several labels.
        states_splits: whether a row has a field for its split.
        odd_names: labels that other tables write for an empty cell.
    """

    def __init__(self, source: Source, annotations: Annotations, splits: dict[str, str | None] | None = None) -> None:
        self.shares, self.several, self.states_splits = False, False, False
        self.odd_names: set[str] = set()
        self.annotations, self._source, self._splits = annotations, source, splits or {}
        self._labels_of: dict[str, tuple[str, tuple[str, ...], str | None]] = {}  # by image, of the first file
        self._shared = {"labels": [0, 0], "splits": [0, 0]}  # records that agree with another file's, and that do not
        self._files: list[str] = []

    def read(self, file: str, rows: Rows, layout: Layout, *, compare: bool = False) -> None:
        """Read one file.

        Args:
            file: its path.
            rows: of the file.
            layout: of the rows.
            compare: whether other files are read too, which may label the same images; see `check_agreement`.
        """
        self._files.append(file)
        images = RowImages(self._source, file)
        for place, row in rows:
            try:
                record = self._record(row, layout, place, images)
            except (ValueError, DataError) as error:
                self.annotations.reject(place, str(error), "bad label")
                continue
            if compare:
                self._compare(file, record)
            self.annotations.add(record)

    def _record(self, row: Any, layout: Layout, place: str, images: RowImages) -> Record:
        """The record of one row.

        Raises:
            ValueError: the row cannot be read, or has no image, no usable label, or an unknown split.
        """
        if isinstance(row, ValueError):
            raise row
        reference = _typed_reference(row, layout) if layout.typed else row[layout.image]
        if not reference:
            raise ValueError("the image is empty")
        split = None
        if layout.split is not None:
            split = row_split(row, layout.split, layout.split_names)
            self.states_splits |= layout.split in row
        image = images.find(reference)
        content: Content
        if layout.runs is not None:
            content = (), self._masks(row, layout, image)
        else:
            content = self._typed(row, layout, place) if layout.typed else self._of_cells(row, layout)
        labels, objects = content
        split = split or images.split or self._splits.get(image)
        return Record(
            image, place, labels, objects, split, _group(row, layout), _size(row, layout), _further(row, layout)
        )

    def _typed(self, row: Row, layout: Layout, place: str) -> Content:
        """Labels or objects of a row of JSON; unusable objects are reported.

        Raises:
            ValueError: the label is neither a text, nor a list of texts, nor one of objects.
        """
        name = layout.label or "label"
        if name not in row:
            raise ValueError(f'the line has no "{name}".{did_you_mean(name, row)}')
        value = row[name]
        if layout.is_object:
            item = {key: found for key, found in row.items() if found is not None and key != layout.image}
            return (), [self._object(item, layout)]
        if isinstance(value, str) and (text := value.strip()):
            return (text,), []
        self.several |= isinstance(value, list)
        values = value if isinstance(value, list) else objects_in(value) if isinstance(value, dict) else [value]
        if all(isinstance(item, dict) for item in values):
            read = partial(self._object, layout=layout)
            return (), list(usable_objects(enumerate(values, start=1), read, f"{place}, object ", self.annotations))
        texts = [as_text(item) if layout.numbers or isinstance(item, str) else "" for item in values]
        if not all(texts):
            raise ValueError(f"the label must be a text or a list of texts or objects, not {shown(value)}")
        return tuple(dict.fromkeys(texts)), []

    def _object(self, item: dict[str, Any], layout: Layout) -> Object:
        if isinstance(item, OtherShape):
            raise OtherShapeError("the object has no box")
        names = (name for name, found in item.items() if found is not None) if None in item.values() else item
        fields = object_fields(tuple(names))
        found = read_object(item, fields, numbers=layout.numbers)
        self.shares |= fields.shares
        return found

    def _of_cells(self, row: Row, layout: Layout) -> Content:
        """Labels or objects of a row of texts.

        Raises:
            ValueError: a value cannot be used.
        """
        labels, objects = ((), _boxes(row, layout)) if layout.box else (_labels(row, layout), [])
        self.odd_names.update(label for label in labels if is_empty(label))
        self.odd_names.update(found.label for found in objects if is_empty(found.label))
        return labels, objects

    def _masks(self, row: Row, layout: Layout, image: str) -> list[Object]:
        """The mask of a row of texts; none where its cell is empty, as for an image without objects.

        Raises:
            ValueError: it cannot be read, or the image's size is not known.
        """
        cell = row[layout.runs or ""]
        if is_empty(cell):
            return []
        size = _size(row, layout) or size_of_file(self._source, image)
        if size is None:
            raise ValueError("a mask of runs needs the image's size, and neither the table nor the image states it")
        return [Object(_object_label(row, layout), rle=mask_of_runs(cell, size, layout.run_order))]

    def check_agreement(self) -> None:
        """Raise `DataError` when two files label most of the images that they share differently, or split them so."""
        for what, (agreed, differing) in self._shared.items():
            if differing > agreed:
                files = ", ".join(sorted(self._files))
                raise DataError(
                    f"the tables {files} give the same images different {what}; open one of them by its path"
                )

    def _compare(self, file: str, record: Record) -> None:
        first, labels, split = self._labels_of.setdefault(record.image, (file, record.labels, record.split))
        if first == file:
            return
        if record.labels:
            agrees = set(record.labels) <= set(labels) or set(labels) <= set(record.labels)
            self._shared["labels"][not agrees] += 1
        if record.split and split:
            self._shared["splits"][record.split != split] += 1


def _typed_reference(row: Any, layout: Layout) -> str:
    """The image of a row of JSON.

    Raises:
        ValueError: the row is not an object, or has no image.
    """
    if not isinstance(row, dict):
        raise ValueError("the line is not a JSON object")
    image = row.get(layout.image) or row.get("image")
    if not isinstance(image, str) or not image.strip():
        raise ValueError(f'the line has no "{layout.image}".{did_you_mean(layout.image, row)}')
    return image.strip()


def row_split(row: Row, field: str, names: dict[str, str] | None) -> str | None:
    """The split of a row; see `Layout`.

    Raises:
        ValueError: it is unknown.
    """
    value = row.get(field)
    text = "" if value is None else str(value)
    if names is not None:
        return names.get(text.lower())
    return None if is_empty(text) else _known_split(text)


_known_split = lru_cache(maxsize=256)(parse_split)  # the same few texts in all rows


def _group(row: Row, layout: Layout) -> str | None:
    """The group of a row; a fold's number is told from other groups."""
    value = row.get(layout.group) if layout.group is not None else None
    if value is None or is_empty(str(value)):
        return None
    return f"fold {value}" if layout.fold else str(value)


def _further(row: Row, layout: Layout) -> dict[str, str] | None:
    """What a row says of its image beside what its layout means."""
    if not layout.typed:
        if not layout.others:
            return None
        return {name: row[name] for name in layout.others if name and not is_empty(row.get(name, ""))}
    if layout.is_object:
        return None
    known = (layout.image, layout.label, layout.split, layout.group)
    return {
        name: str(value)
        for name, value in row.items()
        if isinstance(value, str | int | float) and name not in known and is_further(name) and not is_empty(str(value))
    }


def _size(row: Row, layout: Layout) -> tuple[int, int] | None:
    """Width and height in pixels as a row states them."""
    details = row.get("image_details") if layout.typed else None
    if isinstance(details, dict):
        return as_size(details.get("width"), details.get("height"))
    return as_size(row.get(layout.size[0]), row.get(layout.size[1])) if layout.size else None


def _boxes(row: Row, layout: Layout) -> list[Object]:
    """The boxes of a row; none where their cells are empty, as for an image without objects.

    Raises:
        ValueError: a value cannot be used.
    """
    cells = [row[name] for name in layout.box]
    if all(map(is_empty, cells)):
        return []
    label = _object_label(row, layout)
    if len(cells) == 1:
        found = numbers_in(cells[0])
    else:
        a, b, c, d = map(as_coordinate, cells)
        found = [(a, b, c, d)]
    crowd = layout.crowd is not None and as_flag(row[layout.crowd])
    difficult = layout.difficult is not None and as_flag(row[layout.difficult])
    return [Object(label, as_corners(numbers, layout.box_kind), crowd, difficult) for numbers in found]


def _object_label(row: Row, layout: Layout) -> str:
    """The class of a row's objects.

    Raises:
        ValueError: it is empty.
    """
    label = UNNAMED if layout.label is None else one_label(row[layout.label])
    if _has_no_label(label, layout):
        raise ValueError("the label is empty")
    return label


def _has_no_label(cell: str, layout: Layout) -> bool:
    """Whether a cell holds no label; among words, "nan" and "null" are names of classes."""
    return not cell if layout.has_words and not layout.plural else is_empty(cell)


def _labels(row: Row, layout: Layout) -> tuple[str, ...]:
    """The labels of a row of texts.

    Raises:
        ValueError: a flag is not 0 or 1, or the label is empty.
    """
    if layout.label is None:
        bad = [name for name in layout.flags if not (row[name].lower() in FLAGS or is_empty(row[name]))]
        if bad:
            raise ValueError(f'column "{label_of(bad[0])}" must hold 0 or 1, not "{row[bad[0]]}"')
        return tuple(label_of(name) for name in layout.flags if FLAGS.get(row[name].lower()))
    cell = row[layout.label]
    if layout.separator:
        return split_labels(cell, layout.separator)
    if _has_no_label(cell, layout):
        if layout.plural:
            return ()
        raise ValueError("the label is empty")
    return (one_label(cell),)
