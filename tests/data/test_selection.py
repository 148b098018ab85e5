"""Which images are shown, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest_file import manifest_facts
from automl_vision.data.selection import objects_per_image, select
from conftest import write_objects, write_shape_folders


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.open(write_shape_folders(tmp_path_factory.mktemp("shapes"), per_class=6)).with_validation(0.34)


def test_everything_is_shown_in_the_order_of_the_rows(shapes: Dataset) -> None:
    assert select(shapes).tolist() == list(range(18))
    assert select(shapes, descending=True).tolist() == list(range(17, -1, -1))


@pytest.mark.parametrize("label", ["circle", "square", "cross"])
@pytest.mark.parametrize("split", ["train", "val", None])
def test_conditions_hold_for_exactly_what_is_shown(shapes: Dataset, label: str, split: str | None) -> None:
    shown = set(select(shapes, label=label, split=split).tolist())
    for row, image in enumerate(shapes):
        assert (row in shown) == (image.labels == (label,) and split in (None, image.split))


def test_a_part_of_the_path_is_found_in_any_case(shapes: Dataset) -> None:
    images = shapes.table["image"].to_pylist()
    assert [images[row] for row in select(shapes, text="CIRC")] == [name for name in images if "circle" in name]
    assert not len(select(shapes, text="no such"))


def test_rows_of_a_finding_keep_their_order_and_occur_once(shapes: Dataset) -> None:
    assert select(shapes, among=[7, 2, 7, 11]).tolist() == [7, 2, 11]
    assert select(shapes, among=np.array([7, 2]), order="name").tolist() == [2, 7]
    assert select(shapes, among=[]).tolist() == []


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("name", lambda image: image.reference),
        ("pixels", lambda image: image.size[0] * image.size[1]),
        ("objects", lambda image: len(image.objects)),
    ],
)
def test_orders(tmp_path: Path, order: Any, key: Any) -> None:
    dataset = Dataset.open(write_objects(tmp_path / "objects"))
    keys = [key(dataset[int(row)]) for row in select(dataset, order=order)]
    assert keys == sorted(keys)
    assert objects_per_image(dataset).tolist() == [len(image.objects) for image in dataset]


def test_images_without_a_split_or_a_label(tmp_path: Path) -> None:
    dataset = Dataset.open(write_objects(tmp_path / "objects"))
    unsplit = select(dataset, split="unsplit").tolist()
    assert unsplit == [row for row, image in enumerate(dataset) if image.split == ""]
    empty = select(dataset, label="").tolist()
    assert empty == [row for row, image in enumerate(dataset) if not image.labels]


def test_unknown_classes_are_refused(shapes: Dataset) -> None:
    with pytest.raises(DataError, match='Did you mean "circle"'):
        select(shapes, label="circel")


def test_a_manifest_is_described_without_its_rows(shapes: Dataset, tmp_path: Path) -> None:
    shapes.save(tmp_path / "m.parquet")
    images, facts = manifest_facts(tmp_path / "m.parquet")
    assert (images, facts["classes"]) == (18, list(shapes.classes))
    (tmp_path / "other.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not a manifest"):
        manifest_facts(tmp_path / "other.parquet")
