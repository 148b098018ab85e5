"""How many images would settle a paired test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from automl_vision.evaluation.deciding import further_images
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.paired import SCORES, compare
from automl_vision.evaluation.posterior import true_gain

NAN = float("nan")


@pytest.mark.parametrize(
    ("interval", "images", "bound", "more"),
    [
        (Interval(0.02, -0.02, 0.06), 100, 0.0, 300),  # half the width takes four times the images
        (Interval(-0.02, -0.06, 0.02), 100, 0.0, 300),  # as many the other way round
        (Interval(-0.01, -0.09, 0.07), 50, -0.05, 150),  # a loss of 0.05 is allowed
        (Interval(0.1, 0.05, 0.15), 100, 0.0, 0),
        (Interval(0.0, -0.02, 0.02), 100, 0.0, None),
        (Interval(1e-9, -0.02, 0.02), 100, 0.0, None),
        (Interval(NAN, NAN, NAN), 100, 0.0, None),
        (Interval(0.1, NAN, NAN), 100, 0.0, None),
    ],
)
def test_images_by_the_square_of_the_width(interval: Interval, images: int, bound: float, more: int | None):
    assert further_images(interval, images, bound) == more


@pytest.mark.parametrize("bound", [0.0, -0.03])
def test_with_that_many_images_the_interval_just_excludes_the_bound(bound: float):
    first, second = np.zeros(100), np.zeros(100)
    first[:50], second[20:74] = 1, 1  # 20 images are right only before, 24 only after
    ends = []
    for repeats in (1, 2):  # the same difference on more images
        scores = [np.tile(each, repeats) for each in (first, second)]
        found = compare({SCORES: scores[0]}, {SCORES: scores[1]})
        assert found is not None
        more = further_images(found.difference, found.images, bound)
        assert more is not None
        ends.append(found.images + more)
        times = math.ceil((found.images + more) / 100)
        enough = compare({SCORES: np.tile(first, times)}, {SCORES: np.tile(second, times)})
        assert enough is not None
        assert enough.difference.low == pytest.approx(bound, abs=0.02)
    assert ends[0] == pytest.approx(ends[1], rel=0.25), "more images promise the same total"


@pytest.mark.parametrize(
    ("measured", "better"),
    [
        (Interval(0.02, 0.02, 0.02), 1.0),  # nothing is uncertain
        (Interval(-0.02, -0.02, -0.02), 0.0),
        (Interval(0.0, -0.04, 0.04), 0.5),
        (Interval(NAN, NAN, NAN), 0.5),  # the prior alone
        (Interval(0.02, 0.02 - 1.96 * 0.02, 0.02 + 1.96 * 0.02), 0.7602),  # gain 0.01 with deviation 0.02 / sqrt(2)
    ],
)
def test_a_gain_is_as_likely_as_prior_and_measurement_say(measured: Interval, better: float):
    assert true_gain(measured, spread=0.02).above(0.0) == pytest.approx(better, abs=1e-4)


def test_fewer_images_pull_a_gain_nearer_to_nothing():
    few, many = true_gain(Interval(0.02, -0.08, 0.12), spread=0.02), true_gain(Interval(0.02, 0.01, 0.03), spread=0.02)
    assert 0 < few.mean < many.mean < 0.02
    assert few.deviation > many.deviation
    assert few.above(-0.01) < many.above(-0.01)
