"""Images with rare classes are drawn more often, in an epoch that stays as long as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.data.dataset import Dataset
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.repeat_factors import MOST_REPEATS, draw_images, repeat_factors
from automl_vision.tasks.task import create_task
from conftest import SMALL_DETECTORS, small_detector

MIXED = np.array([1.0, 1.0, 4.0, 1.5, 1.0, 2.0, 1.0, 1.25, 3.0, 1.0])


def _generator(epoch: int) -> np.random.Generator:
    return np.random.default_rng([5, epoch])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        (0.2, [1, 1, 1, 1, 1, 1, 1, 1, 2**0.5, 1]),
        (0.4, [1, 1, 1, 1, 1, 1, 2**0.5, 2**0.5, 2, 1]),
        (0.8, [1, 1, 1, 1, 1, 1, 2, 2, 8**0.5, 1]),
    ],
)
def test_an_image_has_the_factor_of_its_rarest_class(threshold: float, expected: list[float]):
    """Class 0 is in eight of ten images, class 1 in two, class 2 in one, there three times; the last is empty."""
    image = np.array([0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 8, 8, 8])
    label = np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 0, 2, 2], np.int32)
    np.testing.assert_allclose(repeat_factors(image, label, threshold, images=10), expected)


def test_a_factor_has_a_limit():
    factors = repeat_factors(np.array([7]), np.array([3], np.int32), 1.0, images=1000)
    assert factors[7] == MOST_REPEATS
    assert factors.sum() == 999 + MOST_REPEATS


def test_without_objects_every_factor_is_one():
    nothing = repeat_factors(np.zeros(0, np.int64), np.zeros(0, np.int32), 0.5, images=3)
    assert nothing.tolist() == [1, 1, 1]


@pytest.mark.parametrize("count", [1, 2, 997])
@pytest.mark.parametrize("epoch", [1, 2])
def test_equal_factors_are_the_permutation_of_every_row_once(count: int, epoch: int):
    rows = np.arange(count) * 3 + 1
    drawn, repeats = draw_images(np.ones(count), _generator(epoch))
    assert rows[drawn].tolist() == _generator(epoch).permutation(rows).tolist()
    assert not repeats.any()


def test_every_draw_has_the_length_of_the_set_and_is_near_its_expectation():
    expected = MIXED * len(MIXED) / MIXED.sum()
    total = np.zeros(len(MIXED))
    for epoch in range(4000):
        drawn, _ = draw_images(MIXED, _generator(epoch))
        assert len(drawn) == len(MIXED)
        times = np.bincount(drawn, minlength=len(MIXED))
        assert (np.abs(times - expected) < 1).all()  # systematic: the expected number rounded down or up
        total += times
    np.testing.assert_allclose(total / 4000, expected, atol=0.03)  # four standard errors of a draw of 0 or 1


def test_images_with_equal_factors_are_drawn_together_in_some_epochs():
    """In a fixed order two neighbours of half a draw each would never be."""
    factors = np.repeat([1.0, 3.0], 8)
    both = [np.isin([0, 1], draw_images(factors, _generator(epoch))[0]).all() for epoch in range(300)]
    assert 0 < sum(both) < 300


def test_repeats_number_the_draws_of_each_image():
    drawn, repeats = draw_images(MIXED, _generator(3))
    for image in range(len(MIXED)):
        mine = repeats[drawn == image]
        assert sorted(mine.tolist()) == list(range(len(mine)))
    assert repeats.max() >= 1


def test_a_draw_depends_on_its_generator_alone():
    def draw(epoch: int) -> list[NDArray[np.int64]]:
        return [part.tolist() for part in draw_images(MIXED, _generator(epoch))]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize("name", ["boxes", "masks"])
def test_factors_follow_the_training_images_and_what_is_learned_of_them(name: str, request: pytest.FixtureRequest):
    dataset: Dataset = request.getfixturevalue(name)
    hyperparameters = small_detector(dataset.task, SMALL_DETECTORS[dataset.task], repeat_factor_threshold=1.0)
    task = create_task(dataset.task, dataset, hyperparameters, decide_geometry(dataset, hyperparameters))
    rows = np.arange(len(dataset))[3:]
    classes = [{dataset.objects.label[i] for i in dataset.objects.rows_of(row)} for row in rows.tolist()]
    shares = [sum(label in each for each in classes) / len(rows) for label in (0, 1)]
    expected = [max([shares[label] ** -0.5 for label in each], default=1.0) for each in classes]
    np.testing.assert_allclose(task.repeat_factors(rows), expected)
    assert len(set(expected)) == 3
    task.objects = replace(task.objects, iscrowd=np.ones(len(task.objects), bool))
    assert (task.repeat_factors(rows) == 1).all()
