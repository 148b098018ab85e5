"""One of every figure, from plain values."""

from __future__ import annotations

from typing import Any

import numpy as np
from plotly.graph_objects import Figure

from automl_vision.charts.classes import confusion, label_outcomes
from automl_vision.charts.curves import (
    Curve,
    ReliabilityCurve,
    ReliabilityPoint,
    precision_recall,
    precision_recall_by_overlap,
    reliability,
    roc,
    thresholds,
)
from automl_vision.charts.objects import object_errors
from automl_vision.charts.search import (
    TrialScore,
    TrialSettings,
    board,
    importance,
    parallel_coordinates,
    trade_off,
)
from automl_vision.charts.training import EpochPoint, learning_curves

X = np.linspace(0, 1, 5)
POINTS = (
    ReliabilityPoint(0.2, 0.1, 0.0, 0.3, 20, bounds=(0.1, 0.4)),
    ReliabilityPoint(0.8, 0.9, 0.7, 1.0, 20, bounds=(0.5, 0.9)),
)
SCORES = [
    TrialScore(0, "resnet50", 0.90, 0.85, 0.94, "best", milliseconds=30.0, megabytes=90.0),
    TrialScore(2, "resnet18", 0.88, 0.83, 0.93, "tied", milliseconds=9.0, megabytes=40.0),
    TrialScore(1, "resnet34", 0.70, 0.65, 0.76, "worse", milliseconds=20.0, megabytes=80.0),
    TrialScore(3, "resnet34", 0.60),
]
SETTINGS = [
    TrialSettings(0, {"model": "a", "learning_rate": 1e-4, "epochs": 3}, 0.7),
    TrialSettings(1, {"model": "b", "learning_rate": 1e-2}, 0.8),
    TrialSettings(2, {"model": "a", "learning_rate": 1e-3, "epochs": 9}, float("nan")),
]


def curves(number: int) -> list[Curve]:
    """Curves of classes, of which one has no area."""
    named = [Curve(f"class <{i}> & more", X, X ** (1 / (i + 1)), 0.5 + i / 100, X[::-1]) for i in range(number)]
    return [*named, Curve("absent", X, X, float("nan"))]


def every_figure() -> dict[str, Figure]:
    """By a name."""
    counts: Any = np.array([[5, 1, 0], [2, 7, 1], [0, 3, 0]])
    many = np.eye(101, dtype=int) * 3 + np.eye(101, k=1, dtype=int)
    epochs = [EpochPoint(0, 0.5, None, 1.2, None, 0.0), EpochPoint(1, 0.7, 0.8, 0.9, float("nan"), 1e-4)]
    return {
        "confusion": confusion(counts, ["a<b>", "b", "c"]),
        "confusion with background": confusion(counts, ["a", "b"], noun="object", background=True),
        "worst pairs": confusion(many, [str(i) for i in range(101)]),
        "label outcomes": label_outcomes(["a", "b"], np.array([3, 0]), np.array([4, 1]), np.array([5, 0])),
        "roc": roc(curves(2)),
        "roc of many classes": roc(curves(200)),
        "precision-recall": precision_recall(curves(7), shape="vh"),
        "by overlap": precision_recall_by_overlap(X, np.stack([1 - X, 1 - X**0.5]), (0.5, 0.9), noun="boxes"),
        "thresholds": thresholds(X, precision=X, recall=1 - X, f1=X * (1 - X), operating=0.3),
        "reliability": reliability([ReliabilityCurve("before", 0.1, POINTS), ReliabilityCurve("after", 0.05, POINTS)]),
        "object errors": object_errors(5, {"class": 1, "missed": 0}, {"class": "wrong", "missed": "none"}, score=0.3),
        "learning curves": learning_curves(epochs, "accuracy", best_epoch=1),
        "board": board(SCORES, "accuracy", recommended=2),
        "latency": trade_off(SCORES, "accuracy", "milliseconds"),
        "size": trade_off(SCORES, "log_loss", "megabytes", lower_is_better=True),
        "parallel coordinates": parallel_coordinates(SETTINGS, "accuracy"),
        "importance": importance({"learning_rate": 0.7, "epochs": 0.3}, "accuracy", trials=12),
    }
