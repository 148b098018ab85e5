"""Scoring of images with exactly one class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.evaluation import classification as evaluation
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.paired import SCORES
from automl_vision.evaluation.scoring.labels import LabelScoring, Logits
from automl_vision.evaluation.scoring.scoring import Arrays, Rows


class ClassificationScoring(LabelScoring):
    """Softmax, log loss, temperature scaling; the class with the highest probability wins."""

    def validation_loss(self, outputs: Logits, rows: Rows) -> float:
        """Log loss in nats."""
        return evaluation.log_loss(evaluation.softmax(outputs.astype(np.float64)), self._truth(rows))

    def calibrate(self, outputs: Logits, rows: Rows) -> Calibration:
        """One temperature by the log loss."""
        truth = self._truth(rows)
        return Calibration(
            temperature=fit_temperature(
                lambda z: evaluation.log_loss(evaluation.softmax(z), truth), outputs.astype(np.float64)
            )
        )

    def metrics(self, outputs: Logits, rows: Rows, calibration: Calibration) -> dict[str, float]:
        """All metrics of multi-class classification."""
        return evaluation.classification_metrics(self.probabilities(outputs, calibration), self._truth(rows))

    def report(self, outputs: Logits, rows: Rows, calibration: Calibration) -> Report:
        """Metrics with intervals, figures per class, confusion matrix."""
        probabilities, truth = self.probabilities(outputs, calibration), self._truth(rows)
        intervals = evaluation.classification_intervals(probabilities, truth)
        return Report(
            metrics=self.metrics(outputs, rows, calibration),
            intervals={name: MetricInterval(**vars(interval)) for name, interval in intervals.items()},
            per_class=evaluation.per_class(probabilities, truth, self.classes),
            charts={"confusion_matrix": evaluation.confusion_matrix(probabilities, truth).tolist()},
        )

    def comparison(self, outputs: Logits, rows: Rows, calibration: Calibration) -> Arrays:
        """Whether each image is right."""
        return {SCORES: self.probabilities(outputs, calibration).argmax(axis=1) == self._truth(rows)}

    @staticmethod
    def activation(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Softmax over the classes."""
        return evaluation.softmax(logits)

    def _truth(self, rows: Rows) -> NDArray[np.intp]:
        return np.asarray(self.targets[rows].argmax(axis=1))
