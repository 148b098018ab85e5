"""What a saved operating point and prediction sets do to predictions, and that folders keep them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl_vision.core.errors import ModelFolderError
from automl_vision.data.score_map import ScoreMap
from automl_vision.serving.card import card_text
from automl_vision.serving.model_folder import (
    ModelDescription,
    ObjectSettings,
    OperatingPoint,
    Preprocessing,
    SetThreshold,
)
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.processors import Inputs, LabelProcessor, create_processor

CLASSES = ("a", "b", "c")
SETS = tuple(SetThreshold(rate, threshold, 50) for rate, threshold in ((0.05, 0.0), (0.1, 0.19), (0.2, 0.45)))
ONE = ModelDescription(
    "image-classification", CLASSES, Preprocessing((0.5,) * 3, (0.5,) * 3, 32, 32), 1.0, (), "net", "net",
    prediction_sets=SETS,
)  # fmt: skip
MANY = replace(ONE, task="image-classification-multi-label", thresholds=(0.5,) * 3)
DETECTOR = replace(
    MANY,
    task="image-object-detection",
    thresholds=(0.3,) * 3,
    preprocessing=Preprocessing((0.5,) * 3, (0.5,) * 3, canvas=(64, 64)),
    objects=ObjectSettings(detections=100),
    prediction_sets=(),
)
LOGITS = np.log(np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.1, 0.3, 0.6]], np.float32))


def labels(description: ModelDescription, logits=LOGITS, error_rate: float | None = None):
    processor = create_processor(description, error_rate=error_rate)
    assert isinstance(processor, LabelProcessor)
    return processor.predictions(logits)


def test_a_classifier_abstains_below_the_threshold_of_its_class():
    point = OperatingPoint("x", (0.5, 0.0, 0.65))
    found = labels(replace(ONE, operating_point=point))
    assert [(p.predicted, p.answered) for p in found] == [(("a",), True), ((), False), ((), False)]
    assert found[0].to_json().keys() == {"probs", "labels"}
    assert [p.predicted for p in labels(ONE)] == [("a",), ("a",), ("c",)]


def test_a_cost_matrix_decides():
    costs = ((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (9.0, 9.0, 0.0))  # to miss a "c" is dear
    found = labels(replace(ONE, operating_point=OperatingPoint("x", (0.0,) * 3, costs)))
    expected = [CLASSES[int((np.exp(row) @ np.array(costs)).argmin())] for row in LOGITS.astype(float)]
    assert [p.predicted[0] for p in found] == expected


def test_labels_have_their_own_thresholds():
    point = OperatingPoint("x", (0.3, 0.3, 0.05))
    (found,) = labels(replace(MANY, operating_point=point), np.array([[-1.0, -0.5, -2.0]], np.float32))
    assert found.predicted == ("b", "c")
    assert found.answered


def test_sets_hold_the_labels_from_their_threshold_on():
    found = labels(ONE, error_rate=0.15)  # the next stricter one is 0.1, from 0.19 on
    assert [p.label_set for p in found] == [("a", "b"), ("a", "b", "c"), ("c", "b")]
    assert found[0].to_json()["set"] == ["a", "b"]
    assert [p.label_set for p in labels(ONE, error_rate=0.05)] == [("a", "b", "c"), ("a", "b", "c"), ("c", "b", "a")]
    assert labels(ONE)[0].label_set is None


@pytest.mark.parametrize(
    ("description", "rate", "message"),
    [
        (ONE, 0.01, "error rates of 0.05, 0.1, 0.2 up to below 1, not of 0.01"),
        (ONE, 1.0, "not of 1"),
        (DETECTOR, 0.1, "a detector has none"),
        (replace(ONE, prediction_sets=()), 0.1, "packaged without them"),
    ],
)
def test_sets_that_a_model_does_not_make_are_refused(description: ModelDescription, rate: float, message: str):
    with pytest.raises(ModelFolderError, match=message):
        create_processor(description, error_rate=rate)


def objects(description: ModelDescription):
    random = np.random.default_rng(0)
    corner = random.uniform(0, 30, (60, 2))
    boxes = np.concatenate([corner, corner + 20], axis=1).astype(np.float32)
    outputs = [boxes[None], random.random((1, 60)).astype(np.float32), random.integers(0, 3, (1, 60))]
    inputs = Inputs(np.zeros((1, 3, 64, 64), np.float32), (64, 64), (64, 64))
    return create_processor(description).postprocess(outputs, inputs).objects


def test_exactly_the_objects_from_the_thresholds_on_are_shown():
    every = objects(replace(DETECTOR, thresholds=(MIN_SCORE,) * 3))
    thresholds = np.array([0.9, 0.2, 0.5])
    shown = objects(replace(DETECTOR, operating_point=OperatingPoint("x", tuple(thresholds))))
    expected = every.take(every.scores >= thresholds[every.labels])
    assert 10 < len(shown) < len(every)
    for name in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(expected, name))


def test_scores_are_calibrated_before_the_thresholds_apply():
    score_map = ScoreMap("platt per class", ((0.5, 0.5, -1.0), (2.0, 2.0, 1.0), (1.0, 1.0, 0.0)))
    every = objects(replace(DETECTOR, thresholds=(MIN_SCORE,) * 3))
    thresholds = np.array([0.3, 0.6, 0.5])
    shown = objects(replace(DETECTOR, operating_point=OperatingPoint("x", tuple(thresholds), score_map=score_map)))
    mapped = score_map(every.scores, every.labels)
    assert len(shown) == (mapped >= thresholds[every.labels]).sum() > 10
    assert sorted(shown.scores.tolist()) == sorted(mapped[mapped >= thresholds[every.labels]].tolist())
    assert (np.diff(shown.scores) <= 0).all()


def test_a_folder_keeps_its_operating_point_and_sets(tmp_path: Path):
    point = OperatingPoint(
        "a precision of at least 0.9", (0.1, 0.2, 0.3), score_map=ScoreMap("beta", ((1.0, 2.0, 0.5),) * 3),
        fitted_on=40, measured={"images": 30, "split": "test", "precision": {"value": 0.9, "low": 0.8, "high": 0.95}},
    )  # fmt: skip
    covered = replace(SETS[0], covered={"value": 0.96, "low": 0.9, "high": 0.99}, mean_size=1.25)
    for description in (
        replace(DETECTOR, operating_point=point),
        replace(ONE, operating_point=OperatingPoint("x", (0.0,) * 3, ((0.0, 1.0, 2.0),) * 3)),
        replace(ONE, prediction_sets=(covered,)),
    ):
        description.save(tmp_path)
        assert ModelDescription.load(tmp_path) == description
        assert not [file for file in tmp_path.iterdir() if file.name != "model.json"]
    text = card_text(replace(DETECTOR, operating_point=point))
    assert "wanted was a precision of at least 0.9" in text
    assert "Precision: 0.9000 (0.8000 to 0.9500)" in text
    assert "Scores are calibrated (beta)" in text
    assert "| 0.05 | 0.0000 | 0.9600 (0.9000 to 0.9900) | 1.25 |" in card_text(replace(ONE, prediction_sets=(covered,)))


def test_a_folder_of_an_earlier_version_loads(tmp_path: Path):
    MANY.save(tmp_path)
    values = json.loads((tmp_path / "model.json").read_text())
    for name in ("prediction_sets", "operating_point"):
        values.pop(name)
    (tmp_path / "model.json").write_text(json.dumps(values))
    assert ModelDescription.load(tmp_path) == replace(MANY, prediction_sets=())


def test_a_map_that_cannot_be_is_named_as_a_faulty_folder(tmp_path: Path):
    replace(DETECTOR, operating_point=OperatingPoint("x", (0.5,) * 3)).save(tmp_path)
    values = json.loads((tmp_path / "model.json").read_text())
    values["operating_point"]["score_map"] = {"kind": "beta", "parameters": [[0, 1, 1]]}
    (tmp_path / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFolderError, match="map of scores"):
        ModelDescription.load(tmp_path)
