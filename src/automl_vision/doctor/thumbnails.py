"""Thumbnails as `data:` URIs, for a self-contained page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import partial

from PIL import Image

from automl_vision.data.images import open_image, to_rgb
from automl_vision.data.scan import parallel_map
from automl_vision.data.value_range import ValueRange
from automl_vision.storage.access import read_image_bytes

LONG_SIDE = 256  # pixels: sharp on a phone, about 8 KB
_QUALITY = 72


def thumbnails(root: str, images: Sequence[str], *, value_range: ValueRange | None = None) -> dict[str, str]:
    """`data:` URIs of small JPEGs by image; without images that cannot be decoded.

    Args:
        root: where relative images start.
        images: paths or URLs.
        value_range: of the dataset.
    """
    wanted = sorted(set(images))
    made = parallel_map(partial(_thumbnail, root=root, value_range=value_range), wanted)
    return {image: uri for image, uri in zip(wanted, made, strict=True) if uri is not None}


def _thumbnail(image: str, *, root: str, value_range: ValueRange | None) -> str | None:
    try:
        opened = open_image(read_image_bytes(root, image))
        if opened.format == "JPEG":
            opened.draft("RGB" if opened.mode == "RGB" else None, (2 * LONG_SIDE, 2 * LONG_SIDE))
        small = to_rgb(opened, value_range)
    except Exception:  # decoders raise nearly anything on broken files, which are expected here
        return None
    small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
