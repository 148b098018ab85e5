"""Label files of one text per image, such as `x1 y1 x2 y2 class` a line, in pixels or shares, with any separator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.formats.json_file import as_flag, as_number, is_number
from automl_vision.formats.records.cells import one_label
from automl_vision.formats.records.class_names import name_classes
from automl_vision.formats.records.objects import as_corners, box_sides
from automl_vision.formats.records.reader import UNNAMED
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, size_of_file
from automl_vision.formats.texts.grammar import Cells, RowReading, cells_of, find_reading, named_reading
from automl_vision.formats.texts.pairs import LabelFiles, label_texts, pair_files
from automl_vision.formats.usable import OtherShapeError, usable_objects
from automl_vision.storage.urls import is_url

_FEWEST = 0.5  # of the images have a label file, or else texts of their names are something else
_HEAD_FILES, _HEAD_ROWS = 200, 2000  # whose lines are looked at, and whose images' sizes
_HEAD_FAR = 20  # of the same, where each image has to be fetched
_FEWEST_NUMBERS = 4
_MOST_ODD = 0.5  # of the lines hold fewer numbers

Line = tuple[int, Cells]


@dataclass(frozen=True)
class _Texts:
    """The label files of a source, and how they are read or why they are not."""

    files: LabelFiles
    reading: RowReading | None = None
    reason: str = ""
    example: str = ""
    header: Cells | None = None


def _look(source: Source, columns: Columns) -> _Texts | None:
    """The label files; None where texts beside images hold no boxes."""
    return None if source.main else source.look_once(("label texts", columns), lambda: _looked(source, columns))


def _looked(source: Source, columns: Columns) -> _Texts | None:
    texts = label_texts(source)
    if not texts or not source.images:
        return None
    files = pair_files(source, texts)
    if len(files.image) < max(1, _FEWEST * len(texts)):
        return None
    found = [kind for part in files.by_kind() if (kind := _look_at_kind(source, part, columns)) is not None]
    readable = [kind for kind in found if kind.reading is not None]
    if len(readable) > 1:
        names = " and ".join(sorted(kind.example for kind in readable))
        return replace(readable[0], reading=None, reason=f"{names} both hold boxes of the same images")
    return next(iter(readable or found), None)


def _look_at_kind(source: Source, files: LabelFiles, columns: Columns) -> _Texts | None:
    """What the columns of label files mean; None where they hold no boxes."""
    rows: list[tuple[Cells, tuple[int, int]]] = []
    example = ""
    step = max(1, len(files.image) // (_HEAD_FAR if is_url(source.storage.root) else _HEAD_FILES))
    header: Cells | None = None
    for path, image in list(files.image.items())[::step]:
        lines = [cells for _, cells in _lines(source.try_text(path), header)]
        if lines and not rows and header is None and box_sides(lines[0])[0]:
            header = lines.pop(0)
        if lines and (size := size_of_file(source, image, is_far=True)) is not None:
            rows += [(cells, size) for cells in lines]
            example = example or path
        if len(rows) >= _HEAD_ROWS:
            break
    if sum(sum(map(is_number, cells)) >= _FEWEST_NUMBERS for cells, _ in rows) <= _MOST_ODD * len(rows):
        return None  # captions, and the like
    try:
        names = columns.fields or header
        reading = named_reading(names) if names else find_reading(rows)
    except DataError as error:
        return _Texts(files, None, str(error), example)
    return _Texts(files, reading, "", example, header)


def unread_texts(source: Source) -> str | None:
    """A sentence about label files whose columns may mean several things, or nothing that is known."""
    found = _look(source, Columns())
    if found is None or found.reading is not None:
        return None
    return (
        f"{len(found.files.image)} text files with an image's name look like its annotations, such as {found.example}, "
        f'and {found.reason}; name the columns with format="txt" and fields="x1 y1 x2 y2 label", "x y width height '
        'label" or "xc yc width height label" in their order, with "-" for a column that is not read'
    )


def _lines(text: str, header: Cells | None = None) -> Iterator[Line]:
    """The lines with their numbers; without empty ones, comments, a header, and a first one that counts the others."""
    lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), start=1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("#")]
    if lines and lines[0][1] == str(len(lines) - 1):
        del lines[0]
    found = ((i, cells_of(line)) for i, line in lines)
    return found if header is None else ((i, cells) for i, cells in found if cells != header)


@dataset_format(
    "txt",
    "boxes",
    rank=Rank.LABEL_FILES + 30,
    layout="a text with the name of each image, one line a box: four numbers and a class in any order that fits the "
    'images, or as fields="x1 y1 x2 y2 label" says; also lists of pairs IMAGE TEXT',
    detect=lambda source, columns: (found := _look(source, columns)) is not None and found.reading is not None,
    explain=unread_texts,
    veto=unread_texts,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read the text of every image; images without one are left alone.

    Raises:
        DataError: there are no such texts, or what their columns mean is not clear.
    """
    found = _look(source, columns)
    if found is None:
        raise DataError(f"{source.name} holds no texts with the names of its images, with at least four numbers a line")
    if found.reading is None:
        raise DataError(unread_texts(source) or found.reason)
    annotations = Annotations("boxes", relative=found.reading.shares)
    ignored = partial(_object, reading=found.reading)
    for path, image in found.files.image.items():
        try:
            lines = list(_lines(source.read_text(path), found.header))
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
            continue
        objects = list(usable_objects(lines, ignored, f"{path}:", annotations))
        split = found.files.splits.get(path) or source.split_of(image) or source.split_of(path)
        annotations.add(Record(image, path, objects=objects, split=split))
    _note(found, annotations)
    name_classes(source, annotations, found.files.image.keys() | found.files.splits.keys())
    return annotations


def _note(found: _Texts, annotations: Annotations) -> None:
    """Say how the columns are read, and report label files without an image."""
    annotations.ignore(found.example, f'the columns are read as "{found.reading}"', "columns")
    if found.reading is not None and found.reading.label is None:
        annotations.ignore(found.example, f'no column is the class; all boxes are of the class "{UNNAMED}"', "labels")
    if found.files.mark:
        annotations.ignore(found.example, f'the images are those whose names end in "{found.files.mark}"', "names")
    for path in found.files.unpaired:
        annotations.reject(path, "no image belongs to the label file, or several may", "missing image")


def _object(cells: Cells, reading: RowReading) -> Object:
    """The object of one line.

    Raises:
        ValueError: it has too few columns, or a coordinate is not a number.
    """
    needed = 1 + max((*reading.sides, reading.label or 0))
    if len(cells) < needed or (reading.width is not None and len(cells) != reading.width):
        raise ValueError(f'the line has {len(cells)} columns, and is read as "{reading}"')
    if reading.label is not None and cells[reading.label] == reading.ignored:
        raise OtherShapeError(f'a region "{reading.ignored}" is no object')
    a, b, c, d = (as_number(cells[i]) for i in reading.sides)
    label = UNNAMED if reading.label is None else one_label(cells[reading.label])
    if not label:
        raise ValueError("the class is empty")
    difficult = reading.difficult is not None and as_flag(cells[reading.difficult])
    return Object(label, as_corners((a, b, c, d), reading.kind), difficult=difficult)
