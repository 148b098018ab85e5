"""Scoring of images with any number of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration
from automl_vision.evaluation import multi_label as evaluation
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.classification import class_rows
from automl_vision.evaluation.scoring.labels import LabelScoring, Logits
from automl_vision.evaluation.scoring.scoring import Rows
from automl_vision.evaluation.weighted import unit_weights

THRESHOLD = 0.5  # thresholds tuned per label on a hundred validation images overfit them


class MultiLabelScoring(LabelScoring):
    """One sigmoid per label, binary log loss, temperature scaling; a label is predicted from its threshold on."""

    METRICS = evaluation.METRICS
    INTERVALS = ("iou", "average_precision_macro", "log_loss")

    def validation_loss(self, outputs: Logits, rows: Rows) -> float:
        """Log loss in nats, mean over images and labels."""
        return evaluation.binary_log_loss(evaluation.sigmoid(outputs.astype(np.float64)), self.targets[rows])

    def calibrate(self, outputs: Logits, rows: Rows) -> Calibration:
        """One temperature by the log loss; every threshold is 0.5."""
        truth = self.targets[rows]
        temperature = fit_temperature(
            lambda z: evaluation.binary_log_loss(evaluation.sigmoid(z), truth), outputs.astype(np.float64)
        )
        return Calibration(temperature=temperature, thresholds=(THRESHOLD,) * len(self.classes))

    def cases(self, outputs: Logits, rows: Rows, calibration: Calibration) -> evaluation.MultiLabelCases:
        """Probabilities beside the true labels."""
        thresholds = np.array(calibration.thresholds)
        return evaluation.MultiLabelCases(self.probabilities(outputs, calibration), self.targets[rows], thresholds)

    def per_class(self, cases: evaluation.MultiLabelCases) -> list[dict[str, Any]]:
        """Precision, recall, F1 and number of images of each label."""
        return class_rows(cases.counts(unit_weights(len(cases))), self.classes)

    @staticmethod
    def activation(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """One sigmoid per label."""
        return evaluation.sigmoid(logits)
