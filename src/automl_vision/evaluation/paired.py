"""Is a second model better than a first on the same images, or only luckier? NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import Floats, Interval, paired_difference
from automl_vision.evaluation.metric import Metric
from automl_vision.evaluation.weighted import resample_weights

SCORES, RESAMPLES = "scores", "resamples"
"""What a trial leaves to be compared by: its score of each image; or, where the metric is not a mean over images, the
metric on resamples of the images, the same ones for every trial."""


@dataclass(frozen=True)
class Comparison:
    """A paired test.

    Attributes:
        difference: second minus first, with its interval.
        p_value: two-sided, of no difference; NaN where the two cannot be compared.
        test: its name.
        images: how many both were judged on.
    """

    difference: Interval
    p_value: float
    test: str
    images: int

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {**vars(self), "difference": self.difference.to_json()}


def compare(first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]) -> Comparison | None:
    """The fitting paired test of two trials on the same images, or None when they left nothing that can be compared.

    Args:
        first, second: `scores` (images,), or `resamples` (resamples,) whose first value is the metric on all images.
    """
    return compare_many(first, [second])[0]


def compare_many(
    first: Mapping[str, NDArray[Any]], others: Sequence[Mapping[str, NDArray[Any]]]
) -> list[Comparison | None]:
    """Like `compare`, of one trial with each of many."""
    found: list[Comparison | None] = [None] * len(others)
    if RESAMPLES in first:
        for i, other in enumerate(others):
            if len(other.get(RESAMPLES, ())) == len(first[RESAMPLES]):
                found[i] = compare_resamples(first[RESAMPLES], other[RESAMPLES], int(first.get("images", np.array(0))))
    if SCORES in first:
        known = [i for i, other in enumerate(others) if len(other.get(SCORES, ())) == len(first[SCORES])]
        scores = [np.asarray(others[i][SCORES], np.float64) for i in known]
        for i, comparison in zip(known, _compare_scores(np.asarray(first[SCORES], np.float64), scores), strict=True):
            found[i] = comparison
    return found


def _compare_scores(first: Floats, others: Sequence[Floats]) -> list[Comparison]:
    """The paired bootstrap of mean scores; McNemar's test where an image is right or wrong."""
    if not others:
        return []
    images = len(first)
    differences = (np.stack(others) - first) @ resample_weights(images).T / images  # (others, 1 + resamples)
    first_is_binary = is_binary(first)
    found = []
    for other, difference in zip(others, differences, strict=True):
        comparison = compare_resamples(np.zeros_like(difference), difference, images)
        if first_is_binary and is_binary(other):
            comparison = replace(comparison, p_value=mcnemar(first > 0, other > 0), test="McNemar's exact test")
        found.append(comparison)
    return found


def is_binary(scores: Floats) -> bool:
    """Whether every score is 0 or 1."""
    return bool(np.isin(scores, (0, 1)).all())


def comparable(metric: Metric, cases: Any) -> dict[str, NDArray[Any]]:
    """What `compare` takes of one model: its value of each image, or the metric on resamples of the images."""
    if metric.of_image is not None:
        return {SCORES: metric.of_image(cases)}
    return {RESAMPLES: metric.resampled(cases), "images": np.array(len(cases))}


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, adjusted so that the chance of any false one stays at the level (Holm 1979).

    Args:
        p_values: in any order; NaN, where a test was not possible, stays NaN and does not count.
    """
    values = np.asarray(p_values, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    values[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in values]


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The p-value of McNemar's exact test (McNemar 1947) of two models that are right or wrong on the same images.

    Only images on which exactly one of the two is right say anything; under no difference each model is the right one
    as often.

    Args:
        first, second: (images,), whether the model is right.
    """

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    fewer, different = min(only_first, only_second), only_first + only_second
    return min(1.0, 2 * _fewer_heads(fewer, different)) if different else 1.0


def _fewer_heads(heads: int, throws: int) -> float:
    """The chance of at most so many heads in throws of a fair coin; scipy.special would cost a server 28 MB."""
    most = math.lgamma(throws + 1) - math.lgamma(heads + 1) - math.lgamma(throws - heads + 1) - throws * math.log(2)
    fewer = np.arange(heads, 0, -1)  # each term is the one before, times fewer / (throws - fewer + 1)
    return math.exp(most) * float(1 + np.cumprod(fewer / (throws - fewer + 1)).sum())


def compare_resamples(first: Floats, second: Floats, images: int = 0) -> Comparison:
    """The paired bootstrap of a metric that was computed on the same resamples of the images for both models.

    Args:
        first, second: (1 + resamples,), the metric on all images, then on each resample.
        images: how many there are.
    """
    difference = paired_difference(first, second)
    return Comparison(difference.interval, difference.p_value, "paired bootstrap", images)
