"""A watched folder: half-written and broken images, changes, restarts after a crash, and the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from automl_vision.serving.model_folder import model_fingerprint
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.watching import FolderWatch
from command_line import run_command
from conftest import CLASSES, draw_shapes
from model_folders import write_classifier, write_detector
from processes import wait_for


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_shapes((CLASSES[seed % 3],), seed).save(path)
    return path


def names(watch: FolderWatch) -> list[str]:
    return [file.path.name for file in watch.complete_files()]


def test_a_file_is_complete_when_two_looks_find_it_the_same(tmp_path: Path):
    watch = FolderWatch(tmp_path, {})
    whole = image(tmp_path / "source.bin.png").read_bytes()
    (tmp_path / "source.bin.png").unlink()
    growing = tmp_path / "sub" / "b.png"
    growing.parent.mkdir()
    for length in (0, 100, 2000, len(whole)):
        growing.write_bytes(whole[:length])
        assert names(watch) == []
    assert names(watch) == ["b.png"]


def test_a_writer_that_pauses_is_waited_for_and_its_image_read_when_it_is_whole(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    folder = tmp_path / "in"
    whole = image(folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(whole[: len(whole) // 2])
    image(folder / "b.png", 1)
    found = predictor.watch_folder(folder, every=0.01)
    assert next(found)[0].path.name == "b.png"  # the half one was tried and left
    (folder / "a.png").write_bytes(whole)
    file, prediction = next(found)
    assert file.path.name == "a.png"
    assert prediction.label == predictor(whole)[0].label  # type: ignore[union-attr]
    found.close()  # type: ignore[attr-defined]


def test_a_broken_image_is_reported_once_and_again_when_it_changes(tmp_path: Path):
    watch = FolderWatch(tmp_path, {}, patience=0.0)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    assert names(watch) == []
    (file,) = watch.complete_files()
    assert watch.accepts(file, is_readable=False)
    assert [names(watch) for _ in range(3)] == [[], [], []]
    image(broken)
    assert [names(watch) for _ in range(2)] == [[], ["broken.jpg"]]


def test_a_broken_image_may_still_be_in_the_writing(tmp_path: Path):
    watch = FolderWatch(tmp_path, {}, patience=3600)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    assert names(watch) == []
    (file,) = watch.complete_files()
    assert not watch.accepts(file, is_readable=False)
    assert [names(watch) for _ in range(3)] == [[], [], []]  # it is not read at each look


def test_only_images_that_are_there_and_not_hidden_count(tmp_path: Path):
    watch = FolderWatch(tmp_path, {})
    for name in ("photo.JPG", ".photo.jpg", "photo.jpg.part", "notes.txt", ".hidden/photo.png", "gone.png"):
        image_file = tmp_path / name
        image_file.parent.mkdir(exist_ok=True)
        image_file.write_bytes(b"x")
    assert names(watch) == []
    (tmp_path / "gone.png").unlink()
    assert names(watch) == ["photo.JPG"]


def test_what_is_done_is_not_found_again_unless_it_changes_or_returns(tmp_path: Path):
    watch = FolderWatch(tmp_path, {})
    file = image(tmp_path / "a.png")
    names(watch)
    (found,) = watch.complete_files()
    assert watch.accepts(found, is_readable=True)
    assert [names(watch) for _ in range(2)] == [[], []]
    os.utime(file, ns=(1, 1))
    assert [names(watch) for _ in range(2)] == [[], ["a.png"]]
    again = FolderWatch(tmp_path, {str(file): (file.stat().st_size, file.stat().st_mtime_ns)})
    assert [names(again) for _ in range(2)] == [[], []]
    tmp_path.rename(tmp_path.with_name("away"))  # such as a drive that is not there for a while
    assert names(again) == []
    tmp_path.with_name("away").rename(tmp_path)
    assert [names(again) for _ in range(2)] == [[], []]


class Watch:
    """The command in a process of its own."""

    def __init__(self, model: Path, folder: Path, out: Path, *options: object) -> None:
        program = [sys.executable, "-c", "from automl_vision.cli.main import main; main()"]
        command = [*program, "predict", model, folder, "--watch", "--out", out, *options]
        self.out, self.process = out, subprocess.Popen(map(str, command), stderr=subprocess.PIPE, text=True)

    def rows(self) -> list[dict[str, object]]:
        lines = self.out.read_text().splitlines(keepends=True) if self.out.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for(self, count: int) -> None:
        wait_for(lambda: len(self.rows()) >= count or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()[1]

    def end(self, number: signal.Signals) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[1]


def test_a_watch_goes_on_after_a_crash_with_nothing_twice_and_nothing_lost(tmp_path: Path):
    model, folder, out = write_detector(tmp_path / "model"), tmp_path / "in", tmp_path / "out.jsonl"
    paths = [image(folder / "day" / f"{i}.png", i) for i in range(4)]
    watch = Watch(model, folder, out, "--draw", tmp_path / "drawn")
    watch.wait_for(4)
    paths.append(image(folder / "late.png", 9))
    watch.wait_for(5)
    done = run_command("predict", model, folder, "--watch", "--out", out)
    assert done.returncode == 2
    assert "out.jsonl is being written by another process" in done.stderr
    watch.end(signal.SIGKILL)
    with out.open("a") as file:
        file.write('{"filename": "in/day')  # a crash in the middle of a row
    paths.append(image(folder / "while it was down.png", 10))
    image(paths[0], 11)  # another picture of the same name
    again = Watch(model, folder, out, "--draw", tmp_path / "drawn")
    again.wait_for(7)
    errors = again.end(signal.SIGINT)
    assert again.process.returncode == 0, errors
    assert errors.endswith(f"{folder}: 2 images, of which 0 could not be read\n")
    assert sorted(str(row["filename"]) for row in again.rows()) == sorted(map(str, [paths[0], *paths]))
    predictor = Predictor(model)
    for path, row in zip([str(paths[0])], [again.rows()[-2]], strict=True):
        assert row["filename"] == path
        assert row["boxes"] == predictor(path)[0].to_json()["boxes"]
    drawn = {path.relative_to(tmp_path / "drawn").as_posix() for path in (tmp_path / "drawn").rglob("*.png")}
    assert drawn == {f"{path.relative_to(folder).as_posix()}.png" for path in paths}


def test_a_watch_does_not_mix_models_nor_touch_other_files(tmp_path: Path):
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    image(folder / "a.png")
    model, other = write_classifier(tmp_path / "one"), write_classifier(tmp_path / "two", seed=1)
    row = {"filename": "a.png", "version": [1, 1], "model": model_fingerprint(model)[:12]}
    out.write_text(json.dumps(row) + "\n")
    done = run_command("predict", other, folder, "--watch", "--out", out)
    assert done.returncode == 2
    assert "out.jsonl has predictions of another model" in done.stderr
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\nunfinished")
    done = run_command("predict", other, folder, "--watch", "--out", notes)
    assert done.returncode == 2
    assert "notes.txt has a line that a watch did not write" in done.stderr
    assert notes.read_text() == "mine\nunfinished"


@pytest.mark.parametrize("options", [(), ("--on-unreadable", "error")])
def test_broken_images_are_survived_or_end_a_watch(options: tuple[str, ...], tmp_path: Path):
    model, folder, out = write_classifier(tmp_path / "model"), tmp_path / "in", tmp_path / "out.jsonl"
    image(folder / "a.png")
    (folder / "b.jpg").write_bytes(b"no image")
    os.utime(folder / "b.jpg", (0, 0))  # long ago, so it is not waited for
    watch = Watch(model, folder, out, *options)
    if options:
        _, errors = watch.process.communicate(timeout=60)
        assert watch.process.returncode == 2
        assert "b.jpg: the file is not an image" in errors
        return
    watch.wait_for(2)
    image(folder / "c.png", 2)
    watch.wait_for(3)
    assert watch.end(signal.SIGTERM).endswith("3 images, of which 1 could not be read\n")
    assert watch.process.returncode == 0
    assert [row.get("error", "")[:23] for row in watch.rows()] == ["", "the file is not an imag", ""]  # type: ignore[index]
