"""Images of more than 8 bits: one range of values for a dataset, in each container; right values by hand.

A picture's left third is 200, its middle 500, its right third 800: from 200 to 800 that is 0, 127.5 and 255 of 255.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.dataset import Dataset
from automl_vision.data.fingerprint import fingerprint_of
from automl_vision.data.images import load_pixels, open_image
from automl_vision.data.joining import join_validation
from automl_vision.data.manifest_file import read_manifest, write_manifest
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.data.value_range import BYTES_ONLY, ValueRange, parse_range
from automl_vision.formats.export import export_dataset
from deep_images import encode, png16, tiff

STEPS = np.repeat(np.repeat([[200, 500, 800]], 4, axis=1), 8, axis=0)  # (8, 12)
COLOUR = np.stack([STEPS, STEPS[:, ::-1], STEPS], axis=2)
ALPHA = np.full((8, 12, 1), 65535)

CONTAINERS: list[tuple[str, str, bytes]] = [
    ("12 of 16 bits, PNG", "png", png16(STEPS)),
    ("12 of 16 bits, PNG that states 12", "png", png16(STEPS, significant=12)),
    ("12 of 16 bits, TIFF", "tif", tiff(STEPS.astype("u2"))),
    ("big endian TIFF", "tif", tiff(STEPS.astype("u2"), big_endian=True)),
    ("deflated big endian TIFF", "tif", tiff(STEPS.astype("u2"), deflated=True, big_endian=True)),
    ("deflated signed TIFF", "tif", tiff(STEPS.astype("i2"), deflated=True)),
    ("deflated float TIFF", "tif", tiff(STEPS.astype("f4"), deflated=True)),
    ("compressed TIFF", "tif", encode(STEPS.astype("u2"), "TIFF", compression="tiff_lzw")),
    ("10 bits, TIFF", "tif", tiff(STEPS.astype("u2"), bits=10)),
    ("12 bits, TIFF", "tif", tiff(STEPS.astype("u2"), bits=12)),
    ("14 bits, big endian TIFF", "tif", tiff(STEPS.astype("u2"), bits=14, big_endian=True)),
    ("signed 16 bits, TIFF", "tif", tiff(STEPS.astype("i2"))),
    ("signed 32 bits, TIFF", "tif", tiff(STEPS.astype("i4"))),
    ("32 bits, TIFF", "tif", tiff(STEPS.astype("u4"))),
    ("float, TIFF", "tif", tiff(STEPS.astype("f4"))),
    ("double, TIFF", "tif", tiff(STEPS.astype("f8"))),
    ("shares, TIFF", "tif", tiff(STEPS.astype("f4") / 4095)),
    ("below zero, TIFF", "tif", tiff((STEPS - 1000).astype("i2"))),
    ("a PNG that is called jpg", "jpg", png16(STEPS)),
]
COLOURS: list[tuple[str, str, bytes]] = [
    ("colour, PNG", "png", png16(COLOUR)),
    ("colour, TIFF", "tif", tiff(COLOUR.astype("u2"))),
    ("colour, big endian TIFF", "tif", tiff(COLOUR.astype("u2"), big_endian=True)),
    ("colour, deflated TIFF", "tif", tiff(COLOUR.astype("u2"), deflated=True)),
    ("colour, deflated big endian TIFF", "tif", tiff(COLOUR.astype("u2"), deflated=True, big_endian=True)),
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


RAMP = np.arange(2900, 3500).reshape(20, 30)
RANGES: list[tuple[str, list[bytes], dict[str, Any], tuple[float, float, str]]] = [
    ("the values of the training images", [png16(RAMP)], {}, (2900, 3499, "training images")),
    (
        "a hot pixel is clipped",
        [png16(np.where(np.arange(60000) == 7, 65535, np.arange(60000) % 601 + 200).reshape(200, 300))],
        {},
        (200, 800, "training images"),
    ),
    (
        "few bright ones near the others count",
        [png16(np.where(np.arange(6000) == 7, 900, np.arange(6000) % 601 + 200).reshape(60, 100))],
        {},
        (200, 900, "training images"),
    ),
    (
        "nearly all black",
        [png16(np.where(np.arange(60000) == 7, 900, 0).reshape(200, 300))],
        {},
        (0, 900, "training images"),
    ),
    ("one value", [png16(np.full((9, 9), 700))], {}, (700, 701, "training images")),
    ("all images together", [png16(STEPS), png16(STEPS + 100)], {}, (200, 900, "training images")),
    (
        "images of bytes do not count",
        [png16(STEPS), encode(np.full((8, 12), 255, np.uint8), "PNG")],
        {},
        (200, 800, "training images"),
    ),
    ("as asked, a text", [png16(STEPS)], {"value_range": "0:4095"}, (0, 4095, "asked")),
    ("as asked, a pair", [png16(STEPS)], {"value_range": (-5.5, 1e3)}, (-5.5, 1000, "asked")),
    (
        "TIFF's smallest and largest value",
        [tiff(STEPS.astype("u2"), tags={280: (3, 100), 281: (3, 900)})],
        {},
        (100, 900, "file"),
    ),
    (
        "all of the type says nothing",
        [tiff(STEPS.astype("u2"), tags={280: (3, 0), 281: (3, 65535)})],
        {},
        (200, 800, "training images"),
    ),
    (
        "files that state different ones",
        [tiff(STEPS.astype("u2"), tags={280: (3, low), 281: (3, 900)}) for low in (1, 2)],
        {},
        (200, 800, "training images"),
    ),
    (
        "what files state, asked for",
        [tiff(STEPS.astype("u2"), tags={280: (3, low), 281: (3, 900)}) for low in (1, 2)],
        {"value_range": "file"},
        (1, 900, "file"),
    ),
    ("bits of a PNG, asked for", [png16(STEPS, significant=12)], {"value_range": "file"}, (0, 4095, "file")),
    ("bits of a TIFF, asked for", [tiff(STEPS.astype("u2"), bits=12)], {"value_range": "file"}, (0, 4095, "file")),
    ("bytes alone", [encode(np.arange(96, dtype=np.uint8).reshape(8, 12), "PNG")], {}, (0, 65535, "16 bits")),
]


@pytest.mark.parametrize(("name", "files", "settings", "expected"), RANGES, ids=[name for name, *_ in RANGES])
def test_the_range_of_a_dataset(
    name: str, files: list[bytes], settings: dict[str, Any], expected: tuple[float, float, str], tmp_path: Path
) -> None:
    for number, data in enumerate(files * (12 // len(files))):  # every file in both classes
        path = tmp_path / ("a", "b")[number // 6] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    found = Dataset.open(tmp_path, **settings).value_range
    assert found == ValueRange(*expected)


def test_only_training_images_decide(tmp_path: Path) -> None:
    write_folders(tmp_path / "train", png16(STEPS))
    write_folders(tmp_path / "val", png16(STEPS * 10))
    write_folders(tmp_path / "test", png16(STEPS * 20))
    assert Dataset.open(tmp_path).value_range == ValueRange(200, 800, "training images")


def test_the_range_belongs_to_the_dataset_not_to_the_picture(tmp_path: Path) -> None:
    """A maximum of 256 instead of 255, or of 1.001 instead of 1, changed all of a picture before."""
    for kind, top, scale in (("u2", 255, 1), ("f4", 1.0, 1 / 255)):
        values = (np.arange(210, dtype="f8") % 211).reshape(14, 15) * scale
        folder = tmp_path / kind
        plain, odd = (
            values.astype(kind),
            np.where(np.arange(210).reshape(14, 15) == 3, top * 1.004 + 0.1 * scale, values),
        )
        write_folders(folder, tiff(plain), tiff(odd.astype(kind)), suffix="tif")
        pictures = [np.asarray(image.image()).astype(int) for image in Dataset.open(folder)]
        means = sorted(picture.mean() for picture in pictures)
        assert means[-1] - means[0] < 2 and means[0] > 90


def test_a_manifest_keeps_it(tmp_path: Path) -> None:
    dataset = Dataset.open(write_folders(tmp_path / "data", png16(STEPS)))
    dataset.save(tmp_path / "manifest.parquet")
    loaded = Dataset.open(tmp_path / "manifest.parquet")
    assert loaded.value_range == dataset.value_range and loaded.fingerprint == dataset.fingerprint
    other = Dataset.open(tmp_path / "manifest.parquet", value_range="0:4095")
    assert other.value_range == ValueRange(0, 4095) and other.fingerprint != dataset.fingerprint
    near(np.asarray(other[0].image())[..., 0], np.rint(STEPS / 4095 * 255))


def test_a_manifest_of_an_older_version(tmp_path: Path) -> None:
    """It has no range: its pixels stay those that its models were trained on, and so does its fingerprint."""
    dataset = Dataset.open(write_folders(tmp_path / "data", png16(STEPS), suffix="png"))
    dataset.save(tmp_path / "new.parquet")
    table, facts = read_manifest(tmp_path / "new.parquet")
    write_manifest(tmp_path / "old.parquet", table, {k: v for k, v in facts.items() if k != "value_range"})
    old = Dataset.load(tmp_path / "old.parquet")
    assert old.value_range is None
    np.testing.assert_array_equal(np.asarray(old[0].image())[0, :, 0], [0] * 4 + [1] * 4 + [3] * 4)
    assert old.fingerprint == fingerprint_of(table, [old.task, *old.classes])


def test_the_range_is_in_the_cache_of_pixels(tmp_path: Path) -> None:
    dataset = Dataset.open(write_folders(tmp_path / "data", png16(STEPS)))
    for other, first in ((dataset, 0), (dataset.with_range("100:900"), 32), (dataset, 0)):
        pixels = open_pixels(other, 8, tmp_path / "cache")
        near(pixels[0][0, 0], np.full(3, first))
        near(open_pixels(other, 8, tmp_path / "none", limit_bytes=0)[0][0, 0], np.full(3, first))


def test_validation_data_take_the_range_of_the_training_data(tmp_path: Path) -> None:
    training = Dataset.open(write_folders(tmp_path / "training", png16(STEPS)))
    validation = Dataset.open(write_folders(tmp_path / "validation", png16(STEPS * 3 + 1)))
    assert join_validation(training, validation).value_range == training.value_range


def test_a_later_version_keeps_the_range(tmp_path: Path) -> None:
    earlier = Dataset.open(write_folders(tmp_path / "data", png16(STEPS)))
    (tmp_path / "data" / "a" / "new.png").write_bytes(png16(STEPS * 3))
    later = Dataset.open(tmp_path / "data")
    assert later.value_range != earlier.value_range
    assert later.following(earlier, 0.2).value_range == earlier.value_range
    asked = Dataset.open(tmp_path / "data", value_range="0:4095")
    assert asked.following(earlier, 0.2).value_range == asked.value_range


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("200:800", ValueRange(200, 800)), ("-9..4", ValueRange(-9, 4)), (" 0.5, 1e3 ", ValueRange(0.5, 1000)),
        ((1, 2), ValueRange(1, 2)), ([1, 2], ValueRange(1, 2)), ("auto", "auto"), ("file", "file"),
        ("800:200", None), ("5:5", None), ("200", None), ("a:b", None), ("nan:5", None), ("0:1e999", None),
        (None, None), (3, None), ((1, 2, 3), None), ("", None),
    ],
)  # fmt: skip
def test_what_may_be_asked(value: object, expected: ValueRange | str | None) -> None:
    if expected is not None:
        assert parse_range(value) == expected
        return
    with pytest.raises(DataError, match="value_range must be auto, file, or the values of black and white"):
        parse_range(value)


def test_files_that_state_nothing_cannot_be_asked(tmp_path: Path) -> None:
    write_folders(tmp_path, tiff(STEPS.astype("f4")), suffix="tif")
    with pytest.raises(DataError, match=r"12 of 12 images state no range.*value_range=\"200:800\""):
        Dataset.open(tmp_path, value_range="file")


def test_values_that_no_range_is_known_for() -> None:
    """A model of bytes takes an image of 16 bits whole, and refuses what it cannot know."""
    near(load_pixels(png16(STEPS * 50), value_range=BYTES_ONLY)[..., 0], np.rint(STEPS * 50 / 65535 * 255))
    for values in (STEPS.astype("f4"), STEPS.astype("i4")):
        with pytest.raises(ImageError, match="no range of them is known"):
            load_pixels(tiff(values), value_range=BYTES_ONLY)


BANDS = [
    ("five bands", (8, 12, 5), None, None, "5 bands"),
    ("five bands, colours first", (8, 12, 5), None, (0, 0), "5 bands"),
    ("four bands, the last unknown", (8, 12, 4), None, (0,), "4 bands"),
    ("four grey bands", (8, 12, 4), 1, (0, 0, 0), "4 bands"),
    ("two bands", (8, 12, 2), 1, (0,), "2 bands"),
    ("colours with alpha", (8, 12, 4), None, (2,), None),
    ("grey with alpha", (8, 12, 2), 1, (2,), None),
]


@pytest.mark.parametrize(("name", "shape", "photometric", "extra", "error"), BANDS, ids=[name for name, *_ in BANDS])
def test_bands(
    name: str, shape: tuple[int, ...], photometric: int | None, extra: tuple[int, ...] | None, error: str | None
) -> None:
    data = tiff(np.full(shape, 255, np.uint8), photometric=photometric, extra=extra)
    if error is None:
        assert load_pixels(data).shape == (8, 12, 3)
        return
    with pytest.raises(ImageError, match=f"{error}.*choose bands of multispectral images is planned"):
        open_image(data)


@pytest.mark.parametrize(("kind", "word"), [("i1", "signed values of 8 bits"), ("u8", "values of 64 bits")])
def test_tiffs_that_are_not_read_say_why(kind: str, word: str) -> None:
    with pytest.raises(ImageError, match=word):
        open_image(tiff(STEPS.astype(kind)))


def test_the_doctor_tells_of_it(tmp_path: Path) -> None:
    bytes_ = encode(np.arange(96, dtype=np.uint8).reshape(8, 12), "PNG")
    report = Dataset.open(write_folders(tmp_path, png16(STEPS), bytes_, bytes_)).check(features=False)
    summary = "4 images of more than 8 bits: the values 200 to 800 become 0 to 255 (decided by the training images)"
    assert report["value-range"].summary == f"{summary}; 8 images of 8 bits stay as they are"
    assert "blank-image" not in report


def test_the_doctor_on_values_beyond_the_range(tmp_path: Path) -> None:
    report = Dataset.open(write_folders(tmp_path, png16(STEPS)), value_range="5000:6000").check(features=False)
    assert "its values lie outside of 5000 to 6000" in report["blank-image"].notes[0]


def test_an_export_says_which_range_it_had(tmp_path: Path) -> None:
    dataset = Dataset.open(write_folders(tmp_path / "data", png16(STEPS)), value_range="100:900")
    report = export_dataset(dataset, tmp_path / "out", "folder")
    assert any('value_range="100:900"' in note.reason for note in report.notes)
    again = Dataset.open(tmp_path / "out", value_range="100:900")
    np.testing.assert_array_equal(np.asarray(again[0].image()), np.asarray(dataset[0].image()))


def test_files_that_are_not_read(tmp_path: Path) -> None:
    """A sample of them decides."""
    write_folders(tmp_path, png16(STEPS))
    lines = [f'{{"image_url": "{path}", "label": "{path[0]}", "image_details": {{"width": "12px", "height": "8px"}}}}'
             for path in sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.png"))]  # fmt: skip
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    dataset = Dataset.open(tmp_path / "labels.jsonl", read_images=False)
    assert dataset.value_range == ValueRange(200, 800, "training images")
