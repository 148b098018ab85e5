"""A metric on parts of the images, against taking the images of each part from each resample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.evaluation import classification
from automl_vision.evaluation.parts import on_parts
from automl_vision.evaluation.weighted import resample_weights

IMAGES = 60


def cases_of(*, with_gap: bool = False) -> classification.ClassificationCases:
    random = np.random.default_rng(0)
    probabilities = classification.softmax(random.normal(size=(IMAGES, 3)))
    if with_gap:
        probabilities[7] = np.nan
    return classification.ClassificationCases(probabilities, random.integers(0, 3, IMAGES))


def of_repeated(
    cases: classification.ClassificationCases, name: str, mine: NDArray[np.bool_], row: NDArray[np.float64]
) -> float:
    """The metric on the images of a part as often as a resample has them."""
    images = np.repeat(np.flatnonzero(mine), row[mine].astype(int))
    return classification.METRICS[name].value(cases.take(images))


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "f1_macro", "auc_weighted"])
@pytest.mark.parametrize("outside", [False, True])
def test_parts_are_those_of_the_resamples_of_all_images(name: str, outside: bool):
    cases, metric = cases_of(), classification.METRICS[name]
    part = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [2, 18, 40]))
    found = on_parts(cases, metric, part, [0, 2], outside=outside)
    weights = resample_weights(IMAGES, metric.resamples)
    for number, one in zip([0, 2], found, strict=True):
        mine = (part == number) ^ outside
        expected = [of_repeated(cases, name, mine, row) for row in weights[:200]]
        np.testing.assert_allclose(one.resampled[:200], expected, atol=1e-12)
        interval = metric.interval(cases.take(np.flatnonzero(mine)), one.resampled)
        assert (one.interval.value, one.interval.low, one.interval.high) == pytest.approx(
            (interval.value, interval.low, interval.high), nan_ok=True
        )


def test_an_image_without_a_number_spoils_only_its_own_part():
    part = np.repeat([0, 1], IMAGES // 2)
    spoilt, whole = on_parts(cases_of(with_gap=True), classification.METRICS["log_loss"], part, [0, 1])
    assert np.isnan(spoilt.interval.value)
    assert np.isfinite(whole.interval.value)
