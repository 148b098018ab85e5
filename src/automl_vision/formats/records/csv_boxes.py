"""Boxes in tables: corners, extents or centres, in columns or all numbers in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.images import open_image, upright_size
from automl_vision.data.object import Object
from automl_vision.formats.json_file import as_flag, as_size
from automl_vision.formats.records.csv_cells import as_coordinate, is_empty, numbers_in, one_label
from automl_vision.formats.records.csv_columns import Box, Layout
from automl_vision.formats.source import Source
from automl_vision.storage.access import read_image_bytes
from automl_vision.storage.urls import is_url

UNNAMED = "object"  # the class of boxes that have none
Numbers = tuple[float, float, float, float]


def row_boxes(row: list[str], layout: Layout, box: Box, kind: str) -> tuple[Object, ...]:
    """The boxes of a row; none where their cells are empty, as for an image without objects.

    Args:
        row: of the table.
        layout: of its columns.
        box: the columns of the box.
        kind: what the numbers are: "corners", "extents" or "centres".

    Raises:
        ValueError: a value cannot be used.
    """
    cells = [row[i] for i in box.columns]
    if all(map(is_empty, cells)):
        return ()
    label = UNNAMED if layout.label is None else one_label(row[layout.label])
    if is_empty(label):
        raise ValueError("the label is empty")
    if box.kind == "text":
        found = numbers_in(cells[0])
    else:
        a, b, c, d = map(as_coordinate, cells)
        found = [(a, b, c, d)]
    crowd = layout.crowd is not None and as_flag(row[layout.crowd])
    difficult = layout.difficult is not None and as_flag(row[layout.difficult])
    return tuple(Object(label, _corners(numbers, kind), crowd, difficult) for numbers in found)


def _corners(numbers: Numbers, kind: str) -> Numbers:
    a, b, c, d = numbers
    if kind == "extents":
        return a, b, a + c, b + d
    if kind == "centres":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return numbers


def settled_boxes(source: Source, head: Sequence[list[str]], layout: Layout, image_of: Callable[[str], str]) -> str:
    """What the numbers of a table's boxes are; for those in one column the first rows and their images decide.

    Corners where x, y, width, height would lead out of an image, else extents, as COCO and most others write them.
    """
    if layout.box is None or layout.box.kind != "text":
        return layout.box.kind if layout.box else ""
    (column,) = layout.box.columns
    for row in head:
        try:
            boxes = numbers_in(row[column])
        except ValueError:
            continue
        if any(c < a or d < b for a, b, c, d in boxes):
            return "extents"
        size = as_size(*(row[i] for i in layout.size)) if layout.size else None
        if boxes and (size := size or _size_of(source, image_of(row[layout.image]))) is not None:
            width, height = size
            if max(a + c for a, _, c, _ in boxes) > width + 1 or max(b + d for _, b, _, d in boxes) > height + 1:
                return "corners"
    return "extents"


def _size_of(source: Source, image: str) -> tuple[int, int] | None:
    """The size of an image of this machine; None where it cannot be read, or is far away."""
    if is_url(source.storage.root) or image not in source.image_set:
        return None
    try:
        return upright_size(open_image(read_image_bytes(source.storage.root, image)))
    except (ImageError, DataError):
        return None
