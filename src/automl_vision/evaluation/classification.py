"""Multi-class classification: the metrics, the figures of each class, the confusion matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.calibration import expected_calibration_error, reliability
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.intervals import RESAMPLES, Floats, wilson_interval
from automl_vision.evaluation.metric import Metric, by_name, mean_metric
from automl_vision.evaluation.rankings import Rankings
from automl_vision.evaluation.weighted import (
    TINY,
    Counts,
    Remembered,
    mean_of_known,
    ratio,
    sums_by_class,
)


def softmax(logits: Floats) -> Floats:
    """Probabilities (images, classes)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def log_loss(probabilities: Floats, truth: NDArray[np.intp]) -> float:
    """Mean negative log probability of the true class, in nats."""
    return float(ClassificationCases(probabilities, truth).losses.mean())


@dataclass(frozen=True)
class ClassificationCases:
    """Predictions beside their truth.

    Attributes:
        probabilities: (images, classes), rows sum to 1.
        truth: (images,), class indices.
    """

    probabilities: Floats
    truth: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, images: NDArray[np.intp]) -> ClassificationCases:
        """Some of the images."""
        return ClassificationCases(self.probabilities[images], self.truth[images])

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """(images,), the class with the highest probability."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """(images,), whether the predicted class is the true one."""
        return np.asarray(self.predicted == self.truth)

    @cached_property
    def losses(self) -> Floats:
        """(images,), negative log probability of the true class."""
        chosen = self.probabilities[np.arange(len(self.truth)), self.truth]
        return np.asarray(-np.log(np.maximum(chosen, TINY)))

    @cached_property
    def onehot(self) -> NDArray[np.bool_]:
        """(images, classes), whether each class is the true one."""
        return np.asarray(np.eye(self.probabilities.shape[1], dtype=bool)[self.truth])

    @cached_property
    def candidates(self) -> Candidates:
        """The class with the highest probability of each image."""
        return self.decided(self.predicted)

    def decided(self, labels: NDArray[np.intp]) -> Candidates:
        """One class for each image, (images,), with its probability."""
        images = np.arange(len(self))
        return Candidates(images, labels, self.probabilities[images, labels], labels == self.truth, self.onehot)

    @property
    def score_thresholds(self) -> Floats:
        """(classes,), the probability from which a class is answered; 0, for there is always an answer."""
        return np.zeros(self.probabilities.shape[1])

    def reliability(self) -> list[dict[str, float]]:
        """Confidence in the predicted class beside how often it is right."""
        return reliability(self.probabilities.max(axis=1), self.right)

    @cached_property
    def counts(self) -> Remembered[Counts]:
        """Takes weights, returns decisions by class; averages are over the classes that occur."""
        return Remembered(self._counts)

    @cached_property
    def rankings(self) -> Rankings:
        """AUC and average precision by class."""
        return Rankings(self.probabilities, self.onehot)

    def _counts(self, weights: Floats) -> Counts:
        classes = self.probabilities.shape[1]
        return Counts(
            right=sums_by_class(weights * self.right, self.truth, classes),
            predicted=sums_by_class(weights, self.predicted, classes),
            true=sums_by_class(weights, self.truth, classes),
        )


def _balanced_accuracy(cases: ClassificationCases, weights: Floats) -> Floats:
    counts = cases.counts(weights)
    return mean_of_known(ratio(counts.right, counts.true, otherwise=math.nan))


def _matthews(cases: ClassificationCases, weights: Floats) -> Floats:
    """For more than two classes after Gorodkin 2004; 0 when one class is always predicted or always true."""
    counts = cases.counts(weights)
    total = weights.sum(axis=1)
    agreement = counts.right.sum(axis=1) * total - (counts.predicted * counts.true).sum(axis=1)
    spread = (total**2 - (counts.predicted**2).sum(axis=1)) * (total**2 - (counts.true**2).sum(axis=1))
    return ratio(agreement, np.sqrt(np.maximum(spread, 0.0)))


def _calibration_error(cases: ClassificationCases, weights: Floats) -> Floats:
    return expected_calibration_error(cases.probabilities.max(axis=1), cases.right, weights)


_AVERAGES = {
    "macro": "mean over the classes that occur in the images",
    "micro": "over all decisions at once",
    "weighted": "mean over the classes that occur, each as often as it occurs",
}
_FIGURES = {
    "precision": "share of the predictions of a class that are right",
    "recall": "share of a class that is found",
    "f1": "harmonic mean of precision and recall",
}
_RANKINGS = {
    "auc": "area under the ROC curve, each class against the others",
    "average_precision": "area under the precision-recall curve in steps, each class against the others",
}


_SLOW_RESAMPLES = 200  # where each sorts the decisions on all classes of all images


def averaged_metrics() -> list[Metric]:
    """Precision, recall, F1, AUC and average precision in their three averages.

    The cases must have `counts` and `rankings`.
    """

    def figure(name: str, average: str, cases: Any, weights: Floats) -> Floats:
        counts: Counts = cases.counts(weights)
        return counts.averaged(name, average)

    def ranked(name: str, average: str, cases: Any, weights: Floats) -> Floats:
        rankings: Rankings = cases.rankings
        return rankings.averaged(name, average, weights)

    return [
        Metric(
            f"{name}_{average}",
            f"{meaning}, {over}",
            "scikit-learn",
            partial(compute, name, average),
            resamples=_SLOW_RESAMPLES if (compute, average) == (ranked, "micro") else RESAMPLES,
        )
        for names, compute in ((_FIGURES, figure), (_RANKINGS, ranked))
        for average, over in _AVERAGES.items()
        for name, meaning in names.items()
    ]


METRICS = by_name(
    mean_metric(
        "accuracy", "share of the images whose class is right", "scikit-learn", lambda cases: cases.right.astype(float),
        closed_interval=lambda right: wilson_interval(int(right.sum()), len(right)),
    ),
    Metric("balanced_accuracy", "mean of the classes' recalls", "scikit-learn", _balanced_accuracy),
    mean_metric(
        "log_loss", "mean negative log probability of the true class, in nats", "scikit-learn",
        lambda cases: cases.losses, high=math.inf, higher_is_better=False,
    ),
    Metric(
        "matthews_correlation", "correlation of prediction and truth; 0 is chance", "scikit-learn", _matthews, low=-1.0
    ),
    Metric(
        "expected_calibration_error", "mean distance between confidence and frequency, 15 equally filled bins",
        "Nixon et al. 2019", _calibration_error, higher_is_better=False, is_biased=True,
    ),
    *averaged_metrics(),
)  # fmt: skip
"""By name."""


def class_rows(counts: Counts, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of images of each class, as JSON values.

    Args:
        counts: of one weighting, each image once.
        classes: their names.
    """
    columns = (counts.precision()[0], counts.recall()[0], counts.f1()[0], counts.true[0])
    return [
        {"class": name, "precision": precision, "recall": recall, "f1": f1, "images": int(images)}
        for name, precision, recall, f1, images in zip(classes, *(column.tolist() for column in columns), strict=True)
    ]


def confusion_matrix(cases: ClassificationCases) -> NDArray[np.intp]:
    """Counts (true class, predicted class)."""
    classes = cases.probabilities.shape[1]
    cells = np.bincount(cases.truth * classes + cases.predicted, minlength=classes**2)
    return np.asarray(cells.reshape(classes, classes))
