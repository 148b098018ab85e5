"""Is a second model better than a first on the same images, or only luckier? NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import Floats, Interval, bootstrap_weights, paired_difference
from automl_vision.evaluation.metric import Metric
from automl_vision.evaluation.weighted import mean

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
    if SCORES in first and SCORES in second and len(first[SCORES]) == len(second[SCORES]):
        a, b = (np.asarray(values[SCORES], np.float64) for values in (first, second))
        binary = all(bool(np.isin(values, (0, 1)).all()) for values in (a, b))
        return mcnemar(a > 0, b > 0) if binary else compare_scores(a, b)
    if RESAMPLES in first and RESAMPLES in second and len(first[RESAMPLES]) == len(second[RESAMPLES]):
        return compare_resamples(first[RESAMPLES], second[RESAMPLES], int(first.get("images", np.array(0))))
    return None


def comparable(metric: Metric, cases: Any) -> dict[str, NDArray[Any]]:
    """What `compare` takes of one model: its value of each image, or the metric on resamples of the images."""
    if metric.of_image is not None:
        return {SCORES: metric.of_image(cases)}
    return {RESAMPLES: metric.resampled(cases), "images": np.array(len(cases))}


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """McNemar's exact test (McNemar 1947) of two models that are right or wrong on the same images.

    Only images on which exactly one of the two is right say anything; under no difference each model is the right one
    as often. The interval is the bootstrap's.

    Args:
        first, second: (images,), whether the model is right.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    bootstrap = compare_scores(first.astype(np.float64), second.astype(np.float64))
    p_value = _binomial_two_sided(only_second, only_first + only_second)
    return replace(bootstrap, p_value=p_value, test="McNemar's exact test")


def compare_scores(first: Floats, second: Floats) -> Comparison:
    """The paired bootstrap of two models' mean scores over the same images.

    Args:
        first, second: (images,), such as the intersection over union of each image's labels.
    """
    weights = np.concatenate([np.ones((1, len(first))), bootstrap_weights(len(first))])
    return compare_resamples(mean(first, weights), mean(second, weights), len(first))


def compare_resamples(first: Floats, second: Floats, images: int = 0) -> Comparison:
    """The paired bootstrap of a metric that was computed on the same resamples of the images for both models.

    Args:
        first, second: (1 + resamples,), the metric on all images, then on each resample.
        images: how many there are.
    """
    difference = paired_difference(first, second)
    return Comparison(difference.interval, difference.p_value, "paired bootstrap", images)


def _binomial_two_sided(successes: int, trials: int) -> float:
    """Probability of a split at least as uneven as the one seen, of fair coins."""
    if trials == 0:
        return 1.0
    fewer = min(successes, trials - successes)
    tail = sum(math.comb(trials, k) for k in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**trials))
