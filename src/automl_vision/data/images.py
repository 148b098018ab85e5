"""From the bytes of an image to upright RGB pixels; needs only NumPy and Pillow.

Training, evaluation and the predictor all come through `load_pixels`, so a deployed model sees the pixels that it
was trained on.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from automl_vision.core.errors import ImageError
from automl_vision.data.deep_images import deep_values, is_deep
from automl_vision.data.image_formats import READ, parse_header
from automl_vision.data.value_range import ValueRange

MAX_PIXELS = 200_000_000  # a 200-megapixel photo decodes to 600 MB; anything above is refused before decoding
MAX_ASPECT = 4.0  # of a panorama only the middle is kept, so that no image needs 4 times the pixels of another

_EXIF_ORIENTATION = 0x0112
_STATED_IN = {  # chunks and boxes that may state it
    "PNG": (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp"),
    "HEIF": (b"irot", b"imir"),
}
_SIZED_UPRIGHT = ("TIFF", "HEIF")  # Pillow and libheif return their sizes upright
TRANSPOSED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


def open_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open an image from its bytes without decoding its pixels; its contents count, whatever its name says.

    Raises:
        ImageError: the bytes are empty, no image, of a format that is not read, or larger than `max_pixels`.
    """
    if not data:
        raise ImageError("the file is empty (0 bytes)")
    try:
        image = parse_header(data)
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers raise nearly anything on hostile bytes
        raise ImageError(f"the image header cannot be read ({error})") from error
    if image is None:
        raise ImageError(f"the file is not an image of a known format ({READ})")
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(f"the image is larger than {max_pixels:,} pixels ({width} x {height})")
    return image


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, by the header alone; 1 where there is none, or a broken one.

    A PNG may hold it behind the pixels, and Pillow would decode them to look there.
    """
    names = _STATED_IN.get(image.format or "")
    if names and isinstance(image, ImageFile.ImageFile) and isinstance(image.fp, io.BytesIO):
        data = image.fp.getvalue()
        if not any(name in data for name in names):
            return 1
        if image.format == "HEIF":  # turned by its own boxes, and EXIF says the same
            return int(image.info.get("original_orientation") or 1)
    try:
        found = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block must not lose the image
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def upright_size(image: Image.Image, orientation: int | None = None) -> tuple[int, int]:
    """Width and height in pixels as seen after EXIF rotation, without decoding.

    Args:
        image: as opened.
        orientation: of the image, where it is known already.
    """
    width, height = image.size
    if image.format in _SIZED_UPRIGHT:
        return width, height
    orientation = orientation_of(image) if orientation is None else orientation
    return (height, width) if orientation in TRANSPOSED else (width, height)


def to_rgb(image: Image.Image, value_range: ValueRange | None = None) -> Image.Image:
    """Upright 8-bit RGB: alpha is laid over white, and more than 8 bits become 8.

    Args:
        image: as opened, or loaded.
        value_range: of images with more than 8 bits; None guesses one from each image, as before there were ranges.

    Raises:
        ImageError: the image has more than 8 bits, and the range says nothing of such values.
    """
    if value_range is not None and is_deep(image):
        image = _in_8_bits(deep_values(image, _upright, open_image), value_range)
    else:
        image = _upright(image)
        if image.mode.startswith(("I", "F")):
            image = Image.fromarray(_scale_to_8_bit(np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    return image.convert("RGB")


def own_values(image: Image.Image) -> NDArray[Any]:
    """The values of an image of more than 8 bits as they are stored, without alpha.

    Args:
        image: as opened; see `is_deep`.

    Raises:
        ImageError: it is broken, or stores its colours in a way that is not read.
    """
    try:
        values = deep_values(image, _upright, open_image)
    except ImageError:
        raise
    except Exception as error:  # as in `load_pixels`
        raise ImageError(f"the image is broken or truncated ({error})") from error
    return values[..., :3] if values.ndim == 3 else values


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # on a second call, Pillow returns the part of a damaged image that it decoded, the rest in black
    with suppress(SyntaxError, ValueError, KeyError, TypeError, OSError, ZeroDivisionError):  # a broken EXIF block
        image = ImageOps.exif_transpose(image)
    return image


def _in_8_bits(values: NDArray[Any], value_range: ValueRange) -> Image.Image:
    """Grey, RGB or RGBA of 8 bits from (height, width), or (height, width, 3 or 4); alpha is a share of its type."""
    if values.ndim == 3 and values.shape[2] == 4:
        alpha = (values[..., 3:] >> 8).astype(np.uint8)
        return Image.fromarray(np.concatenate([value_range.to_8_bit(values[..., :3]), alpha], axis=2))
    return Image.fromarray(value_range.to_8_bit(values))


def _scale_to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The guess of older versions, from one image: floats up to 1 count as shares, values up to 255 as bytes."""
    values = np.nan_to_num(values.astype(np.float64))
    top = float(values.max(initial=0.0))
    scale = 255.0 if 0 < top <= 1.0 else 1.0 if top <= 255 else 255.0 / max(65535.0, top)
    return np.clip(values * scale, 0, 255).astype(np.uint8)


