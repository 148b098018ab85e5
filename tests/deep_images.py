"""Files of images with more than 8 bits, or more than 3 channels, byte by byte; Pillow writes few of them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode(values: NDArray[Any], format_: str, **options: Any) -> bytes:
    """As Pillow writes it."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, format_, **options)
    return file.getvalue()


def png16(values: NDArray[Any], *, significant: int | None = None) -> bytes:
    """A PNG of 16 bits a channel.

    Args:
        values: (height, width) grey, or (height, width, channels): 2 grey with alpha, 3 colour, 4 colour with alpha.
        significant: bits that its sBIT chunk states.
    """
    height, width, *rest = values.shape
    channels = rest[0] if rest else 1
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = values.astype(">u2").reshape(height, -1)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if significant is not None:
        parts.append((b"sBIT", bytes([significant] * channels)))
    parts += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(
    values: NDArray[Any],
    *,
    bits: int | None = None,
    big_endian: bool = False,
    photometric: int | None = None,
    extra: tuple[int, ...] | None = None,
    tags: dict[int, tuple[int, int]] | None = None,
    deflated: bool = False,
) -> bytes:
    """A TIFF of one strip.

    Args:
        values: (height, width) or (height, width, bands).
        bits: per value, where these are packed closer than in `values`.
        big_endian: the order of bytes.
        photometric: 1 grey, 2 colour; None by the number of bands.
        extra: what further bands are: 0 unknown, 1 or 2 alpha.
        tags: further tags, a type and a value each.
        deflated: whether the values are compressed.
    """
    order = ">" if big_endian else "<"
    height, width, *rest = values.shape
    bands = rest[0] if rest else 1
    bits = bits or 8 * values.dtype.itemsize
    data = _packed(values, bits) if bits % 8 else values.astype(values.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflated else data
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    entries: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (3, (width,)), 257: (3, (height,)), 258: (3, (bits,) * bands), 259: (3, (8 if deflated else 1,)),
        262: (3, (photometric or (2 if bands >= 3 else 1),)), 273: (4, (0,)), 277: (3, (bands,)), 278: (3, (height,)),
        279: (4, (len(data),)), 339: (3, (kind,) * bands),
    }  # fmt: skip
    if extra:
        entries[338] = (3, extra)
    entries |= {tag: (type_, (value,)) for tag, (type_, value) in (tags or {}).items()}
    start = 8 + 2 + 12 * len(entries) + 4
    rest_of, lines = b"", b""
    entries[273] = (4, (start + sum(2 * len(numbers) for _, numbers in entries.values() if len(numbers) > 2),))
    for tag, (type_, numbers) in sorted(entries.items()):
        code = order + {3: "H", 4: "I"}[type_] * len(numbers)
        packed = struct.pack(code, *numbers)
        if len(packed) > 4:
            rest_of, packed = rest_of + packed, struct.pack(order + "I", start + len(rest_of))
        lines += struct.pack(order + "HHI", tag, type_, len(numbers)) + packed.ljust(4, b"\0")
    magic = b"MM\0*" if big_endian else b"II*\0"
    head = magic + struct.pack(order + "I", 8) + struct.pack(order + "H", len(entries))
    return head + lines + b"\0" * 4 + rest_of + data


def _packed(values: NDArray[Any], bits: int) -> bytes:
    """Values of any number of bits, the rows padded to bytes."""
    rows = values.reshape(len(values), -1)
    shifts = np.arange(bits - 1, -1, -1)
    return b"".join(np.packbits((row[:, None] >> shifts & 1).astype(np.uint8).ravel()).tobytes() for row in rows)
