"""One look at each image file: read and decoded once, it leaves a digest, its real format and a small grey picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError
from automl_vision.data.images import load_pixels, open_image
from automl_vision.data.scan import Progress, digest_of, parallel_map
from automl_vision.storage.access import read_image_bytes

SIDE = 32  # pixels of the small picture; a crop of 10 % still moves its content by 3 of them
_SHORT_SIDE = 64  # pixels at which an image is decoded: JPEGs are then read at an eighth of their size
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Look:
    """What one image leaves behind.

    Attributes:
        problem: why it cannot be used, or None.
        digest: of the file's bytes.
        format: Pillow's name of the format that the bytes have.
        spread: largest standard deviation of a colour channel, 0 to 255; a blank picture has nearly none.
        small: (SIDE, SIDE), uint8, the whole picture in grey, squeezed into a square.
    """

    problem: str | None = None
    digest: str = ""
    format: str = ""
    spread: float = 0.0
    small: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Looks:
    """What all images of a data set left behind, by row.

    Attributes:
        problems: reason by row, for images that cannot be decoded.
        digests: of the files' bytes; empty where the file could not be read.
        formats: real format; empty where it could not be read.
        spread: (images,), float32, as in `Look`.
        small: (images, SIDE, SIDE), uint8.
    """

    problems: dict[int, str]
    digests: list[str]
    formats: list[str]
    spread: NDArray[np.float32]
    small: NDArray[np.uint8]


def look_at_images(table: pa.Table, root: str, rows: NDArray[np.intp], *, progress: Progress | None = None) -> Looks:
    """Read and decode each image once, in threads.

    Args:
        table: the manifest.
        root: where relative paths start.
        rows: the images to look at; of the others nothing is known afterwards.
        progress: called with (images done, images in all).
    """
    images = table["image"].take(pa.array(rows, pa.int64())).to_pylist()
    looks = Looks(
        {},
        [""] * len(table),
        [""] * len(table),
        np.zeros(len(table), np.float32),
        np.zeros((len(table), SIDE, SIDE), np.uint8),
    )
    results = parallel_map(partial(look_at, root=root), images, progress=progress)
    for row, look in zip(rows.tolist(), results, strict=True):
        looks.digests[row], looks.formats[row] = look.digest, look.format
        if look.problem is not None or look.small is None:
            looks.problems[row] = look.problem or "the image cannot be decoded"
            continue
        looks.spread[row], looks.small[row] = look.spread, look.small
    return looks


def look_at(image: str, *, root: str) -> Look:
    """Read and decode one image.

    Args:
        image: path relative to `root`, absolute path, or URL.
        root: where relative paths start.
    """
    digest = format_ = ""
    try:
        data = read_image_bytes(root, image)
        digest = digest_of(data)
        format_ = open_image(data).format or ""
        pixels = load_pixels(data, size=_SHORT_SIDE)
    except ImageError as error:
        return Look(str(error), digest, format_)
    spread = float(pixels.reshape(-1, 3).std(axis=0).max())
    return Look(None, digest, format_, spread, _small(pixels))


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in grey, SIDE x SIDE, each of its pixels the mean of what it covers."""
    grey = pixels.astype(np.float32) @ _LUMA
    small = shrink(grey.shape[0], SIDE) @ grey @ shrink(grey.shape[1], SIDE).T
    return np.clip(np.round(small), 0, 255).astype(np.uint8)


def shrink(length: int, parts: int, start: float = 0.0, end: float = 1.0) -> NDArray[np.float32]:
    """(parts, length), weights that give the means of equal parts of a line.

    Args:
        length: pixels of the line.
        parts: into how many the piece from `start` to `end` is divided.
        start, end: of the piece, as shares of the line.
    """
    edges = (start + (end - start) * np.arange(parts + 1) / parts) * length
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(covered, 0, None)
    total = weights.sum(axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (weights / np.where(total > 0, total, 1)).astype(np.float32)
    return scaled
