"""Number format and memory layout, chosen by timing a few steps on the device of the trial."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from automl_vision.core.files import read_json, write_json
from automl_vision.serving.device import computes_bfloat16
from automl_vision.training.depthwise import FastDepthwiseGradients

_ROUNDS = 3
_CHANGED = 1.3  # times slower or faster than when it was chosen: the load has changed, so they are compared again
_TOO_SLOW = 1.5  # times the least seconds so far; a slower option is not timed again


@dataclass(frozen=True)
class Precision:
    """How the forward and backward pass are computed.

    Attributes:
        name: "fp32" or "bf16" (autocast; the weights stay fp32).
        channels_last: whether images and weights lie channels last in memory.
    """

    name: str
    channels_last: bool

    @property
    def memory_format(self) -> torch.memory_format:
        """Torch's name of the layout."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """The context in which the model runs."""
        is_bf16 = self.name == "bf16"
        gradients = FastDepthwiseGradients() if is_bf16 and device.type == "cpu" else nullcontext()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16), gradients:
            yield

    def __str__(self) -> str:
        return f"{self.name}{' channels_last' if self.channels_last else ''}"


def candidates(wanted: str, device: torch.device) -> list[Precision]:
    """What can be chosen from; fp32 on a CUDA device is TF32 where the device has it.

    A processor without instructions for bf16 may take ten times as long in it, too long even to be tried.
    """
    names = ["bf16", "fp32"] if wanted == "auto" else [wanted]
    if "bf16" in names and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        names = ["fp32"]
    if wanted == "auto" and device.type == "cpu" and not computes_bfloat16():
        names = ["fp32"]
    return [Precision(name, channels_last) for name in names for channels_last in (True, False)]


def fastest_precision(
    step: Callable[[Precision], None], wanted: str, device: torch.device, *, cache: Path, key: str
) -> tuple[Precision, dict[str, float]]:
    """The fastest candidate by the time of a training step.

    They are compared once per device and model, and again when the time of the chosen one has changed: the machine was
    busy then or is busy now, so the choice may be wrong. A format that is asked for by name keeps its first layout,
    because the layout affects the last digits: the same trial then leads to the same weights.

    Args:
        step: runs one training step in a precision and leaves the weights as they were.
        wanted: "auto", "fp32" or "bf16".
        device: that the trial runs on.
        cache: folder that keeps earlier measurements.
        key: names model and input size.

    Returns:
        The choice, and the seconds of a step by candidate.
    """
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    file = cache / "precision.json"
    entry = "|".join([key, wanted, name, f"{torch.get_num_threads()} threads", torch.__version__])
    known = read_json(file) if file.exists() else {}
    options = candidates(wanted, device)
    seconds: dict[str, float] = known.get(entry, {})
    if set(seconds) == {str(option) for option in options}:
        best = _fastest(options, seconds)
        now = measure(step, [best], device, rounds=1)[str(best)]  # epochs are planned by it
        if wanted != "auto" or 1 / _CHANGED < now / seconds[str(best)] < _CHANGED:
            return best, {**seconds, str(best): now}
    seconds = measure(step, options, device, rounds=_ROUNDS)
    write_json(file, {**known, entry: seconds})
    return _fastest(options, seconds), seconds


def _fastest(options: list[Precision], seconds: dict[str, float]) -> Precision:
    return min(options, key=lambda option: seconds[str(option)])


def measure(
    step: Callable[[Precision], None], options: list[Precision], device: torch.device, *, rounds: int
) -> dict[str, float]:
    """Least seconds of a step by option; the options take turns, so that a slow moment of the machine hits them all.

    Args:
        step: as for `fastest_precision`.
        options: what is timed.
        device: that the steps run on.
        rounds: of which the least counts, after one that warms up.
    """
    seconds = {str(option): float("inf") for option in options}
    for round_ in range(rounds + 1):
        for option in options:
            if _TOO_SLOW * min(seconds.values()) < seconds[str(option)] < float("inf"):
                continue
            start = time.perf_counter()
            step(option)
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_:  # the first round warms up
                seconds[str(option)] = min(seconds[str(option)], time.perf_counter() - start)
    return seconds
