"""Paired tests against values known from elsewhere, and their error rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from automl_vision.evaluation.intervals import bootstrap_weights
from automl_vision.evaluation.paired import compare, compare_many, compare_resamples, mcnemar


def p_value(first: np.ndarray, second: np.ndarray) -> float:
    found = compare({"scores": first}, {"scores": second})
    assert found is not None
    return found.p_value


@pytest.mark.parametrize(
    ("only_first", "only_second", "both"), [(0, 0, 5), (0, 1, 5), (2, 9, 80), (5, 5, 0), (1, 12, 40), (30, 55, 100)]
)
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int, both: int):
    first = np.array([True] * only_first + [False] * only_second + [True] * both)
    second = np.array([False] * only_first + [True] * only_second + [True] * both)
    found = compare({"scores": first}, {"scores": second})
    assert found is not None
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
        found["mcnemar"] += mcnemar(*right) < 0.05
        found["bootstrap"] += p_value(*random.random((2, 100))) < 0.05
    assert found["mcnemar"] <= 0.05 * 100
    assert found["bootstrap"] <= 0.1 * 100


def test_a_real_difference_is_found():
    random = np.random.default_rng(0)
    base = random.random(300)
    assert p_value(base, np.clip(base + 0.05, 0, 1)) < 0.01
    assert mcnemar(base > 0.4, base > 0.3) < 0.01


def test_resamples_give_the_paired_bootstrap():
    random = np.random.default_rng(1)
    scores = random.random((2, 50))
    weights = np.concatenate([np.ones((1, 50)), bootstrap_weights(50)])
    values = [weights @ s / weights.sum(axis=1) for s in scores]
    by_resamples = compare_resamples(*values, images=50)
    by_scores = compare({"scores": scores[0]}, {"scores": scores[1]})
    assert by_scores is not None
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


def test_one_against_many_is_each_against_each():
    random = np.random.default_rng(3)
    first, others = {"scores": random.random(40)}, [{"scores": random.random(40)} for _ in range(3)]
    mixed = [others[0], {}, others[1], {"scores": random.random(39)}, others[2]]
    found = compare_many(first, mixed)
    assert found[1] is found[3] is None
    for other, comparison in zip(mixed, found, strict=True):
        alone = compare(first, other)
        assert (alone is None) == (comparison is None)
        if alone is not None and comparison is not None:
            assert comparison.p_value == alone.p_value
            assert comparison.difference.to_json() == pytest.approx(alone.difference.to_json())
