"""How a metric grows with the number of labels: a power law with the uncertainty of its parameters.

The error is `floor + scale * labels ** -exponent` (Cortes et al. 1993; Hestness et al. 2017). Instead of one best fit,
all laws of a grid are weighed by how well they explain what was measured, so that what the points cannot tell shows in
the interval. Subsamples of the same images are not independent, so the mean at a size counts as that of as many
subsamples as fit beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENTS = np.linspace(0.05, 1.6, 32)
"""Tried exponents; those of image classification were seen between 0.1 and 0.7 (Hestness et al. 2017)."""

HORIZON = 3.0
"""How many times as many labels as there are a law is asked about, at most."""

_FLOORS = 25
_SCALES = 41
_PRIOR = (0.45, 0.3)  # mean and standard deviation of the exponent, before anything is measured
_LEAST_NOISE = 2e-3
_MISFIT = 0.004  # standard deviation of true curves around power laws, per doubling of the labels beyond the last size
_DRAWS = 4000


@dataclass(frozen=True)
class Measurement:
    """A metric at one number of labels.

    Attributes:
        labels: how many.
        values: of the metric, 0 to 1, one per subsample of that size.
    """

    labels: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class PowerLaw:
    """Laws that explain what was measured, drawn by their weights.

    Attributes:
        floor, scale, exponent: (draws,), of the error.
        labels: the largest number of labels that was measured.
        noise: standard deviation of the metric among sets of labels of that size.
    """

    floor: Floats
    scale: Floats
    exponent: Floats
    labels: int
    noise: float

    @staticmethod
    def fit(points: Sequence[Measurement]) -> PowerLaw:
        """Weigh the laws of a grid by some measurements.

        Args:
            points: at least 3 sizes; the largest one of all labels that there are.

        Raises:
            ValueError: there are fewer sizes.
        """
        if len(points) < 3:
            raise ValueError(f"a law needs at least 3 sizes, not {len(points)}")
        sizes = np.array([point.labels for point in points], np.float64)
        errors = 1 - np.array([np.mean(point.values) for point in points])
        whole, noise = float(sizes.max()), _noise(points)
        spread = noise * np.sqrt(np.maximum(whole / sizes, 1.0))
        alone = np.array([min(len(point.values), whole / point.labels) for point in points])
        variance = spread**2 / np.maximum(alone, 1.0)
        floors = np.linspace(0, max(float(errors.min()) + noise, 1e-3), _FLOORS)
        grid = np.stack(np.meshgrid(floors, EXPONENTS, indexing="ij"), axis=-1).reshape(-1, 2)
        shape = (sizes / whole) ** -grid[:, 1:]  # (laws, sizes)
        inverse = 1 / variance
        precision = (shape**2 * inverse).sum(axis=1)
        best = (shape * (errors - grid[:, :1]) * inverse).sum(axis=1) / precision
        steps = np.linspace(-3, 3, _SCALES)
        scales = best[:, None] + steps / np.sqrt(precision)[:, None]  # (laws, steps)
        predicted = grid[:, 0, None, None] + scales[:, :, None] * shape[:, None]
        score = -0.5 * (np.square(errors - predicted) * inverse).sum(axis=2) - 0.5 * np.log(precision)[:, None]
        score -= 0.5 * np.square((grid[:, 1] - _PRIOR[0]) / _PRIOR[1])[:, None]
        weight = np.where(scales >= 0, np.exp(score - score.max()), 0.0).ravel()
        if not weight.sum():  # the metric falls with more labels: the flattest law is nearest
            weight = np.ones_like(weight)
            scales = np.zeros_like(scales)
        drawn = np.random.default_rng(0).choice(len(weight), _DRAWS, p=weight / weight.sum())
        law = drawn // _SCALES
        scale = scales.ravel()[drawn]
        return PowerLaw(grid[law, 0], scale, grid[law, 1], round(whole), noise)

    def values(self, labels: float) -> Floats:
        """(draws,), the metric at a number of labels, on average over sets of labels of that size."""
        return np.asarray(1 - self.floor - self.scale * (labels / self.labels) ** -self.exponent)

    def predict(self, labels: float, level: float) -> tuple[float, float, float]:
        """The metric that a number of labels probably gives: middle, and the ends of the interval that holds it.

        Args:
            labels: above 0, at most `HORIZON` times as many as there are.
            level: how often such an interval holds what comes out, in (0, 1).
        """
        beyond = max(float(np.log2(labels / self.labels)), 0.0)
        spread = np.hypot(self.noise * (labels / self.labels) ** -0.5, _MISFIT * beyond)
        around = np.random.default_rng(1).standard_normal(_DRAWS) * spread
        middle, low, high = np.quantile(self.values(labels) + around, [0.5, (1 - level) / 2, (1 + level) / 2])
        return float(middle), float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))

    def labels_for(self, gain: float) -> Floats:
        """(draws,), how many labels in all raise the metric by so much; infinite where none do."""
        wanted = self.scale - gain
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            times = (wanted / self.scale) ** (-1 / self.exponent)
        return np.where(wanted > 0, self.labels * times, np.inf)


def _noise(points: Sequence[Measurement]) -> float:
    """Standard deviation of the metric among independent sets of the largest size, from subsamples of smaller ones.

    Two subsamples of a part of all images share that part on average, so they differ by less than independent ones.
    """
    whole = max(point.labels for point in points)
    found, weights = [], []
    for point in points:
        share = point.labels / whole
        if len(point.values) > 1 and share < 1:
            found.append(float(np.var(point.values, ddof=1)) * share / (1 - share))
            weights.append(len(point.values) - 1)
    if not found:
        return _LEAST_NOISE
    freedom = sum(weights)
    few = freedom / max(freedom - 2, 1)  # the variance of Student's t: few parts tell the noise itself only roughly
    return max(float(np.sqrt(few * np.average(found, weights=weights))), _LEAST_NOISE)
