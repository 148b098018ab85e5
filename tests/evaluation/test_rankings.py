"""AUC and average precision of many weightings, against loops over pairs and thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.evaluation.chunks import by_image, in_chunks, running
from automl_vision.evaluation.intervals import bootstrap_weights
from automl_vision.evaluation.rankings import RANKINGS, Rankings
from automl_vision.evaluation.weighted import mean_of_known, resample_weights

Floats = NDArray[np.float64]


def plain_auc(scores: Floats, truth: NDArray[np.bool_], weights: Floats) -> float:
    """The share of pairs of a positive and a negative in which the positive is above; equal scores count half."""
    above = pairs = 0.0
    for i in np.flatnonzero(truth):
        for j in np.flatnonzero(~truth):
            pairs += weights[i] * weights[j]
            above += weights[i] * weights[j] * ((scores[i] > scores[j]) + (scores[i] == scores[j]) / 2)
    return above / pairs if pairs else np.nan


def plain_average_precision(scores: Floats, truth: NDArray[np.bool_], weights: Floats) -> float:
    """Recall gained at each distinct score, times the precision there."""
    total = weights[truth].sum()
    if not total:
        return np.nan
    area = last = 0.0
    for score in np.unique(scores)[::-1]:
        taken = scores >= score
        right = weights[taken & truth].sum()
        area += (right - last) / total * (right / weights[taken].sum() if weights[taken].sum() else 0.0)
        last = right
    return area


PLAIN = {"auc": plain_auc, "average_precision": plain_average_precision}


@pytest.mark.parametrize("name", RANKINGS)
@pytest.mark.parametrize(
    ("images", "labels", "levels", "share"),
    [(14, 3, 100, 0.4), (14, 3, 3, 0.4), (9, 4, 1, 0.5), (5, 2, 2, 0.2), (2, 2, 5, 0.5), (30, 40, 6, 0.05)],
    ids=["distinct", "tied", "all equal", "rare", "two images", "many labels"],
)
def test_rankings_are_those_of_plain_loops(name: str, images: int, labels: int, levels: int, share: float):
    random = np.random.default_rng(images + levels)
    scores, truth = random.integers(0, levels, (images, labels)) / levels, random.random((images, labels)) < share
    weights = np.concatenate([np.ones((1, images)), bootstrap_weights(images, resamples=6), np.zeros((1, images))])
    rankings = Rankings(scores, truth)
    usable = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    expected = np.full((len(weights), labels), np.nan)
    for label in usable:
        expected[:, label] = [PLAIN[name](scores[:, label], truth[:, label], row) for row in weights]
    found = rankings.by_label(name, weights)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    often = weights @ truth[:, usable]
    averages = {"macro": mean_of_known(expected[:, usable]), "weighted": mean_of_known(expected[:, usable], often)}
    all_scores, all_truth = scores[:, usable].ravel(), truth[:, usable].ravel()
    averages["micro"] = np.array([PLAIN[name](all_scores, all_truth, np.repeat(row, len(usable))) for row in weights])
    for average, values in averages.items():
        np.testing.assert_allclose(rankings.averaged(name, average, weights), values, atol=1e-12, err_msg=average)


@pytest.mark.parametrize("truth", [np.zeros((4, 2), bool), np.ones((4, 2), bool), np.zeros((4, 0), bool)])
def test_without_both_values_nothing_is_ranked(truth: NDArray[np.bool_]):
    rankings = Rankings(np.ones(truth.shape), truth)
    for name in RANKINGS:
        assert np.isnan(rankings.by_label(name, np.ones((2, 4)))).all()
        for average in ("macro", "micro", "weighted"):
            assert np.isnan(rankings.averaged(name, average, np.ones((2, 4)))).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 8, 15, 16, 17, 99, 100, 101])
@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_running_sums_and_maxima_are_numpys(rows: int, dtype: type[np.generic]):
    values = np.random.default_rng(rows).integers(-9, 10, (rows, 3)).astype(dtype)
    for function in (np.add, np.maximum):
        assert np.array_equal(running(function, values.copy()), function.accumulate(values, axis=0, dtype=dtype))
        upside_down = values.copy()
        running(function, upside_down[::-1])
        assert np.array_equal(upside_down[::-1], function.accumulate(values[::-1], axis=0, dtype=dtype))


def test_chunks_come_back_in_order():
    weights = np.arange(35.0).reshape(7, 5)
    for size in (1, 5, 12, 1000):
        assert np.array_equal(in_chunks(lambda part: part * 2, weights, 5, size=size), weights * 2)


def test_counts_are_exact_whatever_their_size():
    weights = np.array([[1.0, 2.0]])
    assert by_image(weights, 1).dtype == np.float32
    assert by_image(weights, 2**23).dtype == np.float64


def test_fewer_resamples_are_the_first_of_more():
    assert np.array_equal(resample_weights(7, 20), resample_weights(7)[:21])
    assert resample_weights(7, 20) is resample_weights(7, 20)
