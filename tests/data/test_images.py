"""From bytes of every kind to upright RGB pixels, or to the reason why there are none."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.data.images import MAX_ASPECT, center_crop, load_pixels, open_image, upright_size
from conftest import draw_shapes

RED, WHITE, GREY = (255, 0, 0), (255, 255, 255), (128, 128, 128)
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def png_with_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; it holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def bmp_without_pixels() -> bytes:
    data = bytearray(encode(Image.new("RGB", (1, 1)), "BMP"))
    data[18:26] = bytes(8)
    return bytes(data)


def palette(transparent: bool) -> Image.Image:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 255, *RED])
    if transparent:
        image.info["transparency"] = 1
    return image


def with_alpha(mode: str, values: tuple[int, ...]) -> Image.Image:
    return Image.new(mode, (4, 4), values)


ONE_COLOUR = [
    ("grey", encode(Image.new("L", (4, 4), 128), "PNG"), GREY),
    ("1-bit", encode(Image.new("1", (4, 4), 1), "PNG"), WHITE),
    ("palette", encode(palette(False), "PNG"), RED),
    ("palette, transparent", encode(palette(True), "PNG", transparency=1), WHITE),
    ("palette, half transparent", encode(palette(False), "PNG", transparency=bytes([255, 128])), (255, 127, 127)),
    ("RGB, one colour transparent", encode(Image.new("RGB", (4, 4), RED), "PNG", transparency=RED), WHITE),
    ("grey, one value transparent", encode(Image.new("L", (4, 4), 128), "PNG", transparency=128), WHITE),
    ("RGBA opaque", encode(with_alpha("RGBA", (*RED, 255)), "PNG"), RED),
    ("RGBA over white", encode(with_alpha("RGBA", (0, 0, 0, 0)), "PNG"), WHITE),
    ("RGBA half", encode(with_alpha("RGBA", (*RED, 128)), "PNG"), (255, 127, 127)),
    ("LA", encode(with_alpha("LA", (0, 0)), "PNG"), WHITE),
    ("LA opaque", encode(with_alpha("LA", (128, 255)), "PNG"), GREY),
    ("CMYK", encode(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"), RED),
    ("16-bit PNG", encode(Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)), "PNG"), GREY),
    ("16-bit TIFF", encode(Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)), "TIFF"), GREY),
    ("32-bit TIFF", encode(Image.fromarray(np.full((4, 4), 128 * 257, np.int32)), "TIFF"), GREY),
    ("float TIFF of shares", encode(Image.fromarray(np.full((4, 4), 0.503, np.float32)), "TIFF"), GREY),
    ("float TIFF of bytes", encode(Image.fromarray(np.full((4, 4), 128, np.float32)), "TIFF"), GREY),
    ("float TIFF, not a number", encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), (0, 0, 0)),
    ("BMP", encode(Image.new("RGB", (4, 4), RED), "BMP"), RED),
    ("GIF", encode(Image.new("RGB", (4, 4), RED), "GIF"), RED),
    ("WebP", encode(Image.new("RGB", (4, 4), RED), "WEBP", lossless=True), RED),
]


@pytest.mark.parametrize(("case", "data", "expected"), ONE_COLOUR, ids=[case for case, *_ in ONE_COLOUR])
def test_every_mode_becomes_rgb(case: str, data: bytes, expected: tuple[int, int, int]) -> None:
    pixels = load_pixels(data)
    assert pixels.shape == (4, 4, 3) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, (4, 4, 3)))


def test_cmyk_jpeg() -> None:
    pixels = load_pixels(encode(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95), size=8)
    assert pixels.shape == (8, 8, 3)
    np.testing.assert_allclose(pixels, np.broadcast_to(RED, (8, 8, 3)), atol=6)


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_16_bit_keeps_its_upper_byte(format_: str) -> None:
    pixels = load_pixels(encode(Image.fromarray(RAMP * 257), format_))
    np.testing.assert_array_equal(pixels[..., 0], RAMP)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(format_: str) -> None:
    options = {"lossless": True} if format_ == "WEBP" else {}
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, WHITE)]
    data = encode(frames[0], format_, save_all=True, append_images=frames[1:], **options)
    assert load_pixels(data)[0, 0].tolist() == list(RED)


_TURNS: list[tuple[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]] = [
    (1, lambda a: a),
    (2, lambda a: a[:, ::-1]),
    (3, lambda a: a[::-1, ::-1]),
    (4, lambda a: a[::-1]),
    (5, lambda a: a.transpose(1, 0, 2)),
    (6, lambda a: np.rot90(a, -1)),
    (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
    (8, np.rot90),
]


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("orientation", "turn"), _TURNS)
def test_exif_orientation(
    orientation: int, turn: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], format_: str
) -> None:
    image = draw_shapes(("cross",), 1, size=(40, 30))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(image, format_, exif=exif, **({"lossless": True} if format_ == "WEBP" else {}))
    expected = turn(np.asarray(image))
    np.testing.assert_array_equal(load_pixels(data), expected)
    assert upright_size(open_image(data)) == expected.shape[1::-1]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_lose_the_picture() -> None:
    data = encode(Image.new("RGB", (20, 10), RED), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\x00\xff\x01\x12")
    assert upright_size(open_image(data)) == (20, 10)
    assert load_pixels(data).shape == (10, 20, 3)


def damaged(data: bytes) -> bytes:
    """With other bits in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 200]) + data[middle + 200 :]


