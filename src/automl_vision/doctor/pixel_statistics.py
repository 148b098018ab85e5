"""Brightness, contrast and sharpness of images, and their small versions, kept in a file by the images' contents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.light import LIGHT_FIGURES
from automl_vision.data.scan import Progress
from automl_vision.data.value_range import ValueRange
from automl_vision.doctor.image_stats import kept_stats
from automl_vision.doctor.stats_file import SIDE


@dataclass(frozen=True)
class PixelStatistics:
    """Figures of some images; NaN for those that cannot be read.

    Attributes:
        brightness: (images,), float32, mean of the grey levels, 0 to 255.
        contrast: (images,), float32, their standard deviation.
        sharpness: (images,), float32, standard deviation of their Laplacian, at a shorter side of 256 pixels; little
            for a blurred image (Pech-Pacheco et al. 2000).
        small: (images, SIDE, SIDE), uint8, each image in grey, resized to a square.
    """

    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    small: NDArray[np.uint8]

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(images,), whether an image could be read."""
        return np.isfinite(self.brightness)


def pixel_statistics(
    root: str,
    images: Sequence[str],
    digests: Sequence[str],
    *,
    value_range: ValueRange | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> PixelStatistics:
    """The figures of some images; only those that the file lacks are decoded, JPEGs at reduced size.

    Args:
        root: where relative images start.
        images: paths or URLs.
        digests: of the images, as in the manifest.
        value_range: of the dataset.
        file: as for `image_stats.kept_stats`.
        progress: called with (images done, images in all), for images that must be decoded.
    """
    stats = kept_stats(root, images, digests, value_range=value_range, file=file, progress=progress)
    brightness, contrast, sharpness = (
        np.array([getattr(one, name) for one in stats], np.float32) for name in LIGHT_FIGURES
    )
    small = np.array([one.small for one in stats], np.uint8).reshape(-1, SIDE, SIDE)
    return PixelStatistics(brightness, contrast, sharpness, small)
