"""What a trained classifier's logit depends on, from its gradients.

Each method is a function of a `Subject` that returns a map (height, width) of the network's input; their names stand in
`serving.explainer.METHODS`. They follow the papers; captum is not used because it looks for `nn.ReLU` alone, so that
its guided backpropagation is the plain gradient on networks with ReLU6 or SiLU, the default one included.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm.layers
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.errors import ExplanationError
from automl_vision.models.segments import region_map

Map = NDArray[np.float32]

_STEPS = 24  # of Gauss-Legendre's rule along the path; sums are then within 5 % of the difference of the logits
_BATCH = 8


@dataclass(frozen=True)
class Subject:
    """What is explained.

    Attributes:
        network: of timm, in evaluation mode; maps images (n, 3, height, width) to logits (n, classes).
        image: (3, height, width), normalised.
        label: position of the class.
        baseline: (3, height, width), normalised; an image that shows nothing.
        pixels: (height, width, 3), uint8, of the image.
    """

    network: nn.Module
    image: NDArray[np.float32]
    label: int
    baseline: NDArray[np.float32]
    pixels: NDArray[np.uint8]


def integrated_gradients(subject: Subject) -> Map:
    """Gradients integrated along the straight path from the baseline to the image (Sundararajan et al. 2017).

    The map sums to the image's logit minus the baseline's. Neighbouring pixels often have opposite signs.
    """
    values: Map = _integrated(subject).sum(dim=0).numpy()
    return values


def guided_backprop(subject: Subject) -> Map:
    """Strength of the gradient that flows back through active units alone (Springenberg et al. 2015).

    Where the network has other activations than ReLU, the same two conditions hold: the unit's input and the gradient
    of its output are positive; the gradient is then multiplied by the activation's own slope.

    Raises:
        ExplanationError: the network is not convolutional, or none of its activations is known.
    """
    _feature_map(subject)
    return _guided(subject)


def guided_gradcam(subject: Subject) -> Map:
    """Guided backpropagation, weighted by where the last feature map speaks for the class (Selvaraju et al. 2017).

    Raises:
        ExplanationError: the network is not convolutional, or none of its activations is known.
    """
    network: Any = subject.network
    features = _feature_map(subject).requires_grad_()
    logit = network.forward_head(features)[0, subject.label]
    (gradient,) = torch.autograd.grad(logit, features)
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True).clamp(min=0).detach()
    size = subject.image.shape[1:]
    whole = nn.functional.interpolate(cam, size=size, mode="bilinear", align_corners=False)[0, 0]
    weighted: Map = _guided(subject) * whole.numpy()
    return weighted


def xrai(subject: Subject) -> Map:
    """Integrated gradients summed over regions of the image (Kapishnikov et al. 2019)."""
    return region_map(integrated_gradients(subject), subject.pixels)


def _integrated(subject: Subject) -> Tensor:
    """Integrated gradients (3, height, width)."""
    places, weights = np.polynomial.legendre.leggauss(_STEPS)
    image, total = torch.from_numpy(subject.image), torch.zeros(subject.image.shape)
    shares = torch.from_numpy((places + 1) / 2).float().view(-1, 1, 1, 1)
    factors = torch.from_numpy(weights / 2).float().view(-1, 1, 1, 1)
    baseline = torch.from_numpy(subject.baseline)
    for start in range(0, _STEPS, _BATCH):
        part = slice(start, start + _BATCH)
        images = baseline + shares[part] * (image - baseline)
        total += (_gradients(subject.network, images, subject.label) * factors[part]).sum(dim=0)
    return total * (image - baseline)


def _gradients(network: nn.Module, images: Tensor, label: int) -> Tensor:
    """Gradients (n, 3, height, width) of a class's logit in each image."""
    images = images.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(network(images)[:, label].sum(), images)
    return gradients


def _feature_map(subject: Subject) -> Tensor:
    """The last feature map (1, features, rows, columns).

    Raises:
        ExplanationError: the network has none, as transformers whose features are tokens.
    """
    network: Any = subject.network
    with torch.no_grad():
        features: Tensor = network.forward_features(torch.from_numpy(subject.image)[None])
    if features.ndim != 4 or features.shape[1] != network.num_features:
        raise ExplanationError(
            f"guided methods need a convolutional network, and the features of {type(network).__name__} are not a map; "
            "integrated_gradients, xrai and occlusion explain it"
        )
    return features


def _guided(subject: Subject) -> Map:
    gradients = _gradients(guided_copy(subject.network), torch.from_numpy(subject.image)[None], subject.label)
    strength: Map = gradients[0].abs().amax(dim=0).numpy()
    return strength


class Guided(nn.Module):
    """An activation through which only positive gradients of active units flow back.

    Args:
        activation: its forward pass stays as it is.
    """

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        """The activation's output."""
        outputs: Tensor = self.activation(inputs.clone())  # an activation in place would change what the hook needs
        is_active = inputs.detach() > 0
        hook: Callable[[Tensor], Tensor] = lambda gradient: gradient.clamp(min=0) * is_active  # noqa: E731
        outputs.register_hook(hook)  # type: ignore[no-untyped-call]
        return outputs


_ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Mish, nn.Hardswish,
    timm.layers.Swish, timm.layers.Mish, timm.layers.HardSwish, timm.layers.HardMish, timm.layers.PReLU,
    timm.layers.GELU, timm.layers.GELUTanh,
)  # fmt: skip


def guided_copy(network: nn.Module) -> nn.Module:
    """A copy of a network with guided activations; gates, such as a sigmoid, are left alone.

    Raises:
        ExplanationError: the network has no known activation as a module.
    """
    copied = copy.deepcopy(network)
    parents = [
        (parent, name)
        for parent in copied.modules()
        for name, child in parent.named_children()
        if isinstance(child, _ACTIVATIONS)
    ]
    if not parents:
        raise ExplanationError(
            f"guided methods change the gradients of activations, and {type(network).__name__} has none that is known; "
            "integrated_gradients, xrai and occlusion explain it"
        )
    for parent, name in parents:
        setattr(parent, name, Guided(getattr(parent, name)))
    return copied
