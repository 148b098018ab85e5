"""Scoring of images with exactly one class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration
from automl_vision.evaluation import classification as evaluation
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.scoring.labels import LabelScoring, Logits
from automl_vision.evaluation.scoring.scoring import Rows
from automl_vision.evaluation.weighted import unit_weights


class ClassificationScoring(LabelScoring):
    """Softmax, log loss, temperature scaling; the class with the highest probability wins."""

    METRICS = evaluation.METRICS
    INTERVALS = ("accuracy", "balanced_accuracy", "log_loss")

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

    def cases(self, outputs: Logits, rows: Rows, calibration: Calibration) -> evaluation.ClassificationCases:
        """Probabilities beside the true classes."""
        return evaluation.ClassificationCases(self.probabilities(outputs, calibration), self._truth(rows))

    def per_class(self, cases: evaluation.ClassificationCases) -> list[dict[str, Any]]:
        """Precision, recall, F1 and number of images of each class."""
        return evaluation.class_rows(cases.counts(unit_weights(len(cases))), self.classes)

    def charts(self, cases: evaluation.ClassificationCases) -> dict[str, Any]:
        """The confusion matrix."""
        return {"confusion_matrix": evaluation.confusion_matrix(cases).tolist()}

    @staticmethod
    def activation(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Softmax over the classes."""
        return evaluation.softmax(logits)

    def _truth(self, rows: Rows) -> NDArray[np.intp]:
        return np.asarray(self.targets[rows].argmax(axis=1))
