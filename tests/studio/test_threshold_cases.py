"""The studio's page computes what thresholds do by itself; `cases.json` holds it to what is computed here.

After a change of the definition, write the file anew: python tests/studio/test_threshold_cases.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.goals import BestF1, Curve, Goal, LeastCost, Precision, Recall
from automl_vision.evaluation.intervals import Interval, clustered_interval
from automl_vision.evaluation.operating import choose_operating_points
from automl_vision.experiment.decisions import AnswersWithThresholds, DecisionTable, FixedThreshold
from automl_vision.studio.api.operating import packed

FILE = Path(__file__).parents[2] / "frontend" / "src" / "pages" / "trial" / "threshold" / "cases.json"
GOALS: list[tuple[Goal, dict[str, Any]]] = [
    (Precision(0.8), {"by": "precision", "value": 0.8, "cautious": False}),
    (Precision(0.6, True), {"by": "precision", "value": 0.6, "cautious": True}),
    (Precision(1.0, True), {"by": "precision", "value": 1, "cautious": True}),
    (Recall(0.5), {"by": "recall", "value": 0.5, "cautious": False}),
    (Recall(0.3, True), {"by": "recall", "value": 0.3, "cautious": True}),
    (LeastCost(1, 5), {"by": "cost", "false": 1, "missed": 5}),
    (LeastCost(9, 1), {"by": "cost", "false": 9, "missed": 1}),
    (BestF1(), {"by": "f1"}),
]


def test_the_cases_that_the_page_is_tested_with_are_those_of_python():
    assert json.loads(FILE.read_text(encoding="utf-8")) == cases()


def cases() -> list[dict[str, Any]]:
    """Tables of each kind of task with what thresholds do to them."""
    return [
        _case("one class per image", one_class(), one_label=True),
        _case("many labels per image", many_labels(), one_label=False),
        _case("objects", objects(), one_label=False),
        _case("no answers", Candidates(*_no_answers()), one_label=False),
    ]


def one_class() -> Candidates:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 24)
    predicted = np.where(random.random(24) < 0.7, truth, random.integers(0, 3, 24))
    scores = np.round(0.34 + 0.65 * random.random(24), 3)
    return Candidates(np.arange(24), predicted, scores, predicted == truth, np.eye(3, dtype=bool)[truth])


def many_labels() -> Candidates:
    random = np.random.default_rng(2)
    truth = random.random((20, 4)) < 0.4
    scores = np.round(np.clip(truth * 0.4 + 0.6 * random.random((20, 4)), 0, 1), 3)
    image, label = (places.ravel() for places in np.indices(truth.shape))
    return Candidates(image, label, scores.ravel(), truth.ravel(), truth)


def objects() -> Candidates:
    """Some images without detections, some without objects, and several objects of a class in an image."""
    random = np.random.default_rng(3)
    positives = random.integers(0, 3, (15, 2))
    positives[[2, 7]] = 0
    image = np.sort(random.integers(0, 15, 40))
    image = image[image != 4]
    label, scores = random.integers(0, 2, len(image)), np.round(random.random(len(image)), 2)
    right, left = np.zeros(len(image), bool), positives.copy()
    for i in np.argsort(-scores, kind="stable").tolist():
        if left[image[i], label[i]] > 0 and random.random() < 0.6:
            right[i], left[image[i], label[i]] = True, left[image[i], label[i]] - 1
    return Candidates(image, label, scores, right, positives)


def _no_answers() -> tuple[Any, ...]:
    none = np.zeros(0, np.intp)
    return none, none, np.zeros(0), np.zeros(0, bool), np.array([[1, 0], [0, 0]])


def _case(name: str, candidates: Candidates, *, one_label: bool) -> dict[str, Any]:
    classes = candidates.classes
    table = DecisionTable(np.arange(len(candidates)) + 100, candidates)
    shared = [0.0, 0.4, 0.55, 0.8, 1.0]
    thresholds = [[value] * classes for value in shared] + [[0.3 + 0.2 * i for i in range(classes)]]
    return {
        "name": name,
        "classes": classes,
        "one_label": one_label,
        "table": packed(table).model_dump(mode="json"),
        "at": [_at(table, values, one_label=one_label) for values in thresholds],
        "chosen": [
            {"goal": said, "only": only, "threshold": goal.choose(_curve(candidates, only))}
            for goal, said in GOALS
            for only in (None, 0)
        ],
    }


def _at(table: DecisionTable, values: list[float], *, one_label: bool) -> dict[str, Any]:
    thresholds = np.array(values)
    measured = AnswersWithThresholds(table.candidates, thresholds)
    classes = tuple(f"class {i}" for i in range(table.candidates.classes))
    points = choose_operating_points(measured, measured, [FixedThreshold(value) for value in values], classes)
    first = table.candidates.take(table.candidates.label == 0).shown(thresholds)
    has_first = np.bincount(np.unique(first.image), minlength=len(table.rows)).astype(float)
    return {
        "thresholds": values,
        "all": _rates(points.overall.precision, points.overall.recall, points.answered),
        "first": _rates(
            points.classes[0].precision,
            points.classes[0].recall,
            clustered_interval(has_first, np.ones(len(table.rows))),
        ),
        "states": table.states(thresholds).tolist(),
        "outcomes": table.outcomes(thresholds).tolist(),
        "confusion": table.confusion(thresholds).tolist() if one_label else None,
    }


def _rates(precision: Interval, recall: Interval, answered: Interval) -> dict[str, list[float | None]]:
    found = {"precision": precision, "recall": recall, "answered": answered}
    return {name: [None if math.isnan(x) else x for x in (one.value, one.low, one.high)] for name, one in found.items()}


def _curve(candidates: Candidates, only: int | None) -> Curve:
    if only is not None:
        positives = int(candidates.positives[:, only].sum())
        mine = candidates.label == only
        return Curve.of(candidates.score[mine], candidates.right[mine], positives)
    return Curve.of(candidates.score, candidates.right, int(candidates.positives.sum()))


if __name__ == "__main__":
    FILE.write_text(json.dumps(cases(), separators=(",", ":")) + "\n", encoding="utf-8")
