"""Folders, archives and names as real image sets have them."""

from __future__ import annotations

import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_vision import Dataset
from automl_vision.testing.layouts import LAYOUTS
from layouts import Layout, check

ANIMALS: dict[str, str | None] = {"cat/#.jpg": "- cat", "dog/#.jpg": "- dog"}
TRAIN: dict[str, str | None] = {"train/cat/#.jpg": "train cat", "train/dog/#.jpg": "train dog"}

FOLDERS = [
    Layout(
        "ImageNet",
        {
            "train/n01440764/n01440764_#.JPEG": "train n01440764",
            "train/n01443537/n01443537_#.JPEG": "train n01443537",
            "val/n01440764/ILSVRC2012_val_#.JPEG": "val n01440764",
        },
    ),
    *(
        Layout(
            f"{train}, {val}, {test}",
            {
                f"{train}/cat/#.jpg": "train cat",
                f"{train}/dog/#.jpg": "train dog",
                f"{val}/cat/#.jpg": "val cat",
                f"{test}/dog/#.jpg": "test dog",
            },
        )
        for train, val, test in [
            ("train", "valid", "test"),
            ("Training", "Validation", "Testing"),
            ("TRAIN", "DEV", "TEST"),
            ("train_set", "val_set", "test_set"),
            ("train-images", "validation-images", "test-images"),
            ("images_train", "images_val", "images_test"),
            ("Train Data", "Valid Data", "Test Data"),
        ]
    ),
    Layout(
        "Intel: split twice, with prefix, and images to predict",
        {
            "seg_train/seg_train/buildings/#.jpg": "train buildings",
            "seg_train/seg_train/forest/#.jpg": "train forest",
            "seg_test/seg_test/forest/#.jpg": "test forest",
            "seg_pred/seg_pred/#.jpg": None,
        },
        reports="seg_pred",
    ),
    Layout(
        "cat-and-dog: sets twice",
        {
            "training_set/training_set/cats/cat.#.jpg": "train cats",
            "training_set/training_set/dogs/dog.#.jpg": "train dogs",
            "test_set/test_set/cats/cat.#.jpg": "test cats",
        },
    ),
    Layout("a dataset in a folder twice", {"dataset/dataset/cat/#.jpg": "- cat", "dataset/dataset/dog/#.jpg": "- dog"}),
    Layout(
        "beside a program and a text",
        {"raw-img/cane/#.jpg": "- cane", "raw-img/gatto/#.jpg": "- gatto"},
        {"translate.py": "x = {}", "README.txt": "animals"},
    ),
    Layout(
        "beside other folders without images",
        {"images/cat/#.jpg": "- cat", "images/dog/#.jpg": "- dog"},
        {"docs/paper.txt": "x", "meta/classes.json": ["cat", "dog"]},
    ),
    Layout("Kaggle: an unlabelled test folder", {**TRAIN, "test/#.jpg": None, "test/x#.jpg": None}, reports="test"),
    Layout("an unlabelled test folder twice", {**TRAIN, "test1/test1/#.jpg": None}, reports="test1"),
    Layout("a folder of unknown in test", {**TRAIN, "test/unknown/#.jpg": None}, reports="unknown"),
    Layout("a folder without a split in test", {**TRAIN, "test/images/#.jpg": None}, reports="images"),
    Layout(
        "a class only in test",
        {"train/good/#.jpg": "train good", "test/good/#.jpg": "test good", "test/broken/#.jpg": "test broken"},
    ),
    Layout(
        "tiny ImageNet",
        {
            "train/n01/images/n01_#.JPEG": "train n01",
            "train/n02/images/n02_#.JPEG": "train n02",
            "val/images/val_#.JPEG": None,
        },
        {"wnids.txt": ["n01", "n02"]},
        reports="val",
    ),
    Layout(
        "Kaggle's dogs and cats: the class in the name",
        {"train/cat.#.jpg": None, "train/dog.#.jpg": None, "test1/#.jpg": None},
        error="stand in no class folder.*names begin with.*cat, dog",
    ),
    Layout("flat images", {"#.jpg": None, "a#.jpg": None}, error="in no class folder"),
    Layout(
        "patients below the classes",
        {
            "normal/p01/#.png": "- normal",
            "normal/p02/#.png": "- normal",
            "sick/p03/#.png": "- sick",
            "sick/p04/#.png": "- sick",
        },
        reports="p01",
    ),
    Layout(
        "patients numbered anew in each class",
        {
            "normal/p1/#.png": "- normal",
            "normal/p2/#.png": "- normal",
            "sick/p1/#.png": "- sick",
            "sick/p2/#.png": "- sick",
        },
    ),
    Layout(
        "patients as groups",
        {
            "normal/p1/#.png": "- [p1] normal",
            "sick/p1/#.png": "- [p1] sick",
        },
        settings={"format": "folder", "label_column": "1", "group_column": "2"},
    ),
    Layout(
        "the class stated",
        {
            "photo/cat/#.png": "- cat",
            "photo/dog/#.png": "- dog",
            "sketch/cat/#.png": "- cat",
            "sketch/dog/#.png": "- dog",
        },
        settings={"format": "folder", "label_column": "-1"},
    ),
    Layout(
        "the class stated beyond",
        ANIMALS,
        error="folder 3 of the path.*it has 1",
        settings={"format": "folder", "label_column": "3"},
    ),
    Layout(
        "the class stated by a word",
        ANIMALS,
        error="label_column",
        settings={"format": "folder", "label_column": "kind"},
    ),
    Layout(
        "the same classes in several styles",
        {"photo/cat/#.png": None, "photo/dog/#.png": None, "sketch/cat/#.png": None, "sketch/dog/#.png": None},
        error='"photo".*"sketch".*label_column',
    ),
    Layout(
        "folds",
        {f"fold_{k}/{c}/{k}#.png": f"- [fold_{k}] {c}" for k in (1, 2, 3) for c in ("cat", "dog")},
        reports="fold_1",
    ),
    Layout(
        "folds that hold splits",
        {f"fold{k}/{s}/{c}/#.png": None for k in (1, 2) for s in ("train", "val") for c in ("cat", "dog")},
        error="fold1.*open one of them",
    ),
    Layout(
        "classes that hold splits",
        {
            "cat/train/#.png": "train cat",
            "cat/test/a#.png": "test cat",
            "dog/train/#.png": "train dog",
            "dog/test/a#.png": "test dog",
        },
    ),
    Layout("digits", {f"{i}/#.png": f"- {i}" for i in range(10)}),
    Layout("digits in splits", {f"{s}/{i}/#.png": f"{s} {i}" for s in ("train", "test") for i in range(3)}),
    Layout("classes that look like splits", {"train/#.png": "- train", "bus/#.png": "- bus", "test/#.png": "- test"}),
    Layout(
        "classes with a split's name in theirs",
        {"train_station/#.png": "- train_station", "test_tube/#.png": "- test_tube"},
    ),
    Layout(
        "a folder train that may be both",
        {"train/cat/#.png": None, "train/dog/#.png": None, "unlabeled/#.png": None},
        error='"train" may be a split or a class.*label_column',
    ),
    Layout("an empty class", ANIMALS, {"bird/.gitkeep": ""}),
    Layout("a class of texts", ANIMALS, {"bird/notes.txt": "later"}, reports="bird/notes.txt"),
    Layout(
        "system files",
        {**ANIMALS, "cat/._0.jpg": None, "cat/.ipynb_checkpoints/0-checkpoint.jpg": None, ".Trash/9.jpg": None},
        {".DS_Store": b"x", "cat/.DS_Store": b"x", "cat/Thumbs.db": b"x", "cat/desktop.ini": b"x", "README.md": "# x"},
    ),
    Layout("notes beside each image", ANIMALS, {"cat/#.txt": "a cat", "dog/#.json": {}, "dog/#.xml": "<a/>"}),
    Layout(
        "Stanford Dogs",
        {"Images/n02085620-Chihuahua/#.jpg": "- n02085620-Chihuahua", "Images/n02085782-Pug/#.jpg": "- n02085782-Pug"},
        {"Lists/train_list.mat": b"x", "README.txt": "dogs"},
    ),
    Layout(
        "Food-101",
        {"images/pie/#.jpg": "- pie", "images/soup/#.jpg": "- soup"},
        {"meta/classes.txt": ["pie", "soup"], "meta/labels.txt": ["Pie", "Soup"], "license_agreement.txt": "x"},
    ),
    Layout(
        "CUB-200",
        {
            "CUB/images/001.Albatross/a_#.jpg": "train 001.Albatross",
            "CUB/images/002.Auklet/b_#.jpg": "test 002.Auklet",
        },
        {
            "CUB/images.txt": [f"{i + 1} {('001.Albatross/a', '002.Auklet/b')[i // 6]}_{i % 6}.jpg" for i in range(12)],
            "CUB/image_class_labels.txt": [f"{i + 1} {1 + i // 6}" for i in range(12)],
            "CUB/train_test_split.txt": [f"{i + 1} {int(i < 6)}" for i in range(12)],
            "CUB/classes.txt": ["1 001.Albatross", "2 002.Auklet"],
            "CUB/bounding_boxes.txt": [f"{i + 1} 1.0 1.0 3.0 3.0" for i in range(12)],
        },
    ),
    Layout("capital suffixes", {"cat/#.JPG": "- cat", "dog/#.Jpeg": "- dog", "cat/b#.PNG": "- cat"}),
    Layout(
        "names of all kinds",
        {"котёнок 🐱/фото #.jpg": "- котёнок 🐱", "犬/写真　#.jpg": "- 犬", "a&b (c)/x'#%.jpg": "- a&b (c)"},
    ),
    Layout(
        "one class written in two ways",
        {
            f"train/{unicodedata.normalize('NFC', 'Kätzchen')}/#.jpg": "train Kätzchen",
            "train/dog/#.jpg": "train dog",
            f"val/{unicodedata.normalize('NFD', 'Kätzchen')}/#.jpg": "val Kätzchen",
            "val/dog/#.jpg": "val dog",
        },
    ),
    Layout(
        "splits without a common class",
        {"train/cat/#.jpg": None, "train/dog/#.jpg": None, "val/Cat/#.jpg": None, "val/Dog/#.jpg": None},
        error="no class in common",
    ),
    Layout(
        "splits once more below",
        {
            **TRAIN,
            "test/cat/#.jpg": "test cat",
            "pets/train/cat/#.jpg": None,
            "pets/train/dog/#.jpg": None,
            "pets/test/cat/#.jpg": None,
        },
        reports="once more",
    ),
    Layout("classes once more below", {**ANIMALS, "pets/cat/#.jpg": None, "pets/dog/#.jpg": None}, reports="once more"),
    Layout(
        "training images in a folder of the set's name",
        {
            "rps/rps/rock/#.png": "train rock",
            "rps/rps/paper/#.png": "train paper",
            "rps-test-set/rps-test-set/rock/#.png": "test rock",
            "rps-test-set/rps-test-set/paper/#.png": "test paper",
            "rps-validation/v#.png": None,
        },
        reports="rps-validation",
    ),
    Layout(
        "train_images beside flat test_images",
        {"train_images/cat/#.jpg": "train cat", "train_images/dog/#.jpg": "train dog", "test_images/#.jpg": None},
        reports="test_images",
    ),
    Layout(
        "Food-101 with its lists",
        {"images/pie/1#.jpg": "train pie", "images/soup/2#.jpg": "test soup"},
        {"meta/train.txt": ["pie/1#"], "meta/test.txt": ["soup/2#"], "meta/classes.txt": ["pie", "soup"]},
    ),
    Layout(
        "class folders beside flags",
        {"cat/c#.jpg": None, "dog/d#.jpg": None},
        {"meta.csv": ["filename,width,height,blurry", "c#.jpg,8,8,0", "d#.jpg,8,8,1"]},
        error='blurry.*cat, dog.*format="csv" or format="folder"',
    ),
    Layout(
        "class folders beside a table without a known label",
        {"cat/c#.jpg": "- cat", "dog/d#.jpg": "- dog"},
        {"meta.csv": ["filename,photographer,camera", "c#.jpg,a,x", "d#.jpg,b,y"]},
        reports="filename, photographer, camera",
    ),
    Layout("a workbook", {"images/c#.jpg": None}, {"labels.xlsx": b"x"}, error="workbook.*CSV"),
    Layout("images of other kinds", {}, {"cat/#.nii": b"x", "dog/#.jp2": b"x"}, error=r"\.jp2.*\.nii"),
    Layout("archives in a folder", {}, {"train.zip": b"PK", "test.zip": b"PK"}, error="archives.*train.zip"),
    Layout("records of TensorFlow", {}, {"train-00000-of-00002.tfrecord": b"x"}, error="tfrecord"),
    Layout("arrays", {}, {"data.npz": b"x", "train.h5": b"x"}, error=r"\.npz"),
]