PixelSize = int | tuple[int, int]
"""Pixels of an image's shorter side, or height and width of the canvas that the whole image is fitted into."""


def load_pixels(
    data: bytes,
    *,
    size: PixelSize | None = None,
    value_range: ValueRange | None = None,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Decode an image to upright RGB pixels of a wanted size.

    JPEGs are decoded at reduced scale where that still leaves twice the wanted size. Where the shorter side is wanted,
    aspects beyond `MAX_ASPECT` are cut to their middle; an image that is fitted into a canvas stays whole.

    Args:
        data: the bytes of the file.
        size: what to resize to; None keeps the size.
        value_range: of the dataset or the model, for images of more than 8 bits; see `to_rgb`.
        max_pixels: images with more pixels are refused.

    Returns:
        Pixels (height, width, 3), uint8.

    Raises:
        ImageError: the image is broken, truncated, too large or no image.
    """
    image = open_image(data, max_pixels=max_pixels)
    try:
        if size is not None and image.format == "JPEG":
            image.draft("RGB" if image.mode == "RGB" else None, _least_size(image, size))
        rgb = to_rgb(image, value_range)
    except ImageError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, MemoryError, ...
        raise ImageError(f"the image is broken or truncated ({error})") from error
    return np.asarray(resized(rgb, size))


def resized(rgb: Image.Image, size: PixelSize | None) -> Image.Image:
    """An upright RGB image in a wanted size, as `load_pixels` returns it; None keeps the size."""
    if isinstance(size, tuple):
        return rgb.resize(fitted_size(rgb.width, rgb.height, size), Image.Resampling.BICUBIC)
    return rgb if size is None else _resize_short_side(rgb, size)


def fitted_size(width: int, height: int, canvas: tuple[int, int]) -> tuple[int, int]:
    """Width and height of an image that is scaled to fit into a canvas of (height, width), at least 1 pixel each."""
    scale = min(canvas[0] / height, canvas[1] / width)
    return max(1, min(canvas[1], round(width * scale))), max(1, min(canvas[0], round(height * scale)))


def _least_size(image: Image.Image, size: PixelSize) -> tuple[int, int]:
    """Twice the wanted width and height of an image that may not be upright yet."""
    if not isinstance(size, tuple):
        return 2 * size, 2 * size
    width, height = upright_size(image)
    fitted = max(fitted_size(width, height, size)), min(fitted_size(width, height, size))
    return (2 * fitted[0], 2 * fitted[1]) if image.width >= image.height else (2 * fitted[1], 2 * fitted[0])


def _resize_short_side(image: Image.Image, short_side: int) -> Image.Image:
    """Bicubic with antialiasing; the box cuts what is beyond `MAX_ASPECT`."""
    width, height = image.size
    kept_width, kept_height = _within_aspect(width, height)
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    scale = short_side / min(width, height)
    size = (round(kept_width * scale), round(kept_height * scale))
    if size == image.size:
        return image
    box = (left, top, left + kept_width, top + kept_height)
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def _within_aspect(width: float, height: float) -> tuple[float, float]:
    """Width and height of what is kept of a panorama."""
    return min(width, MAX_ASPECT * height), min(height, MAX_ASPECT * width)


def seen_by_center_crop(
    original: tuple[int, int], resized: tuple[int, int], crop: int
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels of an image, of what `center_crop` keeps of it.

    Args:
        original: height and width of the image.
        resized: height and width that `load_pixels` resized it to.
        crop: side in pixels of the crop.
    """
    width, height = _within_aspect(original[1], original[0])
    left, top = (resized[1] - crop) // 2, (resized[0] - crop) // 2
    across, down = width / resized[1], height / resized[0]
    x, y = (original[1] - width) / 2 + left * across, (original[0] - height) / 2 + top * down
    return x, y, x + crop * across, y + crop * down


def center_crop(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle `size` x `size` of (height, width, 3) pixels whose sides are at least `size`."""
    height, width = pixels.shape[:2]
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]
