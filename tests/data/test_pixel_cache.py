"""Images are decoded once, and come out of the cache as they went in."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.data.dataset import Dataset
from automl_vision.data.images import load_pixels
from automl_vision.data.pixel_cache import DecodedOnDemand, PixelCache, Pixels, open_pixels
from automl_vision.storage.access import read_image_bytes
from conftest import draw_shapes, write_shape_folders


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Images of several sizes: flat, upright, and one beyond the largest aspect."""
    root = write_shape_folders(tmp_path / "data", per_class=4)
    draw_shapes(("circle",), 1, size=(30, 70)).save(root / "circle" / "upright.png")
    draw_shapes(("circle",), 2, size=(300, 30)).save(root / "circle" / "panorama.jpg")
    return Dataset.open(root)


def all_pixels(pixels: Pixels) -> list[NDArray[np.uint8]]:
    return [np.array(pixels[row]) for row in range(len(pixels))]


def decoded(dataset: Dataset, short_side: int) -> list[NDArray[np.uint8]]:
    images = dataset.table["image"].to_pylist()
    return [load_pixels(read_image_bytes(dataset.root, image), size=short_side) for image in images]


def assert_equal(found: list[NDArray[np.uint8]], expected: list[NDArray[np.uint8]]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("limit_bytes", [None, 0])
def test_the_pixels_are_those_of_load_pixels(dataset: Dataset, tmp_path: Path, limit_bytes: int | None) -> None:
    seen: list[tuple[int, int]] = []
    pixels = open_pixels(
        dataset,
        24,
        tmp_path / "cache",
        limit_bytes=limit_bytes,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert isinstance(pixels, PixelCache if limit_bytes is None else DecodedOnDemand)
    assert len(pixels) == 14 and pixels.problems == {}
    assert_equal(all_pixels(pixels), decoded(dataset, 24))
    assert max(image.shape[1] for image in all_pixels(pixels)) == 4 * 24
    assert seen[-1] == (14, 14)


def test_the_second_time_nothing_is_decoded(dataset: Dataset, tmp_path: Path) -> None:
    expected = all_pixels(open_pixels(dataset, 24, tmp_path / "cache"))
    shutil.rmtree(dataset.root)
    again = open_pixels(
        dataset.with_validation(0.2), 24, tmp_path / "cache", progress=lambda *_: pytest.fail("decoded")
    )
    assert_equal(all_pixels(again), expected)


def test_another_size_or_order_is_another_file(dataset: Dataset, tmp_path: Path) -> None:
    first = open_pixels(dataset, 24, tmp_path / "cache")
    assert open_pixels(dataset, 16, tmp_path / "cache")[0].shape != first[0].shape
    reverse = Dataset(dataset.table.take(list(range(13, -1, -1))), *vars_of(dataset))
    assert_equal(all_pixels(open_pixels(reverse, 24, tmp_path / "cache")), all_pixels(first)[::-1])


def vars_of(dataset: Dataset) -> tuple[str, str, tuple[str, ...], str]:
    return dataset.root, dataset.task, dataset.classes, dataset.format


@pytest.mark.parametrize("fault", ["an index of before", "data cut off"])
def test_an_index_of_other_data_does_not_count(dataset: Dataset, tmp_path: Path, fault: str) -> None:
    """A crash between the two files leaves the old index beside new data: other pixels under the labels."""
    image = Path(dataset.root) / dataset.table["image"][0].as_py()
    whole = image.read_bytes()
    image.unlink()
    assert list(open_pixels(dataset, 24, tmp_path / "cache").problems) == [0]
    (index,) = (tmp_path / "cache").glob("*.index")
    before = index.read_bytes()
    image.write_bytes(whole)
    assert_equal(all_pixels(open_pixels(dataset, 24, tmp_path / "cache")), decoded(dataset, 24))
    if fault == "an index of before":
        index.write_bytes(before)
    else:
        data = index.with_suffix(".data")
        data.write_bytes(data.read_bytes()[:-100])
    assert_equal(all_pixels(open_pixels(dataset, 24, tmp_path / "cache")), decoded(dataset, 24))


def test_broken_images_are_named_by_row(dataset: Dataset, tmp_path: Path) -> None:
    row = dataset.table["image"].to_pylist().index("circle/panorama.jpg")
    expected = decoded(dataset, 24)[:row]
    broken = Path(dataset.root) / "circle" / "panorama.jpg"
    broken.write_bytes(broken.read_bytes()[:-600])
    cut = Dataset.open(dataset.root)
    for _ in range(2):
        pixels = open_pixels(cut, 24, tmp_path / "cache")
        assert list(pixels.problems) == [row] and "truncated" in pixels.problems[row]
        assert pixels[row].shape == (0, 0, 3)
        assert_equal(all_pixels(pixels)[:row], expected)
        assert pixels[len(cut) - 1].shape[0] == 24


def test_pixels_are_kept_once_there_is_room(dataset: Dataset, tmp_path: Path) -> None:
    assert isinstance(open_pixels(dataset, 24, tmp_path / "cache", limit_bytes=0), DecodedOnDemand)
    assert isinstance(open_pixels(dataset, 24, tmp_path / "cache"), PixelCache)
    assert isinstance(open_pixels(dataset, 24, tmp_path / "cache", limit_bytes=0), PixelCache)


def test_a_deleted_pixel_file_is_made_again(dataset: Dataset, tmp_path: Path) -> None:
    expected = all_pixels(open_pixels(dataset, 24, tmp_path / "cache"))
    (file,) = (tmp_path / "cache").glob("*.data")
    file.unlink()
    assert_equal(all_pixels(open_pixels(dataset, 24, tmp_path / "cache")), expected)


def test_a_new_version_decodes_only_what_is_new(dataset: Dataset, tmp_path: Path) -> None:
    first = open_pixels(dataset, 24, tmp_path / "cache")
    draw_shapes(("square",), 77).save(Path(dataset.root) / "square" / "new.png")
    grown = Dataset.open(dataset.root)
    new = grown.table["image"].to_pylist().index("square/new.png")
    for image in dataset.table["image"].to_pylist():
        (Path(dataset.root) / image).unlink()
    pixels = open_pixels(grown, 24, tmp_path / "cache")
    assert len(pixels) == 15 and pixels.problems == {}
    assert_equal([image for row, image in enumerate(all_pixels(pixels)) if row != new], all_pixels(first))


def test_copies_are_kept_once(dataset: Dataset, tmp_path: Path) -> None:
    twice = dataset[np.repeat(np.arange(14), 2)]
    pixels = open_pixels(twice, 24, tmp_path / "cache")
    assert isinstance(pixels, PixelCache)
    assert_equal(all_pixels(pixels)[::2], all_pixels(pixels)[1::2])
    once = open_pixels(dataset, 24, tmp_path / "other")
    assert isinstance(once, PixelCache) and len(pixels.data) == len(once.data)


def test_small_jpegs_where_the_pixels_do_not_fit(dataset: Dataset, tmp_path: Path) -> None:
    needed = open_pixels(dataset, 24, tmp_path / "all")
    assert isinstance(needed, PixelCache)
    pixels = open_pixels(dataset, 24, tmp_path / "cache", limit_bytes=len(needed.data) // 2)
    assert isinstance(pixels, PixelCache) and len(pixels.data) < len(needed.data)
    assert pixels.as_jpeg and not needed.as_jpeg
    for small, exact in zip(all_pixels(pixels), all_pixels(needed), strict=True):
        assert small.shape == exact.shape
        assert np.abs(small.astype(int) - exact.astype(int)).mean() < 4


def test_the_oldest_file_goes_when_the_limit_is_reached(dataset: Dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    size = len(np.concatenate([image.ravel() for image in all_pixels(open_pixels(dataset, 24, cache))]))
    halves = [dataset[np.arange(14) % 2 == side] for side in (0, 1)]
    shutil.rmtree(cache)
    first = open_pixels(halves[0], 24, cache, limit_bytes=size)
    before = all_pixels(first)
    for _ in range(2):
        assert isinstance(open_pixels(halves[1], 24, cache, limit_bytes=int(0.8 * size)), PixelCache)
    assert len(list(cache.glob("*.data"))) == 1
    assert_equal(all_pixels(first), before)  # who has it open still reads it


def test_a_file_that_changed_since_the_data_set_was_opened_is_a_problem(dataset: Dataset, tmp_path: Path) -> None:
    image = dataset.table["image"][3].as_py()
    draw_shapes(("cross",), 99).save(Path(dataset.root) / image)
    pixels = open_pixels(dataset, 24, tmp_path / "cache")
    assert pixels.problems == {3: "the file changed since the dataset was opened"}
    trusting = Dataset.open(dataset.root, read_images=False)
    assert open_pixels(trusting, 24, tmp_path / "cache").problems == {}


def test_what_could_not_be_read_once_is_tried_again(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(dataset.root)
    away = root.rename(tmp_path / "away")
    assert len(open_pixels(dataset, 24, tmp_path / "cache").problems) == 14
    away.rename(root)
    pixels = open_pixels(dataset, 24, tmp_path / "cache")
    assert pixels.problems == {}
    assert_equal(all_pixels(pixels), decoded(dataset, 24))


def _open_in_process(manifest: str, cache: str, answers: multiprocessing.Queue[tuple[int, int]]) -> None:
    seen: list[int] = []
    pixels = open_pixels(Dataset.load(manifest), 24, Path(cache), progress=lambda done, _: seen.append(done))
    answers.put((len(seen), int(sum(image.sum(dtype=np.int64) for image in all_pixels(pixels)))))


def test_of_two_processes_one_decodes(dataset: Dataset, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.parquet"
    dataset.save(manifest)
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    arguments = (str(manifest), str(tmp_path / "cache"), answers)
    processes = [context.Process(target=_open_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    found = sorted(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    total = int(sum(image.sum(dtype=np.int64) for image in decoded(dataset, 24)))
    assert found == [(0, total), (14, total)]
    assert not list((tmp_path / "cache").glob("*.part"))
