"""Opens every image once: size, content digest, and the reason for each one that cannot be used."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from automl_vision.core.errors import ImageError
from automl_vision.data.images import MAX_PIXELS, open_image, upright_size
from automl_vision.data.storage import Storage, read_image_bytes

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = min(8, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True)
class ImageFacts:
    """What the manifest keeps of an image.

    Attributes:
        image: resolved path relative to the root, absolute path, or URL.
        width, height: in pixels, upright.
        digest: BLAKE2b of the file's bytes (of a remote file its store's own tag), 32 hexadecimal digits.
        problem: why the image cannot be used, or None.
    """

    image: str
    width: int = 0
    height: int = 0
    digest: str = ""
    problem: str | None = None


@dataclass(frozen=True)
class ScanOptions:
    """How images are looked at.

    Attributes:
        allow_outside: whether paths may lead out of the data's root.
        max_pixels: images with more pixels are left out unread.
        read_images: whether each file is opened; False takes the size from the annotations and the file's own size
            and time instead of its contents, where that is possible.
    """

    allow_outside: bool = False
    max_pixels: int = MAX_PIXELS
    read_images: bool = True


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], *, progress: Progress | None = None
) -> Iterator[Result]:
    """Map in threads, in order, with only a window of results in memory; decoding releases the interpreter's lock."""
    with ThreadPoolExecutor(THREADS) as pool:
        pending = iter(items)
        window = deque(pool.submit(function, item) for item in islice(pending, 16 * THREADS))
        done = 0
        while window:
            result = window.popleft().result()
            window.extend(pool.submit(function, item) for item in islice(pending, 1))
            done += 1
            if progress:
                progress(done, len(items))
            yield result


def digest_of(data: bytes) -> str:
    """BLAKE2b of some bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def scan_images(
    images: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    storage: Storage,
    options: ScanOptions,
    *,
    progress: Progress | None = None,
) -> Iterator[ImageFacts]:
    """Size and digest of each image, in order; pixels are not decoded.

    Args:
        images: as the annotations name them.
        sizes: width and height as the annotations state them; zeros where they state none.
        storage: where the images lie.
        options: how they are looked at.
        progress: called with (images done, images in all).
    """
    items = list(zip(images, sizes, strict=True))
    return parallel_map(partial(_facts, storage=storage, options=options), items, progress=progress)


def _facts(item: tuple[str, tuple[int, int]], storage: Storage, options: ScanOptions) -> ImageFacts:
    reference, (width, height) = item
    try:
        image = storage.resolve(reference, allow_outside=options.allow_outside)
        identity = storage.identity(image, stat_only=not options.read_images) if width else None
        if identity is not None:
            return ImageFacts(image, width, height, digest_of(identity.encode()))
        data = read_image_bytes(storage.root, image)
        width, height = upright_size(open_image(data, max_pixels=options.max_pixels))
    except ImageError as error:
        return ImageFacts(reference, problem=str(error))
    return ImageFacts(image, width, height, digest_of(data))
