"""Decoded, resized images in memory-mapped files: each image is decoded once, then only read.

A file contains the images of one dataset at one size. Its name is a digest of their contents, so trials and runs share
it. For a new version of a dataset, images are copied from earlier files and only new ones are decoded. If the pixels
exceed the size limit, small JPEGs are stored instead; if these exceed it too, images are decoded each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.core.files import atomic_path
from automl_vision.core.locks import locked
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import MAX_ASPECT, PixelSize, load_pixels
from automl_vision.data.scan import Progress, digest_of, is_content_digest, parallel_map
from automl_vision.data.value_range import ValueRange
from automl_vision.storage.access import read_image_bytes

Form = Literal["pixels", "jpeg", "none"]

_VERSION = "3"  # increased whenever the pixels of `load_pixels` or the layout of the files change
_MAX_DISK_SHARE = 0.5  # of the disk space that is free or used by the cache itself
_COLUMNS = ("digests", "offsets", "lengths", "sizes")  # of an index file
_DIGITS = "[0-9a-f]" * 24  # of a digest in the name of a file
_JPEG_QUALITY = 95
_JPEG_SHARE = 0.25  # of the pixels' size; datasets of photos took 0.10 to 0.18 at this quality


class Pixels(Protocol):
    """Images by row of the manifest."""

    @property
    def problems(self) -> dict[int, str]:
        """Reason per row, for images that could not be decoded."""

    @property
    def as_jpeg(self) -> bool:
        """Whether the pixels were compressed as JPEG, and so differ a little from those of the image file."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """Pixels (height, width, 3), uint8, resized."""
        ...


@dataclass(frozen=True)
class PixelCache:
    """Images from a memory-mapped file of pixels or small JPEGs; an image that could not be decoded is (0, 0, 3).

    Attributes:
        data: all images, one after another.
        index: where each of them starts.
    """

    data: NDArray[np.uint8]
    index: _Index

    @property
    def problems(self) -> dict[int, str]:
        """Reason per row, for images that could not be decoded."""
        return self.index.problems

    @property
    def as_jpeg(self) -> bool:
        """Whether the file contains JPEGs."""
        return self.index.form == "jpeg"

    def __len__(self) -> int:
        return len(self.index.offsets)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        start, length = int(self.index.offsets[row]), int(self.index.lengths[row])
        stored = self.data[start : start + length]
        if self.as_jpeg and length:
            return _from_jpeg(stored.tobytes())
        return stored.reshape(*self.index.sizes[row].tolist(), 3)


@dataclass(frozen=True)
class DecodedOnDemand:
    """Images that are decoded each time, for datasets that do not fit on the disk.

    Attributes:
        dataset: the images' dataset.
        size: what they are resized to.
        problems: reason per row, for images that cannot be decoded.
        as_jpeg: whether the pixels are compressed as in a `PixelCache` of JPEGs.
    """

    dataset: Dataset
    size: PixelSize
    problems: dict[int, str]
    as_jpeg: bool = False

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        image = self.dataset.table["image"][row].as_py()
        data = read_image_bytes(self.dataset.root, image)
        pixels = load_pixels(data, size=self.size, value_range=self.dataset.value_range)
        return _from_jpeg(_jpeg(np.ascontiguousarray(pixels))) if self.as_jpeg else pixels


def open_pixels(
    dataset: Dataset,
    size: PixelSize,
    folder: Path,
    *,
    limit_bytes: int | None = None,
    progress: Progress | None = None,
) -> Pixels:
    """The dataset's images, resized.

    Decodes every image once and keeps the pixels in `folder`; later calls with the same contents open the file.
    Concurrent callers wait for the first one. A file that changed since the dataset was opened is reported as a
    problem, because its label was given to other pixels.

    Args:
        dataset: its rows define the order.
        size: pixels of the shorter side, or height and width of a canvas that the whole images are fitted into.
        folder: for the cache files; if the limit is reached, those that have not been used for longest are deleted.
        limit_bytes: maximum size of all cache files; None allows half of the disk's free space.
        progress: called with (images done, images in all).

    Returns:
        The images; `problems` names the rows that could not be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = np.array(dataset.table["digest"].to_pylist(), dtype="S40")
    images = _Images(dataset.root, dataset.table["image"].to_pylist(), digests, size, dataset.value_range)
    name = f"{images.kind}-{hashlib.blake2b(digests.tobytes(), digest_size=12).hexdigest()}"
    path, needed = folder / f"{name}.index", _estimated_bytes(dataset, size)
    with locked(folder / f"{name}.lock"):
        limit = _limit(folder, limit_bytes)
        form = _best_form(needed, limit)
        index = _Index.load(path)
        if index is None or (index.form != form and form == "pixels") or images.any_readable(list(index.problems)):
            _make_room(folder, needed, limit, name)
            index = _build(images, path, form, progress)
        os.utime(path)
        if index.form == "none":
            return DecodedOnDemand(dataset, size, index.problems)
        return PixelCache(index.data(), index)


