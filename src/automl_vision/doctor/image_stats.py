"""Reads and decodes each image file once: digest, actual format, contrast and a small grey version."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from automl_vision.core.errors import ImageError
from automl_vision.data.images import load_pixels, open_image
from automl_vision.data.scan import Progress, digest_of, parallel_map
from automl_vision.storage.access import read_image_bytes

SIDE = 32  # pixels of the small version; a crop of 10 % still moves its content by 3 of them
_SHORT_SIDE = 64  # pixels at which an image is decoded: JPEGs are then read at an eighth of their size
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Stats:
    """Facts of one image.

    Attributes:
        problem: why it cannot be used, or None.
        digest: of the file's bytes.
        format: of the bytes, as Pillow names it.
        spread: largest standard deviation of a colour channel, 0 to 255; near 0 for a blank image.
        small: (SIDE, SIDE), uint8, the whole image in grey, resized to a square.
    """

    problem: str | None = None
    digest: str = ""
    format: str = ""
    spread: float = 0.0
    small: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.uint8))


@dataclass(frozen=True)
class ImageStats:
    """Facts of all images of a dataset, by row.

    Attributes:
        problems: reason per row, for images that cannot be decoded.
        digests: of the files' bytes; empty if the file could not be read.
        formats: of the files' bytes; empty if a file could not be read.
        spread: (images,), float32, as in `Stats`.
        small: (images, SIDE, SIDE), uint8.
    """

    problems: dict[int, str]
    digests: list[str]
    formats: list[str]
    spread: NDArray[np.float32]
    small: NDArray[np.uint8]


def read_image_stats(
    table: pa.Table, root: str, rows: NDArray[np.intp], *, progress: Progress | None = None
) -> ImageStats:
    """Read and decode each image once, in threads.

    Args:
        table: the manifest.
        root: where relative paths start.
        rows: the images to read; the others stay empty.
        progress: called with (images done, images in all).
    """
    images = table["image"].take(pa.array(rows, pa.int64())).to_pylist()
    count = len(table)
    spread, small = np.zeros(count, np.float32), np.zeros((count, SIDE, SIDE), np.uint8)
    stats = ImageStats({}, [""] * count, [""] * count, spread, small)
    results = parallel_map(partial(stats_of, root=root), images, progress=progress)
    for row, one in zip(rows.tolist(), results, strict=True):
        stats.digests[row], stats.formats[row] = one.digest, one.format
        spread[row], small[row] = one.spread, one.small
        if one.problem is not None:
            stats.problems[row] = one.problem
    return stats


def stats_of(image: str, *, root: str) -> Stats:
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
        return Stats(str(error), digest, format_)
    spread = float(pixels.reshape(-1, 3).std(axis=0).max())
    return Stats(None, digest, format_, spread, small_grey(pixels))


def small_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image in grey, SIDE x SIDE; each pixel is the mean of the area that it covers."""
    grey = pixels.astype(np.float32) @ LUMA
    small = shrink(grey.shape[0], SIDE) @ grey @ shrink(grey.shape[1], SIDE).T
    return np.clip(np.round(small), 0, 255).astype(np.uint8)


def shrink(length: int, parts: int, spans: ArrayLike = (0.0, 1.0)) -> NDArray[np.float32]:
    """(..., parts, length), weights that average equal parts of a line.

    Args:
        length: pixels of the line.
        parts: number of parts of each span.
        spans: (..., 2), start and end as fractions of the line.
    """
    start, end = np.moveaxis(np.asarray(spans, np.float64)[..., None, :], -1, 0)
    edges = (start + (end - start) * np.arange(parts + 1) / parts) * length
    pixels = np.arange(length)
    covered = np.minimum(edges[..., 1:, None], pixels + 1) - np.maximum(edges[..., :-1, None], pixels)
    weights = np.clip(covered, 0, None)
    total = weights.sum(axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = (weights / np.where(total > 0, total, 1)).astype(np.float32)
    return scaled
