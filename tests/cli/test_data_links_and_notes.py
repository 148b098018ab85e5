"""The data commands follow links where that is allowed, print what was noted, and need no workspace for a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from command_line import run_command
from layouts import PICTURE, put


def linked(root: Path, cache: str) -> Path:
    """Class folders whose images are links into a cache beside them."""
    for i in range(12):
        kept = root / cache / f"{i:02d}" / "a3f1"
        put(kept, PICTURE)
        link = root / "set" / ("cat" if i % 2 else "dog") / f"{i}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept)
    return root / "set"


CACHES = [
    (".dvc/cache/files/md5", r"the link into DVC's cache \(.dvc/cache\) leads outside"),
    (".git/annex/objects", r"the link into git-annex's store \(.git/annex\) leads outside"),
    ("elsewhere", "the link leads outside of the data's folder"),
]


@pytest.mark.parametrize(("cache", "told"), CACHES, ids=[cache for cache, _ in CACHES])
def test_links_into_a_cache(cache: str, told: str, tmp_path: Path) -> None:
    folder = linked(tmp_path, cache)
    with pytest.raises(DataError, match=rf"12 of 12 images cannot be used.*\n.*{told}.*--allow-outside"):
        Dataset.open(folder)
    dataset = Dataset.open(folder, allow_outside=True)
    assert {image.reference for image in dataset} == {f"{'cat' if i % 2 else 'dog'}/{i}.png" for i in range(12)}


def test_class_folders_that_are_links_are_named(tmp_path: Path) -> None:
    for i in range(12):
        put(tmp_path / "store" / ("cat" if i % 2 else "dog") / f"{i}.png", PICTURE)
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "store" / name)
    with pytest.raises(DataError, match=r"(?s)no known format.*Not entered:\s+- cat: the link leads outside.*- dog: "):
        Dataset.open(tmp_path / "set")
    assert Dataset.open(tmp_path / "set", allow_outside=True).classes == ("cat", "dog")


@pytest.mark.parametrize("command", [["check", "--no-features"], ["show", "--out", "picture.png"], ["advise"]])
def test_commands_follow_links_when_asked(command: list[str], tmp_path: Path) -> None:
    folder, name = linked(tmp_path, ".dvc/cache/files/md5"), command[0]
    options = [str(tmp_path / "picture.png") if text == "picture.png" else text for text in command[1:]]
    refused = run_command("data", name, str(folder), *options, "-w", str(tmp_path / "w"))
    assert refused.returncode != 0 and "--allow-outside" in refused.stderr
    done = run_command("data", name, str(folder), *options, "--allow-outside", "-w", str(tmp_path / "w"))
    assert "--allow-outside" not in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_an_export_of_links_says_how_to_open_it(tmp_path: Path) -> None:
    for i in range(12):
        put(tmp_path / "set" / ("cat" if i % 2 else "dog") / f"{i}.png", PICTURE)
    out = tmp_path / "out"
    done = run_command(
        "data", "convert", str(tmp_path / "set"), str(out), "--format", "csv", "--images", "link", "-w", str(tmp_path)
    )
    assert done.returncode == 0 and f"automl-vision data check {out} --allow-outside" in done.stdout
    assert run_command("data", "check", str(out), "--no-features", "--allow-outside").returncode == 0


def test_a_path_needs_no_workspace(tmp_path: Path) -> None:
    for i in range(12):
        put(tmp_path / "set" / ("cat" if i % 2 else "dog") / f"{i}.png", PICTURE)
    file = tmp_path / "file"
    file.write_text("a workspace cannot be here")
    done = run_command("data", "check", str(tmp_path / "set"), "--no-features", "-w", str(file / "w"))
    assert done.returncode == 0, done.stderr


def notes_of(root: Path, *options: str) -> str:
    for i in range(12):
        put(root / "images" / f"{i}.png", PICTURE)
        put(root / "labels" / f"{i}.txt", b"0,0.5,0.5,0.5,1.9\n")
    return run_command("data", "check", str(root), "--no-features", *options).stdout


def test_notes_are_printed_by_kind(tmp_path: Path) -> None:
    few, all_of_them = notes_of(tmp_path), notes_of(tmp_path, "--notes")
    assert few.count("noted     box clipped: ") == 4 and "box clipped: and 9 more, which data check --notes" in few
    assert "noted     written otherwise: labels/0.txt: 12 lines have commas" in few
    assert all_of_them.count("noted     box clipped: ") == 12 and "more, which" not in all_of_them.partition("\n\n")[0]


def test_a_class_without_a_validation_image_is_warned_of(tmp_path: Path) -> None:
    for i in range(12):
        split, label = ("val", "cat") if i > 8 else ("train", ("cat", "dog", "bird")[i % 3])
        put(tmp_path / split / label / f"{i}.png", PICTURE)
    done = run_command("data", "check", str(tmp_path), "--no-features")
    assert "warning   2 classes have no image for validation, so nothing is measured for them: bird, dog" in done.stdout


READ = [
    ("fields=x y w h label", 0, ""),
    ("feilds=x", 2, 'not "feilds=x". Did you mean "fields"?'),
    ("label_column=", 2, "takes NAME=VALUE"),
    ("label_column=nothing", 2, "column"),
]


@pytest.mark.parametrize(("text", "code", "told"), READ, ids=[case[0] for case in READ])
def test_how_data_is_read(text: str, code: int, told: str, tmp_path: Path) -> None:
    for i in range(12):
        put(tmp_path / "images" / f"{i}.png", PICTURE)
        put(tmp_path / "boxes" / f"{i}.txt", b"1 1 3 4 cat\n")  # corners or extents
    options = ["--format", "txt"] if text.startswith("fields") else []
    done = run_command("data", "check", str(tmp_path), "--no-features", *options, "--read", text)
    assert done.returncode == code and told in done.stderr.replace("\n", " "), done.stderr
