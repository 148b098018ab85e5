"""Calibrated scores of detectors: a score becomes the probability that the detection is right.

Measured by the detection calibration error, the mean distance between score and precision (Kueppers et al. 2020,
without the position and size of the boxes). The map is chosen among those of increasing freedom by the log loss of
images that it was not fitted on; an isotonic map is left out, for it follows chance on few images and ties scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.score_map import ScoreMap
from automl_vision.evaluation.calibration import expected_calibration_error
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.metric import Metric
from automl_vision.evaluation.weighted import TINY, ratio

_FREEDOM = {
    "temperature": np.array([[1.0, 1.0, 0.0]]),
    "platt": np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "beta": np.eye(3),
}
"""By kind: which combinations of a, b and c are free, (free, 3)."""

_PER_CLASS = "platt per class"
_LEAST_OF_CLASS = 20  # right and wrong detections of a class from which it has a map of its own
_FOLDS = 5
_SLOPES, _SHIFTS = (0.01, 20.0), (-20.0, 20.0)
_IDENTITY = np.array([1.0, 1.0, 0.0])


def fit_score_map(candidates: Candidates) -> ScoreMap:
    """The map from scores to the probability of being right that predicts held-out images best.

    The scores stay as they are where there are fewer than two images, or no right or no wrong detections.

    Args:
        candidates: detections with and without success, on images that the weights were not trained on.
    """
    if len(candidates) < 2 or candidates.right.all() or not candidates.right.any():
        return _score_map("none", candidates)
    folds = np.random.default_rng(0).permutation(len(candidates)) % _FOLDS
    losses = {kind: _held_out_loss(kind, candidates, folds) for kind in ("none", *_FREEDOM, _PER_CLASS)}
    return _score_map(min(losses, key=lambda kind: losses[kind]), candidates)


def _held_out_loss(kind: str, candidates: Candidates, folds: NDArray[np.intp]) -> float:
    """Sum of the log losses of each fold of the images by a map that was fitted on the others."""
    total = 0.0
    for fold in range(_FOLDS):
        held_out = folds[candidates.image] == fold
        fitted = _score_map(kind, candidates.take(~held_out))
        total += float(_losses(candidates.take(held_out).mapped(fitted)).sum())
    return total


def _score_map(kind: str, candidates: Candidates) -> ScoreMap:
    rows = np.tile(_IDENTITY, (candidates.classes, 1))
    if kind == _PER_CLASS:
        rows[:] = _fit("platt", candidates)
        wrong, right = (np.bincount(candidates.label[candidates.right == is_], minlength=len(rows)) for is_ in (0, 1))
        for label in np.flatnonzero(np.minimum(wrong, right) >= _LEAST_OF_CLASS).tolist():
            rows[label] = _fit("platt", candidates.take(candidates.label == label))
    elif kind != "none":
        rows[:] = _fit(kind, candidates)
    return ScoreMap(kind, tuple(map(tuple, rows.tolist())))


def _fit(kind: str, candidates: Candidates) -> Floats:
    """a, b and c of least log loss, with Platt's targets (Platt 1999), which keep them finite."""
    from scipy.optimize import minimize

    if not len(candidates.score):
        return _IDENTITY

    score = np.clip(candidates.score, TINY, 1 - 1e-9)
    features = np.stack([np.log(score), -np.log1p(-score), np.ones_like(score)], axis=1) @ _FREEDOM[kind].T
    right = candidates.right.sum()
    targets = np.where(candidates.right, (right + 1) / (right + 2), 1 / (len(score) - right + 2))

    def loss(free: Floats) -> tuple[float, Floats]:
        z = features @ free
        probability = 0.5 * (1 + np.tanh(0.5 * z))
        return float((np.logaddexp(0, z) - targets * z).mean()), features.T @ (probability - targets) / len(z)

    slopes = _FREEDOM[kind][:, 0] + _FREEDOM[kind][:, 1] > 0
    bounds = [_SLOPES if is_slope else _SHIFTS for is_slope in slopes]
    found = minimize(loss, slopes.astype(float), jac=True, bounds=bounds, method="L-BFGS-B")
    return np.asarray(found.x @ _FREEDOM[kind])


def _losses(candidates: Candidates) -> Floats:
    """(n,), negative log probability of what each detection is, right or wrong."""
    chosen = np.where(candidates.right, candidates.score, 1 - candidates.score)
    return np.asarray(-np.log(np.maximum(chosen, TINY)))


def _by_chunks(compute: Callable[[Candidates, Floats], Floats]) -> Callable[[Any, Floats], Floats]:
    """A figure of detections for weights of images, some resamples at a time, NaN without detections."""

    def figure(candidates: Candidates, weights: Floats) -> Floats:
        if not len(candidates.score):
            return np.full(len(weights), math.nan)
        parts = np.array_split(weights, max(1, weights.shape[0] * len(candidates.score) // 5_000_000))
        return np.concatenate([compute(candidates, part[:, candidates.image]) for part in parts])

    return figure


CALIBRATION_ERROR = Metric(
    "detection_calibration_error", "mean distance between score and precision, 15 equally filled bins",
    "Kueppers et al. 2020",
    _by_chunks(lambda candidates, w: expected_calibration_error(candidates.score, candidates.right, w)),
    higher_is_better=False, is_biased=True, resamples=200,
)  # fmt: skip
"""Of the detections of `Candidates`."""

LOG_LOSS = Metric(
    "log_loss", "mean negative log probability of what each detection is, right or wrong, in nats", "Platt 1999",
    _by_chunks(lambda candidates, w: ratio(w @ _losses(candidates), w.sum(axis=1), otherwise=math.nan)),
    high=math.inf, higher_is_better=False, resamples=200,
)  # fmt: skip
"""Of the detections of `Candidates`."""
