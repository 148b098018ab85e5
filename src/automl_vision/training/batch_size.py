"""The number of images per step that fit into memory."""

from __future__ import annotations

from typing import Any

import psutil
import torch
from torch import Tensor, nn

_MEMORY_SHARE = 0.4  # of what is free now; the rest is for gradients' scratch space and other programs
# the last one is oneDNN's, when it gets no scratch space
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive")
_LARGEST = {"cuda": 78, "cpu": 32}  # beyond 32 a CPU gains no speed and a small set loses steps


def activation_bytes(model: nn.Module, images: Tensor) -> int:
    """Bytes of the outputs of all leaf modules for one image, with their gradients, in fp32.

    Args:
        model: run once without gradients.
        images: (1, 3, height, width).
    """
    numbers = 0

    def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal numbers
        if isinstance(output, Tensor):
            numbers += output.numel()

    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(count) for module in leaves]
    training = model.training
    model.eval()  # in training mode a single image would distort or break the statistics of batch norms
    try:
        with torch.no_grad():
            model(images)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return 2 * 4 * numbers


def free_bytes(device: torch.device) -> int:
    """Memory that is free on the device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def batch_size_for(per_image: int, device: torch.device, training_images: int) -> int:
    """Images a step: as many as memory allows, at most 78 (32 on a CPU), at least ten steps an epoch where possible.

    Args:
        per_image: bytes of activations and gradients of one image.
        device: that the trial runs on.
        training_images: how many there are.
    """
    by_memory = int(_MEMORY_SHARE * free_bytes(device) / max(per_image, 1))
    return max(1, min(by_memory, _LARGEST.get(device.type, 32), max(4, training_images // 10)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
