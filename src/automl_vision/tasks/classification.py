"""Multi-class image classification: every image has exactly one class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.tasks.image_labels import ImageLabelTask
from automl_vision.tasks.probe import fit_probe
from automl_vision.tasks.task import Batch


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits with soft targets, (images,); each class counts by its weight."""
    losses = -F.log_softmax(logits, dim=1) * targets
    return (losses if weights is None else losses * weights).sum(dim=1)


class ClassificationTask(ImageLabelTask):
    """One class per image; softmax, cross-entropy."""

    name = CLASSIFICATION

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy with label smoothing and class weights, without renormalising by the weights."""
        images, targets = self.mixed(batch)
        smoothing = self.hyperparameters.label_smoothing
        targets = (1 - smoothing) * targets + smoothing / targets.shape[1]
        weights = torch.from_numpy(self.class_weights).to(targets.device)
        return cross_entropy(network(images).float(), targets, weights).mean()

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """Multinomial logistic regression on the features."""
        weights = torch.from_numpy(self.class_weights)
        probe = fit_probe(features, self.targets[rows], lambda z, y: cross_entropy(z, y, weights))
        head.weight.data.copy_(torch.from_numpy(probe.weight))
        head.bias.data.copy_(torch.from_numpy(probe.bias))
        return f"the head starts from a logistic regression on {len(rows)} images (penalty {probe.strength:g})"
