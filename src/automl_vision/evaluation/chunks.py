"""Large arrays in pieces: resamples in chunks that stay in a processor's cache, and running sums and maxima.

Counts are in single precision wherever that holds every whole number that can occur, so nothing is rounded and half the
memory is moved.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.threads import map_in_order

Floats = NDArray[np.float64]
Item = TypeVar("Item")

THREADS = min(2, os.cpu_count() or 1)
"""NumPy and SciPy release the interpreter's lock; the memory's speed allows few more."""

_WORTH_A_THREAD = 100_000  # numbers
_WHOLE = 2**24  # below it, single precision holds every whole number


def in_chunks(
    compute: Callable[[Floats], Floats], weights: Floats, width: int, *, size: int, threads: int = THREADS
) -> Floats:
    """Compute some resamples at a time, in threads, so that temporary arrays stay small.

    Args:
        compute: takes weights (resamples, images), and returns values by resample.
        weights: (resamples, images).
        width: columns of the temporary arrays.
        size: numbers in one of them.
        threads: 1 where `compute` has threads of its own.
    """
    rows = max(1, size // max(1, width))
    parts = [weights[start : start + rows] for start in range(0, len(weights), rows)]
    if len(parts) == 1:
        return compute(weights)
    return np.concatenate(list(map_in_order(compute, parts, threads=threads, window=2 * threads)))


def for_each(function: Callable[[Item], None], items: Iterable[Item], numbers: int) -> None:
    """Call a function that fills its part of an array, in threads where that is worth it.

    Args:
        function: takes an item.
        items: to call it with.
        numbers: that it computes at once for an item; with few of them, threads wait for the interpreter's lock.
    """
    if numbers < _WORTH_A_THREAD:
        for item in items:
            function(item)
        return
    for _ in map_in_order(function, items, threads=THREADS, window=2 * THREADS):
        pass


def by_image(weights: Floats, most: float) -> NDArray[Any]:
    """Whole weights by image, (images, resamples), in single precision where that is exact.

    Args:
        weights: (resamples, images).
        most: cases of an image, at most, whose weights are summed up.
    """
    exact = most * float(weights.sum(axis=1).max(initial=0.0)) < _WHOLE
    return np.ascontiguousarray(weights.T, np.float32 if exact else np.float64)


def running(function: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
    """`function.accumulate` along the first axis, in place.

    NumPy goes down one column after another; here whole rows are combined, first within blocks and then from block to
    block: 1,000 columns take an eighth of the time.

    Args:
        function: with two arguments that may be grouped in any way, such as `np.maximum`, or `np.add` of whole numbers.
        values: (n, columns).

    Returns:
        The same array.
    """
    length = max(1, math.isqrt(len(values)))
    blocks = len(values) // length
    body = values[: blocks * length].reshape(blocks, length, *values.shape[1:])
    for row in range(1, length):
        function(body[:, row - 1], body[:, row], out=body[:, row])
    for block in range(1, blocks):
        function(body[block - 1, -1], body[block, -1], out=body[block, -1])
    function(body[:-1, -1, None], body[1:, :-1], out=body[1:, :-1])
    for row in range(max(1, blocks * length), len(values)):
        function(values[row - 1], values[row], out=values[row])
    return values
