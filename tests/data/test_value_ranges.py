"""Images of more than 8 bits: one range of values for a dataset, in each container; right values by hand.

A picture's left third is 200, its middle 500, its right third 800: from 200 to 800 that is 0, 127.5 and 255 of 255.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.data.dataset import Dataset
from deep_images import encode, png16, tiff

STEPS = np.repeat(np.repeat([[200, 500, 800]], 4, axis=1), 8, axis=0)  # (8, 12)
COLOUR = np.stack([STEPS, STEPS[:, ::-1], STEPS], axis=2)
ALPHA = np.full((8, 12, 1), 65535)

CONTAINERS: list[tuple[str, str, bytes]] = [
    ("12 of 16 bits, PNG", "png", png16(STEPS)),
    ("12 of 16 bits, PNG that states 12", "png", png16(STEPS, significant=12)),
    ("12 of 16 bits, TIFF", "tif", tiff(STEPS.astype("u2"))),
    ("big endian TIFF", "tif", tiff(STEPS.astype("u2"), big_endian=True)),
    ("compressed TIFF", "tif", encode(STEPS.astype("u2"), "TIFF", compression="tiff_lzw")),
    ("12 bits, TIFF", "tif", tiff(STEPS.astype("u2"), bits=12)),
    ("signed 16 bits, TIFF", "tif", tiff(STEPS.astype("i2"))),
    ("signed 32 bits, TIFF", "tif", tiff(STEPS.astype("i4"))),
    ("32 bits, TIFF", "tif", tiff(STEPS.astype("u4"))),
    ("float, TIFF", "tif", tiff(STEPS.astype("f4"))),
    ("a PNG that is called jpg", "jpg", png16(STEPS)),
]
COLOURS: list[tuple[str, str, bytes]] = [
    ("colour, PNG", "png", png16(COLOUR)),
    ("colour, TIFF", "tif", tiff(COLOUR.astype("u2"))),
    ("colour, big endian TIFF", "tif", tiff(COLOUR.astype("u2"), big_endian=True)),
    ("colour with alpha, PNG", "png", png16(np.concatenate([COLOUR, ALPHA], axis=2))),
    ("colour with alpha, TIFF", "tif", tiff(np.concatenate([COLOUR, ALPHA], axis=2).astype("u2"), extra=(2,))),
]
GREY_ALPHA = ("grey with alpha, PNG", "png", png16(np.concatenate([STEPS[..., None], ALPHA], axis=2)))
LEVELS = np.repeat(np.repeat([[0, 127.5, 255]], 4, axis=1), 8, axis=0)


def write_folders(root: Path, *files: bytes, suffix: str = "png", per_class: int = 6) -> Path:
    """Two classes whose pictures are the given files in turn."""
    for number in range(2 * per_class):
        path = root / ("a", "b")[number % 2] / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[number % len(files)])
    return root


def near(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Equal, but for rounding."""
    np.testing.assert_allclose(np.asarray(found, float), expected, atol=1)


@pytest.mark.parametrize(("name", "suffix", "data"), CONTAINERS, ids=[name for name, *_ in CONTAINERS])
def test_grey_containers(name: str, suffix: str, data: bytes, tmp_path: Path) -> None:
    dataset = Dataset.open(write_folders(tmp_path, data, suffix=suffix))
    pixels = np.asarray(dataset[0].image())
    near(pixels, np.repeat(LEVELS[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("name", "suffix", "data"), [*COLOURS, GREY_ALPHA], ids=[name for name, *_ in [*COLOURS, GREY_ALPHA]]
)
def test_colour_containers(name: str, suffix: str, data: bytes, tmp_path: Path) -> None:
    dataset = Dataset.open(write_folders(tmp_path, data, suffix=suffix))
    pixels = np.asarray(dataset[0].image())
    near(pixels[..., 0], LEVELS)
    near(pixels[..., 1], LEVELS if name.startswith("grey") else LEVELS[:, ::-1])
    near(pixels[..., 2], LEVELS)
