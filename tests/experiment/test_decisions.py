"""What thresholds decide image by image agrees with the operating points."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import Predictions, label_columns, prediction_table
from automl_vision.experiment.decisions import MISSED, RIGHT, WRONG, decision_tables, fixed_operating_points
from automl_vision.experiment.evaluated import Evaluated


def evaluated(shapes: Dataset, split: str) -> Evaluated:
    """A model that is right for two of three images, on validation and test images."""
    random = np.random.default_rng(0)
    half = len(shapes) // 2
    tables = []
    for name, rows in (("val", np.arange(half)), ("test", np.arange(half, len(shapes)))):
        truth = shapes.targets[rows].argmax(axis=1)
        predicted = np.where(rows % 3 > 0, truth, (truth + 1) % len(shapes.classes))
        logits = 3 * random.random((len(rows), 1)) * np.eye(len(shapes.classes))[predicted] + 0.01
        images = shapes.table["image"].take(pa.array(rows)).combine_chunks()
        tables.append(prediction_table(name, rows, images, label_columns(logits.astype(np.float32))))
    table = pa.concat_tables(tables).unify_dictionaries()
    return Evaluated(shapes, Predictions(table, shapes.task, shapes.classes, Calibration()), split)


@pytest.mark.parametrize("split", ["val", "test"])
def test_fixed_thresholds_are_measured_as_chosen_ones(shapes: Dataset, split: str):
    found = evaluated(shapes, split)
    chosen = found.operating_points(precision=0.75)
    fixed = fixed_operating_points(found, chosen.thresholds)
    assert fixed.thresholds == chosen.thresholds
    assert fixed.overall.precision == chosen.overall.precision
    assert fixed.answered == chosen.answered
    assert (fixed.split, fixed.fitted_on, fixed.images) == (chosen.split, chosen.fitted_on, chosen.images)


@pytest.mark.parametrize("split", ["val", "test"])
def test_states_and_confusion_count_the_same_images(shapes: Dataset, split: str):
    found = evaluated(shapes, split)
    table = decision_tables(found).show
    thresholds = np.full(len(shapes.classes), 0.5)
    states, confusion = table.states(thresholds), table.confusion(thresholds)
    points = fixed_operating_points(found, thresholds.tolist())
    assert confusion.sum() == len(table.rows) == len(states)
    assert np.trace(confusion) == (states == RIGHT).sum()
    assert confusion[:, -1].sum() == (states == MISSED).sum() > 0
    assert points.overall.shown == (states != MISSED).sum()
    assert (states == WRONG).sum() == table.outcomes(thresholds)[:, 2].sum()


def test_thresholds_that_cannot_be_are_refused(shapes: Dataset):
    found = evaluated(shapes, "test")
    for wrong in ([0.5], [0.5] * (len(shapes.classes) - 1) + [1.5]):
        with pytest.raises(ValueError, match="thresholds between 0 and 1 are needed, one for each class"):
            fixed_operating_points(found, wrong)
    assert fixed_operating_points(found, [0.25] * len(shapes.classes)).wanted == "the threshold 0.25"
