"""A training step with the product's gradients of depthwise convolutions against torch's own, on one processor.

    python benchmarks/depthwise.py --threads 1

Forward and backward of whole networks on synthetic images, channels last, batch norms in evaluation mode as the default
recipe has them; in bf16 with both gradients, and in fp32. They take turns; the least time of some rounds counts.
`change` is how far the two gradients of all weights lie apart, as a share of their length. `--layers` times single
layers of EfficientNet-Lite0 instead: forward, and both gradients by torch and by us.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import automl_vision.models.architectures  # noqa: F401, makes them known to timm
from automl_vision.serving.device import processor_name
from automl_vision.training.depthwise import image_gradient, torch_gradients, weight_gradient
from automl_vision.training.precision import Precision

NETWORKS = (
    ("tf_efficientnet_lite0", 224),
    ("tf_efficientnet_lite2", 260),
    ("tf_mobilenetv2_100", 224),
    ("hgnetv2_b1", 224),
    ("convnext_tiny", 224),
    ("resnet50", 224),
)


FORMATS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "torch's bf16": lambda: torch.autocast("cpu", torch.bfloat16),
    "our bf16": lambda: Precision("bf16", channels_last=True).autocast(torch.device("cpu")),
    "fp32": nullcontext,
}


def step(network: nn.Module, images: Tensor, context: AbstractContextManager[object]) -> tuple[float, Tensor]:
    """Seconds of a step, and the gradients of all weights."""
    network.zero_grad()
    start = time.perf_counter()
    with context:
        loss = network(images).float().logsumexp(1).sum()
    loss.backward()
    seconds = time.perf_counter() - start
    return seconds, torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


LAYERS = (
    (96, 3, 2, 113),
    (144, 3, 1, 56),
    (144, 5, 2, 59),
    (240, 5, 1, 28),
    (240, 3, 2, 29),
    (672, 5, 1, 14),
    (672, 5, 2, 17),
)
"""Channels, side of the kernel, stride and side of the images; those with a stride come with their padding."""


def print_layers(batch: int, rounds: int) -> None:
    """Milliseconds of layers in bf16."""
    print(
        "| channels, kernel, stride, side | forward | images: torch, ours | weights: torch, ours |\n"
        + "| --- " * 4
        + "|"
    )
    for channels, kernel, stride, side in LAYERS:
        images = torch.randn(batch, channels, side, side).bfloat16().contiguous(memory_format=torch.channels_last)
        weight = torch.randn(channels, 1, kernel, kernel).bfloat16()
        steps, padding = (stride, stride), (0, 0) if stride > 1 else (kernel // 2, kernel // 2)
        gradient = torch.randn_like(F.conv2d(images, weight, None, steps, padding, 1, channels))
        arguments = (gradient, images, weight, steps, padding)
        functions = (
            partial(F.conv2d, images, weight, None, steps, padding, 1, channels),
            partial(torch_gradients, *arguments, (True, False)),
            partial(image_gradient, *arguments),
            partial(torch_gradients, *arguments, (False, True)),
            partial(weight_gradient, *arguments),
        )
        forward, *both = (_milliseconds(function, rounds) for function in functions)
        print(
            f"| {channels}, {kernel}, {stride}, {side} | {forward:.1f} | {both[0]:.1f}, {both[1]:.1f} "
            f"| {both[2]:.1f}, {both[3]:.1f} |"
        )


def _milliseconds(function: Callable[[], object], rounds: int) -> float:
    least = float("inf")
    for _ in range(rounds + 1):
        start = time.perf_counter()
        function()
        least = min(least, time.perf_counter() - start)
    return 1000 * least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--layers", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}, batch {options.batch}")
    if options.layers:
        print_layers(options.batch, options.rounds)
        return
    print(f"| network | input | {', '.join(FORMATS)}, s | to torch's bf16 | to fp32 | change |\n" + "| --- " * 6 + "|")
    for name, side in NETWORKS:
        torch.manual_seed(0)
        network = timm.create_model(name, num_classes=10).to(memory_format=torch.channels_last).train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        images = torch.randn(options.batch, 3, side, side).contiguous(memory_format=torch.channels_last)
        least, gradients = dict.fromkeys(FORMATS, float("inf")), {}
        for round_ in range(options.rounds + 1):
            for format_, context in FORMATS.items():
                seconds, gradients[format_] = step(network, images, context())
                if round_:  # the first one warms up
                    least[format_] = min(least[format_], seconds)
        torchs, ours, fp32 = least.values()
        known, found, _ = gradients.values()
        change = ((found - known).norm() / known.norm()).item()
        print(
            f"| {name} | {side} | {torchs:.2f}, {ours:.2f}, {fp32:.2f} | {torchs / ours:.2f} | {fp32 / ours:.2f} "
            f"| {change:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
