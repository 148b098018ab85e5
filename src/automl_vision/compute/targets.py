"""The compute targets by name."""

from __future__ import annotations

from collections.abc import Sequence

from automl_vision.compute.compute import Compute
from automl_vision.core.names import did_you_mean

TARGETS = ("local", "cpu", "cuda")
"""`local` takes GPUs where there are any."""


def check_target(name: str) -> str:
    """The name of a compute target, unchanged.

    Raises:
        ValueError: nothing has this name; the message names the nearest one.
    """
    if name not in TARGETS:
        raise ValueError(
            f'"{name}" is no compute target.{did_you_mean(name, TARGETS)} Choose from: {", ".join(TARGETS)}'
        )
    return name


def create_compute(target: str, preload: Sequence[str] = ()) -> Compute:
    """The named compute target.

    Args:
        target: as in `compute_target`.
        preload: modules that jobs need, imported before the first one starts where the target can do that.

    Raises:
        ValueError: nothing has this name.
    """
    check_target(target)
    from automl_vision.compute.local import LocalCompute

    return LocalCompute(preload, device="auto" if target == "local" else target)
