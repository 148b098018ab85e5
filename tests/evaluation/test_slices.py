"""Metrics on parts of the images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.data.masks import encode_mask
from automl_vision.evaluation import classification, detection, multi_label
from automl_vision.evaluation.slices import find_slices, image_attributes, slice_table, worst_sentence

ACCURACY = classification.METRICS["accuracy"]


def classified(right: np.ndarray) -> classification.ClassificationCases:
    """Two classes, predicted with 0.9."""
    truth = np.arange(len(right)) % 2
    predicted = np.where(right, truth, 1 - truth)
    return classification.ClassificationCases(0.1 + 0.8 * np.eye(2)[predicted], truth)


def test_the_slice_where_a_model_is_worse_comes_first_and_is_named():
    random = np.random.default_rng(0)
    camera = np.array(["old"] * 40 + ["new"] * 160, dtype=object)
    right = random.random(200) < np.where(camera == "old", 0.5, 0.95)
    weather = random.choice(["dry", "wet"], 200).astype(object)
    found = find_slices(classified(right), ACCURACY, {"camera": camera, "weather": weather})
    worst = found[0]
    assert worst.name == "camera old"
    assert (worst.images, worst.metric.value, worst.rest.value) == (40, right[:40].mean(), right[40:].mean())
    assert worst.difference.value == pytest.approx(right[:40].mean() - right[40:].mean())
    assert worst.is_different
    assert not any(part.is_different for part in found if part.attribute == "weather")
    sentence = worst_sentence(found, ACCURACY)
    assert sentence.startswith("accuracy is worse than elsewhere where camera old (0.")
    assert "weather" not in sentence
    columns, rows = slice_table(found, ACCURACY)
    assert len(columns) == len(rows[0]) == 6


def test_many_slices_of_an_equal_model_are_seldom_called_different():
    random = np.random.default_rng(1)
    called = 0
    for _ in range(20):
        parts = {f"part {i}": random.choice(["a", "b"], 100).astype(object) for i in range(5)}
        found = find_slices(classified(random.random(100) < 0.8), ACCURACY, parts)
        assert len(found) == 10
        called += any(part.is_different for part in found)
    assert called <= 2


def test_small_slices_and_images_without_a_value_are_left_out():
    cases = classified(np.ones(30, bool))
    few = np.array(["a"] * 9 + ["b"] * 21, dtype=object)
    unknown = np.array([""] * 15 + ["c"] * 15, dtype=object)
    assert [part.name for part in find_slices(cases, ACCURACY, {"x": few, "y": unknown})] == ["y c"]
    assert worst_sentence([], ACCURACY) == "no slice has 10 images inside and outside"
    sentence = worst_sentence(find_slices(cases, ACCURACY, {"y": unknown}), ACCURACY)
    assert sentence == "accuracy differs from the rest by no more than chance in each of 1 slices"


def test_where_lower_is_better_the_slice_with_the_higher_loss_is_the_worst():
    right = np.arange(60) >= 20
    part = np.where(right, "easy", "hard").astype(object)
    found = find_slices(classified(right), classification.METRICS["log_loss"], {"part": part})
    assert [each.value for each in found] == ["hard", "easy"]
    assert "part hard" in worst_sentence(found, classification.METRICS["log_loss"])


MASKS = tuple(encode_mask(np.arange(100).reshape(10, 10) < count).to_text() for count in (10, 20, 30, 40))


@pytest.mark.parametrize("masks", [None, MASKS])
def test_taking_images_keeps_their_objects_together(masks: tuple[str, ...] | None):
    found = Detections(
        images=4, image=np.array([0, 1, 1, 3]), labels=np.zeros(4, int), scores=np.array([0.9, 0.8, 0.2, 0.7]),
        boxes=np.array([[0, 0, 4, 4], [0, 0, 5, 5], [8, 8, 9, 9], [0, 0, 7, 7]], float), masks=masks,
    )  # fmt: skip
    true = GroundTruth(
        sizes=np.array([[10, 10], [20, 20], [30, 30], [40, 40]]), image=np.array([0, 1, 2, 3]), labels=np.zeros(4, int),
        boxes=np.array([[0, 0, 4, 4], [0, 0, 5, 5], [0, 0, 6, 6], [0, 0, 7, 7]], float),
        crowd=np.zeros(4, bool), difficult=np.zeros(4, bool), masks=masks,
    )  # fmt: skip
    cases = detection.DetectionCases(found, true, detection.Thresholds(0.5, 0.3, 1))
    part = cases.take(np.array([1, 3]))
    assert len(part) == 2
    assert part.found.image.tolist() == [0, 0, 1]
    assert part.found.boxes[:, 2].tolist() == [5, 9, 7]
    assert part.true.sizes.tolist() == [[20, 20], [40, 40]]
    assert part.found.masks == (None if masks is None else masks[1:])
    if masks is None:
        assert detection.METRICS["recall"].value(part) == 1
        assert detection.METRICS["recall"].value(cases.take(np.array([2]))) == 0


def test_labels_are_sliced_too():
    random = np.random.default_rng(0)
    onehot = random.random((60, 3)) < 0.4
    hard = np.arange(60) < 20
    predicted = np.where(hard[:, None], ~onehot, onehot)
    cases = multi_label.MultiLabelCases(0.1 + 0.8 * predicted, onehot, np.full(3, 0.5))
    found = find_slices(cases, multi_label.METRICS["iou"], {"part": np.where(hard, "hard", "easy").astype(object)})
    assert (found[0].value, found[0].is_different) == ("hard", True)


def test_attributes_of_classified_images(shapes: Dataset):
    rows = np.arange(len(shapes))
    attributes = image_attributes(shapes, rows)
    assert set(attributes) == {"image size", "aspect", "class"}
    assert set(attributes["class"]) == set(shapes.classes)
    assert set(attributes["aspect"]) == {"square"}  # 48 x 40 pixels
    assert set(attributes["image size"]) == {""}  # all of one size


def test_attributes_of_images_with_objects(boxes: Dataset):
    rows = np.flatnonzero(boxes.splits != "")
    attributes = image_attributes(boxes, rows)
    assert set(attributes) >= {"objects", "object size", "image size", "aspect"}
    counts = [len(boxes.objects.rows_of(int(row))) for row in rows]
    for count, name in zip(counts, attributes["objects"], strict=True):
        if name:
            low, *high = (float(number) for number in name.removesuffix(" objects").split(" to "))
            assert low <= count <= (high or [low])[0]
    assert {str(count) for count in (min(counts), max(counts))} <= set(" ".join(attributes["objects"]).split())
    assert all(size for size, count in zip(attributes["object size"], counts, strict=True) if count)


def test_groups_are_an_attribute(shapes: Dataset):
    groups = ["a", "b"] * (len(shapes) // 2)
    index = shapes.table.column_names.index("group")
    grouped = replace(shapes, table=shapes.table.set_column(index, "group", pa.array(groups)))
    assert image_attributes(grouped, np.array([1, 2]))["group"].tolist() == ["b", "a"]


def test_the_size_of_objects_is_that_of_the_median_of_each_image(boxes: Dataset):
    rows = np.arange(len(boxes))[::-1]
    names = []
    for row in rows.tolist():
        sides = [
            np.sqrt((box[2] - box[0]) * (box[3] - box[1])) for box in boxes.objects.bbox[boxes.objects.image == row]
        ]
        side = np.median(sides) if sides else np.nan
        names.append("" if np.isnan(side) else "small" if side < 32 else "medium" if side < 96 else "large")
    assert image_attributes(boxes, rows)["object size"].tolist() == names
