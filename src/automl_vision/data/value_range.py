"""The range of values that images of more than 8 bits are shown, trained and predicted with: one for a dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ImageError

AUTO, STATED = "auto", "file"
"""What may be asked for instead of two numbers: to decide by the training images, or by what the files state."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_ASKED = re.compile(rf"\s*({_NUMBER})\s*(?::|\.\.|,)\s*({_NUMBER})\s*", re.IGNORECASE)
_NO_RANGE_OF_BYTES = "16 bits"


@dataclass(frozen=True)
class ValueRange:
    """Which value becomes black and which white; what lies beyond is clipped. Images of 8 bits stay as they are.

    Attributes:
        low: the value that becomes 0.
        high: the value that becomes 255, above `low`.
        source: where it is from: "training images", "file" for what all files state, "asked", or "16 bits" where no
            image has more than 8.

    Raises:
        ValueError: the values are not finite, or `high` is not above `low`.
    """

    low: float
    high: float
    source: str = "asked"

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise ValueError(f"a range of values goes from a number to a larger one, not from {self}")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @property
    def is_known(self) -> bool:
        """Whether images of more than 8 bits were seen, or the range was asked for."""
        return self.source != _NO_RANGE_OF_BYTES

    @property
    def key(self) -> str:
        """Tells pixels of different ranges apart in the names of cached files; empty where only bytes were seen."""
        return f"{self.low!r}:{self.high!r}" if self.is_known else ""

    @property
    def option(self) -> str:
        """The range as an option states it."""
        return f"{self.low:.10g}:{self.high:.10g}"

    def to_8_bit(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Values of any shape and type as 0 to 255.

        Raises:
            ImageError: the values are of a type that the range says nothing of.
        """
        is_16_bit = values.dtype.kind == "u" and values.dtype.itemsize == 2
        if not self.is_known and not is_16_bit:
            raise ImageError(
                f"the image holds values of type {values.dtype}, and no range of them is known, for no image that the "
                "range was decided with has more than 8 bits; convert it to 8 bits"
            )
        if is_16_bit:
            return np.asarray(_table(self)[values])
        return self._scaled(values)

    def _scaled(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        is_short = values.dtype.itemsize <= 4 and values.dtype.kind == "f"
        scaled: NDArray[Any] = values.astype(np.float32 if is_short else np.float64)
        scaled -= self.low
        scaled *= 255 / (self.high - self.low)
        bytes_: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled, copy=False), 0, 255)).astype(np.uint8)
        return bytes_

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"low": self.low, "high": self.high, "source": self.source}

    @staticmethod
    def from_json(value: dict[str, Any] | None) -> ValueRange | None:
        """From JSON values; None for None, as in files of older versions."""
        return None if value is None else ValueRange(**value)


@lru_cache(maxsize=16)
def _table(value_range: ValueRange) -> NDArray[np.uint8]:
    """(65536,), what each value of 16 bits becomes; one table for all images of a dataset."""
    return value_range._scaled(np.arange(2**16))


BYTES_ONLY = ValueRange(0.0, 65535.0, _NO_RANGE_OF_BYTES)
"""Of data whose images have 8 bits: an image of 16 bits is taken whole, and any other is refused."""


def parse_range(value: object) -> ValueRange | str:
    """What was asked for: a range, `AUTO` or `STATED`.

    Args:
        value: "LOW:HIGH", a pair of numbers, a range, "auto" or "file".

    Raises:
        DataError: it is none of these.
    """
    if isinstance(value, ValueRange) or value in (AUTO, STATED):
        return value
    found = _ASKED.fullmatch(value) if isinstance(value, str) else None
    pair: Any = found.groups() if found else value
    try:
        low, high = map(float, pair)
        return ValueRange(low, high)
    except (TypeError, ValueError):
        shown = f'"{value}"' if isinstance(value, str) else repr(value)
        raise DataError(
            f'value_range must be {AUTO}, {STATED}, or the values of black and white such as "200:800", not {shown}'
        ) from None


def pixel_keys(digests: Sequence[str], value_range: ValueRange | None) -> list[str]:
    """Names for what is kept of images' pixels: the digests of the files, with the range where that matters."""
    key = value_range.key if value_range else ""
    return [f"{digest}@{key}" if key and digest else digest for digest in digests]
