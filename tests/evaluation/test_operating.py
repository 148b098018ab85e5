"""Thresholds do what is wanted wherever any threshold does, and say so where none does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from automl_vision.core.numbers import json_text
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.classification import ClassificationCases, softmax
from automl_vision.evaluation.detection import DetectionCases, Thresholds
from automl_vision.evaluation.goals import BestF1, Curve, LeastCost, Precision, Recall, cost_matrix, goals_of
from automl_vision.evaluation.intervals import clustered_interval, wilson_interval, wilson_low
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.operating import choose_operating_points, decide_by_cost

ANSWERS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=12)
WANTED = st.sampled_from([0.2, 0.5, 0.75, 0.9, 1.0])


def curve_of(answers: list[tuple[int, bool]], missed: int) -> Curve:
    scores, right = np.array([score / 8 for score, _ in answers]), np.array([is_right for _, is_right in answers])
    return Curve.of(scores, right, int(right.sum()) + missed)


def figures(answers: list[tuple[int, bool]], missed: int, threshold: float) -> tuple[float, float, int, int]:
    """Precision, recall, wrong answers and missed ones, counted one by one."""
    shown = [is_right for score, is_right in answers if score / 8 >= threshold]
    positives = sum(is_right for _, is_right in answers) + missed
    right = sum(shown)
    precision = right / len(shown) if shown else 0.0
    return precision, right / positives if positives else 0.0, len(shown) - right, positives - right


@given(ANSWERS, st.integers(0, 3), WANTED)
def test_a_wanted_precision_is_met_with_the_highest_recall(answers, missed: int, wanted: float):
    chosen = Precision(wanted).choose(curve_of(answers, missed))
    every = [figures(answers, missed, score / 8) for score, _ in answers]
    able = [(recall, precision) for precision, recall, _, _ in every if precision >= wanted]
    if chosen is None:
        assert not able
    else:
        precision, recall, _, _ = figures(answers, missed, chosen)
        assert (recall, precision) == max(able)


@given(ANSWERS, st.integers(0, 3), WANTED)
def test_a_wanted_recall_is_met_with_the_highest_precision(answers, missed: int, wanted: float):
    chosen = Recall(wanted).choose(curve_of(answers, missed))
    every = [figures(answers, missed, score / 8) for score, _ in answers]
    able = [(precision, recall) for precision, recall, _, _ in every if recall >= wanted]
    if chosen is None:
        assert not able
    else:
        precision, recall, _, _ = figures(answers, missed, chosen)
        assert (precision, recall) == max(able)


@given(ANSWERS, st.integers(0, 3), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([0.0, 1.0, 7.0]))
def test_no_threshold_costs_less(answers, missed: int, false: float, of_missed: float):
    chosen = LeastCost(false, of_missed).choose(curve_of(answers, missed))

    def cost(threshold: float) -> float:
        _, _, wrong, unseen = figures(answers, missed, threshold)
        return false * wrong + of_missed * unseen

    assert cost(chosen) == min(cost(score / 8) for score in range(9))


@given(ANSWERS, st.integers(0, 3))
def test_no_threshold_has_a_better_f1(answers, missed: int):
    chosen = BestF1().choose(curve_of(answers, missed))

    def f1(threshold: float) -> float:
        precision, recall, _, _ = figures(answers, missed, threshold)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    best = max(f1(score / 8) for score in range(9))
    assert best == 0 if chosen is None else f1(chosen) == pytest.approx(best)


def test_the_curve_is_scikit_learns():
    random = np.random.default_rng(0)
    right = random.random(300) < 0.4
    scores = np.round(random.normal(size=300) + right, 1)
    precision, recall, thresholds = precision_recall_curve(right, scores)
    curve = Curve.of(scores, right, int(right.sum()))
    np.testing.assert_allclose(curve.thresholds[::-1], thresholds)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1])


def labelled(images: int, seed: int, labels: int = 3) -> MultiLabelCases:
    random = np.random.default_rng(seed)
    onehot = random.random((images, labels)) < 0.3
    logits = 2 * onehot - 1 + random.normal(size=onehot.shape)
    return MultiLabelCases(0.5 * (1 + np.tanh(0.5 * logits)), onehot, np.full(labels, 0.5))


def classified(images: int, seed: int, classes: int = 3) -> ClassificationCases:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, images)
    return ClassificationCases(softmax(random.normal(size=(images, classes)) + 1.5 * np.eye(classes)[truth]), truth)


def detected(images: int, seed: int) -> DetectionCases:
    """Two classes; of each image one object is found well and one detection shows nothing."""
    random = np.random.default_rng(seed)
    labels, boxes = random.integers(0, 2, images), np.tile([10.0, 10, 30, 30], (images, 1))
    scores = np.concatenate([random.beta(4, 2, images), random.beta(2, 4, images)])
    found = Detections.from_unsorted(
        images, np.tile(np.arange(images), 2), np.tile(labels, 2), np.concatenate([boxes, boxes + 40]), scores
    )
    none = np.zeros(images, bool)
    true = GroundTruth(np.full((images, 2), 100), np.arange(images), labels, boxes, none, none)
    return DetectionCases(found, true, Thresholds(0.5, 0.3, 2))


NAMES = ("a", "b", "c")


@pytest.mark.parametrize("make", [labelled, classified, detected])
@pytest.mark.parametrize("per_class", [True, False])
def test_each_task_has_its_operating_points(make, per_class: bool):
    fitted, measured = make(200, 0), make(150, 1)
    names = NAMES[: len(fitted.score_thresholds)]
    points = choose_operating_points(fitted, measured, goals_of(names, precision=0.8), names, per_class=per_class)
    shown = fitted.candidates.shown(np.array(points.thresholds))
    assert shown.right.mean() >= 0.8
    for label, point in enumerate(points.classes):
        mine = measured.candidates.label == label
        answers = measured.candidates.take(mine & (measured.candidates.score >= point.threshold))
        assert point.shown == len(answers.score)
        assert point.precision.value == pytest.approx(answers.right.mean())
        assert point.precision.low <= point.precision.value <= point.precision.high
    assert (points.fitted_on, points.images) == (200, 150)
    assert points.overall.recall.value == pytest.approx(
        measured.candidates.shown(np.array(points.thresholds)).right.sum() / points.overall.positives
    )


def test_one_answer_per_image_is_accuracy_on_what_is_answered_and_coverage():
    cases = classified(300, 2)
    points = choose_operating_points(cases, cases, goals_of(NAMES, precision=0.9), NAMES, per_class=False)
    certain = cases.probabilities.max(axis=1) >= points.overall.threshold
    assert points.overall.precision.value == pytest.approx(cases.right[certain].mean())
    assert points.answered.value == pytest.approx(certain.mean())
    assert points.overall.precision.low == pytest.approx(wilson_interval(cases.right[certain].sum(), certain.sum()).low)


def test_a_cautious_choice_needs_more_cases():
    few, many = labelled(20, 0), labelled(2000, 0)
    for cases, are_chosen in ((few, False), (many, True)):
        points = choose_operating_points(cases, cases, goals_of(NAMES, precision=0.9, cautious=True), NAMES)
        assert all(point.is_chosen == are_chosen for point in points.classes)
    assert all(point.precision.low >= 0.9 for point in points.classes)


def test_a_promise_that_others_do_not_bear_out_is_told():
    lucky = MultiLabelCases(np.linspace(0, 1, 20)[:, None], np.arange(20)[:, None] >= 12, np.array([0.5]))
    unlucky = MultiLabelCases(lucky.probabilities, ~lucky.onehot, lucky.thresholds)
    for measured, words in ((unlucky, "is missed: 0.000"), (lucky.take(np.arange(15, 20)), "is not proven: 1.000")):
        points = choose_operating_points(lucky, measured, goals_of(("x",), precision=0.9), ("x",))
        assert words in points.classes[0].sentence


def test_a_class_that_cannot_reach_it_keeps_its_threshold_and_says_so():
    cases = labelled(50, 0)
    cases = MultiLabelCases(cases.probabilities, cases.onehot & [True, False, True], np.array([0.5, 0.4, 0.5]))
    for wanted in ({"precision": 0.9}, {"recall": 0.9}, {}):
        point = choose_operating_points(cases, cases, goals_of(NAMES, **wanted), NAMES).classes[1]
        assert (point.threshold, point.is_chosen) == (0.4, False)
        assert "cannot be had on the 50 images" in point.sentence
        assert "with 0 to find; it keeps 0.4" in point.sentence


BAD = {
    "one class only": ClassificationCases(np.ones((5, 1)), np.zeros(5, int)),
    "NaN scores": ClassificationCases(np.full((5, 1), np.nan), np.zeros(5, int)),
    "no labels": MultiLabelCases(np.full((5, 1), 0.2), np.zeros((5, 1), bool), np.array([0.5])),
    "no images": MultiLabelCases(np.zeros((0, 1)), np.zeros((0, 1), bool), np.array([0.5])),
    "no objects": DetectionCases(
        Detections.empty(2),
        GroundTruth(np.full((2, 2), 9), *(np.zeros((0, *shape)) for shape in ((), (), (4,), (), ()))),
        Thresholds(0.5, 0.3, 1),
    ),
}


@pytest.mark.parametrize("fitted", BAD.values(), ids=BAD)
@pytest.mark.parametrize("measured", BAD.values(), ids=BAD)
@pytest.mark.parametrize("wanted", [{"precision": 0.9}, {"recall": 0.9}, {"cost": {"missed": 3}}, {}])
def test_bad_data_have_a_defined_threshold(fitted, measured, wanted):
    points = choose_operating_points(fitted, measured, goals_of(("x",), **wanted), ("x",))
    assert 0 <= points.thresholds[0] <= 1
    assert "nan" not in "".join(points.sentences)
    assert json_text([points.text, points.sentences])


def test_two_thousand_classes():
    cases = classified(400, 0, classes=2000)
    names = tuple(map(str, range(2000)))
    points = choose_operating_points(cases, cases, goals_of(names, precision=0.5), names)
    assert len(points.classes) == 2000
    assert sum(point.shown for point in points.classes) == points.overall.shown


def test_the_class_of_least_expected_cost_is_answered():
    cases = classified(500, 0)
    matrix = cost_matrix({"a": {"b": 20, "c": 20}}, NAMES)
    points = decide_by_cost(cases, matrix, NAMES)
    by_hand = [min(range(3), key=lambda j: sum(p[i] * matrix[i, j] for i in range(3))) for p in cases.probabilities]
    assert points.cost_after.value == pytest.approx(matrix[cases.truth, by_hand].mean())
    assert points.cost_after.value < points.cost_before.value
    assert points.classes[0].recall.value > (cases.predicted == 0)[cases.truth == 0].mean()
    assert decide_by_cost(cases, cost_matrix({}, NAMES), NAMES).overall.precision.value == cases.right.mean()
    harmless = cases.take(np.flatnonzero(cases.right))  # images on which caution can only cost
    (told,) = decide_by_cost(harmless, matrix, NAMES).sentences
    assert told == "on these images the model's own decisions cost less: 0.0000 per image"


def test_costs_by_class_move_thresholds_the_right_way():
    cases = labelled(500, 0)
    goals = goals_of(NAMES, cost={"a": {"missed": 20}, "b": {"false": 20}})
    points = choose_operating_points(cases, cases, goals, NAMES)
    assert points.thresholds[0] < points.thresholds[2] < points.thresholds[1]
    assert points.cost_after.value < points.cost_before.value
    with pytest.raises(ValueError, match="one threshold for all classes"):
        choose_operating_points(cases, cases, goals, NAMES, per_class=False)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"precision": 0.9, "recall": 0.9}, "not precision and recall"),
        ({"precision": 1.5}, "a wanted precision lies above 0"),
        ({"recall": 0.0}, "a wanted recall lies above 0"),
        ({"cost": {"false": -1}}, "costs are numbers from 0 on"),
        ({"cost": {"flase": 1}}, 'not of "flase"'),
        ({"cost": {"d": {"false": 1}}}, 'no class "d"'),
        ({"cost": {"missed": "many"}}, "a cost is a finite number"),
        ({"cautious": True}, "chosen cautiously"),
    ],
)
def test_wishes_that_cannot_be_are_refused(wanted, message: str):
    with pytest.raises(ValueError, match=message):
        goals_of(NAMES, **wanted)


@pytest.mark.parametrize("cost", [{"d": {}}, {"a": {"d": 1}}, {"a": 5}, {"a": {"b": float("nan")}}])
def test_cost_matrices_that_cannot_be_are_refused(cost):
    with pytest.raises(ValueError, match=r"no class|mapping|finite"):
        cost_matrix(cost, NAMES)


def test_intervals_of_clusters_are_wilsons_for_single_cases_and_wider_for_clusters():
    single = clustered_interval(np.array([1.0] * 30 + [0.0] * 10), np.ones(40))
    assert single == wilson_interval(30, 40)
    together = clustered_interval(np.array([3.0] * 10 + [0.0] * 4 + [0.0]), np.array([3.0] * 10 + [2.0] * 4 + [2.0]))
    assert together.value == 0.75
    assert together.low < single.low
    assert together.high > single.high
    np.testing.assert_allclose(
        wilson_low(np.array([30.0, 0, 40]), np.full(3, 40.0)), [wilson_interval(k, 40).low for k in (30, 0, 40)],
        atol=1e-12,
    )  # fmt: skip


@pytest.mark.parametrize("precision", [0.6, 0.95])
def test_intervals_of_detections_hold_the_truth_about_as_often_as_they_say(precision: float):
    random, inside = np.random.default_rng(0), 0
    for _ in range(400):
        cases = random.integers(1, 12, 80).astype(float)
        of_image = random.beta(4 * precision, 4 * (1 - precision), 80)  # images differ, so detections depend
        found = clustered_interval(random.binomial(cases.astype(int), of_image).astype(float), cases)
        inside += found.low <= precision <= found.high
    assert 0.90 <= inside / 400 <= 0.99
