"""Which images of a split have a near copy among others, such as the training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from automl_vision.doctor.near_duplicates import near_pairs


def near_copies(
    digests: Sequence[str], small: NDArray[np.uint8], usable: NDArray[np.bool_], others: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(images,), whether an image that is not one of the others is an exact or near copy of one of them.

    Args:
        digests: of the images.
        small: (images, SIDE, SIDE), as in `PixelStatistics`.
        usable: (images,), whether an image could be read; the others are no copies, but by their digest.
        others: (images,), which ones the rest is compared with.
    """
    _, first, content = np.unique(np.asarray(digests), return_index=True, return_inverse=True)
    count = len(first)
    is_other = np.bincount(content[others], minlength=count) > 0
    shown = np.flatnonzero(usable[first])
    pairs = shown[near_pairs(small[first[shown]])]
    copied = is_other.copy()
    for a, b in ((0, 1), (1, 0)):
        copied[pairs[is_other[pairs[:, b]], a]] = True
    return copied[content] & ~others
