"""Rows of YOLO in other programs' spelling are read where only one meaning is possible, and told of once."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from automl_vision.formats.yolo.rows import cells_of
from layouts import PICTURE, put

BOX = ["0", "0.5", "0.25", "0.5", "0.5"]
LINES = [
    ("0 0.5 0.25 0.5 0.5", BOX, "spaces"),
    ("0,0.5,0.25,0.5,0.5", BOX, "separators"),
    ("0, 0.5, 0.25, 0.5, 0.5", BOX, "separators"),
    ("0;0.5;0.25;0.5;0.5", BOX, "separators"),
    ("0 0,5 0,25 0,5 0,5", BOX, "decimal commas"),
    ("0;0,5;0,25;0,5;0,5", BOX, "decimal commas"),
    ("0,0,5,0,25,0,5,0,5", ["0", "0", "5", "0", "25", "0", "5", "0", "5"], "separators"),  # refused by its numbers
    ("cat 0.5 0.25 0.5 0.5", ["cat", *BOX[1:]], "spaces"),
    ("traffic light 0.5 0.25 0.5 0.5", ["traffic", "light", *BOX[1:]], "spaces"),
]


@pytest.mark.parametrize(("line", "cells", "written"), LINES, ids=[line for line, *_ in LINES])
def test_the_cells_of_a_line(line: str, cells: list[str], written: str) -> None:
    assert cells_of(line) == (cells, written)


def write(root: Path, line: str, names: str = "names: [cat, dog]\n") -> Path:
    for i in range(12):
        put(root / "images" / f"{i}.png", PICTURE)
        put(root / "labels" / f"{i}.txt", f"{line}\n".encode())
    if names:
        put(root / "data.yaml", names.encode())
    return root


READ = [
    ("commas", "0,0.5,0.25,0.5,0.5", "12 lines have commas, semicolons or tabs"),
    ("decimal commas", "0 0,5 0,25 0,5 0,5", "12 lines have decimal commas"),
    ("names of classes", "cat 0.5 0.25 0.5 0.5", "12 lines have the name of a class instead of its number"),
]


@pytest.mark.parametrize(("line", "told"), [case[1:] for case in READ], ids=[case[0] for case in READ])
@pytest.mark.parametrize("names", ["names: [cat, dog]\n", ""], ids=["with names", "without names"])
def test_rows_that_are_written_otherwise(line: str, told: str, names: str, tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path, line, names))
    label = "cat" if names or line.startswith("cat") else "0"
    assert dataset.format == "yolo" and dataset.classes == (label,)
    assert [value.bbox for value in dataset.objects] == [(2.0, 0.0, 6.0, 4.0)] * 12
    said = [note.reason for note in dataset.report.notes if note.kind == "written otherwise"]
    assert len(said) == 1 and said[0].startswith(told)


def test_a_class_that_the_list_lacks_is_refused(tmp_path: Path) -> None:
    told = r'(?s)12 of 12 objects cannot be used.*the class must be a whole number, not "cow" .and 11 more like this'
    with pytest.raises(DataError, match=told):
        Dataset.open(write(tmp_path, "cow 0.5 0.25 0.5 0.5"))
