"""Scoring of images with any number of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.evaluation import multi_label as evaluation
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.paired import SCORES
from automl_vision.evaluation.scoring.labels import LabelScoring, Logits
from automl_vision.evaluation.scoring.scoring import Arrays, Rows

THRESHOLD = 0.5  # thresholds tuned per label on a hundred validation images overfit them


class MultiLabelScoring(LabelScoring):
    """One sigmoid per label, binary log loss, temperature scaling; a label is predicted from its threshold on."""

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

    def metrics(self, outputs: Logits, rows: Rows, calibration: Calibration) -> dict[str, float]:
        """All metrics of multi-label classification."""
        thresholds = np.array(calibration.thresholds)
        return evaluation.multi_label_metrics(self.probabilities(outputs, calibration), self.targets[rows], thresholds)

    def report(self, outputs: Logits, rows: Rows, calibration: Calibration) -> Report:
        """Metrics with intervals and figures per label."""
        probabilities, truth = self.probabilities(outputs, calibration), self.targets[rows]
        thresholds = np.array(calibration.thresholds)
        intervals = evaluation.multi_label_intervals(probabilities, truth, thresholds)
        return Report(
            metrics=self.metrics(outputs, rows, calibration),
            intervals={name: MetricInterval(**vars(interval)) for name, interval in intervals.items()},
            per_class=evaluation.per_label(probabilities, truth, thresholds, self.classes),
        )

    def comparison(self, outputs: Logits, rows: Rows, calibration: Calibration) -> Arrays:
        """Intersection over union of each image's label sets."""
        predicted = self.probabilities(outputs, calibration) >= np.array(calibration.thresholds)
        return {SCORES: evaluation.label_set_iou(predicted, self.targets[rows])}

    @staticmethod
    def activation(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """One sigmoid per label."""
        return evaluation.sigmoid(logits)
