"""Figures by name, built when they are asked for; what cannot be drawn says why. Those of trials and predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from automl_vision.charts import classes as class_charts
from automl_vision.charts import curves as curve_charts
from automl_vision.charts import objects as object_charts
from automl_vision.charts import training as training_charts
from automl_vision.charts.look import Mode, dressed
from automl_vision.charts.marks import CannotDrawError
from automl_vision.core.text import did_you_mean
from automl_vision.evaluation.classification import ClassificationCases, confusion_matrix
from automl_vision.evaluation.confusion import object_confusion
from automl_vision.evaluation.curves import COCO_OVERLAPS, ClassSweep, class_sweeps, coco_precisions, decision_sweep
from automl_vision.evaluation.detection import CURVE_POINTS, DetectionCases, per_class, precision_recall_curves
from automl_vision.evaluation.intervals import wilson_interval
from automl_vision.evaluation.metric import find_metric
from automl_vision.evaluation.mistakes import KINDS, object_errors
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.weighted import unit_weights
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Builder = Callable[[], "Figure"]

_POINTS = 200  # of a curve
_LEVELS = range(0, len(COCO_OVERLAPS), 2)  # overlaps that are drawn: 0.5, 0.6, ..., 0.9


class Figures(Mapping[str, "Figure"]):
    """Figures by name, which show in a notebook; each is built once, when it is asked for.

    Attributes:
        mode: of their colours; None for figures without colours, as web pages take them.

    Args:
        builders: by name.
        mode: of the colours.
        reasons: why there are no others, by what is not there.
    """

    def __init__(
        self, builders: Mapping[str, Builder], mode: Mode | None = "light", reasons: Mapping[str, str] | None = None
    ) -> None:
        self.mode = mode
        self._builders = builders
        self._reasons = dict(reasons or {})
        self._built: dict[str, Figure | str] = {}

    def __getitem__(self, name: str) -> Figure:
        """The figure of a name.

        Raises:
            KeyError: there is none; the message says why.
        """
        found = self._build(name)
        if isinstance(found, str):
            raise KeyError(f'there is no figure "{name}": {found}')
        return found if self.mode is None else dressed(found, self.mode)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._builders if not isinstance(self._build(name), str))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._builders and not isinstance(self._build(str(name)), str)

    @property
    def missing(self) -> dict[str, str]:
        """Why the other figures cannot be drawn, by name."""
        built = {name: self._build(name) for name in self._builders}
        return self._reasons | {name: found for name, found in built.items() if isinstance(found, str)}

    def in_mode(self, mode: Mode | None) -> Figures:
        """The same figures with other colours, or without any."""
        other = Figures(self._builders, mode, self._reasons)
        other._built = self._built
        return other

    def __or__(self, other: Figures) -> Figures:
        """All figures of both, with the colours of the first."""
        both = Figures({**self._builders, **other._builders}, self.mode, self._reasons | other._reasons)
        both._built = self._built | other._built
        return both

    def _build(self, name: str) -> Figure | str:
        """The bare figure, or why there is none."""
        if name not in self._builders:
            reasons = "; ".join(self._reasons.values())
            return f"{reasons or 'choose from ' + ', '.join(self._builders)}.{did_you_mean(name, self._builders)}"
        if name not in self._built:
            try:
                self._built[name] = self._builders[name]()
            except CannotDrawError as error:
                self._built[name] = str(error)
        return self._built[name]

    def __repr__(self) -> str:
        return f"Figures({', '.join(self._builders)})"


@dataclass(frozen=True)
class PredictedSplit:
    """Predictions of one split.

    Attributes:
        task: the product's name of the task.
        classes: their names.
        cases: predictions beside their truth.
        uncalibrated: returns the same without temperature scaling.
    """

    task: str
    classes: tuple[str, ...]
    cases: Any
    uncalibrated: Callable[[], Any]

    @cached_property
    def sweeps(self) -> list[ClassSweep]:
        """Each class against the others, of labels of whole images."""
        return class_sweeps(self.cases, self.classes, most=_POINTS)


Draw = Callable[[PredictedSplit], "Figure"]


def prediction_figures(predicted: PredictedSplit) -> Figures:
    """The figures of one split's predictions."""
    table = FIGURES_OF.get(type(predicted.cases), {})
    return Figures({name: partial(draw, predicted) for name, draw in table.items()})


def training_figures(folder: TrialFolder) -> Figures:
    """The learning curves of a trial."""
    return Figures({"learning_curves": partial(_learning_curves, folder)})


def no_figures(reason: str) -> Figures:
    """None yet, and why."""
    return Figures({}, reasons={"predictions": reason})


def _learning_curves(folder: TrialFolder) -> Figure:
    result, metric = folder.result(), RunFolder(folder.path.parents[1]).outline().primary_metric
    points = [
        training_charts.EpochPoint(
            epoch=event.epoch,
            metric=event.metrics.get(metric),
            train_metric=event.train_metrics.get(metric),
            validation_loss=event.validation_loss,
            train_loss=event.train_loss,
            learning_rate=event.learning_rate,
        )
        for event in folder.evaluations()
    ]
    return training_charts.learning_curves(points, metric, best_epoch=result.best_epoch if result else None)


def _confusion(predicted: PredictedSplit) -> Figure:
    return class_charts.confusion(confusion_matrix(predicted.cases), predicted.classes)


