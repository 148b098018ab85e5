"""Masks among the photos of class folders are no photos: left aside for classification, read for segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from public_sets import Mask, Photo

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from layouts import put

SQUARE = (4, 3, 14, 12)


def write(root: Path, mask: Any, *, suffix: str = ".png") -> Path:
    """Two class folders with six photos each, and what may be a mask of the same name beside each."""
    for i in range(12):
        stem = f"{('benign', 'malignant')[i % 2]}/{i}"
        photo = Photo(format="JPEG")
        put(root / f"{stem}.jpg", photo.content(f"{stem}.jpg"))
        put(root / f"{stem}{suffix}", mask.content(f"{stem}{suffix}"))
    return root


def test_masks_of_the_same_name_are_left_aside(tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path, Mask(((255, SQUARE),))))
    assert dataset.task == "image-classification" and dataset.classes == ("benign", "malignant")
    assert sorted(image.reference for image in dataset) == sorted(
        f"{('benign', 'malignant')[i % 2]}/{i}.jpg" for i in range(12)
    )
    (note,) = dataset.report.notes
    assert "12 images are masks of others" in note.reason and note.kind == "masks aside"


def test_they_are_read_for_segmentation(tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path, Mask(((255, SQUARE),))), task="image-instance-segmentation")
    assert dataset.task == "image-instance-segmentation" and dataset.classes == ("benign", "malignant")
    assert {value.bbox for value in dataset.objects} == {tuple(map(float, SQUARE))} and len(dataset.objects) == 12


@pytest.mark.parametrize("mask", [Photo(), Mask(((255, SQUARE),), size=(20, 15))], ids=["a photo", "another size"])
def test_other_images_of_the_same_name_stay_photos(mask: Any, tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path, mask))
    assert len(dataset) == 24 and not dataset.report.notes


def test_one_photo_among_masks_is_no_mask(tmp_path: Path) -> None:
    write(tmp_path, Mask(((255, SQUARE),)))
    put(tmp_path / "benign" / "0.png", Photo().content("benign/0.png"))
    assert len(Dataset.open(tmp_path)) == 13


def test_masks_of_defects_beside_good_pictures(tmp_path: Path) -> None:
    for i in range(8):
        put(tmp_path / "train" / "good" / f"{i}.png", Photo().content(f"train/good/{i}.png"))
        put(tmp_path / "test" / "crack" / f"{i}.png", Photo().content(f"test/crack/{i}.png"))
        put(tmp_path / "ground_truth" / "crack" / f"{i}_mask.png", Mask(((255, SQUARE),)).content(""))
    dataset = Dataset.open(tmp_path)
    assert dataset.class_counts == {"crack": {"train": 0, "test": 8}, "good": {"train": 8, "test": 0}}
    with pytest.raises(DataError, match="at least 10 usable"):  # eight pictures have masks
        Dataset.open(tmp_path, task="image-instance-segmentation")


@pytest.mark.parametrize(
    ("header", "kind"), [("image,label\n", "label"), ("", "masks")], ids=["named", "without a name"]
)
def test_numbers_are_labels_before_masks_where_a_header_names_them(header: str, kind: str, tmp_path: Path) -> None:
    for i in range(12):
        put(tmp_path / "images" / f"{i}.jpg", Photo(format="JPEG").content(f"images/{i}.jpg"))
        put(tmp_path / "masks" / f"{i}.png", Mask(((255, SQUARE),)).content(""))
    (tmp_path / "labels.csv").write_text(header + "".join(f"images/{i}.jpg,{i % 2 + 1}\n" for i in range(12)))
    dataset = Dataset.open(tmp_path)
    assert dataset.format == {"label": "csv", "masks": "masks"}[kind] and dataset.kind == kind
