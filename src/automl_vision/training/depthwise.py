"""Gradients of depthwise convolutions in bf16 on a processor, several times as fast as torch's own.

oneDNN, which torch 2.14 calls, has fast kernels in bf16 for depthwise convolutions forward, and for the gradients of
3 x 3 ones of stride 1. For the weights of larger kernels, and for the images of larger strides, it falls back to loops
that take 10 to 100 times as long; they were half of a training step of EfficientNet-Lite0. Both gradients can be put
together from convolutions that it is fast at: the same products are summed, in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_KERNEL = 3  # largest one whose weights have a fast gradient

Sizes = Sequence[int]
"""Two numbers, down and across."""


class FastDepthwiseGradients(TorchFunctionMode):
    """A context in which depthwise convolutions on a processor get the gradients of this module."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch's, or compute what it would."""
        if func is F.conv2d and torch.is_grad_enabled():
            return _convolution(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sizes = 1,
    padding: int | Sizes | str = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """`F.conv2d`, with its arguments."""
    is_depthwise = 1 < groups == weight.shape[0] == input.shape[1] and input.ndim == 4 and max(_pair(dilation)) == 1
    is_slow = max(_pair(stride)) > 1 or max(weight.shape[2:]) > _KERNEL
    if isinstance(padding, str) or not (is_depthwise and is_slow):
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        input, weight = input.to(dtype), weight.to(dtype)
    output: Tensor = _Depthwise.apply(input, weight, _pair(stride), _pair(padding))
    return output if bias is None else output + bias.to(output.dtype)[:, None, None]


def _pair(value: int | Sizes) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, *others = value
    return first, others[0] if others else first


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution without bias."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: Sizes, padding: Sizes) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(images, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        images, weight = ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding
        of_images = image_gradient(gradient, images, weight, stride, padding) if ctx.needs_input_grad[0] else None
        of_weight = weight_gradient(gradient, images, weight, stride, padding) if ctx.needs_input_grad[1] else None
        return of_images, of_weight, None, None


def image_gradient(gradient: Tensor, images: Tensor, weight: Tensor, stride: Sizes, padding: Sizes) -> Tensor:
    """The gradient of the images, (n, channels, height, width).

    With a stride, the pixels whose distance is a multiple of it see the same part of the kernel: their gradients are a
    convolution of stride 1, forward, with that part turned round.
    """
    if max(stride) == 1:
        return torch_gradients(gradient, images, weight, stride, padding, (True, False))[0]
    result = torch.empty_like(images)
    for phase in product(*map(range, stride)):
        outside = [max(0, -((p - q) // s)) for p, q, s in zip(phase, padding, stride, strict=True)]
        first = [s * n + p - q for p, q, s, n in zip(phase, padding, stride, outside, strict=True)]
        pixels = result[:, :, first[0] :: stride[0], first[1] :: stride[1]]
        part = weight[:, :, phase[0] :: stride[0], phase[1] :: stride[1]].flip(2, 3)
        found = gradient[:, :, :0]
        if part.numel():
            found = F.conv2d(gradient, part, None, 1, [size - 1 for size in part.shape[2:]], 1, len(weight))
            found = found[:, :, outside[0] :, outside[1] :]
        height, width = (min(sizes) for sizes in zip(found.shape[2:], pixels.shape[2:], strict=True))
        if (height, width) != pixels.shape[2:]:  # there are pixels that no part of the kernel reaches
            pixels.zero_()
        pixels[:, :, :height, :width] = found[:, :, :height, :width]
    return result


def weight_gradient(gradient: Tensor, images: Tensor, weight: Tensor, stride: Sizes, padding: Sizes) -> Tensor:
    """The gradient of the weights, (channels, 1, height, width), in parts of at most 3 x 3."""
    kernel, outputs = weight.shape[2:], gradient.shape[2:]
    if max(kernel) <= _KERNEL:
        return torch_gradients(gradient, images, weight, stride, padding, (False, True))[1]
    wide = F.pad(images, (padding[1], padding[1], padding[0], padding[0]))
    result = torch.empty_like(weight)
    for top, left in product(*map(_starts, kernel)):
        rows, columns = slice(top, top + _KERNEL), slice(left, left + _KERNEL)
        part = weight[:, :, rows, columns]
        height, width = ((n - 1) * s + k for n, s, k in zip(outputs, stride, part.shape[2:], strict=True))
        seen = wide[:, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
        found = torch_gradients(gradient, seen, part.contiguous(), stride, (0, 0), (False, True))[1]
        result[:, :, rows, columns] = found
    return result


def _starts(size: int) -> list[int]:
    """Where parts begin that cover a kernel's side; the last one may cover again what another one does."""
    return sorted({max(0, min(start, size - _KERNEL)) for start in range(0, size, _KERNEL)})


def torch_gradients(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: Sizes, padding: Sizes, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """torch's gradients of images and weights, as far as they are wanted."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), (*wanted, False)
    )
    return found[:2]
