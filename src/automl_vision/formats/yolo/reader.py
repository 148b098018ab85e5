"""YOLO text files: one a picture, `class x y w h` or `class x y x y ...`, all in shares of width and height."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import yaml

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.formats.json_file import HEAD_FILES, as_number, is_number, shown
from automl_vision.formats.registry import Rank, dataset_format, export_format
from automl_vision.formats.shapes import shares
from automl_vision.formats.source import Source
from automl_vision.formats.usable import usable_objects
from automl_vision.formats.writing import Export, ExportRecord
from automl_vision.formats.yolo.rows import ODD, USUAL, cells_of
from automl_vision.formats.yolo.settings import (
    Settings,
    broken_settings,
    class_names,
    find_settings,
    image_splits,
    texts_of,
)

_MAX_CLASSES = 100_000
_HEAD_LABELS = 200  # label files looked at to find the format; those of images without objects are empty
_GOOD_ROWS = 0.8  # of the first ones; the others are reported
_FARTHEST = 1.0  # a whole image beyond the edge: so far no rounding and no object that is cut off reaches
_LABEL_FOLDERS = ("label", "Labels", "labels")
_IMAGE_WORD = re.compile("(jpeg)?images|imgs", re.IGNORECASE)
_NAMED = "the name of a class instead of its number"
_VISIBILITY = ("0", "1", "2")


def _labels_of(source: Source) -> dict[str, str]:
    """The label file of each image that has one: beside it, or below `labels` where the image is below `images`.

    Where no image has one there, a label file of the same name anywhere belongs to it when it is the only one.
    """
    texts = {path.rpartition(".")[0]: path for path in texts_of(source)}
    if not texts:
        return {}
    found = {image: texts[stem] for image in source.images for stem in _stems(image) if stem in texts}
    if found:
        return found
    split = {path: source.split_of(path) for path in texts.values()}
    by_image = {path: source.listing.named(path.rpartition(".")[0], "", split[path]) for path in texts.values()}
    return {image: path for path, image in by_image.items() if image is not None}


def _stems(image: str) -> Iterator[str]:
    """Where an image's label file may be, without suffix; the usual place last, since it wins."""
    for stem in (image, image.rpartition(".")[0]):  # some write `1.jpg.txt`
        yield stem
        *folders, name = stem.split("/")
        for i, folder in enumerate(folders):
            for counterpart in _counterparts(folder):
                yield "/".join([*folders[:i], counterpart, *folders[i + 1 :], name])


@lru_cache(maxsize=4096)
def _counterparts(folder: str) -> tuple[str, ...]:
    """Folders of labels for one of images: `labels` for `images`, `labels_train` for `images_train`."""
    match = _IMAGE_WORD.search(folder)
    return tuple(folder[: match.start()] + word + folder[match.end() :] for word in _LABEL_FOLDERS) if match else ()


def _label_folders(source: Source) -> set[str]:
    """Folders of text files that are named for labels."""
    folders = {folder_of(path) for path in texts_of(source)}
    return {folder for folder in folders if not {*_LABEL_FOLDERS}.isdisjoint(folder.split("/"))}


def _detect(source: Source, columns: Columns) -> bool:  # noqa: ARG001 - the format has no columns
    if source.main and suffix_of(source.main) not in (".yaml", ".yml", ".data"):
        return False
    labels = sorted(set(_labels_of(source).values()))
    settings = find_settings(source)
    if settings is not None and "names" in settings[1] and (labels or source.main or _label_folders(source)):
        return True
    rows = _head_rows(source, labels)
    good = sum(len(row) >= 5 and _is_class(row[0]) and _is_share(row[1]) and _are_numbers(row[2:5]) for row in rows)
    named = [list(map(float, row[1:])) for row in rows if _is_named(row)]
    if all(a < c and b < d for a, b, c, d in named):
        named = []  # these may be corners
    return bool(rows) and max(good, len(named)) >= _GOOD_ROWS * len(rows)


def _head_rows(source: Source, labels: list[str]) -> list[list[str]]:
    """The first rows of some label files."""
    rows: list[list[str]] = []
    for path in labels[:_HEAD_LABELS]:
        rows += [row for line in source.try_text(path).splitlines() if (row := cells_of(line)[0])]
        if len(rows) >= HEAD_FILES:
            break
    return rows


