"""Labels that predictions contradict."""

from __future__ import annotations

import numpy as np

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.detection import DetectionCases, Thresholds
from automl_vision.evaluation.mistakes import find_mistakes
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.suspects import suspected_images

CLASSES = ("cat", "dog", "fox")


def test_swapped_labels_are_suspected_and_marked_among_the_mistakes():
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    logits = 4 * np.eye(3)[truth] + random.normal(0, 1, (120, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = truth.copy()
    labels[[0, 50, 100]] = [1, 2, 0]
    found = suspected_images(ClassificationCases(chances, labels), CLASSES)
    assert {0, 50, 100} <= set(found)
    assert len(found) <= 6
    assert found[50] == "looks like dog"
    marked = [m.image for m in find_mistakes(ClassificationCases(chances, labels), CLASSES) if m.suspected]
    assert {0, 50, 100} <= set(marked)


def test_a_few_images_or_a_single_class_are_not_judged():
    one = ClassificationCases(np.tile([0.1, 0.9], (30, 1)), np.zeros(30, int))
    few = ClassificationCases(np.tile([0.1, 0.9], (8, 1)), np.arange(8) % 2)
    none = MultiLabelCases(np.zeros((0, 3)), np.zeros((0, 3), bool), np.full(3, 0.5))
    assert [suspected_images(cases, CLASSES) for cases in (one, few, none)] == [{}, {}, {}]


def test_labels_that_lack_or_are_too_many_are_suspected():
    random = np.random.default_rng(0)
    onehot = random.random((100, 3)) < 0.4
    chances = np.where(onehot, 0.95, 0.05) + random.uniform(-0.04, 0.04, onehot.shape)
    flipped = [7, 20, 33, 51, 64, 90]
    onehot[flipped, 1] ^= True
    found = suspected_images(MultiLabelCases(chances, onehot, np.full(3, 0.5)), CLASSES)
    assert set(found) <= set(flipped)
    assert len(found) >= 4
    assert all(text == ("does not show dog" if onehot[i, 1] else "shows dog") for i, text in found.items())


def test_boxes_that_contradict_detections_are_suspected():
    boxes = np.array([[0, 0, 40, 40], [50, 50, 90, 90], [0, 0, 40, 40]], float)
    found = Detections(2, np.array([0, 0, 1]), np.array([0, 1, 2]), boxes, np.array([0.9, 0.8, 0.9]))
    plain = np.zeros(2, bool)
    true = GroundTruth(np.full((2, 2), 100), np.array([0, 1]), np.array([0, 0]), boxes[[0, 2]], plain, plain)
    cases = DetectionCases(found, true, Thresholds(0.5, 0.3, 3))
    assert suspected_images(cases, CLASSES) == {0: "nobody labelled dog", 1: "boxes look like another class: fox"}
