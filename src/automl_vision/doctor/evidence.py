"""The input of the checks: the dataset, facts of its image files, and optionally features and predictions."""

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
    """The input of the checks.

    Attributes:
        data: the dataset.
        stats: facts of each image file.
        usable: (images,), whether an image can be decoded and was not left out.
        features: (images, features), NaN for images without features; or None.
        predictions: a model's detections in the images of the dataset, or None.
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
        """Whether objects are labelled, not whole images."""
        return has_objects(self.data.task)

    @cached_property
    def images(self) -> list[str]:
        """Paths or URLs."""
        images: list[str] = self.data.table["image"].to_pylist()
        return images

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(objects,), whether an object is in a usable image."""
        return self.usable[self.data.objects.image]

    def in_several_splits(self, groups: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The usable images whose group is in more than one split, sorted by group.

        Args:
            groups: (images,), number of each image's group.
            counted: (images,), whether an image belongs to a group at all.
        """
        (rows,) = np.nonzero(self.usable & counted & (self.splits != ""))
        _, split = np.unique(self.splits[rows], return_inverse=True)
        pairs = np.unique(np.stack([groups[rows], split], axis=1), axis=0)
        group, splits = np.unique(pairs[:, 0], return_counts=True)
        found = rows[np.isin(groups[rows], group[splits > 1])]
        return found[np.argsort(groups[found], kind="stable")].astype(np.int64)

    @cached_property
    def first_copy(self) -> NDArray[np.int64]:
        """(images,), the first usable image with the same contents; an image's own row if there is no earlier one."""
        first: dict[str, int] = {}
        rows = np.arange(len(self.usable))
        for row in np.flatnonzero(self.usable).tolist():
            rows[row] = first.setdefault(self.stats.digests[row], row)
        return rows

    @cached_property
    def near_pairs(self) -> NDArray[np.int64]:
        """(pairs, 2), rows of near copies that are not exact copies."""
        (rows,) = np.nonzero(self.usable & (self.first_copy == np.arange(len(self.usable))))
        return rows[near_pairs(self.stats.small[rows])]
