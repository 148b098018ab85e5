"""Metrics of multi-class classification, with intervals for those that stand on the leaderboard."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from automl_vision.evaluation.calibration import expected_calibration_error
from automl_vision.evaluation.intervals import Floats, Interval, bootstrap_interval, wilson_interval

_TINY = 1e-12


def softmax(logits: Floats) -> Floats:
    """Probabilities (images, classes)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def log_loss(probabilities: Floats, truth: NDArray[np.intp]) -> float:
    """Mean negative log probability of the true class, in nats."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _TINY)).mean())


def classification_metrics(probabilities: Floats, truth: NDArray[np.intp]) -> dict[str, float]:
    """All metrics of multi-class classification; NaN for no images.

    AUC and average precision are one-vs-rest over the classes that occur; the macro averages of precision, recall
    and F1 are over the classes that occur in truth or prediction.

    Args:
        probabilities: (images, classes), rows sum to 1.
        truth: (images,), class indices.
    """
    if not len(truth):
        classes = probabilities.shape[1]
        return dict.fromkeys(classification_metrics(np.eye(classes), np.arange(classes)), math.nan)
    predicted = probabilities.argmax(axis=1)
    values = {
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": float(_balanced(predicted, truth, np.ones((1, len(truth))))[0]),
        "log_loss": log_loss(probabilities, truth),
        "matthews_correlation": _matthews(predicted, truth),
        "expected_calibration_error": expected_calibration_error(probabilities.max(axis=1), predicted == truth),
    }
    for average in ("macro", "micro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            truth, predicted, average=average, zero_division=0
        )
        values |= {f"precision_{average}": precision, f"recall_{average}": recall, f"f1_{average}": f1}
    onehot = np.eye(probabilities.shape[1], dtype=bool)[truth]
    values |= ranking_metrics(probabilities, onehot)
    return {name: float(value) for name, value in values.items()}


def _matthews(predicted: NDArray[np.intp], truth: NDArray[np.intp]) -> float:
    """Matthews' correlation; 0 where one class is all there is, of which scikit-learn would warn."""
    return float(sk.matthews_corrcoef(truth, predicted)) if len(np.union1d(truth, predicted)) > 1 else 0.0


def ranking_metrics(scores: Floats, truth: NDArray[np.bool_]) -> dict[str, float]:
    """AUC and average precision, macro, micro and weighted, over the columns that hold both values.

    Args:
        scores: (images, labels).
        truth: (images, labels).
    """
    usable = truth.any(axis=0) & ~truth.all(axis=0)
    values: dict[str, float] = {}
    for average in ("macro", "micro", "weighted"):
        known = bool(usable.any())
        args = (truth[:, usable], scores[:, usable])
        values[f"auc_{average}"] = sk.roc_auc_score(*args, average=average) if known else float("nan")
        values[f"average_precision_{average}"] = (
            sk.average_precision_score(*args, average=average) if known else float("nan")
        )
    return values


def classification_intervals(probabilities: Floats, truth: NDArray[np.intp]) -> dict[str, Interval]:
    """Intervals of accuracy (Wilson), balanced accuracy and log loss (bootstrap over images)."""
    predicted = probabilities.argmax(axis=1)
    losses = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _TINY))
    return {
        "accuracy": wilson_interval(int((predicted == truth).sum()), len(truth)),
        "balanced_accuracy": bootstrap_interval(lambda w: _balanced(predicted, truth, w), len(truth)),
        "log_loss": bootstrap_interval(lambda w: w @ losses / w.sum(axis=1), len(truth)),
    }


def _balanced(predicted: NDArray[np.intp], truth: NDArray[np.intp], weights: Floats) -> Floats:
    """Mean recall over the classes that occur in each resample, (resamples,)."""
    correct = (predicted == truth).astype(float)
    recalls = []
    for name in np.unique(truth):
        of_class = weights[:, truth == name]
        total = of_class.sum(axis=1)
        recalls.append(np.where(total > 0, of_class @ correct[truth == name] / np.maximum(total, 1), np.nan))
    return np.asarray(np.nanmean(np.stack(recalls), axis=0))


def per_class(probabilities: Floats, truth: NDArray[np.intp], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of images of each class."""
    predicted = probabilities.argmax(axis=1)
    figures = sk.precision_recall_fscore_support(
        truth, predicted, labels=np.arange(len(classes)), average=None, zero_division=0
    )
    return class_rows(classes, *figures)


def class_rows(
    classes: tuple[str, ...], precision: Floats, recall: Floats, f1: Floats, support: NDArray[np.intp]
) -> list[dict[str, Any]]:
    """One row a class, as JSON values."""
    return [
        {
            "class": name,
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "images": int(support[i]),
        }
        for i, name in enumerate(classes)
    ]


def confusion_matrix(probabilities: Floats, truth: NDArray[np.intp]) -> NDArray[np.intp]:
    """Counts (true class, predicted class)."""
    classes = np.arange(probabilities.shape[1])
    return np.asarray(sk.confusion_matrix(truth, probabilities.argmax(axis=1), labels=classes))
