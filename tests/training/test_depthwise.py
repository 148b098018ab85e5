"""Gradients of depthwise convolutions: torch's own, in another order of summing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.training.depthwise import FastDepthwiseGradients
from automl_vision.training.precision import Precision

CPU = torch.device("cpu")


def _gradients(function: Callable[[Tensor, Tensor], Tensor], images: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    images, weight = images.clone().requires_grad_(), weight.clone().requires_grad_()
    output = function(images, weight)
    output.backward(torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output.dtype))
    assert images.grad is not None
    assert weight.grad is not None
    return output.detach(), images.grad, weight.grad


def _tensors(*shapes: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", [(12, 12), (13, 9)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        ((3, 3), 2, 1),
        ((3, 3), 2, 0),
        ((1, 1), 2, 0),
        ((2, 2), 2, 0),
        ((5, 5), 1, 2),
        ((5, 5), 2, 2),
        ((5, 5), 2, 0),
        ((5, 5), 3, 1),
        ((7, 7), 1, 3),
        ((1, 7), (1, 2), (0, 3)),
        ((4, 6), (2, 1), (1, 0)),
    ],
)
def test_gradients_are_those_of_torch(
    kernel: tuple[int, int], stride: int, padding: int, size: tuple[int, int], dtype: torch.dtype
) -> None:
    images, weight = _tensors((2, 6, *size), (6, 1, *kernel), dtype=torch.float64)
    images, weight = images.to(dtype), weight.to(dtype)  # what is rounded once is the same for both

    def convolution(images: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(images, weight, None, stride, padding, groups=6)

    with FastDepthwiseGradients():
        mine = _gradients(convolution, images, weight)
    exact = _gradients(convolution, images.double(), weight.double())
    rounding = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.02}[dtype]
    for found, known in zip(mine, exact, strict=True):
        assert found.dtype == dtype
        assert (found.double() - known).norm() <= rounding * known.norm()


def test_only_slow_gradients_are_replaced() -> None:
    images, slow = _tensors((2, 6, 8, 8), (6, 1, 5, 5), dtype=torch.float32)
    slow.requires_grad_()

    def node(**changes: object) -> str:
        arguments = {"input": images, "weight": slow, "padding": 2, "groups": 6, **changes}
        with FastDepthwiseGradients():
            return type(F.conv2d(**arguments).grad_fn).__name__  # type: ignore[arg-type]

    assert node() == "_DepthwiseBackward"
    assert node(padding="same") == "ConvolutionBackward0"
    assert node(dilation=2) == "ConvolutionBackward0"
    assert node(weight=slow[:, :, :3, :3]) == "ConvolutionBackward0"
    assert node(weight=slow[:, :, :3, :3], stride=2) == "_DepthwiseBackward"
    assert node(weight=slow.expand(6, 6, 5, 5), groups=1) == "ConvolutionBackward0"
    assert type(F.conv2d(images, slow, groups=6).grad_fn).__name__ == "ConvolutionBackward0"  # outside of it


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_layer_under_autocast_has_the_gradients_that_it_would_have(name: str) -> None:
    precision = Precision(name, channels_last=True)
    layer = nn.Conv2d(8, 8, 5, 2, 2, groups=8).to(memory_format=precision.memory_format)
    (images,) = _tensors((4, 8, 16, 16), dtype=torch.float32)
    found = []
    for context in (precision.autocast(CPU), torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16")):
        layer.zero_grad()
        with context:
            output = layer(images.contiguous(memory_format=precision.memory_format))
        output.float().square().sum().backward()
        assert layer.weight.grad is not None
        assert layer.bias is not None
        assert layer.bias.grad is not None
        found.append((output.detach(), layer.weight.grad.clone(), layer.bias.grad.clone()))
    for mine, theirs in zip(*found, strict=True):
        assert mine.dtype == theirs.dtype
        assert (mine - theirs).norm() <= 0.01 * theirs.norm()


def test_frozen_weights_and_images_get_no_gradient() -> None:
    images, weight = _tensors((2, 6, 8, 8), (6, 1, 5, 5), dtype=torch.float32)
    with FastDepthwiseGradients():
        F.conv2d(images.requires_grad_(), weight, padding=2, groups=6).sum().backward()
        assert images.grad is not None
        assert weight.grad is None
        F.conv2d(images.detach(), weight.requires_grad_(), padding=2, groups=6).sum().backward()
    assert weight.grad is not None
