"""What may mean several images is left out and reported, never given to one; each share is judged for itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from automl_vision.data.report import ImportReport
from layouts import PICTURE, put

NAMES = [f"{i}.png" for i in range(14)]


def write(root: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> Path:
    """COCO beside 14 images; the categories 1 and 2 are cat and dog."""
    for name in NAMES:
        put(root / "images" / name, PICTURE)
    value = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    put(root / "a.json", json.dumps(value).encode())
    return root


def image(key: Any, name: str) -> dict[str, Any]:
    return {"id": key, "file_name": name, "width": 8, "height": 8}


def box(image_id: Any, category: int = 1, x: int = 1) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": category, "bbox": [x, 1, 4, 4]}


def by_image(dataset: Dataset) -> dict[str, list[str]]:
    return {found.reference: [value.label for value in found.objects] for found in dataset}


def test_two_images_of_one_id_are_both_left_out(tmp_path: Path) -> None:
    images = [image(i, name) for i, name in enumerate(NAMES[:13])] + [image(3, NAMES[13])]
    dataset = Dataset.open(write(tmp_path, images, [box(i, 1 + i % 2) for i in range(13)]))
    wanted = {f"images/{i}.png": [("cat", "dog")[i % 2]] for i in range(13) if i != 3}
    assert by_image(dataset) == wanted
    problems = {problem.place: problem.reason for problem in dataset.report.problems}
    assert sorted(problems) == ["a.json: images[13] (images/13.png)", "a.json: images[3] (images/3.png)"]
    assert all("several images have the id 3" in reason for reason in problems.values())


def test_one_image_of_two_ids_is_noted(tmp_path: Path) -> None:
    images = [image(i, name) for i, name in enumerate(NAMES[:12])] + [image(40, NAMES[0])]
    boxes = [box(i) for i in range(12)] + [box(40, 2, x=3)]
    dataset = Dataset.open(write(tmp_path, images, boxes))
    assert by_image(dataset)["images/0.png"] == ["cat", "dog"] and not dataset.report.problems
    assert "images/0.png has more than one id" in dataset.report.notes[0].reason


@pytest.mark.parametrize("written", [str, float, lambda i: f"{i}.0"], ids=["text", "float", "float as text"])
@pytest.mark.parametrize("of_images", [True, False], ids=["images", "annotations"])
def test_ids_of_other_types_are_the_same(written: Any, of_images: bool, tmp_path: Path) -> None:
    plain, other = (written, int) if of_images else (int, written)
    images = [image(plain(i), name) for i, name in enumerate(NAMES)]
    dataset = Dataset.open(write(tmp_path, images, [box(other(i), 1 + i % 2) for i in range(14)]))
    assert by_image(dataset) == {f"images/{i}.png": [("cat", "dog")[i % 2]] for i in range(14)}
    assert not dataset.report.problems


def test_an_image_that_two_flattened_paths_mean_is_left_out(tmp_path: Path) -> None:
    images = [image(i, f"site{i % 2}/{name}") for i, name in enumerate(NAMES[:13])] + [image(20, "site1/2.png")]
    dataset = Dataset.open(write(tmp_path, images, [box(i) for i in range(13)] + [box(20, 2)]), max_bad_share=0.2)
    assert sorted(by_image(dataset)) == sorted(f"images/{i}.png" for i in range(13) if i != 2)
    reasons = [problem.reason for problem in dataset.report.problems]
    assert any('"site0/2.png" and "site1/2.png" may both mean this image' in reason for reason in reasons)
    assert dataset.classes == ("cat",)


def test_missing_images_do_not_hide_behind_many_boxes(tmp_path: Path) -> None:
    images = [image(i, f"{i}.png") for i in range(35)]  # 14 of them are there
    boxes = [box(i, 1 + k % 2, x=k % 3) for i in range(35) for k in range(10)]
    write(tmp_path, images, boxes)
    with pytest.raises(DataError, match=r"21 of 35 images cannot be used \(60%\); at most 20% are allowed"):
        Dataset.open(tmp_path)
    dataset = Dataset.open(tmp_path, max_bad_share=0.6)
    assert dataset.report.left_out == {"images": (21, 35), "objects": (0, 350)}


def test_bad_boxes_do_not_hide_behind_many_images(tmp_path: Path) -> None:
    images = [image(i, name) for i, name in enumerate(NAMES)]
    boxes = [box(0), box(1), {**box(2), "bbox": [1, 1, -2, 4]}]
    write(tmp_path, images, boxes)
    with pytest.raises(DataError, match=r"1 of 3 objects cannot be used \(33%\)"):
        Dataset.open(tmp_path)


def test_the_counts_come_back_from_a_manifest(tmp_path: Path) -> None:
    report = ImportReport()
    report.count(images=3, objects=5)
    report.add("a", "missing", "unreadable image")
    report.reject("b", "it has no box", "bad annotation")
    again = ImportReport.from_json(report.to_json())
    assert again.left_out == {"images": (1, 3), "objects": (1, 6)} and again.bad_share == pytest.approx(1 / 3)
