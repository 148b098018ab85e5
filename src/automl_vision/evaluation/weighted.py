"""Figures for many weightings of the images at once: weights (resamples, images) in, values (resamples, ...) out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import RESAMPLES, Floats, bootstrap_weights

TINY = 1e-12
_CHUNK = 20_000_000  # numbers in a temporary array
_CACHED = 250_000  # numbers in a temporary array that stays in a processor's cache


@lru_cache(maxsize=4)
def resample_weights(images: int, resamples: int = RESAMPLES) -> Floats:
    """Weights of one for all images, then those of the resamples, (1 + resamples, images), read-only."""
    weights = np.concatenate([np.ones((1, images)), bootstrap_weights(images, resamples=resamples)])
    weights.flags.writeable = False
    return weights


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


def ranking(name: str, average: str, scores: Floats, truth: NDArray[np.bool_], weights: Floats) -> Floats:
    """AUC or average precision over the columns that hold both values, (resamples,); NaN if none does.

    Args:
        name: "auc" or "average_precision".
        average: "macro", "weighted" or "micro", as in `Counts.averaged`.
        scores, truth: (images, labels).
        weights: (resamples, images).
    """
    usable = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    scores, truth = scores[:, usable], truth[:, usable]
    if not len(usable):
        return np.full(len(weights), np.nan)
    figure = RANKINGS[name]
    if average == "micro":
        return in_chunks(
            lambda part: figure(scores.ravel(), truth.ravel(), np.repeat(part, len(usable), axis=1)),
            weights,
            scores.size,
        )
    columns = [(np.ascontiguousarray(scores[:, i]), np.ascontiguousarray(truth[:, i])) for i in range(len(usable))]
    values = np.stack(
        [in_chunks(partial(figure, *column), weights, len(scores), size=_CACHED) for column in columns], axis=1
    )
    return mean_of_known(values, weights @ truth if average == "weighted" else None)


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
