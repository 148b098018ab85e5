"""How annotations of photos with an EXIF rotation may be read."""

from __future__ import annotations

from typing import Literal

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean

Reading = Literal["auto", "annotated-raw", "annotated-upright"]

READINGS: tuple[Reading, ...] = ("auto", "annotated-raw", "annotated-upright")
"""How annotations of photos with an EXIF rotation may be read."""


def check_reading(exif: str) -> None:
    """Refuse what is not a reading.

    Raises:
        DataError: it is none.
    """
    if exif not in READINGS:
        raise DataError(f'exif must be one of {", ".join(READINGS)}, not "{exif}".{did_you_mean(exif, READINGS)}')
