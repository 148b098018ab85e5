"""The compute targets by name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from automl_vision.compute.compute import Compute
from automl_vision.core.errors import ComputeError
from automl_vision.core.text import did_you_mean

TARGETS = ("local", "cpu", "cuda")
"""`local` takes GPUs where there are any."""

RAY = "ray"
"""A cluster: the one of `RAY_ADDRESS`, or one that is started here; `ray://host:port` and `ray:host:port` name one."""


_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/kfd", "/dev/dxg")  # NVIDIA, its Jetsons, AMD, WSL


def has_gpu() -> bool:
    """Whether the machine has a GPU that is not hidden by `CUDA_VISIBLE_DEVICES`; loads nothing to find out."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and any(Path(device).exists() for device in _GPU_DEVICES)


def check_target(name: str) -> str:
    """The name of a compute target, unchanged.

    Raises:
        ValueError: nothing has this name; the message names the nearest one.
    """
    if name in TARGETS or _is_cluster(name):
        return name
    known = (*TARGETS, RAY)
    raise ValueError(
        f'"{name}" is no compute target.{did_you_mean(name, known)} '
        f"Choose from: {', '.join(known)}, ray://HOST:PORT, ray:HOST:PORT"
    )


def _is_cluster(name: str) -> bool:
    """Whether a name is `ray`, or an address after it."""
    return name == RAY or re.fullmatch(r"ray:(//)?[\w.\-\[\]:]+:\d+", name) is not None


def require_target(name: str) -> None:
    """See that this machine has what a compute target needs, before anything runs on it.

    Raises:
        ComputeError: it has not.
    """
    if name == "cuda" and not has_gpu():
        raise ComputeError(
            'compute_target "cuda" needs a GPU, and this machine shows none; choose "local", which takes GPUs where '
            'there are any, or "cpu"'
        )
    if _is_cluster(name):
        from automl_vision.compute.ray import require_ray

        require_ray()


def create_compute(target: str, preload: Sequence[str] = ()) -> Compute:
    """The named compute target.

    Args:
        target: as in `compute_target`.
        preload: modules that jobs need, imported before the first one starts where the target can do that.

    Raises:
        ValueError: nothing has this name.
        ComputeError: the machine has not what it needs.
    """
    check_target(target)
    require_target(target)
    if target not in TARGETS:
        from automl_vision.compute.ray import RayCompute

        address = None if target == RAY else target
        return RayCompute(address if address is None or "//" in address else address.removeprefix("ray:"), preload)
    from automl_vision.compute.local import LocalCompute

    return LocalCompute(preload, device="auto" if target == "local" else target)
