"""Intervals and paired tests by the bootstrap over images (Efron 1979)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval

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

    @property
    def negated(self) -> Interval:
        """The interval of minus the value, such as of a gain where lower is better."""
        return Interval(-self.value, -self.high, -self.low)

    def text(self, digits: int) -> str:
        """The value with its ends, such as `0.91 [0.88, 0.93]`."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def to_json(self) -> dict[str, float]:
        """The interval as JSON values."""
        return vars(self)

    def record(self) -> MetricInterval | None:
        """The interval as it is kept; None where the value is undefined, and an undefined end is None."""
        if finite(self.value) is None:
            return None
        return MetricInterval(value=self.value, low=finite(self.low), high=finite(self.high))


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


def percentile_interval(values: Floats) -> Interval:
    """The interval of a value from resamples of it.

    Args:
        values: (1 + resamples,), on all images, then on each resample; NaN where undefined.
    """
    value, resampled = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value) or not len(resampled):
        return Interval(value, float("nan"), float("nan"))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


_Z = 1.959963984540054  # of the normal distribution at 97.5 %


def wilson_interval(successes: float, images: float) -> Interval:
    """Wilson's score interval of a share (Wilson 1927); unlike the bootstrap it keeps a width at 0 and 1."""
    z = _Z
    share = successes / images
    centre = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return Interval(share, float(max(0.0, centre - half)), float(min(1.0, centre + half)))


def wilson_low(successes: Floats, cases: Floats) -> Floats:
    """The lower ends of Wilson's intervals of many shares; every number of cases is above 0."""
    share = successes / cases
    half = _Z * np.sqrt(share * (1 - share) / cases + _Z**2 / (4 * cases**2))
    return np.asarray(np.maximum(0.0, (share + _Z**2 / (2 * cases) - half) / (1 + _Z**2 / cases)))


def clustered_interval(successes: Floats, cases: Floats) -> Interval:
    """The interval of a share whose cases come in clusters, such as the detections of an image; NaN without cases.

    Wilson's interval with the effective number of cases (Kish 1965; Dean and Pagano 2015), which is at most their
    number. With one case in a cluster it is Wilson's own.

    Args:
        successes, cases: (images,), of each image.
    """
    total = float(cases.sum())
    if not total:
        return Interval(float("nan"), float("nan"), float("nan"))
    share = float(successes.sum()) / total
    spread = float(((successes - share * cases) ** 2).sum())  # of the sum over images
    effective = total * min(1.0, total * share * (1 - share) / spread) if spread else total
    found = wilson_interval(share * effective, effective)
    return Interval(share, found.low, found.high)


def paired_difference(first: Floats, second: Floats) -> Difference:
    """Compare two models by a metric on the same resamples of the same images.

    Args:
        first, second: (1 + resamples,), on all images, then on each resample; NaN where undefined.
    """
    values = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    interval, resampled = percentile_interval(values), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(resampled):
        return Difference(interval, float("nan"))
    below, above = (resampled <= 0).mean(), (resampled >= 0).mean()
    return Difference(interval, float(min(1.0, 2 * min(below, above))))
