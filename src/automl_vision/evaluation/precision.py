"""Precision down a ranking of detections, for many weightings of the images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.chunks import running
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.weighted import TINY


def shown_so_far(images: NDArray[np.integer], weights: NDArray[Any]) -> NDArray[Any]:
    """How many detections there are up to each one, (n, resamples).

    Args:
        images: (n,), of the detections, best first.
        weights: whole numbers, (images, resamples).
    """
    return running(np.add, weights[images])


def envelope(found: NDArray[Any], shown: NDArray[Any]) -> Floats:
    """Highest precision at each right detection or at a worse one, (right, resamples).

    Between right detections precision only falls, so these are all that is needed of it.

    Args:
        found: number of right detections up to each of them, (right, resamples).
        shown: number of all detections up to them, likewise; overwritten.
    """
    precision: Floats = np.divide(found, np.maximum(shown, TINY, out=shown), dtype=np.float64)
    running(np.maximum, precision[::-1])
    return precision
