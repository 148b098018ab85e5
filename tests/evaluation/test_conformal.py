"""Prediction sets hold the truth as often as asked, on images that they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.evaluation.classification import ClassificationCases, softmax
from automl_vision.evaluation.conformal import class_threshold, label_threshold, prediction_sets
from automl_vision.evaluation.multi_label import MultiLabelCases, sigmoid


def classified(images: int, seed: int, *, scale: float = 1.0) -> ClassificationCases:
    """Five classes; with a scale above 1 the probabilities are too sure of themselves."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 5, images)
    logits = random.normal(size=(images, 5)) + 1.2 * np.eye(5)[truth]
    return ClassificationCases(softmax(scale * logits), truth)


def labelled(images: int, seed: int) -> MultiLabelCases:
    random = np.random.default_rng(seed)
    onehot = random.random((images, 4)) < 0.3
    return MultiLabelCases(sigmoid(random.normal(size=(images, 4)) + 2 * onehot - 1), onehot, np.full(4, 0.5))


@pytest.mark.parametrize("error_rate", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_sets_hold_the_class_as_often_as_asked_also_of_a_model_that_is_too_sure(error_rate: float, scale: float):
    covered, sizes = [], []
    for seed in range(40):
        sets = prediction_sets(
            classified(150, seed, scale=scale), classified(400, 1000 + seed, scale=scale), error_rate
        )
        covered.append(sets.covered.value)
        sizes.append(sets.mean_size)
    assert 1 - error_rate - 0.01 <= np.mean(covered) <= 1 - error_rate + 0.02
    assert 1 <= np.mean(sizes) < 5


@pytest.mark.parametrize("error_rate", [0.05, 0.2])
def test_sets_hold_the_share_of_labels_that_was_asked(error_rate: float):
    covered = [prediction_sets(labelled(200, s), labelled(400, 1000 + s), error_rate).covered.value for s in range(40)]
    assert 1 - error_rate - 0.01 <= np.mean(covered) <= 1 - error_rate + 0.03


def test_a_lower_error_rate_makes_larger_sets():
    fitted, measured = classified(200, 0), classified(200, 1)
    sizes = [prediction_sets(fitted, measured, rate).mean_size for rate in (0.02, 0.1, 0.4)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


def test_too_few_images_for_the_promise_put_every_class_into_the_set():
    few = classified(5, 0)
    assert class_threshold(few, 0.1) == 0
    assert prediction_sets(few, classified(10, 1), 0.1).mean_size == 5
    assert label_threshold(labelled(3, 0), 0.1) == 0


def test_the_threshold_is_the_probability_of_the_last_image_that_must_be_held():
    probabilities = np.array([[p, 1 - p] for p in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)])
    cases = ClassificationCases(probabilities, np.zeros(9, int))
    assert class_threshold(cases, 0.2) == 0.2  # of ten images, one of them new, two may be missed
    assert class_threshold(cases, 0.1) == 0.1
    assert class_threshold(cases, 0.09) == 0


def test_images_without_labels_miss_none():
    nothing = MultiLabelCases(np.full((20, 3), 0.1), np.zeros((20, 3), bool), np.full(3, 0.5))
    sets = prediction_sets(nothing, nothing, 0.1)
    assert sets.covered.value == 1


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_an_error_rate_that_cannot_be_is_refused(rate: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        prediction_sets(classified(10, 0), classified(10, 1), rate)
