"""A table of images and splits beside the data is followed, whatever the format of the labels is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl_vision import Dataset
from layouts import PICTURE, put

NAMES = [f"{i}.png" for i in range(12)]
SPLITS = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
VOC = "<annotation><object><name>{}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>"  # noqa: E501
LABELS = ["cat", "dog"] * 6


def each(pattern: str, *contents: Any) -> dict[str, Any]:
    return {pattern.format(i): contents[i % len(contents)] for i in range(12)}


COCO = {
    "images": [{"id": i, "file_name": name} for i, name in enumerate(NAMES)],
    "annotations": [{"image_id": i, "category_id": 1 + i % 2, "bbox": [1, 1, 4, 5]} for i in range(12)],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}
LINES = "".join(json.dumps({"image": f"images/{n}", "label": c}) + "\n" for n, c in zip(NAMES, LABELS, strict=True))
TABLE = "image,label\n" + "".join(f"images/{n},{c}\n" for n, c in zip(NAMES, LABELS, strict=True))
SETS: list[tuple[str, dict[str, Any]]] = [
    ("yolo", each("labels/{}.txt", "0 0.5 0.5 0.5 0.5\n", "1 0.5 0.5 0.5 0.5\n")),
    ("coco", {"a.json": json.dumps(COCO)}),
    ("voc", each("Annotations/{}.xml", VOC.format("cat"), VOC.format("dog"))),
    ("jsonl", {"a.jsonl": LINES}),
    ("csv", {"labels.csv": TABLE}),
    ("txt", each("boxes/{}.txt", "2 1 8 8 cat\n3 2 8 7 dog\n")),
]


@pytest.mark.parametrize(("format_", "files"), SETS, ids=[name for name, _ in SETS])
def test_a_table_of_splits(format_: str, files: dict[str, Any], tmp_path: Path) -> None:
    for name in NAMES:
        put(tmp_path / "images" / name, PICTURE)
    for path, text in files.items():
        put(tmp_path / path, text.encode())
    rows = "".join(f"images/{name},{split}\n" for name, split in zip(NAMES, SPLITS, strict=True))
    put(tmp_path / "split.csv", f"image,split\n{rows}".encode())
    dataset = Dataset.open(tmp_path)
    assert dataset.format == format_
    assert {found.reference: found.split for found in dataset} == {
        f"images/{name}": split for name, split in zip(NAMES, SPLITS, strict=True)
    }


def test_a_table_counts_before_folders_and_says_so(tmp_path: Path) -> None:
    rows = ["image,split"]
    for i, label in enumerate(LABELS):
        put(tmp_path / "train" / label / f"{i}.png", PICTURE)
        rows.append(f"train/{label}/{i}.png,{'val' if i > 8 else 'train'}")
    put(tmp_path / "split.csv", "\n".join(rows).encode())
    dataset = Dataset.open(tmp_path)
    assert sorted(found.reference for found in dataset if found.split == "val") == [
        "train/cat/10.png", "train/dog/11.png", "train/dog/9.png",
    ]  # fmt: skip
    assert ["3 images have another split here" in note.reason for note in dataset.report.notes] == [True]
