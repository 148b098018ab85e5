"""Detections of a model and the ground truth that they are compared with, as columns; NumPy only.

Both check themselves when they are made, so evaluation, predictor, doctor and labelling need not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.texts import Texts

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Detections:
    """The objects that a model finds in some images, best first within an image.

    Attributes:
        images: number of images, with and without objects.
        image: (n,), int64, position of the image, 0 to images - 1, ascending.
        labels: (n,), int64, position of the class.
        boxes: (n, 4), float64, x1, y1, x2, y2 in pixels of the image.
        scores: (n,), float64, 0 to 1, descending within an image.
        masks: (n,) run-length codes, kept as `Texts`, or None for boxes alone.

    Raises:
        DataError: a column has another shape than the others, or values that cannot be.
    """

    images: int
    image: Positions
    labels: Positions
    boxes: Floats
    scores: Floats
    masks: Sequence[str] | None = None

    def __post_init__(self) -> None:
        set_ = _Setter(self, "detections", len(self.image))
        scores = set_.column("scores", (), np.float64)
        _set_columns(self, set_)
        set_.require("scores", not ((scores < 0) | (scores > 1)).any(), "must lie between 0 and 1")
        falls = (np.diff(scores) <= 0) | (np.diff(self.image) > 0)
        set_.require("scores", bool(falls.all()), "must not rise within an image; Detections.from_unsorted sorts them")

    def __len__(self) -> int:
        return len(self.image)

    @staticmethod
    def empty(images: int, *, with_masks: bool = False) -> Detections:
        """No objects in some images."""
        none = np.zeros(0, np.int64)
        return Detections(images, none, none, np.zeros((0, 4)), np.zeros(0), () if with_masks else None)

    @staticmethod
    def from_unsorted(
        images: int,
        image: ArrayLike,
        labels: ArrayLike,
        boxes: ArrayLike,
        scores: ArrayLike,
        masks: Sequence[str] | None = None,
    ) -> Detections:
        """Objects in any order; the columns are those of `Detections`."""
        columns = {"image": image, "labels": labels, "boxes": boxes, "scores": scores}
        arrays: dict[str, Any] = {name: np.asarray(column) for name, column in columns.items()}
        if len({len(array) for array in arrays.values()} | ({len(masks)} if masks is not None else set())) == 1:
            order = np.lexsort((-arrays["scores"], arrays["image"]))
            arrays = {name: array[order] for name, array in arrays.items()}
            masks = masks if masks is None else Texts.of(masks).take(order)
        return Detections(images, **arrays, masks=masks)

    @staticmethod
    def join(parts: Sequence[Detections]) -> Detections:
        """The objects of several batches of images, one batch after another; all with masks or all without.

        Raises:
            DataError: there is no part, or some have masks and some do not.
        """
        with_masks = {part.masks is not None for part in parts}
        if len(with_masks) != 1:
            raise DataError("detections join when there are some, and all of them have masks or none has")
        starts = np.cumsum([0, *(part.images for part in parts)]).tolist()
        return Detections(
            images=starts[-1],
            image=np.concatenate([part.image + start for part, start in zip(parts, starts, strict=False)]),
            labels=np.concatenate([part.labels for part in parts]),
            boxes=np.concatenate([part.boxes for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            masks=Texts.join(part.masks or () for part in parts) if with_masks == {True} else None,
        )

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
        """Some of the objects, in this order: ascending positions, or a mask over all of them."""
        return _take(self, chosen)

    def above(self, score: float) -> Detections:
        """The objects with at least this score."""
        return self.take(self.scores >= score)

    def of_image(self, image: int) -> Detections:
        """The objects of one image, as detections of that image alone."""
        start, end = np.searchsorted(self.image, [image, image + 1]).tolist()
        part = self.take(np.arange(start, end))
        return replace(part, images=1, image=np.zeros_like(part.image))


@dataclass(frozen=True)
class GroundTruth:
    """The labelled objects of some images.

    Attributes:
        sizes: (images, 2), int64, height and width in pixels.
        image: (n,), int64, position of the image, 0 to images - 1, ascending.
        labels: (n,), int64, position of the class.
        boxes: (n, 4), float64, x1, y1, x2, y2 in pixels of the image.
        crowd: (n,), bool, a region of many objects: detections in it count for nothing.
        difficult: (n,), bool, not counted by Pascal VOC's rule, whether found or missed.
        masks: (n,) run-length codes, kept as `Texts`, or None when boxes count.

    Raises:
        DataError: a column has another shape than the others, or values that cannot be.
    """

    sizes: Positions
    image: Positions
    labels: Positions
    boxes: Floats
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    masks: Sequence[str] | None = None

    def __post_init__(self) -> None:
        _Setter(self, "ground truth", len(self.sizes)).column("sizes", (2,), np.int64)
        set_ = _Setter(self, "ground truth", len(self.image))
        _set_columns(self, set_)
        for name in ("crowd", "difficult"):
            set_.column(name, (), np.bool_)

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(self.sizes)

    def __len__(self) -> int:
        return len(self.image)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> GroundTruth:
        """Some of the objects, in this order: ascending positions, or a mask over all of them."""
        return _take(self, chosen)


Columns = TypeVar("Columns", Detections, GroundTruth)


def _take(objects: Columns, chosen: NDArray[Any]) -> Columns:
    """Some rows of all columns."""
    index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
    names = ("image", "labels", "boxes", "scores", "crowd", "difficult")
    columns = {name: getattr(objects, name)[index] for name in names if hasattr(objects, name)}
    masks = None if objects.masks is None else Texts.of(objects.masks).take(index)
    return replace(objects, **columns, masks=masks)


def _set_columns(objects: Detections | GroundTruth, set_: _Setter) -> None:
    """Check and set the columns that detections and ground truth share."""
    image, boxes = set_.column("image", (), np.int64), set_.column("boxes", (4,), np.float64)
    set_.column("labels", (), np.int64)
    set_.require("image", bool((image < objects.images).all()), f"must be below the {objects.images:,} images")
    set_.require("image", bool((np.diff(image) >= 0).all()), "must ascend; Detections.from_unsorted sorts them")
    set_.require("boxes", bool((boxes[:, 2:] >= boxes[:, :2]).all()), "must have x1 <= x2 and y1 <= y2")
    if objects.masks is not None:
        object.__setattr__(objects, "masks", Texts.of(objects.masks))
        count = len(objects.masks)
        set_.require("masks", count == set_.count, f"must be {set_.count} texts, not {count}")


@dataclass(frozen=True)
class _Setter:
    """Checks the columns of one value and sets them with their types.

    Attributes:
        objects: the value.
        subject: what it is, for messages.
        count: rows of its columns.
    """

    objects: Detections | GroundTruth
    subject: str
    count: int

    def column(self, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """Check and convert a column of positions and sizes (int64), numbers (float64) or flags (bool).

        A column without rows may have come with any shape and type.
        """
        values = np.asarray(getattr(self.objects, name))
        expected = (self.count, *shape)
        empty = not self.count and not values.size
        self.require(
            name, values.shape == expected or empty, f"must be an array of shape {expected}, not {values.shape}"
        )
        typed = empty or np.can_cast(values.dtype, dtype, "same_kind")
        self.require(name, typed, f"must hold {np.dtype(dtype)}, not {values.dtype}")
        values = values.astype(dtype, copy=False).reshape(expected)
        finite = bool(np.isfinite(values).all())
        self.require(name, finite, "must be finite; there are infinite or missing numbers")
        self.require(name, dtype != np.int64 or not (values < 0).any(), "must not be negative")
        object.__setattr__(self.objects, name, values)
        return values

    def require(self, name: str, holds: bool, rule: str) -> None:
        """Raise `DataError` with a rule that does not hold."""
        if not holds:
            raise DataError(f"the {name} of {self.subject} {rule}")
