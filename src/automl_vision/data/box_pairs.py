"""Boxes that overlap within their image, without a loop over images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.boxes import overlaps
from automl_vision.data.ragged import ranges, starts_of

_AT_ONCE = 1_000_000  # pairs whose overlaps are computed at once

Positions = NDArray[np.int64]
Floats = NDArray[np.float64]


def pairs_within(image: Positions, other: Positions) -> Iterator[tuple[Positions, Positions]]:
    """All pairs of an object and another one of the same image, some images at a time.

    Args:
        image: (n,), of the objects, ascending.
        other: (m,), of the others, ascending.

    Yields:
        Positions of objects and of others, each (pairs,), ascending by the first and then by the second.
    """
    first, end = (np.searchsorted(other, image, side=side) for side in ("left", "right"))
    counts = end - first
    part = starts_of(counts)[np.searchsorted(image, image)] // _AT_ONCE  # an image is in one part
    for chosen in np.split(np.arange(len(image)), np.flatnonzero(np.diff(part)) + 1):
        yield np.repeat(chosen, counts[chosen]), ranges(first[chosen], counts[chosen])


def overlapping(
    image: Positions,
    boxes: Floats,
    other: Positions,
    other_boxes: Floats,
    crowd: NDArray[np.bool_] | None = None,
    *,
    every: bool = False,
) -> tuple[Positions, Positions, Floats]:
    """The pairs of boxes of the same image that share an area.

    Args:
        image, boxes: (n,) ascending and (n, 4), x1, y1, x2, y2.
        other, other_boxes: (m,) ascending and (m, 4).
        crowd: (m,), which of the others are regions of many objects, as in `overlaps`; None for none.
        every: whether pairs that share nothing are returned too.

    Returns:
        Positions of both and their intersection over union, each (pairs,), sorted by the first and then by the second.
    """
    found: list[tuple[Positions, Positions, Floats]] = []
    for a, b in pairs_within(image, other):
        overlap = overlaps(boxes[a], other_boxes[b], False if crowd is None else crowd[b])
        shared = (overlap > 0) | every
        found.append((a[shared], b[shared], overlap[shared]))
    a, b, overlap = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return a, b, overlap
