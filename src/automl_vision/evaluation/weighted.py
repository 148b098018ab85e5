"""Figures for many weightings of the images at once: weights (resamples, images) in, values (resamples, ...) out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import RESAMPLES, Floats, bootstrap_weights

Value = TypeVar("Value")

TINY = 1e-12
_DENSE = 1 / 16  # of a table is filled, from which a plain matrix product is faster


@lru_cache(maxsize=4)
def resample_weights(images: int, resamples: int = RESAMPLES) -> Floats:
    """Weights of one for all images, then those of the resamples, (1 + resamples, images), read-only.

    Fewer resamples are the first of more of them.
    """
    if resamples < RESAMPLES:
        return _resample_weights(images, RESAMPLES)[: 1 + resamples]
    return _resample_weights(images, resamples)


@lru_cache(maxsize=2)
def _resample_weights(images: int, resamples: int) -> Floats:
    weights = np.concatenate([np.ones((1, images)), bootstrap_weights(images, resamples=resamples)])
    weights.flags.writeable = False
    return weights


def forget_resamples() -> None:
    """Let go of the weights of resamples, 8 kB for each image; who needs them draws the same ones again."""
    resample_weights.cache_clear()
    _resample_weights.cache_clear()


@lru_cache(maxsize=4)
def unit_weights(images: int) -> Floats:
    """Weights by which each image counts once, (1, images), read-only."""
    weights = np.ones((1, images))
    weights.flags.writeable = False
    return weights


class Remembered(Generic[Value]):
    """A function of weights that keeps its last two values: all metrics of a split are computed for the same weights.

    Args:
        compute: the function.
    """

    def __init__(self, compute: Callable[[Floats], Value]) -> None:
        self._compute = compute
        self._known: list[tuple[Floats, Value]] = []

    def __call__(self, weights: Floats) -> Value:
        """The value for an array of weights, which must not change."""
        for known, value in self._known:
            if known is weights:
                return value
        found = self._compute(weights)
        self._known = [(weights, found), *self._known[:1]]
        return found


def ratio(above: Floats, below: Floats, *, otherwise: float = 0.0) -> Floats:
    """Elementwise quotient; `otherwise` where the divisor is 0."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), otherwise), where=np.asarray(below) != 0))


def mean(values: Floats, weights: Floats) -> Floats:
    """Weighted mean of one value an image, (resamples,)."""
    return np.asarray(weights @ values / weights.sum(axis=1))


def mean_of_known(values: Floats, weights: Floats | None = None) -> Floats:
    """Mean over the last axis of the values that are not NaN; NaN if all are."""
    known = np.isfinite(values)
    weights = known.astype(float) if weights is None else np.where(known, weights, 0.0)
    return ratio((np.where(known, values, 0.0) * weights).sum(axis=-1), weights.sum(axis=-1), otherwise=float("nan"))


def sums_by_class(weights: Floats, labels: NDArray[np.intp], classes: int) -> Floats:
    """Sum of the weights of the images of each class, (resamples, classes).

    Args:
        weights: (resamples, images).
        labels: (images,), class indices.
        classes: how many there are.
    """
    sums = np.zeros((len(weights), classes))
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    if len(present):
        sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def sums_by_label(weights: Floats, table: NDArray[np.bool_]) -> Floats:
    """Sum of the weights of the images with each label, (resamples, labels).

    Args:
        weights: (resamples, images).
        table: (images, labels), which images have which labels.
    """
    if np.count_nonzero(table) > _DENSE * table.size:
        return weights @ table.astype(np.float64)
    from scipy.sparse import csr_array

    return np.ascontiguousarray((csr_array(table.T, dtype=np.float64) @ weights.T).T)


@dataclass(frozen=True)
class Counts:
    """What was predicted and what was true, by class.

    Attributes:
        right: (resamples, classes), predicted and true.
        predicted: (resamples, classes).
        true: (resamples, classes).
    """

    right: Floats
    predicted: Floats
    true: Floats

    def precision(self) -> Floats:
        """By class; 0 for one that is not predicted."""
        return ratio(self.right, self.predicted)

    def recall(self) -> Floats:
        """By class; 0 for one that does not occur."""
        return ratio(self.right, self.true)

    def f1(self) -> Floats:
        """By class; 0 for one that is neither predicted nor occurs."""
        return ratio(2 * self.right, self.predicted + self.true)

    def averaged(self, figure: str, average: str) -> Floats:
        """Average of a figure over the classes that occur, (resamples,), as for AUC and average precision.

        Of a class that does not occur nothing can be found, so it has no figure; NaN where none occurs.

        Args:
            figure: "precision", "recall" or "f1".
            average: "macro" (each class counts once), "weighted" (each as often as it occurs) or "micro" (each
                decision counts once).
        """
        if average == "micro":
            right, predicted, true = (
                values.sum(axis=1, keepdims=True) for values in (self.right, self.predicted, self.true)
            )
            return np.asarray(getattr(Counts(right, predicted, true), figure)()[:, 0])
        values = np.where(self.true > 0, getattr(self, figure)(), np.nan)
        return mean_of_known(values, self.true if average == "weighted" else None)
