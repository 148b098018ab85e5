"""Decoded, resized images in memory-mapped files: decoded once, then pure reads.

Each file holds the images of one data set at one size and is keyed by their contents, so trials and runs share it. A
new version of a data set copies what an earlier file holds and decodes only what is new. Where the pixels do not fit
into the limit, small JPEGs are kept, and where those do not fit either, images are decoded at every read.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.core.files import atomic_path
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import MAX_ASPECT, PixelSize, load_pixels
from automl_vision.data.scan import Progress, digest_of, is_content_digest, parallel_map
from automl_vision.storage.access import read_image_bytes

Form = Literal["pixels", "jpeg", "none"]

_VERSION = "3"  # changes whenever `load_pixels` gives other pixels, or the files another layout
_MAX_DISK_SHARE = 0.5  # of what is free on the cache's disk, with what the cache itself holds
_JPEG_QUALITY = 95
_JPEG_SHARE = 0.25  # of the pixels' size: sets of photos took 0.10 to 0.18 at this quality


class Pixels(Protocol):
    """Images by row of the manifest."""

    problems: dict[int, str]

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """Pixels (height, width, 3), uint8, resized."""
        ...


@dataclass
class PixelCache:
    """Images from a memory-mapped file.

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
class JpegCache:
    """Images from a memory-mapped file of small JPEGs.

    Attributes:
        data: all files, one after another.
        offsets: (images,), where each starts.
        lengths: (images,), bytes of each; zero for an unreadable image.
        problems: reason by row for images that could not be decoded.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    problems: dict[int, str]

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        start, length = int(self.offsets[row]), int(self.lengths[row])
        if not length:
            return np.zeros((0, 0, 3), np.uint8)
        return _from_jpeg(self.data[start : start + length].tobytes())


@dataclass
class DecodedOnDemand:
    """Images decoded at every read, for datasets that do not fit on the disk.

    Attributes:
        dataset: whose images they are.
        size: at which they are decoded.
        problems: reason by row for images that cannot be decoded.
        as_jpeg: whether they are returned as a `JpegCache` returns them.
    """

    dataset: Dataset
    size: PixelSize
    problems: dict[int, str]
    as_jpeg: bool = False

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        image = self.dataset.table["image"][row].as_py()
        pixels = load_pixels(read_image_bytes(self.dataset.root, image), size=self.size)
        return _from_jpeg(_jpeg(np.ascontiguousarray(pixels))) if self.as_jpeg else pixels


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
    Concurrent callers wait for the first one. A file that changed since the data set was opened is a problem: other
    pixels under the old label would be.

    Args:
        dataset: its rows give the order.
        size: pixels of the shorter side, or height and width of a canvas that the whole images are fitted into.
        folder: where cache files live; the ones that were not used for longest go when the limit is reached.
        limit_bytes: largest sum of all cache files; None allows half of the disk's free space.
        progress: called with (images done, images in all).

    Returns:
        The images; `problems` names the rows that could not be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = np.array(dataset.table["digest"].to_pylist(), dtype="S40")
    name = f"{_size_text(size)}-{hashlib.blake2b(digests.tobytes(), digest_size=12).hexdigest()}"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        index = _Index.load(folder / f"{name}.index")
        form = _best_form(_estimated_bytes(dataset, size), _limit(folder, limit_bytes))
        if index is not None and _is_mended(dataset, digests, size, index):
            index = None
        if index is None or (index.form != form and form == "pixels"):
            _make_room(folder, _estimated_bytes(dataset, size), _limit(folder, limit_bytes), name)
            index = _build(dataset, digests, size, folder / f"{name}.index", form, progress)
        os.utime(index.path)
        data = index.data() if index.form != "none" else None
    problems = {int(row): reason for row, reason in index.problems.items()}
    if data is None:
        return DecodedOnDemand(dataset, size, problems)
    if index.form == "jpeg":
        return JpegCache(data, index.offsets, index.lengths, problems)
    return PixelCache(data, index.offsets, index.sizes, problems)


def _is_mended(dataset: Dataset, digests: NDArray[np.bytes_], size: PixelSize, index: _Index) -> bool:
    """Whether an image that could not be decoded can be now, for a disk or a server may have been away."""
    rows = [int(row) for row in index.problems]
    images = dataset.table["image"].to_pylist() if rows else []
    store = partial(_stored, images=images, digests=digests, root=dataset.root, size=size, form="none", known={})
    return any(stored.problem is None for stored in parallel_map(store, rows))


@dataclass(frozen=True)
class _Index:
    """What lies where in a cache file.

    Attributes:
        path: of the index; the data lie beside it.
        form: what is kept.
        digests: (images,), of the files' contents.
        offsets, lengths: (images,), in bytes.
        sizes: (images, 2), height and width.
        problems: reason by row.
    """

    path: Path
    form: Form
    digests: NDArray[np.bytes_]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sizes: NDArray[np.int32]
    problems: dict[str, str]

    @staticmethod
    def load(path: Path) -> _Index | None:
        """The index of a cache file that is whole, or None: a crash may leave one beside data that it is not of."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                columns = {name: arrays[name] for name in ("digests", "offsets", "lengths", "sizes")}
                index = _Index(path, facts["form"], problems=facts["problems"], **columns)
            size = path.with_suffix(".data").stat().st_size
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return index if size == int((index.offsets + index.lengths).max(initial=0)) else None

    def save(self) -> None:
        """Write the index; the data must be there already."""
        facts = json.dumps({"form": self.form, "problems": self.problems})
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                facts=np.array(facts),
                digests=self.digests,
                offsets=self.offsets,
                lengths=self.lengths,
                sizes=self.sizes,
            )

    def data(self) -> NDArray[np.uint8]:
        """The data, memory-mapped."""
        file = self.path.with_suffix(".data")
        return np.memmap(file, np.uint8, "r") if file.stat().st_size else np.zeros(0, np.uint8)


