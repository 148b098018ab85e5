"""Arithmetic of columns whose rows have different lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def starts_of(counts: NDArray[Any]) -> NDArray[np.int64]:
    """(n + 1,), where each of n consecutive ranges starts, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of several ranges, one range after another.

    Args:
        starts: (n,), first number of each range.
        counts: (n,), length of each range.
    """
    offsets = np.repeat(starts - starts_of(counts)[:-1], counts)
    return np.arange(len(offsets)) + offsets
