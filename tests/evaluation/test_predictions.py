"""The file of a trial's predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl_vision.core.records import Calibration
from automl_vision.data.detections import Detections
from automl_vision.evaluation.predictions import Predictions, label_columns, object_columns, prediction_table

IMAGES = pa.array(["a.jpg", "b.jpg", "c.jpg"])
ROWS = np.array([2, 5, 7])
CALIBRATION = Calibration(temperature=1.5, thresholds=(0.5, 0.4))


def of(split: str, columns: dict[str, pa.Array]) -> Predictions:
    return Predictions(prediction_table(split, ROWS, IMAGES, columns), "a-task", ("cat", "dog"), CALIBRATION)


def found(masks: tuple[str, ...] | None) -> Detections:
    """Two objects in the first image, none in the second, one in the third."""
    return Detections(
        images=3,
        image=np.array([0, 0, 2]),
        labels=np.array([1, 0, 1]),
        boxes=np.array([[0, 0, 4, 4], [1, 1, 2.5, 2], [3, 3, 9, 9]]),
        scores=np.array([0.9, 0.1, 0.6]),
        masks=masks,
    )


def test_logits_of_two_splits_are_read_as_they_were_written(tmp_path: Path):
    val, test = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    both = Predictions.join([of("val", label_columns(val)), of("test", label_columns(test))])
    replace(both, as_jpeg=True).save(tmp_path / "predictions.arrow")
    read = Predictions.load(tmp_path / "predictions.arrow")
    assert (read.task, read.classes, read.calibration, read.as_jpeg) == ("a-task", ("cat", "dog"), CALIBRATION, True)
    assert read.splits == ("val", "test")
    for split, logits in (("val", val), ("test", test)):
        part = read.of_split(split)
        np.testing.assert_array_equal(part.logits, logits)
        np.testing.assert_array_equal(part.rows, ROWS)
        assert part.table["image"].to_pylist() == IMAGES.to_pylist()
    with pytest.raises(KeyError, match="val and test, not of train"):
        read.of_split("train")


@pytest.mark.parametrize("masks", [None, ("a", "b", "c")])
def test_objects_are_read_as_they_were_written(masks: tuple[str, ...] | None, tmp_path: Path):
    of("val", object_columns(found(masks))).save(tmp_path / "predictions.arrow")
    read = Predictions.load(tmp_path / "predictions.arrow")
    again, expected = read.detections, found(masks)
    for name in ("image", "labels", "boxes", "scores"):
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    assert (again.images, again.masks) == (3, masks)
    frame = read.table.to_pandas()
    assert [len(boxes) for boxes in frame["boxes"]] == [2, 0, 1]


def test_a_detector_that_finds_nothing_leaves_a_file(tmp_path: Path):
    of("val", object_columns(Detections.empty(3, with_masks=True))).save(tmp_path / "predictions.arrow")
    again = Predictions.load(tmp_path / "predictions.arrow").detections
    assert (len(again), again.images, again.masks) == (0, 3, ())


def test_the_objects_of_one_split_do_not_hold_those_of_another():
    both = Predictions.join([of(split, object_columns(found(None))) for split in ("val", "test")])
    assert len(both.of_split("test").detections) == 3
    assert both.detections.image.tolist() == [0, 0, 2, 3, 3, 5]


def test_predictions_among_more_classes_say_no_to_those_they_do_not_know():
    logits = np.array([[2.0, -1], [0, 1], [-3, -2]], np.float32)
    wide = of("val", label_columns(logits)).in_classes(("owl", "dog", "cat"))
    np.testing.assert_array_equal(wide.logits[:, [2, 1]], logits)
    assert (wide.logits[:, 0] <= -30).all() and wide.calibration.thresholds == (0.5, 0.4, 0.5)
    objects = of("val", object_columns(found(None))).in_classes(("owl", "dog", "cat")).detections
    np.testing.assert_array_equal(objects.labels, [1, 2, 1])
    with pytest.raises(ValueError, match="missing: cat"):
        of("val", label_columns(logits)).in_classes(("dog", "owl"))