@dataclass
class _Stored:
    """One image on its way into a cache file."""

    data: bytes | memoryview = b""
    height: int = 0
    width: int = 0
    problem: str | None = None


def _build(
    dataset: Dataset,
    digests: NDArray[np.bytes_],
    size: PixelSize,
    path: Path,
    form: Form,
    progress: Progress | None,
) -> _Index:
    """Decode, or copy from other files, the images of a data set; each content is stored once."""
    known = dict(_known_images(path.parent, _size_text(size), form))
    images = dataset.table["image"].to_pylist()
    _, first_rows, unique = np.unique(digests, return_index=True, return_inverse=True)
    offsets, lengths = np.zeros(len(first_rows), np.int64), np.zeros(len(first_rows), np.int64)
    sizes, problems = np.zeros((len(first_rows), 2), np.int32), {}
    order = np.argsort(first_rows)
    rows = first_rows[order].tolist()
    store = partial(_stored, images=images, digests=digests, root=dataset.root, size=size, form=form, known=known)
    end = 0
    with atomic_path(path.with_suffix(".data")) as temporary, temporary.open("wb") as file:
        for place, stored in zip(order, parallel_map(store, rows, progress=progress), strict=True):
            if stored.problem is not None:
                problems[int(place)] = stored.problem
            elif form != "none":
                offsets[place], lengths[place] = end, file.write(stored.data)
                sizes[place] = stored.height, stored.width
                end += int(lengths[place])
    by_row = {str(row): problems[place] for row, place in enumerate(unique.tolist()) if place in problems}
    index = _Index(path, form, digests, offsets[unique], lengths[unique], sizes[unique], by_row)
    index.save()
    return index


def _stored(
    row: int,
    *,
    images: list[str],
    digests: NDArray[np.bytes_],
    root: str,
    size: PixelSize,
    form: Form,
    known: dict[bytes, _Stored],
) -> _Stored:
    """One image, from another cache file or from its own file."""
    digest = bytes(digests[row])
    if digest in known:
        return known[digest]
    try:
        data = read_image_bytes(root, images[row])
        if is_content_digest(digest.decode()) and digest_of(data) != digest.decode():
            return _Stored(problem="the file changed since the data set was opened")
        pixels = np.ascontiguousarray(load_pixels(data, size=size))
    except ImageError as error:
        return _Stored(problem=str(error))
    height, width = pixels.shape[:2]
    return _Stored(_jpeg(pixels) if form == "jpeg" else pixels.reshape(-1).data, height, width)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG without colour subsampling."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue()


def _from_jpeg(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _known_images(folder: Path, size: str, form: Form) -> Iterator[tuple[bytes, _Stored]]:
    """The images of the other cache files of the same size and form, by digest."""
    for path in folder.glob(f"{size}-*.index"):
        index = _Index.load(path)
        if index is None or index.form != form or form == "none":
            continue
        try:
            data = index.data()
        except OSError:  # another process has made room
            continue
        starts, ends, sizes = index.offsets.tolist(), (index.offsets + index.lengths).tolist(), index.sizes.tolist()
        for row, digest in enumerate(index.digests.tolist()):
            if ends[row] > starts[row]:
                yield digest, _Stored(data[starts[row] : ends[row]].data, *sizes[row])


def _limit(folder: Path, limit_bytes: int | None) -> int:
    """Largest sum of all cache files in bytes."""
    if limit_bytes is not None:
        return limit_bytes
    held = sum(file.stat().st_size for file in folder.glob("*.data"))
    return int(_MAX_DISK_SHARE * (shutil.disk_usage(folder).free + held))


def _best_form(pixel_bytes: int, limit: int) -> Form:
    """What fits into the limit."""
    if pixel_bytes <= limit:
        return "pixels"
    return "jpeg" if _JPEG_SHARE * pixel_bytes <= limit else "none"


def _make_room(folder: Path, needed: int, limit: int, name: str) -> None:
    """Delete the files that were not used for longest until what is needed fits; an open file stays readable."""
    files = []
    for file in folder.glob("*.data"):
        with contextlib.suppress(OSError):  # another process makes room too
            used = file.with_suffix(".index").stat().st_mtime
            files += [(used, file.stat().st_size, file)] if file.stem != name else []
    held = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if held + needed <= limit:
            return
        held -= size
        file.with_suffix(".index").unlink(missing_ok=True)
        file.unlink(missing_ok=True)


def _size_text(size: PixelSize) -> str:
    shape = f"fit{size[0]}x{size[1]}" if isinstance(size, tuple) else f"side{size}"
    return f"v{_VERSION}-{shape}"


def _estimated_bytes(dataset: Dataset, size: PixelSize) -> int:
    """Size of all resized images in bytes, at most."""
    if isinstance(size, tuple):
        return 3 * size[0] * size[1] * len(dataset)
    widths = dataset.table["width"].to_numpy().astype(float)
    heights = dataset.table["height"].to_numpy().astype(float)
    aspects = np.maximum(widths, heights) / np.maximum(np.minimum(widths, heights), 1)
    return int(3 * size**2 * np.minimum(aspects, MAX_ASPECT).sum())
