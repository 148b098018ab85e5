"""Every figure is scikit-learn's or one worked out by hand."""

from __future__ import annotations

import math
from typing import Any

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
    bootstrap_weights,
    paired_difference,
    percentile_interval,
    wilson_interval,
)
from automl_vision.evaluation.metric import values_of
from automl_vision.evaluation.rankings import Rankings
from automl_vision.evaluation.weighted import mean

AVERAGES = ("macro", "micro", "weighted")


def all_and_resamples(images: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Weights: each image once, then resamples."""
    return np.concatenate([np.ones((1, images)), bootstrap_weights(images, seed=seed)])


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


def sklearn_averages(
    truth: NDArray[np.bool_], scores: NDArray[np.float64], decisions: tuple[Any, Any], weights: NDArray[np.float64]
) -> dict[str, float]:
    """Precision, recall and F1 over the labels that occur, AUC and average precision over those of both values."""
    usable = truth.any(axis=0) & ~truth.all(axis=0)
    occurring = np.flatnonzero(truth.any(axis=0)).tolist()
    figures: dict[str, float] = {}
    single = truth.shape[1] == 1  # a single column would be taken for two classes
    for average in AVERAGES:
        labels = [1] if single else None if average == "micro" else occurring
        is_defined = average == "micro" or bool(occurring)
        for name in ("precision", "recall", "f1"):
            score = getattr(sk, f"{name}_score")
            args = {"average": average, "sample_weight": weights, "zero_division": 0, "labels": labels}
            figures[f"{name}_{average}"] = score(*decisions, **args) if is_defined else np.nan
        for name, function in (("auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
            args = (truth[:, usable], scores[:, usable])
            figures[f"{name}_{average}"] = (
                function(*args, average=average, sample_weight=weights) if usable.any() else np.nan
            )
    return figures


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn")  # of degenerate inputs
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), images=st.integers(1, 30), classes=st.integers(2, 5), levels=st.integers(1, 5))
def test_classification_equals_scikit_learn_on_weighted_images_with_ties(
    seed: int, images: int, classes: int, levels: int
) -> None:
    random = np.random.default_rng(seed)
    raw = 0.05 + random.integers(0, levels + 1, (images, classes)) / levels
    cases = classification.ClassificationCases(
        raw / raw.sum(axis=1, keepdims=True), random.integers(0, classes, images)
    )
    weights = np.stack([np.ones(images), random.integers(1, 4, images)])
    for row in weights:
        args: dict[str, Any] = {"sample_weight": row}
        expected = {
            "accuracy": sk.accuracy_score(cases.truth, cases.predicted, **args),
            "log_loss": sk.log_loss(cases.truth, cases.probabilities, labels=np.arange(classes), **args),
            "matthews_correlation": sk.matthews_corrcoef(cases.truth, cases.predicted, **args),
        }
        expected["balanced_accuracy"] = sk.balanced_accuracy_score(cases.truth, cases.predicted, **args)
        expected |= sklearn_averages(cases.onehot, cases.probabilities, (cases.truth, cases.predicted), row)
        found = {name: metric.compute(cases, row[None])[0] for name, metric in classification.METRICS.items()}
        found.pop("expected_calibration_error")
        assert found == pytest.approx(expected, nan_ok=True)


def test_a_class_that_does_not_occur_counts_nowhere() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    cases = classification.ClassificationCases(probabilities, np.array([0, 1, 0, 1]))
    found = values_of(classification.METRICS.values(), cases)
    assert found["balanced_accuracy"] == found["recall_macro"] == 0.75
    assert found["precision_macro"] == pytest.approx((2 / 3 + 1) / 2)
    rows = classification.class_rows(cases.counts(np.ones((1, 4))), ("a", "b", "c"))
    assert [row["images"] for row in rows] == [2, 2, 0]
    assert rows[1] == {"class": "b", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "images": 2}
    assert classification.confusion_matrix(cases).tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_a_perfect_model_is_perfect_in_all_macro_metrics_whatever_classes_lack() -> None:
    truth = np.zeros((9, 5), bool)
    truth[:, :3] = np.eye(3, dtype=bool)[np.arange(9) % 3]  # two of five labels occur in no image
    several = multi_label.MultiLabelCases(np.where(truth, 0.9, 0.1), truth, np.full(5, 0.5))
    single = classification.ClassificationCases(np.where(truth, 0.9, 0.025), truth.argmax(axis=1))
    for module, cases in ((multi_label, several), (classification, single)):
        for name in ("precision", "recall", "f1", "auc", "average_precision"):
            assert module.METRICS[f"{name}_macro"].value(cases) == pytest.approx(1.0), name


def test_a_label_that_no_image_has_is_in_no_macro_average() -> None:
    truth = np.array([[True, False], [True, False], [False, False]])
    wrong = np.array([[0.9, 0.9], [0.1, 0.9], [0.1, 0.9]])  # the second label is predicted everywhere
    found = values_of(multi_label.METRICS.values(), multi_label.MultiLabelCases(wrong, truth, np.full(2, 0.5)))
    assert (found["precision_macro"], found["recall_macro"]) == (1.0, 0.5)
    assert found["f1_macro"] == found["f1_weighted"] == pytest.approx(2 / 3)
    assert found["precision_micro"] == pytest.approx(1 / 4)  # over all decisions


def test_when_only_one_class_occurs_ranking_is_undefined() -> None:
    probabilities, _ = classified(10, 3)
    cases = classification.ClassificationCases(probabilities, np.zeros(10, int))
    found = values_of(classification.METRICS.values(), cases)
    assert all(np.isnan(found[f"{name}_{a}"]) for name in ("auc", "average_precision") for a in AVERAGES)
    assert np.isfinite(found["log_loss"]) and found["matthews_correlation"] == 0


def test_certain_and_wrong_has_a_finite_loss() -> None:
    assert classification.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-12))
    np.testing.assert_allclose(classification.softmax(np.array([[1e4, -1e4]])), [[1, 0]])
    np.testing.assert_allclose(multi_label.sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1])


def test_every_metric_has_an_interval_around_its_value() -> None:
    probabilities, truth = classified(150, 4)
    labels = multi_label.MultiLabelCases(*labelled(150, 4), np.array([0.3, 0.5, 0.5, 0.7]))
    for module, cases in (
        (classification, classification.ClassificationCases(probabilities, truth)),
        (multi_label, labels),
    ):
        for name, metric in module.METRICS.items():
            interval = metric.interval(cases)
            assert interval.value == pytest.approx(metric.value(cases)), name
            assert metric.low <= interval.low < interval.high <= metric.high, name
            assert interval.low < interval.value < interval.high, name


# Any number of labels


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn")
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), images=st.integers(1, 30), labels=st.integers(1, 4), levels=st.integers(1, 5))
def test_multi_label_equals_scikit_learn_on_weighted_images_with_ties(
    seed: int, images: int, labels: int, levels: int
) -> None:
    random = np.random.default_rng(seed)
    scores = 0.02 + 0.96 * random.integers(0, levels + 1, (images, labels)) / levels
    truth = random.random((images, labels)) < random.random(labels)
    cases = multi_label.MultiLabelCases(scores, truth, random.choice([0.3, 0.5, 0.7], labels))
    for row in np.stack([np.ones(images), random.integers(1, 4, images)]):
        same = cases.predicted == truth
        expected = {
            "iou": np.average(multi_label.label_set_iou(cases.predicted, truth), weights=row),
            "accuracy": np.average(same.all(axis=1), weights=row),
            "label_accuracy": np.average(same.mean(axis=1), weights=row),
            "log_loss": np.mean(
                [sk.log_loss(truth[:, i], scores[:, i], labels=[0, 1], sample_weight=row) for i in range(labels)]
            ),
        } | sklearn_averages(truth, scores, (truth, cases.predicted), row)
        found = {name: metric.compute(cases, row[None])[0] for name, metric in multi_label.METRICS.items()}
        found.pop("expected_calibration_error")
        assert found == pytest.approx(expected, nan_ok=True)


def test_the_label_set_iou_is_scikit_learn_s() -> None:
    probabilities, truth = labelled(200, 4)
    cases = multi_label.MultiLabelCases(probabilities, truth, np.full(4, 0.5))
    expected = sk.jaccard_score(truth, cases.predicted, average="samples", zero_division=1)
    assert multi_label.METRICS["iou"].value(cases) == pytest.approx(expected)


def test_a_single_label_is_not_taken_for_two_classes() -> None:
    probabilities = np.array([[0.9], [0.9], [0.1], [0.1], [0.1]])
    truth = np.array([[True], [False], [True], [False], [False]])
    cases = multi_label.MultiLabelCases(probabilities, truth, np.array([0.5]))
    found = values_of(multi_label.METRICS.values(), cases)
    for name in ("precision", "recall", "f1"):
        assert [found[f"{name}_{average}"] for average in AVERAGES] == [0.5] * 3
    (row,) = classification.class_rows(cases.counts(np.ones((1, 5))), ("cat",))
    assert row == {"class": "cat", "precision": 0.5, "recall": 0.5, "f1": 0.5, "images": 2}


def test_the_figures_of_each_label_are_scikit_learn_s() -> None:
    probabilities, truth = labelled(50, 3)
    truth[:, 2] = False
    cases = multi_label.MultiLabelCases(probabilities, truth, np.full(3, 0.5))
    rows = classification.class_rows(cases.counts(np.ones((1, 50))), ("a", "b", "c"))
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


def test_a_resample_without_the_only_positive_has_no_ranking() -> None:
    scores, truth = np.zeros((3, 1)), np.array([[True], [False], [False]])
    unlucky = np.array([[0.0, 2.0, 1.0]])
    for name in ("auc", "average_precision"):
        for average in AVERAGES:
            assert np.isnan(Rankings(scores, truth).averaged(name, average, unlucky)).all()


# Intervals


def test_a_negated_interval_keeps_its_ends_in_order():
    assert Interval(0.2, 0.1, 0.5).negated == Interval(-0.2, -0.5, -0.1)


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
        interval = percentile_interval(mean(values, all_and_resamples(60, seed=seed)))
        covered += interval.low <= 3 <= interval.high
    assert 180 <= covered <= 198


def test_bootstrap_weights() -> None:
    weights = bootstrap_weights(7, resamples=20, seed=1)
    assert weights.shape == (20, 7) and (weights.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(weights, bootstrap_weights(7, resamples=20, seed=1))
    assert (weights != bootstrap_weights(7, resamples=20, seed=2)).any()


def test_the_interval_of_an_undefined_metric() -> None:
    interval = percentile_interval(np.full(5, np.nan))
    assert all(np.isnan(value) for value in (interval.value, interval.low, interval.high))


@pytest.mark.parametrize(
    ("case", "better", "p_below", "p_above"),
    [("the same", 0.0, 1.0, 1.0), ("better", 0.3, 0.0, 0.01), ("worse", -0.3, 0.0, 0.01)],
)
def test_paired_difference(case: str, better: float, p_below: float, p_above: float) -> None:
    noise = np.random.default_rng(0).normal(size=80)  # the same difficulty of images for both
    scores = np.stack([noise, noise + better])
    found = paired_difference(*(mean(values, all_and_resamples(80)) for values in scores))
    assert found.interval.value == pytest.approx(better)
    assert found.interval.low <= better + 1e-12 and found.interval.high >= better - 1e-12
    assert p_below <= found.p_value <= p_above


def test_models_that_differ_by_chance_alone_do_not_differ() -> None:
    scores = np.random.default_rng(1).normal(size=(2, 100))
    found = paired_difference(*(mean(values, all_and_resamples(100)) for values in scores))
    assert found.p_value > 0.05 and found.interval.low < 0 < found.interval.high


def test_the_difference_of_an_undefined_metric() -> None:
    found = paired_difference(np.full(5, np.nan), np.full(5, 0.5))
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


def test_few_images_that_are_all_right_do_not_make_a_model_certain() -> None:
    logits = np.tile([2.0, 0.0], (12, 1))
    truth = np.zeros(12, np.intp)

    def loss(z: NDArray[np.float64]) -> float:
        return classification.log_loss(classification.softmax(z), truth)

    found = [fit_temperature(loss, logits, width=width) for width in (0.35, 1.0, math.inf)]
    assert found[0] > 0.7 > found[1] > 0.2 > found[2]


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
    weights = np.ones((1, len(correct)))
    (found,) = expected_calibration_error(np.array(confidences), np.array(correct, bool), weights, bins=bins)
    assert found == pytest.approx(expected)