def _is_class(text: str) -> bool:
    return text.removesuffix(".0").isdecimal()


def _are_numbers(cells: list[str]) -> bool:
    return all(map(is_number, cells))


def _is_named(row: list[str]) -> bool:
    """Whether a row has the name of a class and four shares."""
    return len(row) == 5 and not is_number(row[0]) and all("." in cell and _is_share(cell) for cell in row[1:])


def _is_share(text: str) -> bool:
    return is_number(text) and -0.5 <= float(text) <= 1.5


@dataset_format(
    "yolo",
    "boxes",
    "masks",
    rank=Rank.LABEL_FILES + 10,
    layout="data.yaml with names, and labels/IMAGE.txt (class x y w h, or class and a polygon) beside images/IMAGE.jpg",
    detect=_detect,
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the format has no columns
    """Read the label file of every image; images without one have no objects."""
    settings = find_settings(source)
    annotations = Annotations("boxes", relative=True)
    labels = _labels_of(source)
    if settings is None and not labels:
        return annotations
    names = class_names(source, settings)
    files = frozenset(labels.values())
    splits = image_splits(source, settings, files)
    labels_file = _LabelFile(source, names, annotations, has_points=_has_points(source, settings, sorted(files)))
    for image in source.images:
        if splits and image not in splits and image not in labels:
            continue  # neither labelled nor in a split: a picture that lies around
        path = labels.get(image)
        objects = [] if path is None else list(labels_file.objects(path))
        split = splits.get(image) or source.split_of(image)
        annotations.add(Record(image, path or image, objects=objects, split=split))
    labels_file.note_odd()
    if labels_file.has_points:
        annotations.ignore(source.name, "behind each box stand key points, which are not read", "other shape")
    annotations.settle_kind()
    used = set(annotations.objects.names)
    annotations.classes = [names[i] for i in sorted(names)] + sorted(used.difference(names.values()))
    _note_what_lacks(source, names, files, annotations)
    return annotations


def _note_what_lacks(source: Source, names: dict[int, str], files: frozenset[str], annotations: Annotations) -> None:
    """Report settings that cannot be read, labels without an image, and classes without a name."""
    for path in broken_settings(source):
        annotations.reject(path, f"{path} is not valid YAML", "bad record")
    folders = {folder_of(path) for path in files} or _label_folders(source)
    for path in texts_of(source):
        if folder_of(path) in folders and path not in files and _detects_row(source.try_text(path)):
            annotations.reject(path, "no image belongs to the label file", "missing image")
    if not names and len(annotations.objects):
        reason = "no file names the classes (data.yaml, classes.txt); they are called by their numbers"
        annotations.ignore(source.name, reason, "no names")


def _detects_row(text: str) -> bool:
    row = cells_of(text.partition("\n")[0])[0]
    return len(row) >= 5 and _is_class(row[0]) and all(map(_is_share, row[1:5]))


def _has_points(source: Source, settings: Settings | None, labels: list[str]) -> bool:
    """Whether key points stand behind each box: the settings say so, or all rows are equally long and show it.

    A row of key points holds a box and x, y, visibility of each; no polygon has 0, 1 or 2 at every third place.
    """
    if settings is not None and "kpt_shape" in settings[1]:
        return True
    rows = _head_rows(source, labels)
    width = len(rows[0]) if rows else 0
    if width < 8 or (width - 5) % 3 or any(len(row) != width for row in rows):
        return False
    return all(mark.partition(".")[0] in _VISIBILITY and _is_whole(mark) for row in rows for mark in row[7::3])


def _is_whole(text: str) -> bool:
    return not text.partition(".")[2].strip("0")


class _LabelFile:
    """Reads one label file after another, and counts lines that are written in an odd way.

    Args:
        source: of the files.
        names: of the classes, by number.
        annotations: where unusable lines are reported.
        has_points: whether key points stand behind each box.
    """

    def __init__(self, source: Source, names: dict[int, str], annotations: Annotations, *, has_points: bool) -> None:
        self.has_points = has_points
        self._source, self._names, self._annotations = source, names, annotations
        self._known = frozenset(names.values())
        self._odd: dict[str, list[str]] = defaultdict(list)

    def objects(self, path: str) -> Iterator[Object]:
        """The objects of one file; unusable lines are reported, key points behind a box passed over."""
        try:
            lines = self._source.read_text(path).splitlines()
        except DataError as error:
            self._annotations.reject(path, str(error), "bad record")
            return
        rows = ((number, self._cells(line, path)) for number, line in enumerate(lines, start=1) if line.strip())
        yield from usable_objects(rows, partial(_object, names=self._names), f"{path}:", self._annotations)

    def _cells(self, line: str, path: str) -> list[str]:
        cells, written = cells_of(line)
        if written != USUAL:
            self._odd[ODD[written]].append(path)
        if cells and not is_number(cells[0]) and (not self._names or cells[0] in self._known):
            self._odd[_NAMED].append(path)
        return cells[:5] if self.has_points else cells

    def note_odd(self) -> None:
        """Say once for each way of writing in how many lines it was met, and what the format is."""
        for written, places in self._odd.items():
            reason = f'{len(places)} lines have {written}, and are read so; YOLO writes "0 0.5 0.5 0.2 0.2"'
            self._annotations.ignore(places[0], reason, "written otherwise")


def _object(row: list[str], names: dict[int, str]) -> Object:
    """One line: four numbers make a box around a centre, more make a polygon.

    Raises:
        ValueError: the class is unknown, or the numbers are neither.
    """
    label = _label(row[0], names)
    numbers = [as_number(text) for text in row[1:]]
    if len(numbers) == 5:  # a fifth is a score
        del numbers[4]
    if far := next((number for number in numbers if not -_FARTHEST <= number <= 1 + _FARTHEST), None):
        raise ValueError(f"coordinates are shares of width and height, from 0 to 1, not {far:g}")
    if len(numbers) == 4:
        x, y, width, height = numbers
        return Object(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    if len(numbers) < 6:
        raise ValueError(
            f"a line needs a class and 4 numbers, or a polygon of at least 3 points; it has {len(numbers)}"
        )
    if len(numbers) % 2:
        raise ValueError(f"a polygon needs x and y of each point; the line has {len(numbers)} numbers")
    return Object(label, segments=(numbers,))


def _label(text: str, names: dict[int, str]) -> str:
    """The name of a class that a line has by its number, or by the name itself.

    Raises:
        ValueError: there is no such class.
    """
    if not is_number(text) and (not names or text in names.values()):
        return text
    index = _class_number(text)
    if (names and index not in names) or not 0 <= index < _MAX_CLASSES:
        raise ValueError(f"class {index} is not in the list of {len(names)} names")
    return names.get(index, str(index))


def _class_number(text: str) -> int:
    """A class's number, which may be written as a float.

    Raises:
        ValueError: it is not a whole number.
    """
    if not is_number(text) or not float(text).is_integer():
        raise ValueError(f"the class must be a whole number, not {shown(text)}")
    return int(float(text))


@export_format("yolo", "boxes", "masks")
def write(export: Export) -> None:
    """Write `data.yaml`, `images/SPLIT/*` and `labels/SPLIT/*`; without masks boxes, with masks polygons."""
    for split in export.splits:
        prefix = f"/{split}" if split else ""
        for record in export.records(split):
            image = export.image(record.image, f"images{prefix}/{record.image}")
            text = "".join(f"{line}\n" for line in _lines(record, export))
            above, _, below = f"/{image}".rpartition("/images/")  # the last one, as YOLO's own tools look for it
            path = f"{above}/labels/{below.rpartition('.')[0]}.txt"
            write_text(export.folder / path.removeprefix("/"), text)
    settings: dict[str, Any] = {"path": "."}
    settings |= {split: f"images/{split}" for split in export.splits if split} or {"train": "images"}
    settings["names"] = dict(enumerate(export.classes))
    write_text(export.folder / "data.yaml", yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


def _lines(record: ExportRecord, export: Export) -> Iterator[str]:
    scale = (record.width, record.height)
    for value in record.objects:
        index = export.classes.index(value.label)
        x1, y1, x2, y2 = value.bbox or (0.0,) * 4
        if export.kind == "boxes":
            numbers = shares([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], scale)
            yield " ".join([str(index), *map(repr, numbers)])
            continue
        polygons = export.polygons(value, record)
        if len(polygons) > 1:
            export.lost(record.image, f"an object of {len(polygons)} polygons became {len(polygons)} objects")
        for polygon in polygons:
            yield " ".join([str(index), *map(repr, shares(polygon, scale))])
