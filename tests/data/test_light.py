"""Brightness, contrast and sharpness of grey values."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.data.light import light_figures


@pytest.mark.parametrize(
    ("grey", "expected"),
    [
        (np.full((4, 5), 7.0, np.float32), (7, 0, 0)),
        (np.tile(np.arange(6, dtype=np.float32), (4, 1)), (2.5, 35 / 12, 0)),  # a slope has no edges
        (np.array([[0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0, 0]], np.float32), (0.75, 6.1875, 22.5**2)),  # -36 and 9
        (np.array([[0, 8]], np.float32), (4, 16, 0)),  # no inner pixels
    ],
    ids=["flat", "a slope", "a point", "two pixels"],
)
def test_light_and_sharpness(grey: np.ndarray, expected: tuple[float, float, float]) -> None:
    mean, contrast, sharpness = light_figures(grey)
    assert (mean, contrast**2, sharpness**2) == pytest.approx(expected, rel=1e-5)
