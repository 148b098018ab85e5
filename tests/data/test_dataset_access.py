"""Images of a dataset one by one, some of them, counts, and the dataset as other libraries see it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.data.dataset import Dataset
from automl_vision.data.masks import encode_mask
from automl_vision.data.objects import Objects


def test_an_image_has_its_labels_split_size_and_pixels(shapes: Dataset) -> None:
    first = shapes[0]
    assert (first.reference, first.labels, first.size) == ("circle/circle-0.png", ("circle",), (48, 40))
    assert first.split == shapes.splits[0] and first.objects == ()
    assert first.image().size == (48, 40) and first.image().mode == "RGB"
    assert first.location == str(Path(shapes.root) / first.reference)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.split = "test"  # type: ignore[misc]


def test_an_image_has_its_objects(boxes: Dataset) -> None:
    for row, image in enumerate(boxes):
        rows = boxes.objects.rows_of(row)
        assert image.objects == tuple(boxes.objects[i] for i in rows)
        assert image.labels == tuple(dict.fromkeys(value.label for value in image.objects))
    assert any(image.objects for image in boxes) and not all(image.objects for image in boxes)


def test_the_pixels_of_a_missing_file_are_an_image_error(shapes: Dataset, tmp_path: Path) -> None:
    lost = dataclasses.replace(shapes[0], root=str(tmp_path))
    with pytest.raises(ImageError, match="missing"):
        lost.image()


def test_iteration_and_negative_numbers(shapes: Dataset) -> None:
    images = list(shapes)
    assert len(images) == len(shapes) == 24
    assert images[-1] == shapes[-1] == shapes[23]
    for number in (24, -25):
        with pytest.raises(IndexError):
            shapes[number]


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        (slice(10, 20), range(10, 20)),
        (slice(None, None, -1), range(23, -1, -1)),
        ([3, 1], [3, 1]),
        (np.array([5, -1]), [5, 23]),
        (np.arange(24) % 2 == 1, range(1, 24, 2)),
        ([number < 2 for number in range(24)], [0, 1]),
        (slice(0, 0), []),
        ([], []),
    ],
)
def test_some_images_are_a_dataset(shapes: Dataset, rows: slice, numbers: range | list[int]) -> None:
    some = shapes[rows]
    assert isinstance(some, Dataset) and (some.task, some.classes) == (shapes.task, shapes.classes)
    assert list(some) == [shapes[number] for number in numbers]


@pytest.mark.parametrize("rows", [[24], np.ones(23, bool)])
def test_images_that_do_not_exist_cannot_be_taken(shapes: Dataset, rows: object) -> None:
    with pytest.raises(IndexError):
        shapes[rows]  # type: ignore[call-overload]


def test_class_counts_are_images_or_objects_per_split(shapes_folder: Path, boxes: Dataset, shapes: Dataset) -> None:
    counts = Dataset.open(shapes_folder).class_counts
    assert counts == {name: {"unsplit": 8} for name in ("circle", "cross", "square")}
    assert shapes.class_counts == {name: {"train": 6, "val": 2} for name in ("circle", "cross", "square")}
    for name, by_split in boxes.class_counts.items():
        for split, count in by_split.items():
            images = [image for image in boxes if image.split == split]
            assert count == sum(value.label == name for image in images for value in image.objects)
    left_out = shapes.excluding({0: "broken"})
    assert sum(left_out.class_counts["circle"].values()) == 7


def test_pandas_has_one_row_per_image(shapes: Dataset, boxes: Dataset) -> None:
    frame = shapes.to_pandas()
    assert list(frame["labels"].map(list)) == [list(image.labels) for image in shapes]
    assert frame.groupby("split").size().to_dict() == {"train": 18, "val": 6}
    frame = boxes.to_pandas()
    for row, image in zip(frame.itertuples(), boxes, strict=True):
        assert row.labels == [value.label for value in image.objects]
        assert row.boxes.tolist() == [list(value.bbox or ()) for value in image.objects]


def test_supervision_has_the_same_boxes_and_masks(boxes: Dataset, masks: Dataset, shapes: Dataset) -> None:
    pytest.importorskip("supervision")
    for data in (boxes, masks):
        bridged = data.to_supervision()
        assert bridged.classes == list(data.classes) and len(bridged) == len(data)
        for image in data:
            found = bridged.annotations[image.location]
            assert found.xyxy == pytest.approx(np.array([o.bbox for o in image.objects]).reshape(-1, 4))
            assert [data.classes[label] for label in found.class_id] == [o.label for o in image.objects]
            assert data is boxes or found.mask.shape == (len(image.objects), image.size[1], image.size[0])
    labels = shapes.to_supervision().annotations[shapes[-1].location].class_id
    assert [shapes.classes[label] for label in labels] == list(shapes[-1].labels)


def test_huggingface_has_images_class_names_and_coco_boxes(shapes: Dataset, boxes: Dataset) -> None:
    pytest.importorskip("datasets")
    bridged = shapes.to_huggingface()
    assert bridged.features["label"].names == list(shapes.classes) and len(bridged) == len(shapes)
    assert bridged[3]["image"].size == shapes[3].size
    assert shapes.classes[bridged[3]["label"]] == shapes[3].labels[0]
    bridged = boxes.to_huggingface()
    for row, image in zip(bridged, boxes, strict=True):
        corners = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (o.bbox for o in image.objects if o.bbox)]
        assert np.reshape(row["objects"]["bbox"], (-1, 4)) == pytest.approx(np.reshape(corners, (-1, 4)))
        assert [boxes.classes[label] for label in row["objects"]["categories"]] == [o.label for o in image.objects]


@pytest.mark.parametrize(
    ("package", "method"), [("pandas", "to_pandas"), ("supervision", "to_supervision"), ("datasets", "to_huggingface")]
)
def test_a_missing_package_is_named_with_its_pip_line(shapes_folder: Path, package: str, method: str) -> None:
    code = (
        "import sys\n"
        "from automl_vision import Dataset\n"
        f"data = Dataset.open({str(shapes_folder)!r})\n"
        f"sys.modules[{package!r}] = None\n"  # as if it were not installed
        f"data.{method}()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"MissingPackageError: {package} is not installed. Install it with: pip install {package}" in done.stderr


def _columns(**changes: object) -> Objects:
    values: dict[str, object] = {
        "image": np.array([0, 1]),
        "label": np.array([0, 0], np.int32),
        "names": ["a"],
        "bbox": np.zeros((2, 4)),
        "iscrowd": np.zeros(2, bool),
        "difficult": np.zeros(2, bool),
        "first_segment": np.array([0, 1, 1]),
        "first_number": np.array([0, 6]),
        "numbers": np.zeros(6),
        "rle": {1: encode_mask(np.ones((2, 2), bool)).to_text()},
    }
    return Objects(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": np.zeros(3, np.int32)}, r"label has shape \(3,\), not \(2,\)"),
        ({"bbox": np.zeros((2, 5))}, r"bbox has shape \(2, 5\), not \(2, 4\)"),
        ({"iscrowd": np.zeros((2, 1), bool)}, "iscrowd has shape"),
        ({"difficult": np.zeros(1, bool)}, "difficult has shape"),
        ({"first_segment": np.array([0, 1])}, "first_segment has shape"),
        ({"first_segment": np.array([0, 1, 2])}, "first_segment ends at 2, not 1"),
        ({"first_number": np.array([0, 8])}, "first_number ends at 8, not 6"),
        ({"label": np.array([0, 1], np.int32)}, "labels are from 0 to 0, not from 0 to 1"),
        ({"label": np.array([-1, 0], np.int32)}, "labels are from 0 to 0, not from -1 to 0"),
        ({"rle": {2: ""}}, "rle names object 2"),
    ],
)
def test_columns_of_objects_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    assert len(_columns()) == 2
    with pytest.raises(ValueError, match=message):
        _columns(**changes)


def test_boxes_of_masks_keep_their_polygons(masks: Dataset) -> None:
    assert masks.as_task(OBJECT_DETECTION)[1].objects == masks[1].objects


@pytest.mark.parametrize("settings", [{"split": "val", "label": "circle"}])
def test_a_picture_of_no_image_says_what_was_asked_for(shapes: Dataset, settings: dict[str, str]) -> None:
    nothing = shapes.excluding(dict.fromkeys(np.flatnonzero(shapes.splits == "val").tolist()[:2], "broken"))
    with pytest.raises(DataError, match='no image matches split "val" and label "circle"'):
        nothing.show(**settings)
