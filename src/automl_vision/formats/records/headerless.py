"""Tables without a header: RetinaNet's `path,x1,y1,x2,y2,class`, Vertex AI's `TRAIN,path,label,...`, and some more."""

from __future__ import annotations

from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import normalize_split
from automl_vision.formats.json_file import is_number
from automl_vision.storage.urls import is_url

_RETINANET = ["image", "xmin", "ymin", "xmax", "ymax", "label"]
_SIZED = [*_RETINANET, "image_width", "image_height"]  # SKU-110K
_LABEL_FIRST = ["image", "label", "xmin", "ymin", "xmax", "ymax"]  # Tiny ImageNet
_PAIR = ["image", "label"]
_MAKE_SENSE = ["label", "bbox_x", "bbox_y", "bbox_width", "bbox_height", "image", "image_width", "image_height"]
_VERTEX_SPLITS = {"train": "train", "validation": "val", "validate": "val", "test": "test", "unassigned": ""}
_VERTEX_BOX = ["split", "image", "label", "xmin", "ymin", "xmax", "ymax"]
_VERTEX_LABELS = ["split", "image", "labels"]


def header_of(row: list[str]) -> list[str] | None:
    """The header that a table's first row asks for; None when the row is a header itself, or something else."""
    if len(row) >= 2 and row[0].lower() in _VERTEX_SPLITS and _is_reference(row[1]):
        return _VERTEX_BOX if len(row) >= 9 and (is_number(row[3]) or not any(row[2:])) else _VERTEX_LABELS
    if len(row) == 8 and _is_reference(row[5]) and all(map(is_number, [*row[1:5], *row[6:]])):
        return _MAKE_SENSE
    where = [i for i, cell in enumerate(row) if _is_reference(cell)]
    if len(where) != 1:
        return None
    return (_box(row) if where == [0] else None) or _pair(row, where[0])


def _box(row: list[str]) -> list[str] | None:
    """The header of an image and a box with its label."""
    if len(row) == 6 and (all(map(is_number, row[1:5])) or not any(row[1:])):
        return _RETINANET
    if len(row) == 6 and not is_number(row[1]) and all(map(is_number, row[2:])):
        return _LABEL_FIRST
    if len(row) == 8 and not is_number(row[5]) and all(map(is_number, [*row[1:5], *row[6:]])):
        return _SIZED
    return None


def _pair(row: list[str], image: int) -> list[str] | None:
    """The header of an image and its label, in any order, perhaps with a number before and a split after them."""
    if len(row) == 1:
        return ["image"]
    if len(row) == 2 and all(row):
        return _PAIR if image == 0 else ["label", "image"]
    if len(row) == 3 and all(row):
        if image == 0 and normalize_split(row[2]):
            return ["image", "label", "split"]
        if image == 1 and row[0].isdecimal():
            return ["index", "image", "label"]
    return None


def is_assumed(header: list[str]) -> bool:
    """Whether a header was made up here for four numbers that are usually corners, or for a label without a name.

    A file's own header may have the same names, so that only the very lists of this module count.
    """
    return any(header is assumed for assumed in (_RETINANET, _SIZED, _LABEL_FIRST, _PAIR))


def fitted(row: list[str], header: list[str]) -> list[str]:
    """A row under such a header."""
    if header is _VERTEX_BOX:
        split, image, label, *numbers = [*row, *[""] * 11][:11]
        x1, y1, x2, _, x3, y3, *_ = numbers  # upper left, (upper right,) lower right
        return [_VERTEX_SPLITS.get(split.lower(), split), image, label, x1, y1, x3 or x2, y3]
    if header is _VERTEX_LABELS:
        split, image, *labels = row
        return [_VERTEX_SPLITS.get(split.lower(), split), image, "|".join(filter(None, labels))]
    return row


def _is_reference(text: str) -> bool:
    return is_image(text.partition("?")[0]) or is_url(text)
