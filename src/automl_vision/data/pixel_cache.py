"""Decoded, resized images in one memory-mapped file: decoded once, then pure reads.

The file is keyed by the contents of the images and the size, so trials, runs and versions share it.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError
from automl_vision.core.files import atomic_path, read_json, write_json
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import MAX_ASPECT, PixelSize, load_pixels
from automl_vision.data.scan import Progress, parallel_map
from automl_vision.data.storage import read_image_bytes

_VERSION = "1"  # changes whenever `load_pixels` gives other pixels
_MAX_DISK_SHARE = 0.5  # of the free space on the cache's disk


class Pixels(Protocol):
    """Images by row of the manifest."""

    problems: dict[int, str]

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """Pixels (height, width, 3), uint8, resized."""
        ...


@dataclass
class PixelCache:
    """Images from the memory-mapped file.

    Attributes:
        data: all pixels, flat.
        offsets: (images,), where each image starts.
        sizes: (images, 2), height and width; zeros for an unreadable image.
        problems: reason by row for images that could not be decoded.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int32]
    problems: dict[int, str]

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        height, width = self.sizes[row].tolist()
        start = int(self.offsets[row])
        return self.data[start : start + 3 * height * width].reshape(height, width, 3)


@dataclass
class DecodedOnDemand:
    """Images decoded at every read, for sets that do not fit on the disk."""

    dataset: Dataset
    size: PixelSize
    problems: dict[int, str]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        image = self.dataset.table["image"][row].as_py()
        return load_pixels(read_image_bytes(self.dataset.root, image), size=self.size)


def open_pixels(
    dataset: Dataset,
    size: PixelSize,
    folder: Path,
    *,
    limit_bytes: int | None = None,
    progress: Progress | None = None,
) -> Pixels:
    """The data set's images, resized.

    Decodes every image once and keeps the pixels in `folder`; later calls with the same contents open the file.
    Concurrent callers wait for the first one.

    Args:
        dataset: its rows give the order.
        size: pixels of the shorter side, or height and width of a canvas that the whole images are fitted into.
        folder: where cache files live.
        limit_bytes: largest file to write; None allows half of the disk's free space.
        progress: called with (images done, images in all).

    Returns:
        The images; `problems` names the rows that could not be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = dataset.table["digest"].to_pylist()
    key = hashlib.blake2b("\n".join([_VERSION, _size_text(size), *digests]).encode(), digest_size=12).hexdigest()
    limit = limit_bytes if limit_bytes is not None else int(_MAX_DISK_SHARE * shutil.disk_usage(folder).free)
    with (folder / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fits = _estimated_bytes(dataset, size) <= limit
        if not _is_built(folder / key, fits):
            _build(dataset, size, folder / key, fits, progress)
    index = read_json(folder / f"{key}.json")
    problems = {int(row): reason for row, reason in index["problems"].items()}
    if not index["cached"]:
        return DecodedOnDemand(dataset, size, problems)
    sizes = np.asarray(index["sizes"], np.int32).reshape(-1, 2)
    lengths = 3 * sizes.astype(np.int64).prod(axis=1)
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    pixels = folder / f"{key}.pixels"
    data = np.memmap(pixels, np.uint8, "r") if pixels.stat().st_size else np.zeros(0, np.uint8)
    return PixelCache(data, offsets, sizes, problems)


def _is_built(stem: Path, fits: bool) -> bool:
    """Whether index and pixels are there; an index without pixels does not count once the pixels fit."""
    index, pixels = stem.with_suffix(".json"), stem.with_suffix(".pixels")
    return index.exists() and pixels.exists() and (not fits or bool(read_json(index)["cached"]))


def _build(dataset: Dataset, size: PixelSize, stem: Path, cached: bool, progress: Progress | None) -> None:
    """Decode all images; the pixels are kept when `cached`."""
    sizes, problems = [], {}
    decode = partial(_decode, root=dataset.root, size=size)
    with atomic_path(stem.with_suffix(".pixels")) as temporary, temporary.open("wb") as file:
        images: Sequence[str] = dataset.table["image"].to_pylist()
        for row, result in enumerate(parallel_map(decode, images, progress=progress)):
            if isinstance(result, str):
                problems[row] = result
                sizes.append((0, 0))
                continue
            sizes.append((result.shape[0], result.shape[1]))
            if cached:
                file.write(result.data)
    write_json(stem.with_suffix(".json"), {"cached": cached, "sizes": sizes, "problems": problems})


def _size_text(size: PixelSize) -> str:
    return f"fit {size[0]}x{size[1]}" if isinstance(size, tuple) else str(size)


def _estimated_bytes(dataset: Dataset, size: PixelSize) -> int:
    """Size of all resized images in bytes, at most."""
    if isinstance(size, tuple):
        return 3 * size[0] * size[1] * len(dataset)
    widths = dataset.table["width"].to_numpy().astype(float)
    heights = dataset.table["height"].to_numpy().astype(float)
    aspects = np.maximum(widths, heights) / np.maximum(np.minimum(widths, heights), 1)
    return int(3 * size**2 * np.minimum(aspects, MAX_ASPECT).sum())


def _decode(image: str, *, root: str, size: PixelSize) -> NDArray[np.uint8] | str:
    """The pixels, or the reason why there are none."""
    try:
        return np.ascontiguousarray(load_pixels(read_image_bytes(root, image), size=size))
    except ImageError as error:
        return str(error)
