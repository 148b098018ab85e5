"""Which figures predictions of each task have, and why others are missing."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.charts.marks import CannotDrawError
from automl_vision.core.records import MetricInterval, Ranking, TrialStatus
from automl_vision.core.tasks import CLASSIFICATION, MULTI_LABEL, OBJECT_DETECTION
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.detection import DetectionCases, Thresholds
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.experiment.figures import Figures, PredictedSplit, no_figures, prediction_figures
from automl_vision.experiment.run_figures import run_figures
from automl_vision.runs.leaderboard import Leaderboard, Row

RANDOM = np.random.default_rng(0)
CLASSES = ("a", "b", "c")


def one_label(images: int = 40, *, classes: int = 3, true: int | None = None) -> ClassificationCases:
    truth = RANDOM.integers(0, classes, images) if true is None else np.full(images, true)
    return ClassificationCases(RANDOM.dirichlet(np.ones(classes), images), truth)


def objects(*, found: int, true: int) -> DetectionCases:
    """One object and one detection in each of the first images."""
    box = np.array([[10.0, 10.0, 50.0, 50.0]])
    return DetectionCases(
        Detections(images=4, image=np.arange(found), labels=np.zeros(found, int), boxes=box.repeat(found, 0),
                   scores=np.full(found, 0.9)),
        GroundTruth(sizes=np.full((4, 2), 100), image=np.arange(true), labels=np.zeros(true, int),
                    boxes=box.repeat(true, 0), crowd=np.zeros(true, bool), difficult=np.zeros(true, bool)),
        Thresholds(0.5, 0.3, 3),
    )  # fmt: skip


NOT_NUMBERS = ClassificationCases(np.full((3, 3), np.nan), np.zeros(3, int))
LABELS = MultiLabelCases(RANDOM.random((40, 3)), RANDOM.random((40, 3)) < 0.4, np.full(3, 0.5))
NO_LABELS = MultiLabelCases(np.full((5, 3), 0.1), np.zeros((5, 3), bool), np.full(3, 0.5))
OF_OBJECTS = ["confusion", "object_errors", "precision_recall", "precision_recall_by_overlap", "thresholds"]


@pytest.mark.parametrize(
    ("task", "cases", "drawn", "missing"),
    [
        (CLASSIFICATION, one_label(), ["confusion", "thresholds", "roc", "precision_recall", "reliability"], {}),
        (CLASSIFICATION, one_label(true=0), ["confusion", "thresholds", "precision_recall", "reliability"],
         {"roc": "no class has images both with and without it"}),
        (CLASSIFICATION, NOT_NUMBERS, [],
         dict.fromkeys(["confusion", "thresholds", "roc", "precision_recall", "reliability"],
                       "3 of 3 predictions are not numbers")),
        (MULTI_LABEL, LABELS, ["label_outcomes", "thresholds", "roc", "precision_recall", "reliability"], {}),
        (MULTI_LABEL, NO_LABELS, ["thresholds", "reliability"],
         {"label_outcomes": "no label is true or predicted", "roc": "no class has images both with and without it",
          "precision_recall": "no class occurs in these images"}),
        (OBJECT_DETECTION, objects(found=3, true=2), OF_OBJECTS, {}),
        (OBJECT_DETECTION, objects(found=0, true=2), OF_OBJECTS[:4],
         {"thresholds": "the model decides nothing in these images"}),
        (OBJECT_DETECTION, objects(found=0, true=0), [],
         {"confusion": "there is no object to count",
          "object_errors": "there is neither an object to find nor a detection",
          "precision_recall": "no class occurs in these images",
          "precision_recall_by_overlap": "there are no objects in these images",
          "thresholds": "the model decides nothing in these images"}),
    ],
    ids=["classes", "one class", "not numbers", "labels", "no labels", "objects", "nothing found", "no objects"],
)  # fmt: skip
def test_figures_of_predictions(task: str, cases, drawn: list[str], missing: dict[str, str]):
    classes = CLASSES
    figures = prediction_figures(PredictedSplit(task, classes, cases, lambda: cases))
    assert list(figures) == drawn
    assert figures.missing == missing
    for figure in figures.values():
        assert figure.layout.paper_bgcolor == "#FFFFFF"


def test_two_classes_have_one_roc_curve():
    cases = one_label(classes=2)
    figure = prediction_figures(PredictedSplit(CLASSIFICATION, ("no", "yes"), cases, lambda: cases))["roc"]
    assert [trace.name[:3] for trace in figure.data] == ["cha", "yes"]


def test_two_thousand_classes_are_drawn_small():
    cases = one_label(3000, classes=2000)
    names = tuple(f"class {i}" for i in range(2000))
    figures = prediction_figures(PredictedSplit(CLASSIFICATION, names, cases, lambda: cases))
    assert figures["confusion"].layout.title.text == "Most confused pairs"
    assert len(figures["roc"].data) == 8
    assert len(figures["roc"].to_json()) < 1_000_000


def test_a_figure_is_built_once_and_when_it_is_asked_for():
    built = []

    def build():
        built.append(1)
        raise CannotDrawError("there is nothing")

    figures = Figures({"confusion": build})
    assert not built
    assert "confusion" not in figures
    assert figures.in_mode("dark").missing == {"confusion": "there is nothing"}
    assert built == [1]
    with pytest.raises(KeyError, match='there is no figure "confusion": there is nothing'):
        figures["confusion"]
    with pytest.raises(KeyError, match='Did you mean "confusion"'):
        figures["confusoin"]


def test_what_is_not_there_yet_says_so():
    figures = Figures({}) | no_figures("trial 3 has no predictions.arrow: it is Running")
    assert figures.missing == {"predictions": "trial 3 has no predictions.arrow: it is Running"}
    with pytest.raises(KeyError, match="it is Running"):
        figures["confusion"]


def row(trial: int, value: float | None, **sampled: object) -> Row:
    score = None if value is None else MetricInterval(value=value)
    return Row(
        trial=trial, model_name="resnet18", status=TrialStatus.COMPLETED, score=score, test_score=None, best_epoch=1,
        epochs=1, seconds=1.0, parameters=1, reason=None, sampled=sampled, latency_ms=5.0 + trial, size_mb=4.0,
    )  # fmt: skip


def test_figures_of_a_run():
    rates = np.geomspace(1e-4, 1e-2, 12)
    rows = [
        row(i, 0.9 - abs(i - 6) / 20, learning_rate=float(rate), batch_size=8 * (i % 2)) for i, rate in enumerate(rates)
    ]
    figures = run_figures(Leaderboard("accuracy", rows), Ranking("accuracy"), lambda: None)
    assert list(figures) == ["board", "latency", "size", "parallel_coordinates", "importance"]
    bars = figures["importance"].data[0]
    assert bars.customdata[0] == "learning_rate"
    assert sum(bars.x) == pytest.approx(1)


def test_a_run_with_few_trials_says_why():
    figures = run_figures(
        Leaderboard("accuracy", [row(0, 0.5, epochs=1), row(1, None)]), Ranking("accuracy"), lambda: None
    )
    assert figures.missing == {
        "parallel_coordinates": "fewer than two trials have a score",
        "importance": "the importance of hyperparameters needs 10 trials with a score, not 1",
    }
