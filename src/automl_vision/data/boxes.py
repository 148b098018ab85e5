"""Areas and overlaps of boxes x1, y1, x2, y2; NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def areas(boxes: Floats) -> Floats:
    """(...), the area of boxes (..., 4)."""
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))


def overlaps(a: Floats, b: Floats, crowd: ArrayLike = False) -> Floats:
    """Intersection over union of boxes (..., 4), pair by pair; 0 for boxes without area.

    The shapes are broadcast: `overlaps(a[:, None], b)` compares each of `a` with each of `b`.

    Args:
        a, b: boxes.
        crowd: where `b` is a region of many objects, the intersection is divided by the area of `a`, as in COCO.
    """
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    union = np.where(crowd, areas(a), areas(a) + areas(b) - shared)
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))
