"""Figures for many weightings of the images at once: weights (resamples, images) in, values (resamples, ...) out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import RESAMPLES, Floats, bootstrap_weights

Value = TypeVar("Value")

TINY = 1e-12
_CHUNK = 20_000_000  # numbers in a temporary array
_CACHED = 250_000  # numbers in a temporary array that stays in a processor's cache


@lru_cache(maxsize=4)
def resample_weights(images: int, resamples: int = RESAMPLES) -> Floats:
    """Weights of one for all images, then those of the resamples, (1 + resamples, images), read-only."""
    weights = np.concatenate([np.ones((1, images)), bootstrap_weights(images, resamples=resamples)])
    weights.flags.writeable = False
    return weights


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


@dataclass(frozen=True)
class Counts:
    """What was predicted and what was true, by class.

    Attributes:
        right: (resamples, classes), predicted and true.
        predicted: (resamples, classes).
        true: (resamples, classes).
        only_seen: whether averages over classes leave out those that are neither predicted nor true.
    """

    right: Floats
    predicted: Floats
    true: Floats
    only_seen: bool

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
        """Average of a figure over classes, (resamples,).

        Args:
            figure: "precision", "recall" or "f1".
            average: "macro" (each class counts once), "weighted" (each as often as it occurs) or "micro" (each
                decision counts once).
        """
        if average == "micro":
            right, predicted, true = (
                values.sum(axis=1, keepdims=True) for values in (self.right, self.predicted, self.true)
            )
            return np.asarray(getattr(Counts(right, predicted, true, only_seen=False), figure)()[:, 0])
        values = getattr(self, figure)()
        if average == "weighted":
            return ratio((values * self.true).sum(axis=1), self.true.sum(axis=1))
        seen = (self.predicted + self.true > 0) if self.only_seen else np.ones(values.shape, bool)
        return ratio((values * seen).sum(axis=1), seen.sum(axis=1).astype(float))


def area_under_roc(scores: Floats, truth: NDArray[np.bool_], weights: Floats) -> Floats:
    """Area under the ROC curve, (resamples,); equal scores count half. NaN without both values.

    Args:
        scores, truth: (cases,).
        weights: (resamples, cases).
    """
    order = np.argsort(scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    ranked = weights[:, order]
    positives = np.diff((ranked * truth[order]).cumsum(axis=1)[:, ends], axis=1, prepend=0)
    negatives = np.diff((ranked * ~truth[order]).cumsum(axis=1)[:, ends], axis=1, prepend=0)
    below = negatives.cumsum(axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return ratio((positives * below).sum(axis=1), pairs, otherwise=float("nan"))


def average_precision(scores: Floats, truth: NDArray[np.bool_], weights: Floats) -> Floats:
    """Average precision, (resamples,); equal scores are one step. NaN without positives.

    Args:
        scores, truth: (cases,).
        weights: (resamples, cases).
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    ranked = weights[:, order]
    positives = (ranked * truth[order]).cumsum(axis=1)[:, ends]
    precision = positives / np.maximum(ranked.cumsum(axis=1)[:, ends], TINY)
    steps = np.diff(positives, axis=1, prepend=0)
    return ratio((steps * precision).sum(axis=1), positives[:, -1], otherwise=float("nan"))


RANKINGS = {"auc": area_under_roc, "average_precision": average_precision}


@dataclass(frozen=True)
class Ranking:
    """How well scores tell cases with a label from those without it, by label.

    Attributes:
        figure: such as `area_under_roc`.
        scores, truth: (images, labels), of the labels that some images have and some have not.
    """

    figure: Callable[[Floats, NDArray[np.bool_], Floats], Floats]
    scores: Floats
    truth: NDArray[np.bool_]

    @staticmethod
    def of(name: str, scores: Floats, truth: NDArray[np.bool_]) -> Ranking:
        """The labels that can be ranked.

        Args:
            name: "auc" or "average_precision".
            scores, truth: (images, labels).
        """
        usable = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
        return Ranking(RANKINGS[name], scores[:, usable], truth[:, usable])

    def averaged(self, average: str, weights: Floats) -> Floats:
        """Average over the labels, (resamples,), as in `Counts.averaged`; NaN if none can be ranked."""
        if not self.scores.shape[1]:
            return np.full(len(weights), np.nan)
        if average == "micro":
            return in_chunks(self._of_all, weights, self.scores.size)
        return mean_of_known(self.by_label(weights), weights @ self.truth if average == "weighted" else None)

    @cached_property
    def by_label(self) -> Remembered[Floats]:
        """Takes weights, returns the figure of each label, (resamples, labels)."""
        return Remembered(self._by_label)

    def _by_label(self, weights: Floats) -> Floats:
        columns = (map(np.ascontiguousarray, column) for column in zip(self.scores.T, self.truth.T, strict=True))
        figures = [in_chunks(partial(self.figure, *c), weights, len(self.scores), size=_CACHED) for c in columns]
        return np.stack(figures, axis=1)

    def _of_all(self, weights: Floats) -> Floats:
        repeated = np.repeat(weights, self.scores.shape[1], axis=1)
        return self.figure(self.scores.ravel(), self.truth.ravel(), repeated)


def rankings(scores: Floats, truth: NDArray[np.bool_]) -> dict[str, Ranking]:
    """AUC and average precision of scores, by name; scores and truth are (images, labels)."""
    return {name: Ranking.of(name, scores, truth) for name in RANKINGS}


def in_chunks(compute: Callable[[Floats], Floats], weights: Floats, width: int, *, size: int = _CHUNK) -> Floats:
    """Compute some resamples at a time, so that temporary arrays stay small.

    Args:
        compute: takes weights (resamples, images), and returns values by resample.
        weights: (resamples, images).
        width: columns of the temporary arrays.
        size: numbers in one of them.
    """
    rows = max(1, size // max(1, width))
    return np.concatenate([compute(weights[start : start + rows]) for start in range(0, len(weights), rows)])
