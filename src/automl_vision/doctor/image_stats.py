"""Reads and decodes each image file once: digest, actual format, contrast, sharpness and a small grey version.

Where what was read is kept in a file, all figures of an image are read at once, at the size that sharpness needs. A
check alone reads JPEGs smaller, in half the time; `spread` then differs by up to 2 grey levels, the small version by
less than 1 on average.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from automl_vision.core.errors import ImageError
from automl_vision.data.deep_images import is_deep
from automl_vision.data.images import load_pixels, open_image
from automl_vision.data.light import LIGHT_FIGURES, LUMA, light_figures
from automl_vision.data.scan import Progress, digest_of, parallel_map
from automl_vision.data.value_range import ValueRange, pixel_keys
from automl_vision.doctor.stats_file import SIDE, Stats, read_stats, write_stats
from automl_vision.storage.access import read_image_bytes

_SHORT_SIDE = 64  # pixels at which an image is decoded: JPEGs are then read at an eighth of their size
_SHARP_SIDE = 256  # likewise for sharpness; blur that is seen at a network's size is seen at this one


@dataclass(frozen=True)
class ImageStats:
    """Facts of all images of a dataset, by row.

    Attributes:
        problems: reason per row, for images that cannot be decoded.
        digests: of the files' bytes; empty if the file could not be read.
        formats: of the files' bytes; empty if a file could not be read.
        spread: (images,), float32, as in `Stats`.
        small: (images, SIDE, SIDE), uint8.
        deep: (images,), whether an image has more than 8 bits per channel.
    """

    problems: dict[int, str]
    digests: list[str]
    formats: list[str]
    spread: NDArray[np.float32]
    small: NDArray[np.uint8]
    deep: NDArray[np.bool_]


def read_image_stats(
    table: pa.Table,
    root: str,
    rows: NDArray[np.intp],
    *,
    value_range: ValueRange | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> ImageStats:
    """Read and decode each image once, in threads.

    Args:
        table: the manifest.
        root: where relative paths start.
        rows: the images to read; the others stay empty.
        value_range: of the dataset.
        file: as for `kept_stats`; None reads only what this needs, and keeps nothing.
        progress: called with (images done, images in all).
    """
    images, digests = (table[name].take(pa.array(rows, pa.int64())).to_pylist() for name in ("image", "digest"))
    count = len(table)
    spread, small = np.zeros(count, np.float32), np.zeros((count, SIDE, SIDE), np.uint8)
    stats = ImageStats({}, [""] * count, [""] * count, spread, small, np.zeros(count, bool))
    read = partial(stats_of, root=root, value_range=value_range)
    results: Iterable[Stats] = parallel_map(read, images, progress=progress)
    if file is not None:
        results = kept_stats(root, images, digests, value_range=value_range, file=file, progress=progress)
    for row, one in zip(rows.tolist(), results, strict=True):
        stats.digests[row], stats.formats[row] = one.digest, one.format
        spread[row], small[row], stats.deep[row] = one.spread, one.small, one.is_deep
        if one.problem is not None:
            stats.problems[row] = one.problem
    return stats


def kept_stats(
    root: str,
    images: Sequence[str],
    digests: Sequence[str],
    *,
    value_range: ValueRange | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> list[Stats]:
    """All facts of some images; only those that the file lacks are read.

    Args:
        root: where relative images start.
        images: paths or URLs.
        digests: of the images, as in the manifest.
        value_range: of the dataset.
        file: holds the facts of images that were read before, and then also those of these; None keeps nothing.
        progress: called with (images done, images in all), for images that must be read.
    """
    known, keys = read_stats(file), pixel_keys(digests, value_range)
    lacking = {key: image for image, key in zip(images, keys, strict=True) if key not in known}
    if lacking:
        read = partial(stats_of, root=root, value_range=value_range, sharp=True)
        found = parallel_map(read, list(lacking.values()), progress=progress)
        new = dict(zip(lacking, found, strict=True))
        usable = {key: one for key, one in new.items() if one.problem is None}
        if file is not None and usable:
            with suppress(OSError):  # a folder that may not be written to costs time, not the figures
                write_stats(file, known | usable)
        known |= new
    return [known[key] for key in keys]


def stats_of(image: str, *, root: str, value_range: ValueRange | None = None, sharp: bool = False) -> Stats:
    """Read and decode one image.

    Args:
        image: path relative to `root`, absolute path, or URL.
        root: where relative paths start.
        value_range: of the dataset.
        sharp: whether brightness, contrast and sharpness are measured too.
    """
    digest = format_ = ""
    try:
        data = read_image_bytes(root, image)
        digest = digest_of(data)
        opened = open_image(data)
        format_, deep = opened.format or "", is_deep(opened)
        pixels = load_pixels(data, size=_SHARP_SIDE if sharp else _SHORT_SIDE, value_range=value_range)
    except ImageError as error:
        return Stats(str(error), digest, format_)
    spread = max(float(pixels[..., channel].std()) for channel in range(3))
    figures = {}
    if sharp:
        grey = pixels.astype(np.float32) @ LUMA
        figures = dict(zip(LIGHT_FIGURES, light_figures(grey), strict=True))
    return Stats(None, digest, format_, spread, small_grey(pixels), is_deep=deep, **figures)


def small_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image in grey, SIDE x SIDE; each pixel is the mean of the area that it covers."""
    small = _area_means(_area_means(pixels.astype(np.float32) @ LUMA).T).T
    return np.clip(np.round(small), 0, 255).astype(np.uint8)


def _area_means(values: NDArray[Any]) -> NDArray[np.float64]:
    """(SIDE, columns), means of equal parts of each column; those of `shrink`, without a matrix product.

    Images are read in threads, and products of this size start further threads that wait for each other.

    Args:
        values: (n, columns).
    """
    if len(values) < SIDE:
        return np.asarray(shrink(len(values), SIDE).astype(np.float64) @ values)
    length = len(values) / SIDE
    edges = np.arange(SIDE) * length
    cut = edges.astype(np.intp)  # the pixels in which parts begin
    before = (edges - cut)[:, None] * values[cut]  # what of them belongs to the part before
    sums = np.add.reduceat(values, cut, axis=0, dtype=np.float64) - before
    sums[:-1] += before[1:]
    return np.asarray(sums / length)


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
