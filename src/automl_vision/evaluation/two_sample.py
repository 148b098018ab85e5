"""Whether new images come from the same distribution as known ones: permutation tests of many statistics at once.

If old and new images are exchangeable, every way to divide them into two groups of these sizes is as likely as the one
that was seen. So each statistic is computed for many random divisions, and its p-value is its rank among them. That
holds for any statistic and any number of images. Of several statistics the smallest p-value counts, compared with the
smallest ones of the same divisions (Westfall and Young 1993): the chance of any alarm stays at the level, however the
statistics depend on each other.

Images that resemble their neighbours in time, such as the frames of a video, are not exchangeable; take fewer of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import Floats

PERMUTATIONS = 2000
_AXES = 32  # principal axes of the features; Rabanser et al. (2019) use as many
_LEAST_VARIANCE = 1e-10  # of an axis, as a share of the largest one's; below it is rounding
_MOST_PAIRS_OF_MEDIAN = 500  # rows whose distances give the width of the kernel


class Statistic(ABC):
    """How far two groups of images are apart in one respect; larger means further."""

    @abstractmethod
    def values(self, weights: Floats) -> Floats:
        """The statistic for several divisions, (divisions,).

        Args:
            weights: (divisions, images), 1 / n of the images in the new group, -1 / m of those in the old one.
        """


class MeanDiscrepancy(Statistic):
    """Squared maximum mean discrepancy with a Gaussian kernel (Gretton et al. 2012) of whitened features.

    Principal axes, scales and the kernel's width, the median distance, are those of both groups together, so they do
    not depend on the division.

    Args:
        features: (images, features).
    """

    def __init__(self, features: Floats) -> None:
        points = whitened(features)
        distances = squared_distances(points, points)
        some = distances[:_MOST_PAIRS_OF_MEDIAN, :_MOST_PAIRS_OF_MEDIAN]
        width = float(np.median(some[np.triu_indices(len(some), 1)])) or 1.0
        self._kernel = np.exp(-distances / width)

    def values(self, weights: Floats) -> Floats:
        """The discrepancies; an image with itself counts too, which is the same in every division."""
        found: Floats = ((weights @ self._kernel) * weights).sum(axis=1)
        return found


class LargestGap(Statistic):
    """The largest difference of two distribution functions, as of Kolmogorov and Smirnov.

    Args:
        values: (images,); NaN where an image has none, which is a value of its own above all others.
    """

    def __init__(self, values: Floats) -> None:
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        differs = (ordered[1:] != ordered[:-1]) & ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
        self._ends = np.flatnonzero(np.append(differs, True))

    def values(self, weights: Floats) -> Floats:
        """The gaps, from 0 to 1."""
        found: Floats = np.abs(weights[:, self._order].cumsum(axis=1)[:, self._ends]).max(axis=1)
        return found


class MeanShift(Statistic):
    """The sum of squared differences of means, each in units of the variance of its column.

    Args:
        columns: (images, columns), such as the probability of each class.
    """

    def __init__(self, columns: Floats) -> None:
        spread = columns.std(axis=0)
        self._columns = columns / np.where(spread > 0, spread, 1)

    def values(self, weights: Floats) -> Floats:
        """The sums."""
        found: Floats = ((weights @ self._columns) ** 2).sum(axis=1)
        return found


@dataclass(frozen=True)
class Separation:
    """What a test says of one statistic.

    Attributes:
        value: of the statistic.
        p_value: share of divisions at random that are at least as far apart, from 1 / (divisions + 1) on.
        adjusted: the p-value in regard of all statistics that were tested together; at or below the level is an alarm.
    """

    value: float
    p_value: float
    adjusted: float


def compare_groups(
    statistics: Mapping[str, Statistic], is_new: NDArray[np.bool_], *, permutations: int = PERMUTATIONS, seed: int = 0
) -> dict[str, Separation]:
    """Test whether new images differ from old ones, in any of several respects.

    Args:
        statistics: of both groups together, by name.
        is_new: (images,), which of them are new; both groups have at least one image.
        permutations: number of random divisions.
        seed: of the divisions.

    Returns:
        For each statistic what the test says.
    """
    weights = _divisions(is_new, permutations, seed)
    values = np.stack([each.values(weights) for each in statistics.values()], axis=1)  # the first row was seen
    ranks = np.stack([_p_values(column) for column in values.T], axis=1)
    least = np.sort(ranks.min(axis=1))
    adjusted = np.searchsorted(least, ranks[0], side="right") / len(least)
    return {
        name: Separation(float(value), float(p_value), float(over_all))
        for name, value, p_value, over_all in zip(statistics, values[0], ranks[0], adjusted, strict=True)
    }


def whitened(features: Floats) -> Floats:
    """Features on their principal axes, at most 32 of them, each in units of its spread: (images, axes)."""
    centred = np.asarray(features, np.float64) - features.mean(axis=0)
    variances, axes = np.linalg.eigh(centred @ centred.T)  # 10 times as fast as to decompose the table itself
    kept = np.arange(len(variances)) >= len(variances) - _AXES
    kept &= variances > _LEAST_VARIANCE * max(float(variances.max(initial=0.0)), _LEAST_VARIANCE)
    found: Floats = axes[:, kept] * np.sqrt(len(centred))
    return found


def squared_distances(a: Floats, b: Floats) -> Floats:
    """(n, m), squared Euclidean distances of points (n, axes) from points (m, axes)."""
    return np.asarray(np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T, 0))


def _divisions(is_new: NDArray[np.bool_], permutations: int, seed: int) -> Floats:
    """(permutations + 1, images), the weights of the division that was seen and of random ones."""
    rng = np.random.default_rng(seed)
    divisions = np.concatenate([is_new[None], rng.permuted(np.tile(is_new, (permutations, 1)), axis=1)])
    new = int(is_new.sum())
    return np.where(divisions, 1 / new, -1 / (len(is_new) - new))


def _p_values(values: Floats) -> Floats:
    """By division the share of divisions whose value is at least as large, but for rounding."""
    rounded = np.round(values / (np.abs(values).max(initial=0.0) or 1.0), 12)
    above: Floats = (len(rounded) - np.searchsorted(np.sort(rounded), rounded, side="left")) / len(rounded)
    return above
