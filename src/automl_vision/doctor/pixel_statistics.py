"""Brightness, contrast and sharpness of images, and their small versions, kept in a file by the images' contents."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError
from automl_vision.core.files import atomic_path
from automl_vision.data.images import load_pixels
from automl_vision.data.scan import Progress, parallel_map
from automl_vision.doctor.image_stats import LUMA, SIDE, small_grey
from automl_vision.storage.access import read_image_bytes

FIGURES = ("brightness", "contrast", "sharpness")
_SHORT_SIDE = 256  # pixels at which an image is decoded; blur that is seen at a network's size is seen at this one
_VERSION = b"1"  # increased whenever the figures change
_COLUMNS = ("digest", *FIGURES, "small")


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


_One = tuple[float, float, float, bytes]
_UNREADABLE: _One = (np.nan, np.nan, np.nan, bytes(SIDE * SIDE))


def pixel_statistics(
    root: str,
    images: Sequence[str],
    digests: Sequence[str],
    *,
    file: Path | None = None,
    progress: Progress | None = None,
) -> PixelStatistics:
    """The figures of some images; only those that the file lacks are decoded, JPEGs at reduced size.

    Args:
        root: where relative images start.
        images: paths or URLs.
        digests: of the images, as in the manifest.
        file: holds the figures of images that were read before, and then also those of these; None keeps nothing.
        progress: called with (images done, images in all), for images that must be decoded.
    """
    known = _read(file)
    lacking = {digest: image for image, digest in zip(images, digests, strict=True) if digest not in known}
    if lacking:
        found = parallel_map(partial(_figures_of, root=root), list(lacking.values()), progress=progress)
        new = {digest: one for digest, one in zip(lacking, found, strict=True) if one is not None}
        known |= new
        if file is not None and new:
            with suppress(OSError):  # a folder that may not be written to costs time, not the figures
                _write(file, known)
    *figures, small = zip(*(known.get(digest, _UNREADABLE) for digest in digests), strict=True) if digests else [()] * 4
    squares = np.frombuffer(b"".join(small), np.uint8).reshape(-1, SIDE, SIDE)
    brightness, contrast, sharpness = (np.array(values, np.float32) for values in figures)
    return PixelStatistics(brightness, contrast, sharpness, squares)


def _figures_of(image: str, *, root: str) -> _One | None:
    """The figures of one image; None if it cannot be read."""
    try:
        pixels = load_pixels(read_image_bytes(root, image), size=_SHORT_SIDE)
    except ImageError:
        return None
    grey = pixels.astype(np.float32) @ LUMA
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(grey.mean()), float(grey.std()), float(laplacian.std()), small_grey(pixels).tobytes()


def _read(file: Path | None) -> dict[str, _One]:
    """The figures by digest; none if there is no such file, or one of another version."""
    try:
        if file is None:
            return {}
        with pa.memory_map(str(file)) as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
        if (table.schema.metadata or {}).get(b"version") != _VERSION:
            return {}
        digests, *columns = (table[name].to_pylist() for name in _COLUMNS)
    except (OSError, pa.ArrowException, KeyError):
        return {}
    return dict(zip(digests, zip(*columns, strict=True), strict=True))


def _write(file: Path, known: dict[str, _One]) -> None:
    *figures, small = zip(*known.values(), strict=True)
    columns = [pa.array(list(known)), *(pa.array(values, pa.float32()) for values in figures)]
    table = pa.table([*columns, pa.array(small, pa.binary(SIDE * SIDE))], list(_COLUMNS))
    table = table.replace_schema_metadata({"version": _VERSION})
    with atomic_path(file) as temporary, pa.ipc.new_file(str(temporary), table.schema) as writer:
        writer.write_table(table)
