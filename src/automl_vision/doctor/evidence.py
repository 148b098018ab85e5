"""What the checks see: the dataset's columns, one look at each image, features and predictions where there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.doctor.image_stats import ImageStats
from automl_vision.doctor.near_duplicates import near_pairs


@dataclass(frozen=True)
class Evidence:
    """What the checks see.

    Attributes:
        data: the dataset.
        stats: facts of each image file.
        usable: (images,), whether an image has a split or may get one, and can be decoded.
        features: (images, features), NaN where they are unknown; or None.
        predictions: the detections of a model in the images of the dataset, or None.
    """

    data: Dataset
    stats: ImageStats
    usable: NDArray[np.bool_]
    features: NDArray[np.float32] | None = None
    predictions: Detections | None = None

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
            rows[row] = first.setdefault(self.stats.digests[row], row)
        return rows

    @cached_property
    def near_pairs(self) -> NDArray[np.int64]:
        """(pairs, 2), rows of near copies that are no exact copies."""
        (rows,) = np.nonzero(self.usable & (self.first_copy == np.arange(len(self.usable))))
        return rows[near_pairs(self.stats.small[rows])]
