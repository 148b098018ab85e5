"""Outlines of shapes other than polygons, as annotation tools draw them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_CORNERS = 36  # of the polygon that stands for an ellipse; its area is 0.5 % too small


def ellipse(x: float, y: float, rx: float, ry: float, *, angle: float = 0.0) -> list[float]:
    """The outline of an ellipse as x, y, x, y, ...

    Args:
        x, y: the centre.
        rx, ry: half of the axes.
        angle: by which it is turned around its centre, clockwise as seen, in degrees.
    """
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    points = np.stack([rx * np.cos(angles), ry * np.sin(angles)], axis=1)
    return _flat(_turned(points, angle) + np.array([x, y]))


def rectangle(
    x: float, y: float, width: float, height: float, *, angle: float, around_centre: bool = False
) -> list[float]:
    """The corners of a turned rectangle as x, y, x, y, ...

    Args:
        x, y: its upper left corner before it was turned.
        width, height: of the rectangle.
        angle: clockwise as seen, in degrees.
        around_centre: whether it is turned around its centre, instead of its upper left corner.
    """
    pivot = np.array([width / 2, height / 2]) if around_centre else np.zeros(2)
    points = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    return _flat(_turned(points - pivot, angle) + pivot + np.array([x, y]))


def bounds(points: list[float]) -> tuple[float, float, float, float]:
    """The box around x, y, x, y, ...: x1, y1, x2, y2."""
    return min(points[0::2]), min(points[1::2]), max(points[0::2]), max(points[1::2])


def shares(numbers: Iterable[float], size: tuple[float, float]) -> list[float]:
    """Pixels x, y, x, y, ... as shares of width and height."""
    return [number / size[i % 2] for i, number in enumerate(numbers)]


def _turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    x, y = points[:, 0], points[:, 1]
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)


def _flat(points: NDArray[np.float64]) -> list[float]:
    values: list[float] = points.ravel().tolist()
    return values
