"""How many images would settle a paired test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from automl_vision.evaluation.deciding import further_images
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.paired import SCORES, compare

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
