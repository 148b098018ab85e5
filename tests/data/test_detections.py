"""Detections and ground truth: a wrong value cannot exist, and its parts and joins are values again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from automl_vision.core.errors import DataError
from automl_vision.data.detections import Detections, GroundTruth

MASKS = ("2,2,04", "2,2,13", "2,2,22")


def three(**changes: Any) -> Detections:
    """Two objects in image 0 and one in image 2 of four."""
    columns: dict[str, Any] = {
        "image": [0, 0, 2],
        "labels": [1, 0, 1],
        "boxes": [[0, 0, 4, 5], [1, 1, 3, 3], [2, 0, 9, 9]],
        "scores": [0.9, 0.3, 0.6],
    }
    return Detections(4, **{**columns, **changes})


def labelled(**changes: Any) -> GroundTruth:
    """One plain object and one crowd in the second of two images."""
    columns: dict[str, Any] = {
        "sizes": [[8, 9], [8, 9]],
        "image": [1, 1],
        "labels": [0, 1],
        "boxes": [[0, 0, 4, 5], [1, 1, 3, 3]],
        "crowd": [False, True],
        "difficult": [False, False],
    }
    return GroundTruth(**{**columns, **changes})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scores": [0.9]}, r"scores of detections must be an array of shape \(3,\), not \(1,\)"),
        ({"boxes": [[0, 0, 1]] * 3}, r"boxes of detections must be an array of shape \(3, 4\), not \(3, 3\)"),
        ({"labels": [1.0, 0.0, 1.0]}, "labels of detections must hold int64, not float64"),
        ({"labels": [1, -1, 0]}, "labels of detections must not be negative"),
        ({"image": [0, 0, 4]}, "image of detections must be below the 4 images"),
        ({"image": [2, 0, 0]}, "image of detections must ascend"),
        ({"scores": [0.9, float("nan"), 0.6]}, "scores of detections must be finite"),
        ({"scores": [0.9, 1.2, 0.6]}, "scores of detections must lie between 0 and 1"),
        ({"scores": [0.3, 0.9, 0.6]}, "scores of detections must not rise within an image"),
        ({"boxes": [[0, 0, 4, 5], [1, 1, 0, 3], [2, 0, 9, 9]]}, "boxes of detections must have x1 <= x2"),
        ({"masks": MASKS[:2]}, "masks of detections must be 3 texts, not 2"),
    ],
)
def test_a_wrong_value_cannot_exist(changes: dict[str, Any], error: str):
    with pytest.raises(DataError, match=error):
        three(**changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sizes": [[8, 9, 3]]}, r"sizes of ground truth must be an array of shape \(1, 2\), not \(1, 3\)"),
        ({"crowd": [0, 1]}, "crowd of ground truth must hold bool, not int64"),
        ({"difficult": [False]}, r"difficult of ground truth must be an array of shape \(2,\), not \(1,\)"),
        ({"image": [1, 2]}, "image of ground truth must be below the 2 images"),
    ],
)
def test_wrong_ground_truth_cannot_exist(changes: dict[str, Any], error: str):
    with pytest.raises(DataError, match=error):
        labelled(**changes)


def test_columns_have_their_types():
    found = three()
    types = (found.image.dtype, found.labels.dtype, found.boxes.dtype, found.scores.dtype)
    assert types == (np.int64, np.int64, np.float64, np.float64)
    assert len(found) == 3
    assert Detections.empty(2).boxes.shape == (0, 4)
    assert labelled().take(np.array([False, True])).crowd.tolist() == [True]


def test_parts_of_detections():
    found = three(masks=MASKS)
    assert found.above(0.5).masks == (MASKS[0], MASKS[2])
    assert found.take(np.array([2])).scores.tolist() == [0.6]
    alone = found.of_image(2)
    assert (alone.images, alone.image.tolist(), alone.masks) == (1, [0], (MASKS[2],))
    assert len(found.of_image(1)) == 0


def test_batches_join():
    found = three(masks=MASKS)
    joined = Detections.join([found.above(0.5), Detections.empty(1, with_masks=True), found])
    assert joined.images == 9
    assert joined.image.tolist() == [0, 2, 5, 5, 7]
    assert joined.masks == (MASKS[0], MASKS[2], *MASKS)
    assert joined.boxes[2:].tolist() == found.boxes.tolist()
    for parts in ([], [found, replace(found, masks=None)]):
        with pytest.raises(DataError, match="detections join when"):
            Detections.join(parts)


def test_any_order_is_sorted():
    found = three(masks=MASKS)
    order = [2, 1, 0]
    columns = {name: getattr(found, name)[order] for name in ("image", "labels", "boxes", "scores")}
    again = Detections.from_unsorted(4, **columns, masks=[MASKS[i] for i in order])
    for name in columns:
        assert getattr(again, name).tolist() == getattr(found, name).tolist(), name
    assert again.masks == MASKS
    with pytest.raises(DataError, match=r"shape \(3,\), not \(2,\)"):
        Detections.from_unsorted(4, **{**columns, "scores": [0.1, 0.2]})
