"""The machine that predicts: its processor, the cores that this process may use, its GPUs; without any library."""

from __future__ import annotations

import ctypes
import math
import platform
from functools import cache
from pathlib import Path

from automl_vision.core.system import core_count

_CGROUPS = Path("/sys/fs/cgroup")
_NAME_BYTES = 128


def processor_name() -> str:
    """The model name of this machine's processor."""
    names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores(groups: Path = _CGROUPS) -> int:
    """Number of cores that this process may use: of its affinity, and at most what its control group allows.

    Args:
        groups: where the control groups are mounted.
    """
    allowed = core_count()
    quota = _quota(groups)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def sums_8_bit_exactly() -> bool:
    """Whether products of 8-bit integers are summed without saturation: not on x86 without VNNI instructions."""
    flags = next((line for line in _cpu_lines() if line.startswith("flags")), "")
    is_x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return not is_x86 or any(name in flags.split() for name in ("avx512_vnni", "avx_vnni"))


def computes_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16."""
    lines = (line for line in _cpu_lines() if line.startswith(("flags", "Features")))
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(next(lines, "").split()))


@cache
def gpu_names() -> tuple[str, ...]:
    """The NVIDIA GPUs that this process may use, as their driver names them; empty where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    names = []
    for number in range(count.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
        if not driver.cuDeviceGet(ctypes.byref(device), number):
            driver.cuDeviceGetName(name, _NAME_BYTES, device)
            names.append(name.value.decode(errors="replace"))
    return tuple(names)


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _quota(groups: Path) -> float | None:
    """Cores that the control group of this process allows; None where it sets no limit."""
    try:
        quota, period = (groups / "cpu.max").read_text(encoding="ascii").split()[:2]
    except (OSError, ValueError):
        try:  # version 1
            quota, period = (
                (groups / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip()
                for name in ("quota", "period")
            )
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return int(quota) / int(period)