def _object_confusion(predicted: PredictedSplit) -> Figure:
    matrix = object_confusion(predicted.cases)
    return class_charts.confusion(matrix, predicted.classes, noun="object", background=True)


def _label_outcomes(predicted: PredictedSplit) -> Figure:
    counts = predicted.cases.counts(unit_weights(len(predicted.cases)))
    columns = (np.rint(column[0]).astype(np.intp) for column in (counts.right, counts.predicted, counts.true))
    return class_charts.label_outcomes(predicted.classes, *columns)


def _roc(predicted: PredictedSplit) -> Figure:
    sweeps = predicted.sweeps
    if isinstance(predicted.cases, ClassificationCases) and len(sweeps) == 2:
        sweeps = sweeps[1:]  # the curve of the other class is its mirror image
    curves = []
    for found in sweeps:
        part = found.sweep
        x, y = np.append(0.0, part.false_positive_rate), np.append(0.0, part.recall)
        curves.append(curve_charts.Curve(found.name, x, y, found.auc, np.append(np.nan, part.thresholds)))
    return curve_charts.roc(curves)


def _precision_recall(predicted: PredictedSplit) -> Figure:
    curves = []
    for found in predicted.sweeps:
        part = found.sweep
        x, y = np.append(0.0, part.recall), np.append(part.precision[:1], part.precision)
        thresholds = np.append(np.nan, part.thresholds)
        curves.append(curve_charts.Curve(found.name, x, y, found.average_precision, thresholds))
    return curve_charts.precision_recall(curves, shape="vh")


def _object_precision_recall(predicted: PredictedSplit) -> Figure:
    classes = predicted.classes
    areas = {row["class"]: row["average_precision"] for row in per_class(predicted.cases, classes)}
    return curve_charts.precision_recall(
        [
            curve_charts.Curve(
                curve["class"],
                np.array(curve["recall"]),
                np.array(curve["precision"]),
                areas[curve["class"]],
                np.array(curve["threshold"], float),
            )
            for curve in precision_recall_curves(predicted.cases, classes)
        ]
    )


def _by_overlap(predicted: PredictedSplit) -> Figure:
    noun = "boxes" if predicted.cases.found.masks is None else "masks"
    precision = coco_precisions(predicted.cases, _LEVELS)
    recall = np.linspace(0, 1, CURVE_POINTS)
    return curve_charts.precision_recall_by_overlap(recall, precision, [COCO_OVERLAPS[i] for i in _LEVELS], noun=noun)


def _thresholds(predicted: PredictedSplit, operating: Callable[[Any], float | None] = lambda _: None) -> Figure:
    part = decision_sweep(predicted.cases).thinned(_POINTS)
    return curve_charts.thresholds(
        part.thresholds,
        precision=part.precision,
        recall=part.recall,
        f1=part.f1,
        operating=operating(predicted.cases),
    )


def _label_threshold(cases: MultiLabelCases) -> float | None:
    """The threshold of the labels, if they have the same."""
    values = np.unique(cases.thresholds)
    return float(values[0]) if len(values) == 1 else None


def _reliability(predicted: PredictedSplit) -> Figure:
    error = find_metric(predicted.task, "expected_calibration_error")
    curves = []
    for name, cases in (("before scaling", predicted.uncalibrated()), ("after temperature scaling", predicted.cases)):
        points = []
        for point in cases.reliability():
            number = int(point["cases"])
            interval = wilson_interval(round(point["frequency"] * number), number)
            points.append(
                curve_charts.ReliabilityPoint(
                    point["confidence"],
                    point["frequency"],
                    interval.low,
                    interval.high,
                    number,
                    bounds=(point["lowest"], point["highest"]),
                )
            )
        curves.append(curve_charts.ReliabilityCurve(name, error.value(cases), tuple(points)))
    return curve_charts.reliability(curves)


def _object_errors(predicted: PredictedSplit) -> Figure:
    cases = predicted.cases
    right = cases.matches.right & (cases.matches.score >= cases.thresholds.score)
    counts = object_errors(cases).counts()
    return object_charts.object_errors(int(right.sum()), counts, KINDS, score=cases.thresholds.score)


def _of_numbers(draw: Draw) -> Draw:
    """Draw only probabilities that are numbers, which those of a diverged training are not."""

    def checked(predicted: PredictedSplit) -> Figure:
        known = np.isfinite(predicted.cases.probabilities).all(axis=1)
        if not known.all():
            raise CannotDrawError(f"{int((~known).sum())} of {len(known)} predictions are not numbers")
        return draw(predicted)

    return checked


def _of_labels(**first: Draw) -> dict[str, Draw]:
    """The figures of classifiers, after some that only one kind of them has."""
    draws = {**first, "roc": _roc, "precision_recall": _precision_recall, "reliability": _reliability}
    return {name: _of_numbers(draw) for name, draw in draws.items()}


FIGURES_OF: dict[type, dict[str, Draw]] = {
    ClassificationCases: _of_labels(confusion=_confusion, thresholds=_thresholds),
    MultiLabelCases: _of_labels(
        label_outcomes=_label_outcomes, thresholds=partial(_thresholds, operating=_label_threshold)
    ),
    DetectionCases: {
        "confusion": _object_confusion,
        "object_errors": _object_errors,
        "precision_recall": _object_precision_recall,
        "precision_recall_by_overlap": _by_overlap,
        "thresholds": partial(_thresholds, operating=lambda cases: cases.thresholds.score),
    },
}
"""The figures of predictions by the type of their cases."""
