"""Decisions at every threshold, and the confusion of objects."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve
from test_mistakes import OBJECT, one_image

from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.confusion import object_confusion
from automl_vision.evaluation.curves import class_sweeps, coco_precisions, decision_sweep, sweep
from automl_vision.evaluation.detection import METRICS, DetectionCases

NEAR = (12.0, 10.0, 52.0, 50.0)
AWAY = (80.0, 80.0, 90.0, 90.0)


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = random.random(300) < 0.3
    return np.round(0.4 * truth + 0.6 * random.random(300), 2), truth  # with ties


def test_the_counts_are_those_of_scikit_learn(scored):
    scores, truth = scored
    found = sweep(scores, truth)
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(np.append(0, found.false_positive_rate), false)
    np.testing.assert_allclose(np.append(0, found.recall), true)
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    np.testing.assert_allclose(found.thresholds[::-1], thresholds)
    np.testing.assert_allclose(found.precision[::-1], precision[:-1])
    np.testing.assert_allclose(found.recall[::-1], recall[:-1])


def test_thinning_keeps_the_curve(scored):
    scores, truth = scored
    found = sweep(scores, truth)
    thin = found.thinned(30)
    assert len(thin.thresholds) <= 30 < len(found.thresholds)
    assert thin.recall[-1] == found.recall[-1] == 1
    areas = [auc(np.append(0, part.false_positive_rate), np.append(0, part.recall)) for part in (found, thin)]
    assert areas[1] == pytest.approx(areas[0], abs=0.01)
    assert found.thinned(1000) is found


@pytest.mark.parametrize(
    ("scores", "truth", "taken"),
    [([], [], 0), ([np.nan, 0.5], [True, False], 1), ([0.5, 0.5], [True, True], 1)],
    ids=["nothing", "not a number", "one score, all true"],
)
def test_cases_without_curves_have_defined_values(scores: list[float], truth: list[bool], taken: int):
    found = sweep(np.array(scores), np.array(truth, bool))
    assert len(found.thresholds) == taken
    for values in (found.precision, found.recall, found.f1, found.false_positive_rate):
        assert np.isfinite(values).all()


def test_every_class_against_the_others():
    random = np.random.default_rng(1)
    probabilities = random.dirichlet([1, 1, 1], 60)
    cases = ClassificationCases(probabilities, random.integers(0, 2, 60))  # the third class does not occur
    first, _, absent = class_sweeps(cases, ("a", "b", "c"))
    assert first.average_precision == pytest.approx(average_precision_score(cases.truth == 0, probabilities[:, 0]))
    assert np.isnan(absent.auc) and np.isnan(absent.average_precision)
    answers = decision_sweep(cases)
    assert answers.recall[-1] == pytest.approx(cases.right.mean())


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        ([(OBJECT, 0, 0.9)], [(OBJECT, 0)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),
        ([(OBJECT, 1, 0.9)], [(OBJECT, 0)], [[0, 1, 0], [0, 0, 0], [0, 0, 0]]),
        ([(AWAY, 1, 0.9)], [(OBJECT, 0)], [[0, 0, 1], [0, 0, 0], [0, 1, 0]]),
        ([(OBJECT, 0, 0.2)], [(OBJECT, 0)], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),
        ([(OBJECT, 0, 0.9), (NEAR, 0, 0.8)], [(OBJECT, 0)], [[1, 0, 0], [0, 0, 0], [1, 0, 0]]),
        # the surer one is of another class: it is no confusion, for the object is found
        ([(OBJECT, 1, 0.9), (NEAR, 0, 0.8)], [(OBJECT, 0)], [[1, 0, 0], [0, 0, 0], [0, 1, 0]]),
        ([], [], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ],
    ids=["right", "class", "background and missed", "below the threshold", "duplicate", "own class first", "nothing"],
)
def test_confusion_of_objects(found, true, expected: list[list[int]]):
    assert object_confusion(one_image(found, true)).tolist() == expected


@pytest.mark.parametrize("flag", ["crowd", "difficult"])
def test_crowds_and_difficult_objects_are_not_counted(flag: str):
    assert not object_confusion(one_image([(OBJECT, 0, 0.9)], [(OBJECT, 0)], **{flag: True})).any()


def test_the_diagonal_agrees_with_recall():
    cases: DetectionCases = one_image([(OBJECT, 0, 0.9), (AWAY, 1, 0.6)], [(OBJECT, 0), (NEAR, 1), (AWAY, 1)])
    matrix = object_confusion(cases)
    assert matrix.trace() / matrix[:-1].sum() == pytest.approx(METRICS["recall"].value(cases))


def test_precision_by_overlap_is_cocos():
    cases = one_image([(NEAR, 0, 0.9)], [(OBJECT, 0)])  # overlap 38 / 42 = 0.905
    precision = coco_precisions(cases)
    assert precision.shape == (10, 101)
    assert precision.mean(axis=1).tolist() == [1] * 9 + [0]
    assert precision.mean() == pytest.approx(METRICS["coco_map"].value(cases))
