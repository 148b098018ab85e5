"""Label files without a header are read where one reading puts all boxes into their images, and refused otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from public_sets import Photo

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from automl_vision.formats.texts.grammar import cells_of, find_reading, named_reading
from layouts import as_bytes, put

SIZE = (40, 30)
# boxes (x1, y1, x2, y2) of two classes, spread over images of 40 x 30 so that no other reading fits
BOXES = [
    (2 + i, 1 + i, 38 - i % 7, 28 - i % 6) if i % 3 else (30 - i % 5, 20 - i % 4, 38, 28 - i % 2) for i in range(12)
]
NAMES = {False: ("1", "2"), True: ("cat", "dog")}


def row(box: tuple[int, ...], label: str, order: str, separator: str = " ") -> str:
    x1, y1, x2, y2 = box
    values = {
        "x1": x1, "y1": y1, "x2": x2, "y2": y2, "w": x2 - x1, "h": y2 - y1, "xc": (x1 + x2) / 2, "yc": (y1 + y2) / 2,
        "rx1": x1 / 40, "ry1": y1 / 30, "rx2": x2 / 40, "ry2": y2 / 30, "label": label,
    }  # fmt: skip
    return separator.join(str(values[name]) for name in order.split())


READ = [
    ("corners and a class", "x1 y1 x2 y2 label", "corners"),
    ("a class and corners", "label x1 y1 x2 y2", "corners"),
    ("extents and a class", "x1 y1 w h label", "extents"),
    ("a class and extents", "label x1 y1 w h", "extents"),
    ("centres and a class", "xc yc w h label", "centres"),
    ("corners in shares", "rx1 ry1 rx2 ry2 label", "corners"),
]


@pytest.mark.parametrize(("order", "kind"), [case[1:] for case in READ], ids=[case[0] for case in READ])
@pytest.mark.parametrize("has_words", [True, False], ids=["words", "numbers"])
def test_the_only_reading(order: str, kind: str, has_words: bool) -> None:
    rows = [(row(box, NAMES[has_words][i % 2], order).split(), SIZE) for i, box in enumerate(BOXES)]
    reading = find_reading(rows)
    assert reading.kind == kind and reading.label == order.split().index("label")
    assert reading.shares == order.startswith("rx1")


SMALL = [[str(n) for n in (1 + i % 3, 2, 3 + i % 3, 5, i % 2)] for i in range(12)]
REFUSED: list[tuple[str, list[list[str]], str]] = [
    ("small boxes", SMALL, "may mean"),
    ("eight numbers", [[*r, "1", "77", "5"] for r in SMALL], "no reading of its 8 columns"),
    ("boxes outside", [["50", "60", "70", "80", str(i % 2)] for i in range(12)], "no reading of its 5 columns"),
    ("two words", [["a", "b", "1", "2", "30", "25"]] * 12, "no reading of its 6 columns"),
    ("rows of unequal length", [["1", "2"], ["1", "2", "3"]], "from 2 to 3 columns"),
]


@pytest.mark.parametrize(("rows", "told"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_not_clear_is_refused(rows: list[list[str]], told: str) -> None:
    with pytest.raises(DataError, match=told):
        find_reading([(cells, SIZE) for cells in rows])


def test_fields_that_name_no_box_are_refused() -> None:
    assert named_reading(["x", "y", "w", "h", "-", "label"]).kind == "extents"
    with pytest.raises(DataError, match='the fields "x1 y1 label" name no box'):
        named_reading(["x1", "y1", "label"])


@pytest.mark.parametrize("line", ["1 2 3 4 cat", "1,2,3,4,cat", "1, 2, 3, 4, cat,", "1;2;3;4;cat", "1\t2\t3\t4\tcat"])
def test_separators(line: str) -> None:
    assert cells_of(line) == ["1", "2", "3", "4", "cat"]


def boards(extra: dict[str, Any] | None = None, *, template: bool = False) -> dict[str, Any]:
    """Two boards as DeepPCB has them: texts beside `_test` images, perhaps with templates, and lists of pairs."""
    files: dict[str, Any] = {}
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for i, box in enumerate(BOXES):
        group = ("00041", "12000")[i % 2]
        stem = f"PCBData/group{group}/{group}/{group}{i:03d}"
        text = f"group{group}/{group}_not/{group}{i:03d}.txt"
        files[f"{stem}_test.jpg"] = Photo(SIZE)
        if template:
            files[f"{stem}_temp.jpg"] = Photo(SIZE)
        files[f"PCBData/{text}"] = [row(box, str(1 + i % 3), "x1 y1 x2 y2 label")]
        lists["trainval" if i < 8 else "test"].append(f"group{group}/{group}/{group}{i:03d}.jpg {text}")
    return {**files, **{f"PCBData/{name}.txt": rows for name, rows in lists.items()}, **(extra or {})}


def write(root: Path, files: dict[str, Any]) -> Path:
    for path, content in files.items():
        put(root / path, content.content(path) if isinstance(content, Photo) else as_bytes(content))
    return root


@pytest.mark.parametrize("template", [False, True], ids=["without templates", "with templates"])
def test_circuit_boards(template: bool, tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path, boards(template=template)))
    assert dataset.format == "txt" and dataset.classes == ("1", "2", "3")
    found = {image.reference.rpartition("/")[2]: image for image in dataset}
    assert len(found) == 12 and all(name.endswith("_test.jpg") for name in found)
    for i, box in enumerate(BOXES):
        image = found[f"{('00041', '12000')[i % 2]}{i:03d}_test.jpg"]
        assert [(value.label, value.bbox) for value in image.objects] == [(str(1 + i % 3), tuple(map(float, box)))]
        assert image.split == ("train" if i < 8 else "test")
    said = " ".join(note.reason for note in dataset.report.notes)
    assert 'the columns are read as "x1 y1 x2 y2 label"' in said and 'end in "_test"' in said


def test_a_header_names_the_columns(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for i in range(12):
        files[f"images/{i}.png"] = Photo(SIZE)
        files[f"boxes/{i}.txt"] = ["label,x,y,w,h,occluded", f"cat,{i},2,3,4,0", f"dog,{i},9,5,6,1"]
    dataset = Dataset.open(write(tmp_path, files))
    assert [value.bbox for value in dataset[0].objects] == [(0.0, 2.0, 3.0, 6.0), (0.0, 9.0, 5.0, 15.0)]
    assert dataset.format == "txt" and len(dataset.objects) == 24 and not dataset.report.problems


def test_the_names_of_classes_beside_them(tmp_path: Path) -> None:
    names = {"classes.txt": ["open", "short", "mousebite"]}
    assert Dataset.open(write(tmp_path, boards(names))).classes == ("mousebite", "open", "short")


def test_columns_that_are_not_clear_are_named_by_the_user(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for i in range(12):
        files[f"A{i % 2}/{i}.png"] = Photo(SIZE)
        files[f"A{i % 2}/{i}.txt"] = [f"{1 + i % 3},2,3,5,1,77,5"]
    write(tmp_path, files)
    with pytest.raises(DataError, match=r'12 text files.*fields="x1 y1 x2 y2 label".*format="folder"'):
        Dataset.open(tmp_path)
    dataset = Dataset.open(tmp_path, format="txt", fields="x y w h - label -")
    assert dataset.classes == ("77",) and dataset[0].objects[0].bbox == (1.0, 2.0, 4.0, 7.0)
    assert Dataset.open(tmp_path, format="folder").classes == ("A0", "A1")


def test_a_line_that_does_not_fit_is_reported(tmp_path: Path) -> None:
    files = boards()
    path = "PCBData/group00041/00041_not/00041000.txt"
    files[path] = [*files[path], "1 2 3"]
    dataset = Dataset.open(write(tmp_path, files))
    assert len(dataset.objects) == 12
    (problem,) = dataset.report.problems
    assert (
        problem.place == f"{path.removeprefix('PCBData/')}:2"
        and 'has 3 columns, and is read as "x1 y1 x2 y2 label"' in problem.reason
    )


def test_a_label_file_without_an_image_is_reported(tmp_path: Path) -> None:
    files = boards({"PCBData/group00041/00041_not/00041099.txt": ["1 2 30 25 1"]})
    dataset = Dataset.open(write(tmp_path, files))
    (problem,) = dataset.report.problems
    assert problem.place == "group00041/00041_not/00041099.txt" and problem.kind == "missing image"


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".xml", "<boxes><bbox>1 2 3 4</bbox></boxes>"),
        (".json", {"shape": {"polygon": [1, 2, 3, 4, 5, 6]}}),
        (".mat", b"MATLAB 5.0 MAT-file"),
    ],
)
def test_unknown_annotations_beside_class_folders_are_not_passed_over(
    suffix: str, content: Any, tmp_path: Path
) -> None:
    files = {}
    for i in range(12):
        files[f"class{i % 2}/{i}.png"] = Photo(SIZE)
        files[f"places/{i}{suffix}"] = content
    with pytest.raises(DataError, match=rf"12 {suffix} files have the name of an image each"):
        Dataset.open(write(tmp_path, files))
    assert Dataset.open(tmp_path, format="folder").classes == ("class0", "class1")


def test_the_real_circuit_boards(real_data: Path) -> None:
    dataset = Dataset.open(real_data / "deeppcb")
    assert (dataset.task, dataset.format) == ("image-object-detection", "txt")
    assert dataset.class_counts == {  # 1 open, 2 short, 3 mousebite, 4 spur, 5 copper, 6 pin-hole
        "1": {"train": 231, "val": 58, "test": 139},
        "2": {"train": 195, "val": 42, "test": 84},
        "3": {"train": 264, "val": 54, "test": 124},
        "4": {"train": 213, "val": 41, "test": 99},
        "5": {"train": 190, "val": 38, "test": 96},
        "6": {"train": 188, "val": 48, "test": 102},
    }