@pytest.mark.parametrize("layout", FOLDERS, ids=lambda layout: layout.name)
def test_folders(layout: Layout, tmp_path: Path) -> None:
    check(layout, layout.write(tmp_path))


IN_ARCHIVES = [
    Layout("class folders", {f"pets/{path}": text for path, text in ANIMALS.items()}),
    Layout("splits", {f"pets-v1.0/{path}": text for path, text in TRAIN.items()}),
    Layout(
        "a Macintosh's copy",
        {**{f"pets/{path}": text for path, text in ANIMALS.items()}, "__MACOSX/pets/cat/._#.jpg": None},
        {"pets/.DS_Store": b"x", "__MACOSX/._pets": b"x"},
    ),
    Layout("letters", {"Tiere/Kätzchen/Süß #.jpg": "- Kätzchen", "Tiere/犬/#.jpg": "- 犬"}),
    Layout(
        "a table",
        {"pets/images/c#.jpg": "- cat", "pets/images/d#.jpg": "- dog"},
        {"pets/labels.csv": ["id,label", "c#,cat", "d#,dog"]},
    ),
    Layout(
        "lines",
        {"a/b/c#.jpg": "train cat", "a/b/d#.jpg": "train dog"},
        {"a/train.jsonl": ['{"image_url": "b/c#.jpg", "label": "cat"}', '{"image_url": "b/d#.jpg", "label": "dog"}']},
    ),
]


