"""Multi-label image classification: every image has any number of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.core.tasks import MULTI_LABEL
from automl_vision.evaluation import multi_label as evaluation
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.paired import SCORES
from automl_vision.tasks.image_labels import ImageLabelTask
from automl_vision.tasks.probe import fit_probe
from automl_vision.tasks.task import Batch

THRESHOLD = 0.5  # thresholds tuned per label on a hundred validation images overfit them


class MultiLabelTask(ImageLabelTask):
    """Any number of labels an image; a sigmoid a label, binary cross-entropy."""

    name = MULTI_LABEL

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Binary cross-entropy with smoothing towards 0.5 and class weights, summed over labels."""
        images, targets = self.mixed(batch)
        smoothing = self.hyperparameters.label_smoothing
        targets = (1 - smoothing) * targets + smoothing / 2
        weights = torch.from_numpy(self.class_weights).to(targets.device)
        losses = F.binary_cross_entropy_with_logits(network(images).float(), targets, reduction="none")
        return (losses * weights).sum(dim=1).mean()

    def validation_loss(self, outputs: NDArray[np.float32], rows: NDArray[np.intp]) -> float:
        """Log loss in nats, mean over images and labels."""
        return evaluation.binary_log_loss(evaluation.sigmoid(outputs.astype(np.float64)), self.targets[rows])

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """One logistic regression a label on the features."""
        weights = torch.from_numpy(self.class_weights)

        def loss(logits: Tensor, targets: Tensor) -> Tensor:
            losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            return (losses * weights).sum(dim=1)

        probe = fit_probe(features, self.targets[rows], loss)
        head.weight.data.copy_(torch.from_numpy(probe.weight))
        head.bias.data.copy_(torch.from_numpy(probe.bias))
        return f"the head starts from {len(self.classes)} logistic regressions (penalty {probe.strength:g})"

    def calibrate(self, outputs: NDArray[np.float32], rows: NDArray[np.intp]) -> Calibration:
        """One temperature by the log loss; every threshold is 0.5."""
        truth = self.targets[rows]
        temperature = fit_temperature(
            lambda z: evaluation.binary_log_loss(evaluation.sigmoid(z), truth), outputs.astype(np.float64)
        )
        return Calibration(temperature=temperature, thresholds=(THRESHOLD,) * len(self.classes))

    def metrics(
        self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration
    ) -> dict[str, float]:
        """All metrics of multi-label classification."""
        thresholds = np.array(calibration.thresholds)
        return evaluation.multi_label_metrics(self.probabilities(outputs, calibration), self.targets[rows], thresholds)

    def report(self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration) -> Report:
        """Metrics with intervals and figures by label."""
        probabilities, truth = self.probabilities(outputs, calibration), self.targets[rows]
        thresholds = np.array(calibration.thresholds)
        intervals = evaluation.multi_label_intervals(probabilities, truth, thresholds)
        return Report(
            metrics=evaluation.multi_label_metrics(probabilities, truth, thresholds),
            intervals={name: MetricInterval(**vars(interval)) for name, interval in intervals.items()},
            per_class=evaluation.per_label(probabilities, truth, thresholds, self.classes),
        )

    def probabilities(self, outputs: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float64]:
        """Calibrated probabilities (images, classes)."""
        return evaluation.sigmoid(outputs.astype(np.float64) / calibration.temperature)

    def comparison(
        self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration
    ) -> dict[str, Any]:
        """Intersection over union of each image's label sets."""
        predicted = self.probabilities(outputs, calibration) >= np.array(calibration.thresholds)
        return {SCORES: evaluation.label_set_iou(predicted, self.targets[rows])}
