"""Opens every image once to learn its size, its content digest, or the reason why it cannot be used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from automl_vision.core.errors import ImageError
from automl_vision.core.threads import Item, Result, map_in_order
from automl_vision.data.deep_images import is_deep
from automl_vision.data.images import open_image, orientation_of, upright_size
from automl_vision.data.open_options import OpenOptions
from automl_vision.storage.access import read_image_bytes
from automl_vision.storage.locations import Storage

Progress = Callable[[int, int], None]

_CHUNK = 64  # images per work item of a thread; submitting images one by one took longer than reading their headers
_NOT_READ = "stat:"  # prefix of the digest of a file that was not read

THREADS = min(8, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the manifest stores about an image file.

    Attributes:
        image: resolved path relative to the root, absolute path, or URL.
        width, height: in pixels, upright.
        digest: BLAKE2b of the file's bytes, 32 hexadecimal digits; for a file that was not read, a digest of its
            size, modification time and the like.
        problem: why the image cannot be used, or None.
        orientation: of EXIF, 1 to 8; 1 for a file that was not read.
        is_deep: whether it has more than 8 bits per channel.
    """

    image: str
    width: int = 0
    height: int = 0
    digest: str = ""
    problem: str | None = None
    orientation: int = 1
    is_deep: bool = False


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], *, progress: Progress | None = None
) -> Iterator[Result]:
    """Map in threads and yield the results in order; only a window of them is in memory.

    Threads are enough: decoding releases the interpreter's lock.
    """
    results = map_in_order(function, items, threads=THREADS, window=16 * THREADS)
    for done, result in enumerate(results, start=1):
        if progress:
            progress(done, len(items))
        yield result


def digest_of(data: bytes) -> str:
    """BLAKE2b digest of bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def is_content_digest(digest: str) -> bool:
    """Whether a manifest's digest was computed from the file's contents, not from its size and time alone."""
    return not digest.startswith(_NOT_READ)


def scan_images(
    images: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    storage: Storage,
    options: OpenOptions,
    *,
    progress: Progress | None = None,
) -> Iterator[ImageFacts]:
    """Size and digest of each image, in order; pixels are not decoded.

    Args:
        images: as the annotations name them.
        sizes: width and height as the annotations state them; zeros if they state none.
        storage: to read the images from.
        options: how the dataset is opened.
        progress: called with (images done, images in all).
    """
    items = list(zip(images, sizes, strict=True))
    size = max(1, min(_CHUNK, len(items) // (4 * THREADS)))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]

    def look(chunk: list[tuple[str, tuple[int, int]]]) -> list[ImageFacts]:
        return [_facts(reference, size, storage, options) for reference, size in chunk]

    done = 0
    for found in parallel_map(look, chunks) if options.read_images else map(look, chunks):
        yield from found
        done += len(found)
        if progress:
            progress(done, len(items))


def _facts(reference: str, size: tuple[int, int], storage: Storage, options: OpenOptions) -> ImageFacts:
    width, height = size
    try:
        image = storage.resolve(reference, allow_outside=options.allow_outside)
        identity = storage.identity(image, stat_only=not options.read_images) if width else None
        if identity is not None:
            return ImageFacts(image, width, height, f"{_NOT_READ}{digest_of(identity.encode())}")
        data = read_image_bytes(storage.root, image)
        opened = open_image(data, max_pixels=options.max_pixels)
        deep = is_deep(opened)  # before a PNG is loaded for its orientation
        orientation = orientation_of(opened)
        width, height = upright_size(opened, orientation)
    except ImageError as error:
        return ImageFacts(reference, problem=str(error))
    return ImageFacts(image, width, height, digest_of(data), orientation=orientation, is_deep=deep)
