"""Permutation tests of two groups of images: their level where nothing differs, and what they notice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from automl_vision.evaluation.two_sample import LargestGap, MeanDiscrepancy, MeanShift, compare_groups, whitened

_OLD, _NEW = 60, 30
IS_NEW = np.arange(_OLD + _NEW) >= _OLD


def normal(seed: int, columns: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(_OLD + _NEW, columns))


def weights() -> np.ndarray:
    return np.where(IS_NEW, 1 / _NEW, -1 / _OLD)[None]


def test_statistics_are_those_of_their_definitions() -> None:
    values = np.round(normal(0)[:, 0], 1)  # with ties
    gap = LargestGap(values).values(weights())[0]
    assert gap == pytest.approx(ks_2samp(values[IS_NEW], values[~IS_NEW]).statistic, abs=1e-12)
    table = normal(1)
    shift = (table[IS_NEW].mean(0) - table[~IS_NEW].mean(0)) / table.std(0)
    assert MeanShift(table).values(weights())[0] == pytest.approx((shift**2).sum())
    points = whitened(table)
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    kernel = np.exp(-distances / np.median(distances[np.triu_indices(len(points), 1)]))
    means = [kernel[np.ix_(a, b)].mean() for a, b in ((IS_NEW, IS_NEW), (~IS_NEW, ~IS_NEW), (IS_NEW, ~IS_NEW))]
    assert MeanDiscrepancy(table).values(weights())[0] == pytest.approx(means[0] + means[1] - 2 * means[2])


def test_whitened_features_have_unit_spread_and_no_empty_axes() -> None:
    table = normal(2) * [5, 1, 0.01, 1, 1]
    points = whitened(np.column_stack([table, table[:, 0], np.ones(len(table))]))
    assert points.shape[1] == 5
    assert np.cov(points.T, bias=True) == pytest.approx(np.eye(5), abs=1e-9)


def test_images_without_a_value_count_as_equal() -> None:
    nothing = np.full(_OLD + _NEW, np.nan)
    assert LargestGap(nothing).values(weights())[0] == pytest.approx(0, abs=1e-12)
    assert LargestGap(np.where(IS_NEW, np.nan, 0.5)).values(weights())[0] == pytest.approx(1)


def test_where_nothing_differs_alarms_are_as_rare_as_the_level_says() -> None:
    """Of 400 draws the least adjusted p-value is at or below 0.1 in 0.1 +- 4 standard errors, or fewer."""
    alarms = 0
    for seed in range(400):
        table = normal(seed)
        tests = {"mean": MeanShift(table), **{str(k): LargestGap(column) for k, column in enumerate(table.T)}}
        found = compare_groups(tests, IS_NEW, permutations=99, seed=seed)
        alarms += min(each.adjusted for each in found.values()) <= 0.1
    assert 0.1 - 4 * 0.015 < alarms / 400 < 0.1 + 4 * 0.015


def test_what_differs_is_named_and_nothing_else() -> None:
    table = normal(7)
    table[IS_NEW, 3] += 2
    found = compare_groups({str(k): LargestGap(column) for k, column in enumerate(table.T)}, IS_NEW)
    assert [name for name, each in found.items() if each.adjusted <= 0.01] == ["3"]
    assert found["3"].adjusted >= found["3"].p_value >= 1 / 2001
    moved = normal(8, 40)
    moved[IS_NEW] += 0.6
    assert compare_groups({"features": MeanDiscrepancy(moved)}, IS_NEW)["features"].adjusted <= 0.01


def test_a_change_of_spread_alone_is_noticed_by_the_discrepancy() -> None:
    table = normal(9, 8)
    table[IS_NEW] *= 2
    found = compare_groups({"features": MeanDiscrepancy(table), "mean": MeanShift(table)}, IS_NEW)
    assert found["features"].p_value <= 0.01 < found["mean"].p_value
