"""The compute targets by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automl_vision.compute.compute import Compute
from automl_vision.core.errors import ComputeError
from automl_vision.core.text import did_you_mean

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/kfd", "/dev/dxg")  # NVIDIA, its Jetsons, AMD, WSL


def has_gpu() -> bool:
    """Whether the machine has a GPU that `CUDA_VISIBLE_DEVICES` does not hide; checked without loading any library."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and any(Path(device).exists() for device in _GPU_DEVICES)


def _require_gpu() -> None:
    if not has_gpu():
        raise ComputeError(
            'compute_target "cuda" needs a GPU, and this machine shows none; choose "local", which uses GPUs if '
            'there are any, or "cpu"'
        )


def _require_ray() -> None:
    from automl_vision.compute.ray import require_ray

    require_ray()


def _local(_: str, preload: Sequence[str], *, device: str) -> Compute:
    from automl_vision.compute.local import LocalCompute

    return LocalCompute(preload, device=device)


def _ray(name: str, preload: Sequence[str]) -> Compute:
    from automl_vision.compute.ray import RayCompute

    address = name if "//" in name else name.partition(":")[2]
    return RayCompute(address or None, preload)


@dataclass(frozen=True)
class Target:
    """A kind of place where jobs run.

    Attributes:
        create: makes the compute from the target's full name and the modules to preload.
        require: raises `ComputeError` if this machine lacks something the target needs.
        address: pattern of what may follow the name; empty: nothing.
        forms: how an address is written, for messages.
        is_here: whether it uses this machine's cores or GPUs, so that its runs wait for one another.
    """

    create: Callable[[str, Sequence[str]], Compute]
    require: Callable[[], None] = lambda: None
    address: str = ""
    forms: tuple[str, ...] = ()
    is_here: bool = False


TARGETS = {
    "local": Target(partial(_local, device="auto"), is_here=True),  # uses GPUs if there are any
    "cpu": Target(partial(_local, device="cpu"), is_here=True),
    "cuda": Target(partial(_local, device="cuda"), _require_gpu, is_here=True),
    # the cluster of `RAY_ADDRESS`, or one that is started here, unless an address names one
    "ray": Target(_ray, _require_ray, r":(//)?[\w.\-\[\]:]+:\d+", ("ray://HOST:PORT", "ray:HOST:PORT")),
}
"""All compute targets by name."""


def _find(name: str) -> Target:
    for known, target in TARGETS.items():
        if name == known or (target.address and re.fullmatch(re.escape(known) + target.address, name)):
            return target
    forms = [form for target in TARGETS.values() for form in target.forms]
    raise ValueError(
        f'"{name}" is not a compute target.{did_you_mean(name, tuple(TARGETS))} '
        f"Choose from: {', '.join([*TARGETS, *forms])}"
    )


def check_target(name: str) -> str:
    """The name of a compute target, unchanged.

    Raises:
        ValueError: no target has this name; the message names the nearest one.
    """
    _find(name)
    return name


def require_target(name: str) -> None:
    """Check that this machine has what a compute target needs, before anything runs on it.

    Raises:
        ValueError: no target has this name.
        ComputeError: the machine lacks something the target needs.
    """
    _find(name).require()


def uses_this_machine(name: str) -> bool:
    """Whether runs on a compute target use this machine's cores or GPUs.

    Raises:
        ValueError: no target has this name.
    """
    return _find(name).is_here


def create_compute(target: str, preload: Sequence[str] = ()) -> Compute:
    """The compute target with this name.

    Args:
        target: as in `compute_target`.
        preload: modules that jobs need; imported before the first one starts if the target can do that.

    Raises:
        ValueError: no target has this name.
        ComputeError: the machine lacks something the target needs.
    """
    found = _find(target)
    found.require()
    return found.create(target, preload)
