"""Calibrated scores are probabilities, and keep the order of detections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.data.score_map import ScoreMap
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.detection import DetectionCases, Thresholds, mean_average_precision
from automl_vision.evaluation.score_calibration import CALIBRATION_ERROR, LOG_LOSS, fit_score_map


def logistic(z):
    return 1 / (1 + np.exp(-z))


def detections(slope: float, shift: float, seed: int, *, images: int = 100, each: int = 20) -> Candidates:
    """Two classes; a detection is right with the probability sigmoid(slope * logit + shift) of its score's logit."""
    random = np.random.default_rng(seed)
    logit = random.normal(size=images * each) * 2
    right = random.random(len(logit)) < logistic(slope * logit + shift)
    image, label = np.repeat(np.arange(images), each), random.integers(0, 2, len(logit))
    positives = np.zeros((images, 2), int)
    np.add.at(positives, (image[right], label[right]), 1)
    return Candidates(image, label, logistic(logit), right, positives)


@pytest.mark.parametrize(("slope", "shift"), [(0.4, 0.0), (1.0, -1.5), (2.5, 1.0)])
def test_over_and_underconfident_scores_are_set_right(slope: float, shift: float):
    score_map = fit_score_map(detections(slope, shift, 0))
    before = detections(slope, shift, 1)
    after = before.mapped(score_map)
    assert CALIBRATION_ERROR.value(after) < 0.4 * CALIBRATION_ERROR.value(before)
    assert LOG_LOSS.value(after) < LOG_LOSS.value(before)
    a, b, c = np.mean(score_map.parameters, axis=0)
    assert (a, b) == pytest.approx((slope, slope), abs=0.35)
    assert c == pytest.approx(shift, abs=0.35)


def test_scores_that_are_right_stay_nearly_as_they_are():
    calibrated = detections(1.0, 0.0, 0)
    scores = np.linspace(0.05, 0.95, 10)
    assert fit_score_map(calibrated)(scores, np.zeros(10, int)) == pytest.approx(scores, abs=0.05)


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_without_both_kinds_scores_stay_as_they_are(right: float):
    one_sided = detections(0.0, 100 if right else -100, 0, images=5, each=3)
    assert fit_score_map(one_sided).kind == "none"
    nothing = one_sided.take(np.zeros(15, bool))
    assert fit_score_map(nothing).kind == "none"
    assert np.isnan(CALIBRATION_ERROR.value(nothing))


SLOPES = st.floats(0.01, 20)


@given(SLOPES, SLOPES, st.floats(-20, 20), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_map_increases_and_its_inverse_lies_below(a: float, b: float, c: float, scores: list[float]):
    score_map = ScoreMap("beta", ((a, b, c),))
    rising = np.sort(scores)
    mapped = score_map(rising, np.zeros(len(rising), int))
    assert ((mapped >= 0) & (mapped <= 1)).all()
    assert (np.diff(mapped) >= 0).all()
    for threshold in mapped:
        raw = score_map.scores_of(np.array([threshold]))[0]
        assert (rising[mapped >= threshold] >= raw).all()


@pytest.mark.parametrize("row", [(0.0, 1, 0), (1, -1, 0), (1, 1, float("nan")), (1, 1)])
def test_maps_that_do_not_increase_are_refused(row):
    with pytest.raises(ValueError, match="map of scores"):
        ScoreMap("beta", (row,))


def test_average_precision_stays_the_same():
    random = np.random.default_rng(0)
    n, images = 200, 20
    corner = random.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corner, corner + random.uniform(10, 30, (n, 2))], axis=1)
    image, labels, scores = np.sort(random.integers(0, images, n)), random.integers(0, 2, n), random.random(n)
    none = np.zeros(n, bool)
    true = GroundTruth(np.full((images, 2), 100), image, labels, boxes + random.normal(size=(n, 1)), none, none)
    score_map = ScoreMap("platt per class", ((0.5, 0.5, 2.0), (3.0, 3.0, -1.0)))
    before, after = (
        mean_average_precision(
            DetectionCases(
                Detections.from_unsorted(images, image, labels, boxes, values), true, Thresholds(0.5, 0.3, 2)
            ).matches
        )[0]
        for values in (scores, score_map(scores, labels))
    )
    assert after == before > 0.1
