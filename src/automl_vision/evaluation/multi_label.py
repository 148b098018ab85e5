"""Multi-label classification: the metrics, and the figures of each label."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.calibration import expected_calibration_error, reliability
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.classification import averaged_metrics
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.metric import Metric, by_name, mean_metric
from automl_vision.evaluation.rankings import Rankings
from automl_vision.evaluation.weighted import TINY, Counts, Remembered, sums_by_label


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of the same shape."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def binary_log_loss(probabilities: Floats, truth: NDArray[np.bool_]) -> float:
    """Mean negative log probability over images and labels, in nats."""
    return float(-np.log(np.maximum(np.where(truth, probabilities, 1 - probabilities), TINY)).mean())


def label_set_iou(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Floats:
    """Intersection over union of each image's label sets, (images,); two empty sets agree fully."""
    union = (predicted | truth).sum(axis=1)
    return np.asarray(np.where(union > 0, (predicted & truth).sum(axis=1) / np.maximum(union, 1), 1.0))


@dataclass(frozen=True)
class MultiLabelCases:
    """Predictions beside their truth.

    Attributes:
        probabilities: (images, labels).
        onehot: (images, labels), which labels each image has.
        thresholds: (labels,), a label is predicted at or above its threshold.
    """

    probabilities: Floats
    onehot: NDArray[np.bool_]
    thresholds: Floats

    def __len__(self) -> int:
        return len(self.onehot)

    def take(self, images: NDArray[np.intp]) -> MultiLabelCases:
        """Some of the images."""
        return MultiLabelCases(self.probabilities[images], self.onehot[images], self.thresholds)

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """(images, labels)."""
        return np.asarray(self.probabilities >= self.thresholds)

    @cached_property
    def losses(self) -> Floats:
        """(images,), negative log probability of the labels, mean over them."""
        chosen = np.where(self.onehot, self.probabilities, 1 - self.probabilities)
        return np.asarray(-np.log(np.maximum(chosen, TINY)).mean(axis=1))

    @cached_property
    def candidates(self) -> Candidates:
        """Each label of each image."""
        image, label = (places.ravel() for places in np.indices(self.onehot.shape))
        return Candidates(image, label, self.probabilities.ravel(), self.onehot.ravel(), self.onehot)

    @property
    def score_thresholds(self) -> Floats:
        """(labels,), the probability from which a label is predicted."""
        return self.thresholds

    def reliability(self) -> list[dict[str, float]]:
        """Probability of each label beside how often it is there."""
        return reliability(self.probabilities.ravel(), self.onehot.ravel())

    @cached_property
    def counts(self) -> Remembered[Counts]:
        """Takes weights, returns decisions by label; averages are over the labels that occur."""
        return Remembered(self._counts)

    @cached_property
    def rankings(self) -> Rankings:
        """AUC and average precision by label."""
        return Rankings(self.probabilities, self.onehot)

    def _counts(self, weights: Floats) -> Counts:
        tables = (self.predicted & self.onehot, self.predicted, self.onehot)
        right, predicted, true = (sums_by_label(weights, table) for table in tables)
        return Counts(right, predicted, true)


def _calibration_error(cases: MultiLabelCases, weights: Floats) -> Floats:
    labels = cases.onehot.shape[1]
    return expected_calibration_error(
        cases.probabilities.ravel(), cases.onehot.ravel(), np.repeat(weights, labels, axis=1)
    )


METRICS = by_name(
    mean_metric(
        "iou", "mean intersection over union of predicted and true labels", "scikit-learn",
        lambda cases: label_set_iou(cases.predicted, cases.onehot),
    ),
    mean_metric(
        "accuracy", "share of the images whose labels are all right", "scikit-learn",
        lambda cases: (cases.predicted == cases.onehot).all(axis=1).astype(float),
    ),
    mean_metric(
        "label_accuracy", "share of all decisions on labels that are right", "scikit-learn",
        lambda cases: (cases.predicted == cases.onehot).mean(axis=1),
    ),
    mean_metric(
        "log_loss", "mean negative log probability over images and labels, in nats", "scikit-learn",
        lambda cases: cases.losses, high=math.inf, higher_is_better=False,
    ),
    Metric(
        "expected_calibration_error", "mean distance between probability and frequency, 15 equally filled bins",
        "Nixon et al. 2019", _calibration_error, higher_is_better=False, is_biased=True, resamples=200,
    ),
    *averaged_metrics(),
)  # fmt: skip
"""By name."""
