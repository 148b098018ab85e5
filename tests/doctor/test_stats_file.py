"""What is read of an image's pixels is read once, kept by contents, and the same from a reduced JPEG within bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from automl_vision.data.dataset import Dataset
from automl_vision.data.images import load_pixels
from automl_vision.doctor.image_stats import kept_stats, read_image_stats, shrink, small_grey, stats_of
from automl_vision.doctor.pixel_statistics import pixel_statistics
from automl_vision.doctor.stats_file import SIDE, Stats, read_stats, write_stats


def photo(size: tuple[int, int], *, blur: float = 0.0, seed: int = 0) -> Image.Image:
    """Smooth colours with fine texture, like a photo, of a width and height."""
    random = np.random.default_rng(seed)
    smooth = Image.fromarray(random.integers(0, 256, (7, 9, 3)).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    texture = np.tile(random.normal(0, 12, (128, 128)), (size[1] // 128 + 1, size[0] // 128 + 1))
    texture = texture[: size[1], : size[0], None].astype(np.int16)
    image = Image.fromarray(np.clip(np.asarray(smooth, np.int16) + texture, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Twelve JPEGs, one of which is broken."""
    for i in range(12):
        file = tmp_path / "data" / "ab"[i % 2] / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        photo((160, 120), seed=i).save(file)
    broken = tmp_path / "data" / "a" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:700])
    return Dataset.open(tmp_path / "data")


def columns_of(data: Dataset) -> tuple[list[str], list[str]]:
    return data.table["image"].to_pylist(), data.table["digest"].to_pylist()


def test_a_check_after_a_report_reads_nothing_again(data: Dataset, tmp_path: Path):
    file, steps = tmp_path / "kept.arrow", list[tuple[int, int]]()
    images, digests = columns_of(data)
    figures = pixel_statistics(data.root, images, digests, file=file, progress=lambda *step: steps.append(step))
    assert steps[-1] == (12, 12)
    again: list[tuple[int, int]] = []
    rows = np.arange(len(data))
    stats = read_image_stats(data.table, data.root, rows, file=file, progress=lambda *step: again.append(step))
    assert again == [(1, 1)]  # the broken one, whose reason is not kept
    assert [images[row] for row in stats.problems] == ["a/0.jpg"]
    assert np.array_equal(stats.small, figures.small)
    report = data.check(features=False, statistics=file)
    assert report.findings == data.check(features=False).findings


def test_what_is_kept_is_what_was_read(data: Dataset, tmp_path: Path):
    images, digests = columns_of(data)
    found = kept_stats(data.root, images, digests, file=tmp_path / "kept.arrow")
    for one, other in zip(found, kept_stats(data.root, images, digests, file=tmp_path / "kept.arrow"), strict=True):
        assert (one.problem, one.digest, one.format) == (other.problem, other.digest, other.format)
        assert np.array_equal(one.small, other.small)
        for name in ("spread", "brightness", "contrast", "sharpness"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("content", [b"", b"no Arrow file"])
def test_a_file_that_is_none_is_read_as_empty(content: bytes, tmp_path: Path):
    file = tmp_path / "kept.arrow"
    assert read_stats(file) == {} == read_stats(None)
    file.write_bytes(content)
    assert read_stats(file) == {}


def test_a_file_of_another_version_is_read_as_empty(tmp_path: Path):
    file = tmp_path / "kept.arrow"
    write_stats(file, {"a": Stats(digest="a", format="PNG")})
    assert set(read_stats(file)) == {"a"}
    with pa.ipc.open_file(str(file)) as reader:
        table = reader.read_all().replace_schema_metadata({"version": b"1"})
    with pa.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)
    assert read_stats(file) == {}


def plain_figures(pixels: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Brightness, contrast and sharpness in double precision, pixel by pixel."""
    grey = pixels.astype(np.float64) @ [0.299, 0.587, 0.114]
    inner = [
        grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
        for y in range(1, grey.shape[0] - 1)
        for x in range(1, grey.shape[1] - 1)
    ]
    return float(grey.mean()), float(grey.std()), float(np.std(inner))


def test_the_figures_are_those_of_plain_loops(tmp_path: Path):
    file = tmp_path / "a.png"
    photo((300, 280)).save(file)
    one = stats_of(file.name, root=str(tmp_path), sharp=True)
    expected = plain_figures(load_pixels(file.read_bytes(), size=256))
    assert (one.brightness, one.contrast, one.sharpness) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (47, 33), (32, 32), (40, 20), (340, 256), (9, 400), (1, 1)])
def test_the_small_version_is_the_mean_of_areas(size: tuple[int, int]):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    grey = pixels.astype(np.float64) @ [0.299, 0.587, 0.114]
    expected = shrink(size[1], SIDE).astype(np.float64) @ grey @ shrink(size[0], SIDE).T
    assert np.abs(small_grey(pixels) - expected).max() <= 0.501
    assert np.abs(small_grey(np.full_like(pixels, 77)) - 77.0).max() == 0


@pytest.mark.parametrize(("size", "blur"), [((1100, 1030), 0.0), ((1100, 1030), 3.0), ((2100, 2060), 0.0)])
def test_a_reduced_jpeg_has_the_figures_of_the_whole_one(size: tuple[int, int], blur: float, tmp_path: Path):
    image = photo(size, blur=blur)
    image.save(tmp_path / "a.jpg", quality=92)
    Image.open(tmp_path / "a.jpg").save(tmp_path / "a.bmp")  # the same pixels, which are always read whole
    jpeg, whole = (stats_of(f"a.{kind}", root=str(tmp_path), sharp=True) for kind in ("jpg", "bmp"))
    assert abs(jpeg.brightness - whole.brightness) < 0.5
    assert abs(jpeg.contrast - whole.contrast) < 0.5
    assert jpeg.sharpness == pytest.approx(whole.sharpness, rel=0.1, abs=0.3)
    assert np.abs(jpeg.small.astype(int) - whole.small).max() <= 2


@pytest.mark.parametrize("size", [(160, 120), (640, 480)])
def test_a_check_alone_sees_nearly_the_same(size: tuple[int, int], tmp_path: Path):
    photo(size).save(tmp_path / "a.jpg")
    alone, whole = (stats_of("a.jpg", root=str(tmp_path), sharp=sharp) for sharp in (False, True))
    assert (alone.digest, alone.format) == (whole.digest, whole.format)
    assert np.isnan(alone.sharpness) and np.isfinite(whole.sharpness)
    assert abs(alone.spread - whole.spread) < 2
    difference = np.abs(alone.small.astype(int) - whole.small)
    assert difference.mean() < 1 and difference.shape == (SIDE, SIDE)
