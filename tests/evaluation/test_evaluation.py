"""Every figure is scikit-learn's or one worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from automl_vision.evaluation import classification, multi_label
from automl_vision.evaluation.calibration import expected_calibration_error, fit_temperature
from automl_vision.evaluation.intervals import (
    Interval,
    bootstrap_interval,
    bootstrap_weights,
    paired_difference,
    wilson_interval,
)

AVERAGES = ("macro", "micro", "weighted")


def classified(images: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Probabilities that are right more often than not, and the truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes)) + 1.5 * np.eye(classes)[truth]
    return classification.softmax(logits), truth


def labelled(images: int, labels: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    random = np.random.default_rng(seed)
    truth = random.random((images, labels)) < 0.4
    return multi_label.sigmoid(random.normal(size=truth.shape) + 2 * truth - 1), truth


# One class an image


@pytest.mark.parametrize("classes", [2, 5])
def test_classification_equals_scikit_learn(classes: int) -> None:
    probabilities, truth = classified(200, classes)
    predicted, onehot = probabilities.argmax(axis=1), np.eye(classes)[truth]
    expected = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted),
        "log_loss": sk.log_loss(truth, probabilities),
        "matthews_correlation": sk.matthews_corrcoef(truth, predicted),
    }
    for average in AVERAGES:
        expected |= {
            f"precision_{average}": sk.precision_score(truth, predicted, average=average),
            f"recall_{average}": sk.recall_score(truth, predicted, average=average),
            f"f1_{average}": sk.f1_score(truth, predicted, average=average),
            f"auc_{average}": sk.roc_auc_score(onehot, probabilities, average=average),
            f"average_precision_{average}": sk.average_precision_score(onehot, probabilities, average=average),
        }
    found = classification.classification_metrics(probabilities, truth)
    assert found.pop("expected_calibration_error") < 0.2
    assert found == pytest.approx(expected)


def test_a_class_that_does_not_occur_counts_nowhere() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    truth = np.array([0, 1, 0, 1])
    found = classification.classification_metrics(probabilities, truth)
    assert found["balanced_accuracy"] == found["recall_macro"] == 0.75
    assert found["precision_macro"] == pytest.approx((2 / 3 + 1) / 2)
    rows = classification.per_class(probabilities, truth, ("a", "b", "c"))
    assert [row["images"] for row in rows] == [2, 2, 0]
    assert rows[1] == {"class": "b", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "images": 2}
    assert classification.confusion_matrix(probabilities, truth).tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_when_only_one_class_occurs_ranking_is_undefined() -> None:
    probabilities, _ = classified(10, 3)
    found = classification.classification_metrics(probabilities, np.zeros(10, int))
    assert all(np.isnan(found[f"{name}_{a}"]) for name in ("auc", "average_precision") for a in AVERAGES)
    assert np.isfinite(found["log_loss"]) and found["matthews_correlation"] == 0


def test_certain_and_wrong_has_a_finite_loss() -> None:
    assert classification.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-12))
    np.testing.assert_allclose(classification.softmax(np.array([[1e4, -1e4]])), [[1, 0]])
    np.testing.assert_allclose(multi_label.sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1])


def test_intervals_hold_the_metric() -> None:
    probabilities, truth = classified(150, 4)
    found = classification.classification_metrics(probabilities, truth)
    for name, interval in classification.classification_intervals(probabilities, truth).items():
        assert interval.value == pytest.approx(found[name])
        assert interval.low < interval.value < interval.high


# Any number of labels


def test_multi_label_equals_scikit_learn() -> None:
    probabilities, truth = labelled(200, 4)
    thresholds = np.array([0.3, 0.5, 0.5, 0.7])
    predicted = probabilities >= thresholds
    expected = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "label_accuracy": 1 - sk.hamming_loss(truth, predicted),
        "log_loss": np.mean([sk.log_loss(truth[:, i], probabilities[:, i]) for i in range(4)]),
    }
    for average in AVERAGES:
        expected |= {
            f"precision_{average}": sk.precision_score(truth, predicted, average=average),
            f"recall_{average}": sk.recall_score(truth, predicted, average=average),
            f"f1_{average}": sk.f1_score(truth, predicted, average=average),
            f"auc_{average}": sk.roc_auc_score(truth, probabilities, average=average),
            f"average_precision_{average}": sk.average_precision_score(truth, probabilities, average=average),
        }
    found = multi_label.multi_label_metrics(probabilities, truth, thresholds)
    assert found["iou"] == pytest.approx(sk.jaccard_score(truth, predicted, average="samples", zero_division=1))
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    for name, interval in multi_label.multi_label_intervals(probabilities, truth, thresholds).items():
        assert interval.value == pytest.approx(found[name])
        assert interval.low < interval.value < interval.high


def test_a_single_label_is_not_taken_for_two_classes() -> None:
    probabilities = np.array([[0.9], [0.9], [0.1], [0.1], [0.1]])
    truth = np.array([[True], [False], [True], [False], [False]])
    found = multi_label.multi_label_metrics(probabilities, truth, np.array([0.5]))
    for name in ("precision", "recall", "f1"):
        assert [found[f"{name}_{average}"] for average in AVERAGES] == [0.5] * 3
    (row,) = multi_label.per_label(probabilities, truth, np.array([0.5]), ("cat",))
    assert row == {"class": "cat", "precision": 0.5, "recall": 0.5, "f1": 0.5, "images": 2}


def test_per_label() -> None:
    probabilities, truth = labelled(50, 3)
    truth[:, 2] = False
    rows = multi_label.per_label(probabilities, truth, np.full(3, 0.5), ("a", "b", "c"))
    assert [row["images"] for row in rows] == truth.sum(axis=0).tolist()
    for i, row in enumerate(rows):
        assert row["f1"] == pytest.approx(sk.f1_score(truth[:, i], probabilities[:, i] >= 0.5, zero_division=0))


@pytest.mark.parametrize(
    ("case", "predicted", "truth", "expected"),
    [
        ("both empty", [0, 0, 0], [0, 0, 0], 1.0),
        ("nothing predicted", [0, 0, 0], [1, 0, 0], 0.0),
        ("nothing there", [1, 0, 0], [0, 0, 0], 0.0),
        ("half", [1, 1, 0], [1, 0, 0], 0.5),
        ("a third", [1, 1, 0], [0, 1, 1], 1 / 3),
        ("the same", [1, 0, 1], [1, 0, 1], 1.0),
    ],
)
def test_label_set_iou(case: str, predicted: list[int], truth: list[int], expected: float) -> None:
    found = multi_label.label_set_iou(np.array([predicted], bool), np.array([truth], bool))
    assert found.tolist() == [pytest.approx(expected)]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), images=st.integers(2, 40), levels=st.integers(1, 6))
def test_average_precision_with_ties_equals_scikit_learn(seed: int, images: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (images, 3)) / levels
    truth = random.random((images, 3)) < 0.5
    truth[0], truth[1] = True, False
    weights = np.stack([np.ones(images), random.integers(1, 4, images).astype(float)])
    expected = [
        np.mean([sk.average_precision_score(truth[:, i], scores[:, i], sample_weight=row) for i in range(3)])
        for row in weights
    ]
    np.testing.assert_allclose(multi_label.macro_average_precision(scores, truth, weights), expected)


def test_average_precision_without_a_usable_label() -> None:
    scores, truth = np.zeros((3, 1)), np.ones((3, 1), bool)
    assert np.isnan(multi_label.macro_average_precision(scores, truth, np.ones((2, 3)))).all()
    unlucky = np.array([[0.0, 2.0, 1.0]])  # a resample without the only positive
    assert np.isnan(multi_label.macro_average_precision(scores, np.array([[True], [False], [False]]), unlucky)).all()


# Intervals


@pytest.mark.parametrize(
    ("successes", "images", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(successes: int, images: int, low: float, high: float) -> None:
    interval = wilson_interval(successes, images)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert interval.to_json() == {"value": successes / images, "low": interval.low, "high": interval.high}


def test_the_bootstrap_covers_the_truth_about_19_times_in_20() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        values = random.normal(3, 1, 60)
        interval = bootstrap_interval(lambda w, v=values: w @ v / w.sum(axis=1), 60, seed=seed)
        covered += interval.low <= 3 <= interval.high
    assert 180 <= covered <= 198


def test_bootstrap_weights() -> None:
    weights = bootstrap_weights(7, resamples=20, seed=1)
    assert weights.shape == (20, 7) and (weights.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(weights, bootstrap_weights(7, resamples=20, seed=1))
    assert (weights != bootstrap_weights(7, resamples=20, seed=2)).any()


def test_the_interval_of_an_undefined_metric() -> None:
    interval = bootstrap_interval(lambda w: np.full(len(w), np.nan), 5)
    assert all(np.isnan(value) for value in (interval.value, interval.low, interval.high))


@pytest.mark.parametrize(
    ("case", "better", "p_below", "p_above"),
    [("the same", 0.0, 1.0, 1.0), ("better", 0.3, 0.0, 0.01), ("worse", -0.3, 0.0, 0.01)],
)
def test_paired_difference(case: str, better: float, p_below: float, p_above: float) -> None:
    noise = np.random.default_rng(0).normal(size=80)  # the same difficulty of images for both
    scores = np.stack([noise, noise + better])
    found = paired_difference(lambda model, w: w @ scores[model] / w.sum(axis=1), 80)
    assert found.interval.value == pytest.approx(better)
    assert found.interval.low <= better + 1e-12 and found.interval.high >= better - 1e-12
    assert p_below <= found.p_value <= p_above


def test_models_that_differ_by_chance_alone_do_not_differ() -> None:
    scores = np.random.default_rng(1).normal(size=(2, 100))
    found = paired_difference(lambda model, w: w @ scores[model] / w.sum(axis=1), 100)
    assert found.p_value > 0.05 and found.interval.low < 0 < found.interval.high


def test_the_difference_of_an_undefined_metric() -> None:
    found = paired_difference(lambda _, w: np.full(len(w), np.nan), 5)
    assert np.isnan(found.p_value) and isinstance(found.interval, Interval)


# Calibration


@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0])
def test_the_temperature_recovers_a_known_scale(scale: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 3)) * 1.5
    probabilities = classification.softmax(logits)
    truth = (random.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    found = fit_temperature(lambda z: classification.log_loss(classification.softmax(z), truth), scale * logits)
    assert found == pytest.approx(scale, rel=0.05)


def test_a_temperature_never_makes_the_loss_worse() -> None:
    assert fit_temperature(lambda z: 1.0, np.ones((3, 2))) == 1.0


@pytest.mark.parametrize(
    ("case", "confidences", "correct", "bins", "expected"),
    [
        ("sure and right", [1.0, 1.0], [1, 1], 2, 0.0),
        ("sure and wrong", [1.0, 1.0], [0, 0], 2, 1.0),
        ("one bin", [0.6, 0.8, 0.7, 0.9], [1, 0, 1, 0], 1, 0.25),
        ("two bins", [0.6, 0.9, 0.7, 0.8], [1, 1, 0, 0], 2, 0.25),  # |.65 - .5| / 2 + |.85 - .5| / 2
        ("fewer images than bins", [0.3], [1], 15, 0.7),
    ],
)
def test_expected_calibration_error(
    case: str, confidences: list[float], correct: list[int], bins: int, expected: float
) -> None:
    found = expected_calibration_error(np.array(confidences), np.array(correct, bool), bins=bins)
    assert found == pytest.approx(expected)
