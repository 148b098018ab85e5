"""Every layout of labelled images is read as its author meant it, and what cannot be used is named."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import CLASSIFICATION, MULTI_LABEL
from automl_vision.data.dataset import Dataset
from automl_vision.formats.registry import list_formats
from conftest import write_multi_label_csv

IMAGES = [f"{i}.png" for i in range(12)]
ANIMALS = ["cat", "dog"] * 6


def draw(path: Path, seed: int = 0) -> str:
    """A small picture that differs by seed; gives its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (seed % 256, seed // 256, 7)).save(path)
    return path.name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a dozen pictures, named by number."""
    for i, name in enumerate(IMAGES):
        draw(tmp_path / name, i)
    return tmp_path


def labels(dataset: Dataset) -> dict[str, list[str]]:
    return {row["image"]: row["labels"] for row in dataset.table.to_pylist()}


def problems(dataset: Dataset) -> list[tuple[str, str]]:
    return [(problem.place, problem.reason) for problem in dataset.report.problems]


# One folder a class


def write_files(root: Path, files: Sequence[str]) -> None:
    for i, file in enumerate(files):
        path = root / file
        if path.suffix == ".png":
            draw(path, i)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("no image")


def sets(*folders: str, count: int = 6) -> list[str]:
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


FOLDERS: list[tuple[str, list[str], dict[tuple[str, str], int], list[str]]] = [
    ("classes", sets("cat", "dog"), {("", "cat"): 6, ("", "dog"): 6}, []),
    (
        "split folders under other names",
        sets("Training/cat", "Training/dog", "valid/cat", "testing/dog"),
        {("train", "cat"): 6, ("train", "dog"): 6, ("val", "cat"): 6, ("test", "dog"): 6},
        [],
    ),
    ("nested", sets("cat/a", "cat/b/c", "dog"), {("", "cat"): 12, ("", "dog"): 6}, []),
    ("a class named test", sets("test", "train", "dog"), {("", "test"): 6, ("", "train"): 6, ("", "dog"): 6}, []),
    ("only test and val", sets("test", "val"), {("", "test"): 6, ("", "val"): 6}, []),
    (
        "a class named train with folders",
        sets("train/old", "train/new", "car/old"),
        {("", "train"): 12, ("", "car"): 6},
        [],
    ),
    (
        "an empty split",
        [*sets("train/cat", "train/dog", "val/cat"), "test/notes.txt"],
        {("train", "cat"): 6, ("train", "dog"): 6, ("val", "cat"): 6},
        [],
    ),
    (
        "a test split without labels",
        [*sets("train/cat", "train/dog", "val/cat", count=8), "test/1.png"],
        {("train", "cat"): 8, ("train", "dog"): 8, ("val", "cat"): 8},
        [],
    ),
    (
        "only train is split",
        [*sets("train/cat", "train/dog"), "docs/readme.txt"],
        {("train", "cat"): 6, ("train", "dog"): 6},
        [],
    ),
    (
        "a folder beside the splits",
        [*sets("train/cat", "train/dog", "val/cat"), "more/cat/1.png"],
        {("train", "cat"): 6, ("train", "dog"): 6, ("val", "cat"): 6},
        ["more/cat/1.png"],
    ),
    (
        "hidden and system files",
        [
            *sets("cat", "dog"),
            "cat/.DS_Store",
            "cat/._1.png",
            "cat/Thumbs.db",
            "dog/desktop.ini",
            "cat/.ipynb_checkpoints/1.png",
            ".git/1.png",
            "README.md",
        ],
        {("", "cat"): 6, ("", "dog"): 6},
        [],
    ),
    (
        "other files",
        [*sets("cat", "dog"), "cat/notes.txt", "stray.png", "dog/noname"],
        {("", "cat"): 6, ("", "dog"): 6},
        ["cat/notes.txt", "dog/noname", "stray.png"],
    ),
    (
        "spaces and other alphabets",
        sets("schöne Katze", "собака", 'it\'s, "so"|;'),
        {("", "schöne Katze"): 6, ("", "собака"): 6, ("", 'it\'s, "so"|;'): 6},
        [],
    ),
]


@pytest.mark.parametrize(("case", "files", "expected", "left_out"), FOLDERS, ids=[case for case, *_ in FOLDERS])
def test_folders(
    tmp_path: Path, case: str, files: list[str], expected: dict[tuple[str, str], int], left_out: list[str]
) -> None:
    write_files(tmp_path, files)
    dataset = Dataset.open(tmp_path)
    assert (dataset.format, dataset.task) == ("folder", CLASSIFICATION)
    found = Counter((row["split"] or "", row["labels"][0]) for row in dataset.table.to_pylist())
    assert found == expected
    assert dataset.classes == tuple(sorted({name for _, name in expected}))
    assert sorted(place for place, _ in problems(dataset)) == left_out


def test_splits_without_class_folders_are_no_classes(tmp_path: Path) -> None:
    write_files(tmp_path, sets("train", "valid", "test"))
    with pytest.raises(DataError, match=r"no known format(.|\n)*18 images stand in no class folder"):
        Dataset.open(tmp_path)


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    write_files(tmp_path, sets("cat", "dog"))
    for file in list(tmp_path.rglob("*.png")):
        file.rename(file.with_suffix(".PNG"))
    assert len(Dataset.open(tmp_path)) == 12


def test_a_file_name_in_another_encoding_is_reported(tmp_path: Path) -> None:
    write_files(tmp_path, sets("cat", "dog"))
    (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / os.fsdecode(b"caf\xe9.png"))
    dataset = Dataset.open(tmp_path)
    assert len(dataset) == 11
    assert problems(dataset) == [("cat/caf\\udce9.png", "the name is not valid Unicode; rename it in UTF-8")]
    dataset.save(tmp_path / "manifest.parquet")


# CSV


def table(*rows: str, header: str = "image,label") -> str:
    return "\n".join([header, *rows]) + "\n"


def lines(pattern: str, values: Sequence[str] = ANIMALS) -> list[str]:
    return [pattern.format(image=image, label=label) for image, label in zip(IMAGES, values, strict=True)]


SINGLE = {image: [label] for image, label in zip(IMAGES, ANIMALS, strict=True)}
PAIRS = {image: [label, "pet"] for image, label in zip(IMAGES, ANIMALS, strict=True)}


def by_image(values: Sequence[list[str]]) -> dict[str, list[str]]:
    return dict(zip(IMAGES, values, strict=True))


GERMAN = by_image([["Kätzchen"], ["Hündin"]] * 6)
SOME = by_image([[], ["cat"]] * 6)
FLAGS = by_image([["cat"], ["dog", "cat"]] * 6)

CSV: list[tuple[str, str | bytes, dict[str, list[str]]]] = [
    ("label", table(*lines("{image},{label}")), SINGLE),
    ("other names", table(*lines("{label},{image}"), header="Class,FileName"), SINGLE),
    ("semicolon", table(*lines("{image};{label}"), header="image;label"), SINGLE),
    ("tab", table(*lines("{image}\t{label}"), header="image\tlabel"), SINGLE),
    ("quotes", table(*lines('"{image}", "{label}"'), header='"image", "label"'), SINGLE),
    ("another column", table(*lines("{image},{label},a note"), header="image,label,remark"), SINGLE),
    ("byte order mark", b"\xef\xbb\xbf" + table(*lines("{image},{label}")).encode(), SINGLE),
    ("UTF-16", table(*lines("{image},{label}")).encode("utf-16"), SINGLE),
    ("Windows lines", table(*lines("{image},{label}")).replace("\n", "\r\n"), SINGLE),
    ("old Macintosh lines", table(*lines("{image},{label}")).replace("\n", "\r").encode(), SINGLE),
    ("empty lines", "\n" + table(*lines("{image},{label}\n,\n")), SINGLE),
    ("a line separator in a cell", table(*lines("{image},{label},a\u2028b"), header="image,label,note"), SINGLE),
    ("a cell of two lines", table(*lines('{image},{label},"a\nb"'), header="image,label,note"), SINGLE),
    ("Windows-1252", table(*lines("{image},{label}", ["Kätzchen", "Hündin"] * 6)).encode("cp1252"), GERMAN),
    ("labels", table(*lines("{image},{label}|pet"), header="image,labels"), PAIRS),
    ("labels with semicolons", table(*lines("{image},{label}; pet"), header="image,labels"), PAIRS),
    ("several rows an image", table(*lines("{image},{label}"), *lines("{image},pet")), PAIRS),
    ("no labels", table(*lines("{image},{label}", ["", "cat|cat"] * 6), header="image,labels"), SOME),
    ("flags", table(*lines("{image},{label}", ["0,1", "1,1"] * 6), header="image,dog,cat"), FLAGS),
    ("true, false", table(*lines("{image},{label}", ["False,True", "true,TRUE"] * 6), header="image,dog,cat"), FLAGS),
]  # fmt: skip


@pytest.mark.parametrize(("case", "text", "expected"), CSV, ids=[case for case, *_ in CSV])
def test_csv(root: Path, case: str, text: str | bytes, expected: dict[str, list[str]]) -> None:
    (root / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    dataset = Dataset.open(root)
    assert dataset.format == "csv" and not problems(dataset)
    assert labels(dataset) == expected
    single = all(len(names) == 1 for names in expected.values())
    assert dataset.task == (CLASSIFICATION if single else MULTI_LABEL)
    assert labels(Dataset.open(root / "labels.csv")) == expected


BAD_ROWS: list[tuple[str, str, str, str]] = [
    ("too few cells", "image,label", "0.png", "the row has 1 cells, the header 2"),
    ("too many cells", "image,label", "0.png,cat,dog", "the row has 3 cells, the header 2"),
    ("no label", "image,label", "0.png,", "the label is empty"),
    ("no image", "image,label", ",cat", "the image is empty"),
    ("no flag", "image,cat", "0.png,maybe", 'column "cat" must hold 0 or 1, not "maybe"'),
    ("unknown split", "image,label,split", "0.png,cat,holdout", 'the split "holdout" is unknown; splits: train, '),
]


@pytest.mark.parametrize(("case", "header", "row", "reason"), BAD_ROWS, ids=[case for case, *_ in BAD_ROWS])
def test_a_bad_row_is_reported_with_its_line(root: Path, case: str, header: str, row: str, reason: str) -> None:
    good = {"image,label": "{image},{label}", "image,cat": "{image},1", "image,label,split": "{image},{label},val"}
    rows = lines(good[header])
    (root / "labels.csv").write_text(table(row, *rows[1:], header=header))
    dataset = Dataset.open(root)
    assert len(dataset) == 11
    ((place, found),) = problems(dataset)
    assert place == "labels.csv:2"
    assert found.startswith(reason)


TABLE_ERRORS: list[tuple[str, str, dict[str, str], str]] = [
    ("missing column", table(*lines("{image},{label}")), {"label_column": "lable"}, 'Did you mean "label"'),
    (
        "column in capitals",
        table(*lines("{image},{label}"), header="IMAGE,KIND"),
        {"image_column": "image", "label_column": "kind"},
        'no column "image". Did you mean "IMAGE"\\? It has: IMAGE, KIND',
    ),
    ("no label column", table(*lines("{image}"), header="image"), {"image_column": "image"}, "label; it has: image"),
    ("open quotation", table(*lines("{image},{label}"), '"0.png,cat', "1.png,dog"), {}, "labels.csv:14: a quotation"),
    ("endless cell", table(*lines("{image},{label}"), "0.png," + "x" * 200_000), {}, "labels.csv:14: field larger"),
    ("nothing", table(), {"format": "csv"}, 'holds no records of the format "csv"'),
]  # fmt: skip


@pytest.mark.parametrize(("case", "text", "settings", "error"), TABLE_ERRORS, ids=[case for case, *_ in TABLE_ERRORS])
def test_an_unusable_table(root: Path, case: str, text: str, settings: dict[str, str], error: str) -> None:
    (root / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=error):
        Dataset.open(root, **settings)


def test_named_columns_make_any_table_readable(root: Path) -> None:
    (root / "labels.csv").write_text(table(*lines("{image},{label},{label}-1,val"), header="photo,kind,who,part"))
    columns = {"image_column": "photo", "label_column": "kind", "group_column": "who", "split_column": "part"}
    for path in (root, root / "labels.csv"):
        dataset = Dataset.open(path, **columns)
        assert labels(dataset) == SINGLE
        assert set(dataset.splits.tolist()) == {"val"}
        assert set(dataset.table["group"].to_pylist()) == {"cat-1", "dog-1"}


def test_tables_named_after_splits_may_have_different_columns(root: Path) -> None:
    (root / "train.csv").write_text(table(*[f"{name},1,0" for name in IMAGES[:6]], header="image,a,b"))
    (root / "val.csv").write_text(table(*[f"{name},0,1" for name in IMAGES[6:]], header="image,a,c"))
    dataset = Dataset.open(root)
    assert dataset.classes == ("a", "c")
    assert dataset.splits.tolist() == ["train"] * 6 + ["val"] * 6
    assert dataset.targets.sum(axis=0).tolist() == [6, 6]


def test_a_table_of_something_else_does_not_hide_the_folders(tmp_path: Path) -> None:
    write_files(tmp_path, sets("cat", "dog"))
    (tmp_path / "sizes.csv").write_text("image,width,height\n1.png,6\n1.png,6,4\n")
    (tmp_path / "broken.csv").write_text('image,label\n"1.png,6\n')
    assert Dataset.open(tmp_path).format == "folder"


# JSON lines


def json_lines(values: Sequence[object]) -> str:
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values)


def entries(**more: object) -> list[dict[str, object]]:
    return [{"image_url": image, "label": label, **more} for image, label in zip(IMAGES, ANIMALS, strict=True)]


BAD_LINES: list[tuple[str, object, str]] = [
    ("broken", '{"image_url": "0.png", "label":', "Expecting value"),
    ("not an object", "[1, 2]", "the line is not a JSON object"),
    ("a number", {"image_url": "0.png", "label": 3}, "the label must be a text or a list of texts or objects, not 3"),
    (
        "nothing",
        {"image_url": "0.png", "label": None},
        "the label must be a text or a list of texts or objects, not null",
    ),
    ("empty text", {"image_url": "0.png", "label": " "}, "the label must be a text or a list of texts"),
    ("list with a number", {"image_url": "0.png", "label": ["cat", 3]}, "the label must be a text or a list of texts"),
    ("no image", {"image": "", "label": "cat"}, 'the line has no "image_url"'),
    ("misspelt image", {"imageurl": "0.png", "label": "cat"}, 'no "image_url". Did you mean "imageurl"?'),
    ("no label", {"image_url": "0.png", "lable": "cat"}, 'the line has no "label". Did you mean "lable"?'),
    ("deep", "[" * 100_000 + "]" * 100_000, "the JSON is nested too deeply"),
    ("split", {"image_url": "0.png", "label": "cat", "split": "evaluation"}, 'the split "evaluation" is unknown'),
    ("half a character", '{"image_url": "0.png", "label": "\\ud800"}', "the name is not valid Unicode"),
]


@pytest.mark.parametrize(("case", "line", "reason"), BAD_LINES, ids=[case for case, *_ in BAD_LINES])
def test_a_bad_line_is_reported_with_its_number(root: Path, case: str, line: object, reason: str) -> None:
    (root / "data.jsonl").write_text(json_lines([*entries(), line]))
    dataset = Dataset.open(root)
    assert labels(dataset) == SINGLE
    ((place, found),) = problems(dataset)
    assert place == "data.jsonl:13"
    assert reason in found


def test_label_lists_make_a_multi_label_set(root: Path) -> None:
    values = [
        {"image_url": image, "label": names} for image, names in zip(IMAGES, [["b", "a", "b"], []] * 6, strict=True)
    ]
    (root / "data.jsonl").write_text("\ufeff" + json_lines(values).replace("\n", "\r\n\r\n"), encoding="utf-8")
    dataset = Dataset.open(root)
    assert (dataset.format, dataset.task, dataset.classes) == ("jsonl", MULTI_LABEL, ("a", "b"))
    assert labels(dataset)["0.png"] == ["b", "a"] and labels(dataset)["1.png"] == []


def test_splits_and_groups_of_lines(root: Path) -> None:
    values = entries(group=7)
    (root / "train_annotations.jsonl").write_text(json_lines([*values[:5], {**values[5], "split": "Test"}]))
    (root / "validation.jsonl").write_text(json_lines(values[6:]))
    dataset = Dataset.open(root)
    assert Counter(dataset.splits.tolist()) == {"train": 5, "test": 1, "val": 6}
    assert set(dataset.table["group"].to_pylist()) == {"7"}


def test_columns_of_lines(root: Path) -> None:
    values = [{"photo": v["image_url"], "kind": v["label"]} for v in entries()]
    (root / "data.jsonl").write_text(json_lines([*values, {"photos": "0.png", "kind": "cat"}]))
    dataset = Dataset.open(root, image_column="photo", label_column="kind")
    assert labels(dataset) == SINGLE
    assert problems(dataset) == [("data.jsonl:13", 'the line has no "photo". Did you mean "photos"?')]


# Roboflow


def test_roboflow_names_come_without_the_space(multi_label_folder: Path) -> None:
    dataset = Dataset.open(multi_label_folder)
    assert (dataset.format, dataset.task) == ("roboflow-multilabel", MULTI_LABEL)
    assert dataset.classes == ("circle", "square", "cross")
    assert len(dataset) == 24 and not dataset.report.problems


def test_roboflow_folders_are_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_multi_label_csv(tmp_path / split, images=12)
    with (tmp_path / "valid" / "_classes.csv").open("a") as file:
        file.write("image 0.png, 1, 0\nimage 1.png, 1, 0, 2\n")
    dataset = Dataset.open(tmp_path)
    assert Counter(dataset.splits.tolist()) == {"train": 12, "val": 12, "test": 12}
    assert problems(dataset) == [
        (f"valid/_classes.csv:{line}", "expected 3 columns of 0 or 1 after the name") for line in (14, 15)
    ]


# Finding the format


def test_an_unknown_layout_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(DataError, match="no known format") as error:
        Dataset.open(tmp_path)
    assert all(f"\n  - {format_.name}: " in str(error.value) for format_ in list_formats())


FORCED: list[tuple[str, Callable[[Path], Path], str, str]] = [
    ("unknown", lambda root: root, "jsonlines", 'no data format is named "jsonlines". Did you mean "jsonl"?'),
    ("not there", lambda root: root, "jsonl", 'holds no records of the format "jsonl"'),
    ("a file", lambda root: root / "0.png", "folder", 'is a file; the format "folder" reads a folder'),
    ("missing", lambda root: root / "nowhere", "csv", "does not exist"),
]


@pytest.mark.parametrize(("case", "path", "name", "error"), FORCED, ids=[case for case, *_ in FORCED])
def test_a_forced_format(root: Path, case: str, path: Callable[[Path], Path], name: str, error: str) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.open(path(root), format=name)
    assert error in str(caught.value)
