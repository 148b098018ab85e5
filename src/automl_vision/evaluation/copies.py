"""A metric without the images that the model may have seen in training, as near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import Interval


@dataclass(frozen=True)
class NearDuplicates:
    """A metric with and without the images that have a near-duplicate among the training images.

    Attributes:
        split: of the images.
        images: how many there are.
        copied: (images,), bool, which ones have a near-duplicate, or an exact copy.
        metric: its name.
        on_all: its value on all images.
        on_others: on those without a near-duplicate; NaN where all have one.
    """

    split: str
    images: int
    copied: NDArray[np.bool_]
    metric: str
    on_all: Interval
    on_others: Interval

    @property
    def text(self) -> str:
        """The comparison in a sentence."""
        copied = int(self.copied.sum())
        if not copied:
            return f"none of {self.images} {self.split} images has a near-duplicate in training"
        start = f"{copied} of {self.images} {self.split} images have a near-duplicate in training"
        if copied == self.images:
            return f"{start}: {self.metric} {self.on_all.text(3)} says nothing about new images"
        return f"{start}; without them {self.metric} {self.on_others.text(3)} instead of {self.on_all.text(3)}"
