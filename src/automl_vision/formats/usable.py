"""The objects of an annotation file, one after another; those that cannot be used are reported with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.annotations import Annotations
from automl_vision.data.masks import MAX_MASK_PIXELS, encode_mask

Item = TypeVar("Item")
Value = TypeVar("Value")


class OtherShapeError(ValueError):
    """A shape that is valid and encloses no area, such as a line."""


def usable_objects(
    items: Iterable[tuple[int, Item]], read: Callable[[Item], Value], where: str, annotations: Annotations
) -> Iterator[Value]:
    """The objects that can be read; other shapes are noted, all other items reported.

    Args:
        items: with their numbers.
        read: returns the object of an item, or raises `ValueError`.
        where: the items are, before their number.
        annotations: where everything else is reported.
    """
    for number, item in items:
        try:
            value = read(item)
        except OtherShapeError as error:
            annotations.ignore(f"{where}{number}", str(error), "other shape")
        except ValueError as error:
            annotations.reject(f"{where}{number}", str(error), "bad annotation")
        else:
            yield value


def check_mask_size(size: tuple[int, int]) -> None:
    """Raise `ValueError` where a mask of an image of this width and height would not fit into memory."""
    if size[0] * size[1] > MAX_MASK_PIXELS:
        raise ValueError(f"a mask of {size[0]} x {size[1]} pixels is too large")


def mask_in_image(part: NDArray[np.bool_], left: int, top: int, size: tuple[int, int]) -> str:
    """A mask (height, width) of a rectangle of an image, as run-length code of the whole image.

    Raises:
        ValueError: the rectangle leaves the image.
    """
    height, width = part.shape
    if left < 0 or top < 0 or left + width > size[0] or top + height > size[1]:
        raise ValueError("the mask does not fit into the image")
    whole = np.zeros((size[1], size[0]), bool)
    whole[top : top + height, left : left + width] = part
    return encode_mask(whole).to_text()
