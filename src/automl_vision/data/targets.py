"""Which image has which class, as pairs: a million images of a thousand classes fit, a table of both would not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.data.ragged import ranges


@dataclass(frozen=True)
class Targets:
    """Pairs of image and class, each at most once, sorted by image, then class.

    Attributes:
        row: (pairs,), int64, the image.
        label: (pairs,), int64, the class.
        images: number of images.
        classes: number of classes.
    """

    row: NDArray[np.int64]
    label: NDArray[np.int64]
    images: int
    classes: int

    @staticmethod
    def of(row: NDArray[Any], label: NDArray[Any], images: int, classes: int) -> Targets:
        """The pairs of some rows and labels, in any order and with repetitions."""
        keys = np.sort(row.astype(np.int64) * max(classes, 1) + label)
        keys = keys[np.diff(keys, prepend=-1) > 0]  # NumPy's own `unique` hashes, which took ten times as long
        return Targets(keys // max(classes, 1), keys % max(classes, 1), images, classes)

    @staticmethod
    def from_dense(targets: NDArray[np.bool_]) -> Targets:
        """The pairs of a table (images, classes)."""
        row, label = np.nonzero(targets)
        return Targets(row, label, *targets.shape)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(classes,), images of each class."""
        return np.bincount(self.label, minlength=self.classes)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(images + 1,), where the pairs of each image start."""
        return np.searchsorted(self.row, np.arange(self.images + 1))

    def dense(self) -> NDArray[np.bool_]:
        """(images, classes), whether an image has a class."""
        targets = np.zeros((self.images, self.classes), bool)
        targets[self.row, self.label] = True
        return targets

    def rows(self, mask: NDArray[np.bool_]) -> Targets:
        """The pairs of the images of a mask, which keep their numbers."""
        kept = mask[self.row]
        return Targets(self.row[kept], self.label[kept], self.images, self.classes)

    def columns(self, mask: NDArray[np.bool_]) -> Targets:
        """The pairs of the classes of a mask, which keep their numbers."""
        kept = mask[self.label]
        return Targets(self.row[kept], self.label[kept], self.images, self.classes)

    def take(self, rows: NDArray[np.intp]) -> Targets:
        """The pairs of some images, renumbered in the order given."""
        counts = np.diff(self.starts)[rows]
        label = self.label[ranges(self.starts[rows], counts)]
        return Targets(np.repeat(np.arange(len(rows)), counts), label, len(rows), self.classes)

    def by_row(self) -> dict[int, list[int]]:
        """The classes of each image that has one."""
        found: dict[int, list[int]] = {}
        for row, label in zip(self.row.tolist(), self.label.tolist(), strict=True):
            found.setdefault(row, []).append(label)
        return found

    def to_arrow(self, names: tuple[str, ...]) -> pa.Array:
        """A column with the list of class names of each image."""
        values = pa.array(names, pa.string()).take(pa.array(self.label))
        return pa.ListArray.from_arrays(pa.array(self.starts, pa.int32()), values)
