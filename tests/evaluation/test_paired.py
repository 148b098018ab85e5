"""Paired tests against values known from elsewhere, and their error rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from automl_vision.evaluation.intervals import bootstrap_weights
from automl_vision.evaluation.paired import compare, compare_resamples, compare_scores, mcnemar


@pytest.mark.parametrize(
    ("only_first", "only_second", "both"), [(0, 0, 5), (0, 1, 5), (2, 9, 80), (5, 5, 0), (1, 12, 40), (30, 55, 100)]
)
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int, both: int):
    first = np.array([True] * only_first + [False] * only_second + [True] * both)
    second = np.array([False] * only_first + [True] * only_second + [True] * both)
    found = mcnemar(first, second)
    different = only_first + only_second
    expected = binomtest(only_second, different).pvalue if different else 1.0
    assert found.p_value == pytest.approx(expected)
    assert found.difference.value == pytest.approx((only_second - only_first) / len(first))
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.images == len(first)


def test_no_difference_is_found_as_seldom_as_stated():
    random = np.random.default_rng(0)
    found = {"mcnemar": 0, "bootstrap": 0}
    for _ in range(100):
        right = random.random((2, 100)) < 0.8
        found["mcnemar"] += mcnemar(*right).p_value < 0.05
        found["bootstrap"] += compare_scores(*random.random((2, 100))).p_value < 0.05
    assert found["mcnemar"] <= 0.05 * 100
    assert found["bootstrap"] <= 0.1 * 100


def test_a_real_difference_is_found():
    random = np.random.default_rng(0)
    base = random.random(300)
    assert compare_scores(base, np.clip(base + 0.05, 0, 1)).p_value < 0.01
    assert mcnemar(base > 0.4, base > 0.3).p_value < 0.01


def test_resamples_give_the_paired_bootstrap():
    random = np.random.default_rng(1)
    scores = random.random((2, 50))
    weights = np.concatenate([np.ones((1, 50)), bootstrap_weights(50)])
    values = [weights @ s / weights.sum(axis=1) for s in scores]
    by_resamples, by_scores = compare_resamples(*values, images=50), compare_scores(*scores)
    assert by_resamples.difference.to_json() == pytest.approx(by_scores.difference.to_json())
    assert by_resamples.p_value == by_scores.p_value


def test_the_fitting_test_is_chosen():
    binary, scores, resamples = np.array([0, 1, 1]), np.array([0.5, 1, 0]), np.array([0.5, 0.4, 0.6])
    assert compare({"scores": binary}, {"scores": binary}).test == "McNemar's exact test"  # type: ignore[union-attr]
    assert compare({"scores": scores}, {"scores": binary}).test == "paired bootstrap"  # type: ignore[union-attr]
    found = compare({"resamples": resamples, "images": np.array(7)}, {"resamples": resamples})
    assert found is not None
    assert (found.p_value, found.images) == (1.0, 7)
    assert compare({"scores": scores}, {"resamples": resamples}) is None
    assert compare({"scores": scores}, {"scores": scores[:2]}) is None
    nothing = compare_resamples(np.array([np.nan]), np.array([0.5]))
    assert np.isnan(nothing.p_value)
