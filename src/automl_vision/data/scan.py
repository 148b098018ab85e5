"""Opens every image once: size, content digest, and the reason for each one that cannot be used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from automl_vision.core.errors import ImageError
from automl_vision.data.annotations import Record
from automl_vision.data.files import read_image_bytes, resolve_inside
from automl_vision.data.images import MAX_PIXELS, open_image, upright_size

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
        digest: BLAKE2b of the file's bytes, 32 hexadecimal digits.
        problem: why the image cannot be used, or None.
    """

    image: str
    width: int = 0
    height: int = 0
    digest: str = ""
    problem: str | None = None


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], *, progress: Progress | None = None
) -> Iterator[Result]:
    """Map in threads, in order, with only a window of results in memory; decoding releases the interpreter's lock."""
    with ThreadPoolExecutor(THREADS) as pool:
        pending = iter(items)
        window = [pool.submit(function, item) for item in islice(pending, 16 * THREADS)]
        done = 0
        while window:
            result = window.pop(0).result()
            window += [pool.submit(function, item) for item in islice(pending, 1)]
            done += 1
            if progress:
                progress(done, len(items))
            yield result


def scan_images(
    records: Sequence[Record],
    root: Path,
    *,
    allow_outside: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> Iterator[ImageFacts]:
    """Read each record's image file and header, in order; pixels are not decoded."""

    def facts(record: Record) -> ImageFacts:
        try:
            image = resolve_inside(root, record.image, allow_outside=allow_outside)
            data = read_image_bytes(str(root), image)
            width, height = upright_size(open_image(data, max_pixels=max_pixels))
        except ImageError as error:
            return ImageFacts(record.image, problem=str(error))
        return ImageFacts(image, width, height, hashlib.blake2b(data, digest_size=16).hexdigest())

    return parallel_map(facts, records, progress=progress)