def members(root: Path) -> list[tuple[str, Path]]:
    return [(str(file.relative_to(root)), file) for file in sorted(root.rglob("*")) if file.is_file()]


def as_zip(root: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in members(root):
            archive.write(file, name)
    return path


def as_zip_of_windows(root: Path, path: Path) -> Path:
    """With backslashes, as some programs write it against the rule."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in members(root):
            archive.writestr(name.replace("/", "\\"), file.read_bytes())
    return path


class UnmarkedInfo(zipfile.ZipInfo):
    """A member with its name in UTF-8 and no mark that says so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - the library's name
        return self.filename.encode(), 0


def as_zip_without_mark(root: Path, path: Path) -> Path:
    """As the Macintosh's own program writes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in members(root):
            archive.writestr(UnmarkedInfo(name), file.read_bytes())
    return path


def as_tar(root: Path, path: Path) -> Path:
    path = path.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for name, file in members(root):
            archive.add(file, f"./{name}")
    return path


@pytest.mark.parametrize("pack", [as_zip, as_zip_of_windows, as_zip_without_mark, as_tar])
@pytest.mark.parametrize("layout", IN_ARCHIVES, ids=lambda layout: layout.name)
def test_archives(layout: Layout, pack: Callable[[Path, Path], Path], tmp_path: Path) -> None:
    check(layout, pack(layout.write(tmp_path / "in"), tmp_path / "pets.zip"))


def test_a_line_of_cub_without_a_path_is_reported_with_its_number(tmp_path: Path) -> None:
    LAYOUTS["cub"].write(tmp_path)
    with (tmp_path / "images.txt").open("a") as file:
        file.write("13\n")
    dataset = Dataset.open(tmp_path)
    assert [problem.place for problem in dataset.report.problems] == ["images.txt:13"]
    assert len(dataset) == 12
