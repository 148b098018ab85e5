"""What was read of images' pixels, kept in an Arrow file by the images' contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.files import atomic_path
from automl_vision.data.light import LIGHT_FIGURES

SIDE = 32  # pixels of the small version; a crop of 10 % still moves its content by 3 of them
_VERSION = b"3"  # increased whenever the columns or the figures change
_NUMBERS = (*LIGHT_FIGURES, "spread")
_COLUMNS = ("key", "digest", "format", *_NUMBERS, "is_deep", "small")


@dataclass(frozen=True)
class Stats:
    """Facts of one image.

    Attributes:
        problem: why it cannot be used, or None.
        digest: of the file's bytes.
        format: of the bytes, as Pillow names it.
        spread: largest standard deviation of a colour channel, 0 to 255; near 0 for a blank image.
        small: (SIDE, SIDE), uint8, the whole image in grey, resized to a square.
        is_deep: whether it has more than 8 bits per channel.
        brightness, contrast, sharpness: as in `PixelStatistics`; NaN where they were not asked for.
    """

    problem: str | None = None
    digest: str = ""
    format: str = ""
    spread: float = 0.0
    small: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.uint8))
    is_deep: bool = False
    brightness: float = float("nan")
    contrast: float = float("nan")
    sharpness: float = float("nan")


def read_stats(file: Path | None) -> dict[str, Stats]:
    """What is kept of images, by digest; nothing if there is no such file, or one of another version."""
    try:
        if file is None:
            return {}
        with pa.memory_map(str(file)) as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
        if (table.schema.metadata or {}).get(b"version") != _VERSION:
            return {}
        columns = {name: table[name].to_pylist() for name in _COLUMNS}
    except (OSError, pa.ArrowException, KeyError):
        return {}
    squares = np.frombuffer(b"".join(columns.pop("small")), np.uint8).reshape(-1, SIDE, SIDE)
    keys = columns.pop("key")
    rows = zip(*columns.values(), strict=True)
    return {
        key: Stats(small=small, **dict(zip(columns, row, strict=True)))
        for key, row, small in zip(keys, rows, squares, strict=True)
    }


def write_stats(file: Path, known: Mapping[str, Stats]) -> None:
    """Keep what was read of images that have no problem, by digest."""
    stats = list(known.values())
    columns = {
        "key": pa.array(list(known)),
        "digest": pa.array([one.digest for one in stats]),
        "format": pa.array([one.format for one in stats]),
        **{name: pa.array([getattr(one, name) for one in stats], pa.float32()) for name in _NUMBERS},
        "is_deep": pa.array([one.is_deep for one in stats], pa.bool_()),
        "small": pa.array([one.small.tobytes() for one in stats], pa.binary(SIDE * SIDE)),
    }
    table = pa.table(columns).replace_schema_metadata({"version": _VERSION})
    with atomic_path(file) as temporary, pa.ipc.new_file(str(temporary), table.schema) as writer:
        writer.write_table(table)