@dataclass(frozen=True)
class _Images:
    """The image files of a dataset.

    Attributes:
        root: start of relative paths.
        paths: by row.
        digests: (images,), of the files' contents when the dataset was opened.
        size: what they are resized to.
        value_range: of images with more than 8 bits.
    """

    root: str
    paths: list[str]
    digests: NDArray[np.bytes_]
    size: PixelSize
    value_range: ValueRange | None

    @property
    def kind(self) -> str:
        """Begins the names of cache files whose pixels would be the same for the same contents."""
        key = "" if self.value_range is None else self.value_range.key or "bytes"
        return _size_text(self.size) + (f"-{digest_of(key.encode())[:8]}" if key else "")

    def stored(self, row: int, *, form: Form, known: Mapping[bytes, _Stored]) -> _Stored:
        """One image in the form of a cache file: from another cache file, or from its own file."""
        digest = bytes(self.digests[row])
        if digest in known:
            return known[digest]
        try:
            data = read_image_bytes(self.root, self.paths[row])
            if is_content_digest(digest.decode()) and digest_of(data) != digest.decode():
                return _Stored(problem="the file changed since the dataset was opened")
            pixels = np.ascontiguousarray(load_pixels(data, size=self.size, value_range=self.value_range))
        except ImageError as error:
            return _Stored(problem=str(error))
        height, width = pixels.shape[:2]
        return _Stored(_jpeg(pixels) if form == "jpeg" else pixels.reshape(-1).data, height, width)

    def any_readable(self, rows: list[int]) -> bool:
        """Whether one of some rows can be decoded; its disk or server may have been unavailable before."""
        found = parallel_map(partial(self.stored, form="none", known={}), rows)
        return any(stored.problem is None for stored in found)


@dataclass(frozen=True)
class _Index:
    """The layout of a cache file.

    Attributes:
        path: of the index; the data file is next to it.
        form: what the data file contains.
        digests: (images,), of the files' contents.
        offsets, lengths: (images,), in bytes; lengths are 0 for unreadable images.
        sizes: (images, 2), height and width.
        problems: reason per row.
    """

    path: Path
    form: Form
    digests: NDArray[np.bytes_]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sizes: NDArray[np.int32]
    problems: dict[int, str]

    @staticmethod
    def load(path: Path) -> _Index | None:
        """The index of a complete cache file, or None; after a crash an index may not belong to its data file."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                problems = {int(row): reason for row, reason in facts["problems"].items()}
                index = _Index(path, facts["form"], problems=problems, **{name: arrays[name] for name in _COLUMNS})
            size = path.with_suffix(".data").stat().st_size
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return index if size == int((index.offsets + index.lengths).max(initial=0)) else None

    def save(self) -> None:
        """Write the index; the data must have been written before."""
        facts = json.dumps({"form": self.form, "problems": self.problems})
        columns = {name: getattr(self, name) for name in _COLUMNS}
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, facts=np.array(facts), **columns)

    def data(self) -> NDArray[np.uint8]:
        """The data, memory-mapped."""
        file = self.path.with_suffix(".data")
        return np.memmap(file, np.uint8, "r") if file.stat().st_size else np.zeros(0, np.uint8)


@dataclass
class _Stored:
    """One image in the form of a cache file, or the reason why it cannot be read."""

    data: bytes | memoryview = b""
    height: int = 0
    width: int = 0
    problem: str | None = None


def _build(images: _Images, path: Path, form: Form, progress: Progress | None) -> _Index:
    """Decode the images of a dataset or copy them from other files; equal contents are stored once."""
    known = dict(_known_images(path.parent, images.kind, form))
    _, first_rows, unique = np.unique(images.digests, return_index=True, return_inverse=True)
    offsets, lengths = np.zeros(len(first_rows), np.int64), np.zeros(len(first_rows), np.int64)
    sizes, problems = np.zeros((len(first_rows), 2), np.int32), {}
    order = np.argsort(first_rows)
    found = parallel_map(partial(images.stored, form=form, known=known), first_rows[order].tolist(), progress=progress)
    end = 0
    with atomic_path(path.with_suffix(".data")) as temporary, temporary.open("wb") as file:
        for place, stored in zip(order.tolist(), found, strict=True):
            if stored.problem is not None:
                problems[place] = stored.problem
            elif form != "none":
                offsets[place], lengths[place] = end, file.write(stored.data)
                sizes[place] = stored.height, stored.width
                end += int(lengths[place])
    by_row = {row: problems[place] for row, place in enumerate(unique.tolist()) if place in problems}
    index = _Index(path, form, images.digests, offsets[unique], lengths[unique], sizes[unique], by_row)
    index.save()
    return index


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG without colour subsampling."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue()


def _from_jpeg(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _known_images(folder: Path, kind: str, form: Form) -> Iterator[tuple[bytes, _Stored]]:
    """The images in other cache files of the same kind and form, by digest."""
    for path in folder.glob(f"{kind}-{_DIGITS}.index"):
        index = _Index.load(path)
        if index is None or index.form != form or form == "none":
            continue
        try:
            data = index.data()
        except OSError:  # another process has deleted it
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
    """The best form that fits into the limit."""
    if pixel_bytes <= limit:
        return "pixels"
    return "jpeg" if _JPEG_SHARE * pixel_bytes <= limit else "none"


def _make_room(folder: Path, needed: int, limit: int, name: str) -> None:
    """Delete the least recently used files until `needed` bytes fit; a file that is open stays readable."""
    files = []
    for file in folder.glob("*.data"):
        with contextlib.suppress(OSError):  # another process deletes files too
            used = file.with_suffix(".index").stat().st_mtime
            files += [(used, file.stat().st_size, file)] if file.stem != name else []
    held = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if held + needed <= limit:
            return
        with contextlib.suppress(PermissionError):  # Windows keeps what another process has open
            file.with_suffix(".index").unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            held -= size


def _size_text(size: PixelSize) -> str:
    shape = f"fit{size[0]}x{size[1]}" if isinstance(size, tuple) else f"side{size}"
    return f"v{_VERSION}-{shape}"


def _estimated_bytes(dataset: Dataset, size: PixelSize) -> int:
    """Upper bound of the size of all resized images in bytes."""
    if isinstance(size, tuple):
        return 3 * size[0] * size[1] * len(dataset)
    aspects = dataset.sizes.max(axis=1) / np.maximum(dataset.sizes.min(axis=1), 1)
    return int(3 * size**2 * np.minimum(aspects, MAX_ASPECT).sum())