JPEG = encode(draw_shapes(("circle",), 0, size=(96, 96)), "JPEG", quality=95)
PNG = encode(draw_shapes(("circle",), 0), "PNG")

BROKEN = [
    ("zero bytes", b"", r"empty \(0 bytes\)"),
    ("text", b"this is no image\n", "not an image of a known format"),
    ("another format", encode(Image.new("RGB", (4, 4)), "PCX"), "not an image of a known format"),
    ("beginning of a PNG", PNG[:20], "not an image of a known format|header cannot be read"),
    ("truncated JPEG", JPEG[: len(JPEG) * 9 // 10], "broken or truncated"),
    ("truncated PNG", PNG[: len(PNG) // 2], "broken or truncated"),
    ("damaged JPEG", damaged(JPEG), "broken or truncated"),
    ("damaged PNG", damaged(PNG), "broken or truncated"),
    (
        "damaged TIFF",
        damaged(encode(draw_shapes(("circle",), 0), "TIFF", compression="tiff_lzw")),
        "broken or truncated",
    ),
    ("bomb", png_with_size(100_000, 100_000), r"larger than 200,000,000 pixels \(100000 x 100000\)"),
    ("no pixels", bmp_without_pixels(), "not an image of a known format"),
]


@pytest.mark.parametrize(("case", "data", "error"), BROKEN, ids=[case for case, *_ in BROKEN])
def test_broken_bytes_give_a_reason(case: str, data: bytes, error: str) -> None:
    with pytest.raises(ImageError, match=error):
        load_pixels(data, size=8)


@pytest.mark.parametrize(
    ("size", "max_pixels", "error"),
    [
        ((16_320, 12_240), 200_000_000, None),  # a telephone's 200 megapixels, above Pillow's own limit
        ((10, 10), 100, None),
        ((10, 11), 100, r"larger than 100 pixels \(10 x 11\)"),
    ],
)
def test_the_limit_of_pixels_is_ours(size: tuple[int, int], max_pixels: int, error: str | None) -> None:
    if error is None:
        assert open_image(png_with_size(*size), max_pixels=max_pixels).size == size
    else:
        with pytest.raises(ImageError, match=error):
            open_image(png_with_size(*size), max_pixels=max_pixels)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what it met on the way
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
@settings(deadline=None, max_examples=40)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6), cut=st.integers(0, 10_000))
def test_hostile_bytes_never_give_another_error(format_: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(encode(draw_shapes(("circle",), 0, size=(32, 32)), format_))
    for position, value in changes:
        data[position % len(data)] = value
    try:
        pixels = load_pixels(bytes(data[: cut + 1]), size=8, max_pixels=100_000)
    except ImageError as error:
        assert str(error)
    else:
        assert min(pixels.shape[:2]) == 8


@settings(deadline=None, max_examples=50)
@given(width=st.integers(1, 300), height=st.integers(1, 300), side=st.integers(1, 64))
def test_the_shorter_side_is_as_wanted(width: int, height: int, side: int) -> None:
    pixels = load_pixels(encode(Image.new("L", (width, height)), "PNG"), size=side)
    assert min(pixels.shape[:2]) == side
    assert max(pixels.shape[:2]) == round(min(max(width, height) / min(width, height), MAX_ASPECT) * side)


@pytest.mark.parametrize("upright", [False, True])
def test_of_a_panorama_the_middle_is_kept(upright: bool) -> None:
    strip = np.zeros((10, 100, 3), np.uint8)
    strip[:, 30:70] = 255  # the middle 4 x 10
    image = Image.fromarray(strip.transpose(1, 0, 2) if upright else strip)
    pixels = load_pixels(encode(image, "PNG"), size=10)
    assert pixels.shape == ((40, 10, 3) if upright else (10, 40, 3))
    assert pixels.min() == 255


def test_a_jpeg_decoded_at_reduced_scale_stays_near_the_full_one() -> None:
    image = draw_shapes(("circle",), 0, size=(48, 48)).resize((768, 768), Image.Resampling.BICUBIC)
    reduced = load_pixels(encode(image, "JPEG", quality=95), size=32).astype(int)
    full = load_pixels(encode(image, "PNG"), size=32).astype(int)
    assert np.abs(reduced - full).mean() < 2


def test_center_crop() -> None:
    pixels = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
    np.testing.assert_array_equal(center_crop(pixels, 3), pixels[2:5, 1:4])
