"""Two trials on the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from automl_vision.core.errors import DataError
from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.paired import Comparison
from automl_vision.evaluation.predictions import Predictions, label_columns, prediction_table
from automl_vision.evaluation.weighted import resample_weights
from automl_vision.experiment.compared import (
    PartCompared,
    compare_classes,
    compare_slices,
    compare_trials,
    most_different,
)
from automl_vision.experiment.evaluated import Evaluated


def evaluated(shapes: Dataset, right: list[bool]) -> Evaluated:
    """A trial that is right for some of the first images, and otherwise says the next class."""
    rows = np.arange(len(right))
    truth = shapes.targets[rows].argmax(axis=1)
    predicted = np.where(right, truth, (truth + 1) % len(shapes.classes))
    logits = np.log(0.05 + 0.85 * np.eye(len(shapes.classes), dtype=np.float32)[predicted])
    images = shapes.table["image"].take(pa.array(rows)).combine_chunks()
    table = prediction_table("val", rows, images, label_columns(logits))
    return Evaluated(shapes, Predictions(table, shapes.task, shapes.classes, Calibration()), "val")


def test_images_that_only_one_of_two_trials_gets_right_are_listed(shapes: Dataset):
    first, second = evaluated(shapes, [True, True, False, False]), evaluated(shapes, [True, False, True, True])
    found = compare_trials(first, second)
    images = shapes.table["image"].to_pylist()
    assert (found.only_first, found.only_second) == ((images[1],), (images[2], images[3]))
    assert (found.both, found.neither, found.metric) == (1, 0, "accuracy")
    assert found.comparison.difference.value == 0.25
    assert (found.comparison.test, found.comparison.images) == ("McNemar's exact test", 4)
    assert compare_trials(first, second, "log_loss").comparison.difference.value < 0
    with pytest.raises(ValueError, match='Did you mean "accuracy"'):
        compare_trials(first, second, "acuracy")


def test_trials_on_other_images_or_labels_are_not_compared(shapes: Dataset):
    first = evaluated(shapes, [True, False])
    with pytest.raises(DataError, match="the val images of the two trials or their labels differ"):
        compare_trials(first, evaluated(shapes, [True, False, True]))
    other = replace(first, dataset=shapes.with_validation(0.5, seed=9)[:20])
    with pytest.raises(DataError, match="cannot be compared"):
        compare_trials(first, other)


def test_classes_are_compared_with_p_values_for_all_of_them(shapes: Dataset):
    count = len(shapes)
    first, second = evaluated(shapes, [True] * count), evaluated(shapes, [i % 2 == 0 for i in range(count)])
    parts = compare_classes(first, second)
    assert [part.name for part in parts] == list(shapes.classes)
    assert sum(part.images for part in parts) == count
    assert {part.first for part in parts} == {1.0}
    assert [part.second for part in parts] == pytest.approx([row["f1"] for row in second.per_class()])
    assert all(part.comparison.difference.high < 0 for part in parts)
    assert all(0 <= part.comparison.p_value <= 1 for part in parts)


@pytest.mark.parametrize(
    ("most", "expected"), [(1, ["b"]), (2, ["b", "d"]), (3, ["a", "b", "d"]), (4, ["a", "b", "c", "d"])]
)
def test_the_largest_differences_are_kept_in_order(most: int, expected: list[str]):
    values = {"a": 0.1, "b": -0.9, "c": float("nan"), "d": 0.5}
    parts = [
        PartCompared(name, 1, 0.0, value, Comparison(Interval(value, value, value), 1.0, "paired bootstrap", 1))
        for name, value in values.items()
    ]
    assert [part.name for part in most_different(parts, most)] == expected


def test_slices_of_two_trials_are_resampled_like_those_of_one(shapes: Dataset):
    count = len(shapes)
    groups = ["a", "b"] * (count // 2)
    index = shapes.table.column_names.index("group")
    grouped = replace(shapes, table=shapes.table.set_column(index, "group", pa.array(groups)))
    first, second = evaluated(grouped, [True] * count), evaluated(grouped, [i % 3 == 0 for i in range(count)])
    parts = {part.name: part for part in compare_slices(first, second)}
    one = {part.name: part for part in first.slices()}
    assert {"group a", "group b"} <= set(parts) <= set(one)
    mine = np.array(groups) == "b"
    weights = resample_weights(count)[:, mine]
    known = weights.any(axis=1)
    differences = [
        np.average(second.cases.right[mine], weights=row) - np.average(first.cases.right[mine], weights=row)
        for row in weights[known]
    ]
    found = parts["group b"].comparison.difference
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(differences[1:], [2.5, 97.5])))
    assert parts["group b"].first == one["group b"].metric.value == 1.0
