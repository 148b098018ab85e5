"""Brightness, contrast and sharpness of an image, from its grey values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in a grey value (ITU-R BT.601)."""

LIGHT_FIGURES = ("brightness", "contrast", "sharpness")
"""What `light_figures` returns: mean, standard deviation, and standard deviation of the Laplacian."""


def light_figures(grey: NDArray[np.float32]) -> tuple[float, float, float]:
    """Brightness, contrast and sharpness of grey values (height, width), in their unit.

    The sharpness of an image with a side below 3 pixels is 0, for it has no inner pixels.
    """
    return float(grey.mean()), float(grey.std()), float(_laplacian(grey).std())


def _laplacian(grey: NDArray[np.float32]) -> NDArray[Any]:
    """Differences of each inner pixel from its neighbours; one 0 of an image without any."""
    if min(grey.shape) < 3:
        return np.zeros(1, np.float32)
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return sides - 4 * grey[1:-1, 1:-1]
