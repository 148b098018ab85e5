"""Every dataset format of the table against its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from automl_vision.formats.registry import list_formats
from automl_vision.testing import FormatConformance
from automl_vision.testing.layouts import LAYOUTS, Expected


def adds(file: str, line: str, place: str) -> Callable[[Path], str]:
    """A broken line at the end of a file."""

    def spoil(folder: Path) -> str:
        with (folder / file).open("a") as lines:
            lines.write(f"{line}\n")
        return place

    return spoil


def changes(file: str, old: str, new: str, place: str) -> Callable[[Path], str]:
    """A mistake in a file, once."""

    def spoil(folder: Path) -> str:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
        return place

    return spoil


def breaks(file: str) -> Callable[[Path], str]:
    """A file that is not what its name says."""

    def spoil(folder: Path) -> str:
        (folder / file).write_bytes(b"nothing of this kind")
        return file

    return spoil


MASK = "gtFine/train/ulm/3_gtFine_instanceIds.png"
SPOILED = {
    "mltable": adds("train.jsonl", '{"image_url": "0.png"', "train.jsonl:13"),
    "cub": changes("image_class_labels.txt", "\n3 2\n", "\n3 9\n", "images.txt: image 3"),
    "roboflow-multilabel": adds("train/_classes.csv", "0.png,maybe,1", "train/_classes.csv:14"),
    "coco": changes("train.json", '"category_id": 2', '"category_id": 7', "train.json: annotations[1]"),
    "voc": changes("3.xml", "<xmax>30", "<xmax>right", "3.xml: object 1"),
    "cvat": changes("annotations.xml", 'xbr="30.00"', 'xbr="right"', "annotations.xml: image 0, shape 1"),
    "label-studio": changes("export.json", '"width": 20.0', '"width": "wide"', "export.json: task 0, result 1"),
    "via": changes("via.json", '"width": 20.0', '"width": "wide"', "via.json: 0.png9, region 1"),
    "labelme": changes("3.json", "[30.0, 60.0]", '["right", 60.0]', "3.json: shape 1"),
    "createml": changes("train.json", '"width": 20.0', '"width": "wide"', "train.json: [0], object 1"),
    "yolo": changes("labels/3.txt", "0.2 ", "wide ", "labels/3.txt:1"),
    "cityscapes": breaks(MASK),
    "txt": changes("boxes/3.txt", "10 20", "wide 20", "boxes/3.txt:2"),
    "huggingface": adds("metadata.jsonl", '{"file_name": "0.png"', "metadata.jsonl:13"),
    "jsonl": adds("train.jsonl", '{"image_url": "0.png"', "train.jsonl:13"),
    "csv": adds("labels.csv", "0.png,", "labels.csv:14"),
    "masks": breaks("masks/3.png"),
    "folder": breaks("dog/3.png"),
}  # fmt: skip
"""By name of the format: one mistake in its layout."""


def conforms(name: str) -> type[FormatConformance]:
    """The tests of a format of the product, on its layout."""

    def write(self: FormatConformance, folder: Path) -> Expected:
        return LAYOUTS[name].write(folder)

    def spoil(self: FormatConformance, folder: Path) -> str:
        return SPOILED[name](folder)

    members = {"format": name, "write": write, "spoil": spoil, "__module__": __name__}
    return type(f"Test_{name}", (FormatConformance,), members)


for _format in list_formats():
    globals()[f"Test_{_format.name}"] = conforms(_format.name)


def test_every_format_has_a_layout_that_the_others_must_leave_alone() -> None:
    assert set(LAYOUTS) == {format_.name for format_ in list_formats()}
