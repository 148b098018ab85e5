"""Uncompressed grey TIFFs that Pillow does not read: values of 10, 12 or 14 bits without gaps, and doubles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PACKED = (10, 12, 14)
_UNSIGNED, _FLOAT = (1,), (3,)
_PLAIN = ((259, 1), (262, 1), (266, 1), (277, 1))  # uncompressed, black is zero, first bit first, one band


def unusual_values(data: bytes, tags: Any) -> NDArray[np.uint16] | NDArray[np.float32] | None:
    """The values, (height, width); None for any other TIFF.

    Args:
        data: the file.
        tags: of its first image.
    """
    bits, kind = tags.get(258, (1,)), tags.get(339, _UNSIGNED)
    if 273 not in tags or any(tags.get(tag, value) != value for tag, value in _PLAIN):
        return None
    pixels = b"".join(data[at : at + length] for at, length in zip(tags[273], tags[279], strict=True))
    width, height = int(tags[256]), int(tags[257])
    row_bytes = -(-width * bits[0] // 8)  # each row begins with a new byte
    if len(pixels) < height * row_bytes:
        return None
    stored = np.frombuffer(pixels, np.uint8)[: height * row_bytes].reshape(height, row_bytes)
    if bits == (64,) and kind == _FLOAT:
        return stored.view(">f8" if data[:2] == b"MM" else "<f8").astype(np.float32)
    if kind != _UNSIGNED or len(bits) != 1 or bits[0] not in _PACKED:
        return None
    single = np.unpackbits(stored, axis=1)[:, : width * bits[0]].reshape(height, width, bits[0])
    weights = (1 << np.arange(bits[0] - 1, -1, -1)).astype(np.uint16)
    return np.asarray(single @ weights, np.uint16)
