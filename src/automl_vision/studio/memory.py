"""Keeps the server small: what is freed goes back to the system, and pandas is not imported by pyarrow."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Any

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # of mallopt(3)
_ARENAS = 2
_LARGE = 128 * 1024  # bytes; by default glibc raises it up to 32 MB, and keeps what is freed below it


def keep_small() -> None:
    """Set up the memory of this process, before its first request; elsewhere than on glibc only pyarrow's."""
    import pyarrow as pa

    with suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, _ARENAS)
        mallopt(_MMAP_THRESHOLD, _LARGE)
    pa.set_memory_pool(pa.system_memory_pool())  # a table of 0.5 MB took 20 MB of the default one
    _hide_pandas()


class _NoPandas:
    """Says that pandas is not installed."""

    def find_spec(self, name: str, *_: Any) -> None:
        """Nothing of other modules."""
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def _hide_pandas() -> None:
    """Let pyarrow find no pandas: it looks for it when it first makes a scalar, which took 40 MB and half a second."""
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    pa.scalar("")
    sys.meta_path.remove(finder)
