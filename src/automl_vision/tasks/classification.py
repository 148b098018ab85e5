"""Multi-class image classification: every image has exactly one class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation import classification as evaluation
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.paired import SCORES
from automl_vision.tasks.image_labels import ImageLabelTask
from automl_vision.tasks.probe import fit_probe
from automl_vision.tasks.task import Batch


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits with soft targets, (images,); each class counts by its weight."""
    losses = -F.log_softmax(logits, dim=1) * targets
    return (losses if weights is None else losses * weights).sum(dim=1)


class ClassificationTask(ImageLabelTask):
    """One class an image; softmax, cross-entropy, temperature scaling."""

    name = CLASSIFICATION

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy with label smoothing and class weights, without renormalising by the weights."""
        images, targets = self.mixed(batch)
        smoothing = self.hyperparameters.label_smoothing
        targets = (1 - smoothing) * targets + smoothing / targets.shape[1]
        weights = torch.from_numpy(self.class_weights).to(targets.device)
        return cross_entropy(network(images).float(), targets, weights).mean()

    def validation_loss(self, outputs: NDArray[np.float32], rows: NDArray[np.intp]) -> float:
        """Log loss in nats."""
        return evaluation.log_loss(evaluation.softmax(outputs.astype(np.float64)), self._truth(rows))

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """Multinomial logistic regression on the features."""
        weights = torch.from_numpy(self.class_weights)
        probe = fit_probe(features, self.targets[rows], lambda z, y: cross_entropy(z, y, weights))
        head.weight.data.copy_(torch.from_numpy(probe.weight))
        head.bias.data.copy_(torch.from_numpy(probe.bias))
        return f"the head starts from a logistic regression on {len(rows)} images (penalty {probe.strength:g})"

    def calibrate(self, outputs: NDArray[np.float32], rows: NDArray[np.intp]) -> Calibration:
        """One temperature by the log loss."""
        truth = self._truth(rows)
        temperature = fit_temperature(
            lambda z: evaluation.log_loss(evaluation.softmax(z), truth), outputs.astype(np.float64)
        )
        return Calibration(temperature=temperature)

    def metrics(
        self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration
    ) -> dict[str, float]:
        """All metrics of multi-class classification."""
        return evaluation.classification_metrics(self.probabilities(outputs, calibration), self._truth(rows))

    def report(self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration) -> Report:
        """Metrics with intervals, figures by class, confusion matrix."""
        probabilities, truth = self.probabilities(outputs, calibration), self._truth(rows)
        intervals = evaluation.classification_intervals(probabilities, truth)
        return Report(
            metrics=evaluation.classification_metrics(probabilities, truth),
            intervals={name: MetricInterval(**vars(interval)) for name, interval in intervals.items()},
            per_class=evaluation.per_class(probabilities, truth, self.classes),
            charts={"confusion_matrix": evaluation.confusion_matrix(probabilities, truth).tolist()},
        )

    def comparison(
        self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration
    ) -> dict[str, Any]:
        """Which images are right."""
        return {SCORES: self.probabilities(outputs, calibration).argmax(axis=1) == self._truth(rows)}

    def _truth(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.asarray(self.targets[rows].argmax(axis=1))

    def probabilities(self, outputs: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float64]:
        """Calibrated probabilities (images, classes)."""
        return evaluation.softmax(outputs.astype(np.float64) / calibration.temperature)
