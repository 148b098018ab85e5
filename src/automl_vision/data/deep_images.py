"""Images of more than 8 bits per channel: which they are, and their values, which Pillow cuts to 8 bits for colours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from automl_vision.core.errors import ImageError

_BITS, _PHOTOMETRIC, _BANDS, _EXTRA, _KIND = 258, 262, 277, 338, 339  # tags of TIFF
_ENDS = ((340, 341), (280, 281))  # of the smallest and largest value
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3}  # bands by photometric interpretation
_ALPHA = (1, 2)
_GREY_ALPHA = "LA;16B"
_LITTLE = sys.byteorder == "little"
# Pillow unpacks 16-bit colours to their upper bytes; unpacked in the other order of bytes, they are the lower ones
_OTHER_ORDER = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B" if _LITTLE else "RGB;16L",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B" if _LITTLE else "RGBA;16L",
}

Open = Callable[[bytes], Image.Image]


def is_deep(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet has more than 8 bits per channel, by its header."""
    return image.mode[0] in "IF" or ";16" in _raw_mode(image)


def _raw_mode(image: Image.Image) -> str:
    """How the file stores its pixels, as Pillow names it; empty where that is another codec's own matter."""
    tiles = getattr(image, "tile", None)
    if image.format not in ("PNG", "TIFF") or not tiles:
        return ""
    args = tiles[0][3]
    found = args[0] if isinstance(args, tuple) and args else args
    return found if isinstance(found, str) else ""


def deep_values(image: Image.Image, upright: Callable[[Image.Image], Image.Image], again: Open) -> NDArray[Any]:
    """All bits of an image: (height, width) of integers or floats; (height, width, 3), or 4 with alpha, of uint16.

    Args:
        image: that is deep, and not loaded.
        upright: loads an image and turns it upright.
        again: opens an image from its bytes.

    Raises:
        ImageError: the file stores its colours in a way that is not read.
    """
    raw = _raw_mode(image)
    if image.mode[0] in "IF":
        return np.asarray(upright(image))
    if raw == _GREY_ALPHA:
        pairs = np.asarray(upright(_unpacked_as(image, "RGBA"))).astype(np.uint16)
        grey, alpha = pairs[..., 0] << 8 | pairs[..., 1], pairs[..., 2] << 8 | pairs[..., 3]
        return np.stack([grey, grey, grey, alpha], axis=2)
    if raw not in _OTHER_ORDER or not isinstance(image, ImageFile.ImageFile) or image.fp is None:
        raise ImageError(f"colours of 16 bits that are stored as {raw} are not read; write them as RGB of 16 bits")
    low = _unpacked_as(again(_bytes_of(image)), _OTHER_ORDER[raw])
    upper, lower = (np.asarray(upright(part)).astype(np.uint16) for part in (image, low))
    return upper << 8 | lower


def _bytes_of(image: ImageFile.ImageFile) -> bytes:
    """The whole file of an image; its position is kept, for the pixels are still to be read from there."""
    assert image.fp is not None
    position = image.fp.tell()
    image.fp.seek(0)
    data = image.fp.read()
    image.fp.seek(position)
    return bytes(data)


def _unpacked_as(image: Image.Image, raw: str) -> Image.Image:
    """The image, which will be unpacked in another way than its header says."""
    assert isinstance(image, ImageFile.ImageFile)
    tiles = []
    for tile in image.tile:
        args = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        tiles.append(tile._replace(args=args))
    image.tile = tiles
    return image


def stated_range(image: Image.Image) -> tuple[float, float] | None:
    """The smallest and largest value that a file states in TIFF's tags or DICOM's window; None for what says nothing.

    A range that is all of the type's is not one.
    """
    window = image.info.get("window")
    if window is not None:
        return float(window[0]), float(window[1])
    tags = getattr(image, "tag_v2", None) or {}
    for pair in _ENDS:
        low, high = (_number(tags.get(tag)) for tag in pair)
        if low is None or high is None or low >= high:
            continue
        if (low, high) != (0, 2 ** stored_bits(image) - 1):
            return low, high
    return None


def stored_bits(image: Image.Image, data: bytes = b"") -> int:
    """Significant bits per channel as the file states them; 0 where values are not unsigned integers.

    Args:
        image: that is deep.
        data: the file, in which a PNG may state fewer bits than it stores.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        return int(tags.get(_BITS, (8,))[0]) if tags.get(_KIND, (1,))[0] == 1 else 0
    if "bits" in image.info:
        return int(image.info["bits"])
    chunk = data.partition(b"IDAT")[0].find(b"sBIT")
    return data[chunk + 4] if image.format == "PNG" and chunk > 0 else 16


def _number(value: Any) -> float | None:
    """A tag's value; the first one where each band has its own."""
    value = value[0] if isinstance(value, tuple) and value else value
    return float(value) if isinstance(value, int | float) or hasattr(value, "__float__") else None


def refuse_bands(tags: Any) -> None:
    """Refuse a TIFF of bands that are neither grey, colours nor alpha.

    Raises:
        ImageError: it has such bands.
    """
    bands, extra, photometric = int(tags.get(_BANDS, 1)), tuple(tags.get(_EXTRA, ())), tags.get(_PHOTOMETRIC, 1)
    colours = _COLOURS.get(photometric, 1)
    has_alpha = any(kind in _ALPHA for kind in extra) if extra else photometric == 2
    if bands <= colours + has_alpha:
        return
    raise ImageError(
        f"the TIFF has {bands} bands, and only grey and colour images are read, with or without alpha; to choose bands "
        "of multispectral images is planned. Until then, write one or three of the bands to a file"
    )
