"""Multi-label image classification: every image has any number of labels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.core.tasks import MULTI_LABEL
from automl_vision.tasks.image_labels import ImageLabelTask
from automl_vision.tasks.probe import fit_probe
from automl_vision.tasks.task import Batch


class MultiLabelTask(ImageLabelTask):
    """Any number of labels per image; a sigmoid per label, binary cross-entropy."""

    name = MULTI_LABEL

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Binary cross-entropy with smoothing towards 0.5 and class weights, summed over labels."""
        images, targets = self.mixed(batch)
        smoothing = self.hyperparameters.label_smoothing
        targets = (1 - smoothing) * targets + smoothing / 2
        weights = torch.from_numpy(self.class_weights).to(targets.device)
        losses = F.binary_cross_entropy_with_logits(network(images).float(), targets, reduction="none")
        return (losses * weights).sum(dim=1).mean()

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """One logistic regression per label on the features."""
        weights = torch.from_numpy(self.class_weights)

        def loss(logits: Tensor, targets: Tensor) -> Tensor:
            losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            return (losses * weights).sum(dim=1)

        probe = fit_probe(features, self.targets[rows], loss)
        head.weight.data.copy_(torch.from_numpy(probe.weight))
        head.bias.data.copy_(torch.from_numpy(probe.bias))
        return f"the head starts from {len(self.classes)} logistic regressions (penalty {probe.strength:g})"
