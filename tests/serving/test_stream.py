"""A stream of images through the predictor: order, bounded memory, errors, and threads that end."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.core.threads import map_in_order
from automl_vision.serving.command import image_files, main
from automl_vision.serving.predictor import Predictor
from conftest import CLASSES
from model_folders import write_classifier, write_detector


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(write_classifier(tmp_path_factory.mktemp("model") / "model"), decoders=3)


def grey(level: int) -> np.ndarray:
    return np.full((33, 40, 3), level, np.uint8)


def test_a_stream_keeps_its_order_and_reports_what_cannot_be_read_in_its_place(predictor: Predictor):
    levels = [random % 256 for random in range(0, 7000, 70)]
    sources = [b"not an image" if i % 7 == 3 else grey(level) for i, level in enumerate(levels)]
    found = list(predictor.stream_all(sources))
    assert [i for i, each in enumerate(found) if isinstance(each, ImageError)] == [i for i in range(100) if i % 7 == 3]
    for level, each in zip(levels, found, strict=True):
        if not isinstance(each, ImageError):
            (alone,) = predictor(grey(level))
            np.testing.assert_allclose(each.logits, alone.logits, rtol=1e-4, atol=1e-4)
    skipped = list(predictor.stream(sources, skip_unreadable=True))
    assert len(skipped) == 100 - 14
    with pytest.raises(ImageError, match="not an image of a known format"):
        list(predictor.stream(sources))


def test_an_endless_stream_takes_a_bounded_number_of_images_and_ends_its_threads(predictor: Predictor):
    taken, read = 0, set()

    def reader(number: int) -> bytes:
        read.add(threading.current_thread().name)
        file = io.BytesIO()
        Image.fromarray(grey(number % 256)).save(file, "PNG")
        return file.getvalue()

    def endless() -> Iterator[object]:
        nonlocal taken
        while True:
            taken += 1
            yield lambda number=taken: reader(number)

    before = threading.active_count()
    stream = predictor.stream_all(endless())  # type: ignore[arg-type]
    for done in range(1, 200):
        assert next(stream).labels == CLASSES  # type: ignore[union-attr]
        assert taken - done <= 3 * 16
    assert threading.current_thread().name not in read
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_exception_in_a_thread_or_in_the_source_surfaces(predictor: Predictor):
    def broken() -> bytes:
        raise RuntimeError("the camera is off")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the camera is off"):
        list(predictor.stream_all([grey(1), broken, grey(2)]))

    def source() -> Iterator[np.ndarray]:
        yield grey(1)
        raise ValueError("the list ends here")

    with pytest.raises(ValueError, match="the list ends here"):
        list(predictor.stream_all(source()))
    assert threading.active_count() == before


def test_a_tiled_detector_streams_whole_images(tmp_path: Path):
    from dataclasses import replace

    from automl_vision.serving.model_folder import ModelDescription

    folder = write_detector(tmp_path / "model")
    description = ModelDescription.load(folder)
    assert description.objects is not None
    replace(description, objects=replace(description.objects, tile_grid="3x2")).save(folder)
    predictor = Predictor(folder)
    images = [np.full((90 + i, 120, 3), i, np.uint8) for i in range(12)]
    found = list(predictor.stream_all(images))
    assert [(each.height, each.width) for each in found] == [(90 + i, 120) for i in range(12)]  # type: ignore[union-attr]
    assert all(len(each.objects) > 2 for each in found)  # type: ignore[union-attr]


@pytest.mark.parametrize(("threads", "window"), [(1, 1), (2, 3), (4, 100)])
def test_map_in_order(threads: int, window: int):
    waits = threading.Event()
    results = map_in_order(lambda n: (waits.wait(0.001 * (n % 3)), n * n)[1], range(50), threads=threads, window=window)
    assert list(results) == [n * n for n in range(50)]
    assert list(map_in_order(str, (), threads=threads, window=window)) == []


def test_the_image_that_cannot_be_read_is_named(predictor: Predictor, tmp_path: Path):
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        Image.fromarray(grey(80 * i)).save(file)
    files[1].write_bytes(b"not an image")
    with pytest.raises(ImageError, match=rf"image 2 \({files[1]}\): "):
        predictor(files)
    with pytest.raises(ImageError, match=r"image 2: "):
        predictor([file.read_bytes() for file in files])
    found = predictor(files, unreadable="return")
    assert isinstance(found[1], ImageError) and "image 2" not in str(found[1])
    assert [found[i].to_json() for i in (0, 2)] == [predictor(files[i])[0].to_json() for i in (0, 2)]
    with pytest.raises(ValueError, match='"raise" or "return", not "skip"'):
        predictor(files, unreadable="skip")  # type: ignore[arg-type]


def test_files_of_a_folder_that_are_skipped_are_counted_and_named(predictor: Predictor, tmp_path: Path, capsys):
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("a.png", "below/b.jfif", "c.odd"):
        Image.fromarray(grey(90)).save(folder / name, "PNG" if name == "a.png" else "JPEG")
    (folder / "d.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.txt").write_text("not looked at")
    assert [file.name for file in image_files([folder])] == ["a.png", "b.jfif", "c.odd", "d.heic"]
    assert main([str(predictor.folder), str(folder), "--json"]) == 2  # for the HEIC file
    out, err = capsys.readouterr()
    rows = {Path(row["filename"]).name: row for row in map(json.loads, out.splitlines())}
    assert list(rows) == ["a.png", "b.jfif", "c.odd", "d.heic"] and "error" in rows["d.heic"]
    assert not any("error" in rows[name] for name in ("a.png", "b.jfif", "c.odd"))
    assert "1 files are no images and are skipped (1 .txt), such as" in err and "notes.txt" in err
    assert main([str(predictor.folder), str(folder / "below"), "--json"]) == 0
    assert capsys.readouterr().err == ""
