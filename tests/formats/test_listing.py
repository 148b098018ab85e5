"""Listing images to predict: labelled or not, by folder, archive, list, table, lines or a single file."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.dataset import Dataset
from automl_vision.formats.listing import list_images
from conftest import draw_shapes, write_objects

NAMES = [f"{i}.png" for i in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(NAMES):
        draw_shapes(("circle",), i).save(tmp_path / name)
    return tmp_path


def _zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for name in NAMES:
            archive.write(folder / name, f"photos/{name}")
    return folder / "photos.zip"


def _text(name: str, text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return write


@pytest.mark.parametrize(
    ("place", "count"),
    [
        (lambda folder: folder, 4),
        (_zip, 4),
        (lambda folder: folder / NAMES[0], 1),
        (_text("list.txt", "\n".join(NAMES[:3])), 3),
        (_text("table.csv", "image\n" + "\n".join(NAMES[:3])), 3),
        (_text("table.csv", "file,camera,height\n" + "\n".join(f"{name},left,{i}" for i, name in enumerate(NAMES))), 4),
        (_text("lines.jsonl", "\n".join(json.dumps({"image_url": name}) for name in [*NAMES[:2], NAMES[0]])), 2),
    ],
    ids=["folder", "zip", "image", "list", "one column", "table", "lines"],
)
def test_images_without_labels(place: Callable[[Path], Path], count: int, folder: Path):
    images = list_images(place(folder))
    assert (len(images), images.labelled) == (count, False)
    assert all(images.read(i).startswith(b"\x89PNG") for i in range(count))
    assert Path(images.location(0)).name == NAMES[0]


def test_images_of_labelled_data(shapes_folder: Path, tmp_path: Path):
    images = list_images(shapes_folder)
    dataset = Dataset.open(shapes_folder)
    assert images.labelled
    assert sorted(images.references.to_pylist()) == sorted(dataset.table["image"].to_pylist())
    dataset.save(tmp_path / "manifest.parquet")
    assert list_images(tmp_path / "manifest.parquet").references.to_pylist() == dataset.table["image"].to_pylist()
    lines = write_objects(tmp_path / "boxes", images=12)
    draw_shapes(("circle",), 0).save(tmp_path / "boxes" / "unnamed.png")
    found = list_images(tmp_path / "boxes")
    assert (len(found), found.labelled) == (12, True)
    assert "named by no annotation and left alone, such as unnamed.png" in found.notes[0]
    everything = list_images(tmp_path / "boxes", labels=False)
    assert (len(everything), everything.labelled) == (13, False)
    assert len(list_images(lines)) == 12


def test_an_image_beside_class_folders_is_listed_too(shapes_folder: Path, tmp_path: Path):
    for file in shapes_folder.rglob("*.png"):
        target = tmp_path / file.relative_to(shapes_folder)
        target.parent.mkdir(exist_ok=True)
        os.link(file, target)
    draw_shapes(("circle",), 0).save(tmp_path / "stray.png")
    assert len(list_images(tmp_path)) == 25


def test_the_fingerprint_follows_the_files(folder: Path):
    before = list_images(folder)
    assert list_images(folder).fingerprint == before.fingerprint
    draw_shapes(("cross",), 9, size=(50, 50)).save(folder / NAMES[1])
    changed = list_images(folder)
    (folder / NAMES[3]).unlink()
    assert len({before.fingerprint, changed.fingerprint, list_images(folder).fingerprint}) == 3


def test_what_leads_outside_or_is_missing_is_refused_when_it_is_read(folder: Path, tmp_path: Path):
    (folder / "list.txt").write_text("0.png\nmissing.png\n../../secret.png\n")
    images = list_images(folder / "list.txt")
    assert len(images) == 3
    for position, reason in ((1, "missing"), (2, "outside")):
        with pytest.raises(ImageError, match=reason):
            images.read(position)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("notes.json", "{}", "names no images"),
        ("empty.csv", "image\n", "holds no images|names no images"),
    ],
)
def test_files_that_name_no_images(name: str, text: str, message: str, tmp_path: Path):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        list_images(tmp_path / name)
    with pytest.raises(DataError, match="holds no images"):
        list_images(tmp_path)
