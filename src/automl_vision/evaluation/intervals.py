"""Intervals and paired tests by the bootstrap over images (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with its interval of the stated level.

    Attributes:
        value: on all images.
        low, high: ends of the interval.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """The interval as JSON values."""
        return vars(self)


@dataclass(frozen=True)
class Difference:
    """How much better a second model is than a first on the same images.

    Attributes:
        interval: of second minus first.
        p_value: two-sided, of no difference; NaN where the metric is undefined.
    """

    interval: Interval
    p_value: float


def bootstrap_weights(images: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """How often each image occurs in each resample, (resamples, images)."""
    random = np.random.default_rng(seed)
    return random.multinomial(images, np.full(images, 1 / images), size=resamples).astype(np.float64)


def bootstrap_interval(metric: Callable[[Floats], Floats], images: int, *, seed: int = 0) -> Interval:
    """Percentile interval of a metric over images.

    Args:
        metric: maps image weights (resamples, images) to values (resamples,); a value may be NaN where undefined.
        images: how many there are.
        seed: of the resampling.
    """
    value = float(metric(np.ones((1, images)))[0])
    values = metric(bootstrap_weights(images, seed=seed))
    values = values[np.isfinite(values)]
    if not np.isfinite(value) or not len(values):
        return Interval(value, float("nan"), float("nan"))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def wilson_interval(successes: int, images: int) -> Interval:
    """Wilson's score interval of a share (Wilson 1927); unlike the bootstrap it keeps a width at 0 and 1."""
    z = 1.959963984540054
    share = successes / images
    centre = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return Interval(share, float(max(0.0, centre - half)), float(min(1.0, centre + half)))


def paired_difference(metric: Callable[[int, Floats], Floats], images: int, *, seed: int = 0) -> Difference:
    """Compare two models on the same images by resampling images, the same ones for both.

    Args:
        metric: maps model (0 or 1) and image weights (resamples, images) to values (resamples,).
        images: how many there are.
        seed: of the resampling.
    """

    def difference(weights: Floats) -> Floats:
        return metric(1, weights) - metric(0, weights)

    interval = bootstrap_interval(difference, images, seed=seed)
    values = difference(bootstrap_weights(images, seed=seed))
    values = values[np.isfinite(values)]
    if not len(values):
        return Difference(interval, float("nan"))
    below, above = (values <= 0).mean(), (values >= 0).mean()
    return Difference(interval, float(min(1.0, 2 * min(below, above))))
