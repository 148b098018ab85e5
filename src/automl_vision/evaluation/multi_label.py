"""Metrics of multi-label classification, with intervals for those that stand on the leaderboard."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from automl_vision.evaluation.calibration import expected_calibration_error
from automl_vision.evaluation.classification import class_rows, ranking_metrics
from automl_vision.evaluation.intervals import Floats, Interval, bootstrap_interval

_TINY = 1e-12


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of the same shape."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def binary_log_loss(probabilities: Floats, truth: NDArray[np.bool_]) -> float:
    """Mean negative log probability over images and labels, in nats."""
    return float(_losses(probabilities, truth).mean())


def _losses(probabilities: Floats, truth: NDArray[np.bool_]) -> Floats:
    return np.asarray(-np.log(np.maximum(np.where(truth, probabilities, 1 - probabilities), _TINY)))


def label_set_iou(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Floats:
    """Intersection over union of each image's label sets, (images,); two empty sets agree fully."""
    union = (predicted | truth).sum(axis=1)
    return np.asarray(np.where(union > 0, (predicted & truth).sum(axis=1) / np.maximum(union, 1), 1.0))


def multi_label_metrics(probabilities: Floats, truth: NDArray[np.bool_], thresholds: Floats) -> dict[str, float]:
    """All metrics of multi-label classification; NaN for no images.

    Args:
        probabilities: (images, labels).
        truth: (images, labels).
        thresholds: (labels,), a label is predicted at or above its threshold.
    """
    if not len(truth):
        one = np.eye(truth.shape[1])
        return dict.fromkeys(multi_label_metrics(one, one > 0, thresholds), math.nan)
    predicted = probabilities >= thresholds
    values = {
        "iou": float(label_set_iou(predicted, truth).mean()),
        "accuracy": float((predicted == truth).all(axis=1).mean()),
        "label_accuracy": float((predicted == truth).mean()),
        "log_loss": binary_log_loss(probabilities, truth),
        "expected_calibration_error": expected_calibration_error(probabilities.ravel(), truth.ravel()),
    }
    for average in ("macro", "micro", "weighted"):
        precision, recall, f1, _ = _figures(predicted, truth, average=average)
        values |= {f"precision_{average}": precision, f"recall_{average}": recall, f"f1_{average}": f1}
    values |= ranking_metrics(probabilities, truth)
    return {name: float(value) for name, value in values.items()}


def multi_label_intervals(probabilities: Floats, truth: NDArray[np.bool_], thresholds: Floats) -> dict[str, Interval]:
    """Bootstrap intervals of IoU, macro average precision and log loss."""
    overlap = label_set_iou(probabilities >= thresholds, truth)
    losses = _losses(probabilities, truth).mean(axis=1)
    images = len(truth)
    return {
        "iou": bootstrap_interval(lambda w: w @ overlap / w.sum(axis=1), images),
        "average_precision_macro": bootstrap_interval(
            lambda w: macro_average_precision(probabilities, truth, w), images
        ),
        "log_loss": bootstrap_interval(lambda w: w @ losses / w.sum(axis=1), images),
    }


def macro_average_precision(scores: Floats, truth: NDArray[np.bool_], weights: Floats) -> Floats:
    """Mean over labels of the weighted average precision, for many weightings at once, (resamples,).

    Equal scores are taken as one step, as scikit-learn does.

    Args:
        scores: (images, labels).
        truth: (images, labels).
        weights: (resamples, images).
    """
    values = []
    for label in range(truth.shape[1]):
        if not truth[:, label].any() or truth[:, label].all():
            continue
        order = np.argsort(-scores[:, label], kind="stable")
        positives = (weights[:, order] * truth[order, label]).cumsum(axis=1)
        ends = np.append(np.diff(scores[order, label]) != 0, True)
        precision = positives[:, ends] / np.maximum(weights[:, order].cumsum(axis=1)[:, ends], _TINY)
        total = positives[:, -1:]
        steps = np.diff(positives[:, ends], axis=1, prepend=0) / np.where(total > 0, total, np.nan)
        values.append((steps * precision).sum(axis=1))
    if not values:
        return np.full(len(weights), np.nan)
    stacked = np.stack(values)
    known = np.isfinite(stacked)
    sums = np.where(known, stacked, 0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan))


def per_label(
    probabilities: Floats, truth: NDArray[np.bool_], thresholds: Floats, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of images of each label."""
    return class_rows(classes, *_figures(probabilities >= thresholds, truth, average=None))


def _figures(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], *, average: str | None) -> tuple[Any, ...]:
    """Precision, recall, F1 and support over labels, as scikit-learn gives them.

    A single column it would take for two classes, "absent" and "present"; only "present" is a label.
    """
    labels = [1] if truth.shape[1] == 1 else None
    return tuple(sk.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0, labels=labels))
