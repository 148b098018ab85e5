"""Formats are found by themselves, in a stated order, also those of other packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from automl_vision.formats.registry import list_export_formats, list_formats
from layouts import PICTURE, put

READER = """
from automl_vision.data.annotations import Annotations, Record
from automl_vision.formats.registry import Rank, dataset_format

@dataset_format("pairs", "label", rank=Rank.NAMED_FILES + 50, layout="pairs.txt",
                detect=lambda source, columns: "pairs.txt" in source.files)
def read(source, columns):
    annotations = Annotations("label")
    for line in source.read_text("pairs.txt").splitlines():
        image, label = line.split("=")
        annotations.add(Record(image, "pairs.txt", (label,)))
    return annotations
"""


def install(folder: Path, code: str) -> None:
    """Put a distribution with one module and one entry point into a folder, as pip does."""
    put(folder / "pairs_format.py", code.encode())
    put(
        folder / "pairs_format-1.0.dist-info" / "METADATA", b"Metadata-Version: 2.1\nName: pairs-format\nVersion: 1.0\n"
    )
    put(folder / "pairs_format-1.0.dist-info" / "entry_points.txt", b"[automl_vision.plugins]\npairs = pairs_format\n")


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths})


def test_the_order_in_which_formats_are_tried() -> None:
    assert [format_.name for format_ in list_formats()] == [
        "mltable", "cub", "roboflow-multilabel", "coco", "voc", "cvat", "label-studio", "via", "labelme", "createml",
        "yolo", "cityscapes", "txt", "huggingface", "jsonl", "csv", "masks", "folder",
    ]  # fmt: skip
    assert [format_.name for format_ in list_export_formats()] == ["coco", "voc", "yolo", "jsonl", "csv", "folder"]


def test_a_format_of_another_package_is_read(tmp_path: Path) -> None:
    install(tmp_path / "site", READER)
    for i in range(12):
        put(tmp_path / "data" / f"{i}.png", PICTURE)
    lines = [f"{i}.png={'cat' if i % 2 else 'dog'}" for i in range(12)]
    put(tmp_path / "data" / "pairs.txt", "\n".join(lines).encode())
    code = (
        f"from automl_vision import Dataset; d = Dataset.open({str(tmp_path / 'data')!r}); print(d.format, d.classes)"
    )
    done = run(tmp_path / "site", code)
    assert done.stdout == "pairs ('cat', 'dog')\n", done.stderr


def test_a_broken_format_of_another_package_is_named(tmp_path: Path) -> None:
    install(tmp_path, "import nothing_of_this_name")
    done = run(tmp_path, "from automl_vision.formats.registry import list_formats; list_formats()")
    assert 'the plugin "pairs" (pairs_format) of another package fails: No module named' in done.stderr
