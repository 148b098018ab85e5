"""What the checks see: the data set's columns, one look at each image, features and predictions where there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.doctor.image_stats import Looks
from automl_vision.doctor.near_duplicates import near_pairs


@dataclass(frozen=True)
class Predictions:
    """What a detector found in the images of a data set, as columns.

    The scores must be of images that the detector was not trained on, such as from cross-validation; otherwise the
    detector repeats the mistakes of the labels.

    Attributes:
        image: (m,), row of the image.
        label: (m,), position among the data set's classes.
        bbox: (m, 4), x1, y1, x2, y2 in pixels.
        score: (m,), 0 to 1.

    Raises:
        DataError: an array has another shape, or holds what cannot be.
    """

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    bbox: NDArray[np.float64]
    score: NDArray[np.float64]

    def __post_init__(self) -> None:
        count = len(self.image)
        for name, shape in (("image", (count,)), ("label", (count,)), ("bbox", (count, 4)), ("score", (count,))):
            values = np.asarray(getattr(self, name))
            if values.shape != shape and not (count == 0 and values.size == 0):
                raise DataError(f"the predictions' {name} is an array of shape {shape}, not {values.shape}")
            if not np.isfinite(values).all() or (name in ("image", "label") and (values < 0).any()):
                raise DataError(f"the predictions' {name} holds numbers that are negative, infinite or missing")
            dtype = np.int64 if name in ("image", "label") else np.float64
            object.__setattr__(self, name, values.astype(dtype).reshape(shape))

    def require_fit(self, images: int, classes: int) -> None:
        """Raise `DataError` when they are about other images or classes than a data set has."""
        for name, values, most in (("image", self.image, images), ("label", self.label, classes)):
            if values.max(initial=-1) >= most:
                raise DataError(f"the predictions' {name} goes up to {values.max()}; the data set has {most:,}")


@dataclass(frozen=True)
class Evidence:
    """What the checks see.

    Attributes:
        data: the data set.
        looks: what one look at each image gave.
        usable: (images,), whether an image has a split or may get one, and can be decoded.
        features: (images, features), NaN where they are unknown; or None.
        predictions: of a detector, or None.
    """

    data: Dataset
    looks: Looks
    usable: NDArray[np.bool_]
    features: NDArray[np.float32] | None = None
    predictions: Predictions | None = None

    @property
    def splits(self) -> NDArray[np.str_]:
        """Each image's split."""
        return self.data.splits

    @property
    def has_objects(self) -> bool:
        """Whether objects are labelled, not images."""
        return has_objects(self.data.task)

    @cached_property
    def images(self) -> list[str]:
        """Paths or URLs."""
        images: list[str] = self.data.table["image"].to_pylist()
        return images

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(images, 2), width and height in pixels."""
        columns = [self.data.table[name].to_numpy() for name in ("width", "height")]
        return np.stack(columns, axis=1).astype(np.int64)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(objects,), whether an object is in a usable image."""
        return self.usable[self.data.objects.image]

    @cached_property
    def first_copy(self) -> NDArray[np.int64]:
        """(images,), the first usable image with the same bytes; an image's own row when there is none before it."""
        first: dict[str, int] = {}
        rows = np.arange(len(self.usable))
        for row in np.flatnonzero(self.usable).tolist():
            rows[row] = first.setdefault(self.looks.digests[row], row)
        return rows

    @cached_property
    def near_pairs(self) -> NDArray[np.int64]:
        """(pairs, 2), rows of near copies that are no exact copies."""
        (rows,) = np.nonzero(self.usable & (self.first_copy == np.arange(len(self.usable))))
        return rows[near_pairs(self.looks.small[rows])]
