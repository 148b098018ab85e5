"""A network that takes pixels as they are, with its features and its linear head within reach."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from automl_vision.models.detectors.detector import Detector
from automl_vision.recipes.normalization import Normalization


class ImageModel(nn.Module):
    """Normalises uint8 pixels and runs a network on them.

    Args:
        network: a timm network or a detector.
        normalization: of the network's input.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, normalization: Normalization) -> None:
        super().__init__()
        self.network = network
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (normalization.mean, normalization.std))
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def forward(self, images: Tensor, *targets: Any) -> Any:
        """The network's outputs for images (n, 3, height, width) with values from 0 to 255.

        Logits (n, classes) of a classifier. A detector also takes targets and then returns its losses.
        """
        return self.network(self.normalized(images), *targets)

    def features(self, images: Tensor) -> Tensor:
        """What the head sees, (n, features); of a detector what its heads see, averaged over each image."""
        network, images = self.network, self.normalized(images)
        if isinstance(network, Detector):
            return network.features(network.extract(images, None))
        return pooled_features(network, images)

    @property
    def head(self) -> nn.Linear | None:
        """The linear layer that computes the logits, or None if the network ends with something else."""
        return linear_head(self.network)

    @property
    def body(self) -> nn.Module:
        """The network in stages: the whole network, or a detector's backbone."""
        return self.network.body if isinstance(self.network, Detector) else self.network

    def normalized(self, images: Tensor) -> Tensor:
        """What the network sees of images (n, 3, height, width) with values from 0 to 255."""
        # a product of uint8 and float in one step is twice as slow as a conversion and a product in place
        return images.to(self.scale.dtype, copy=True).mul_(self.scale).add_(self.shift)


def pooled_features(network: Any, images: Tensor) -> Tensor:
    """What the linear head of a timm network sees of normalised images, (n, features)."""
    pooled: Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
    return pooled


def linear_head(network: Any) -> nn.Linear | None:
    """The linear layer that computes a timm network's logits, or None if the network ends with something else.

    A detector has no `get_classifier`.
    """
    head = network.get_classifier() if hasattr(network, "get_classifier") else None
    return head if isinstance(head, nn.Linear) else None


def pretrained_norms(model: nn.Module) -> list[nn.Module]:
    """The batch norms whose statistics may come from pretrained weights."""
    parts = [module.pretrained_part for module in model.modules() if isinstance(module, Detector)] or [model]
    return [m for part in parts for m in part.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
