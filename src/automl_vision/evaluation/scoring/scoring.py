"""From a model's outputs and the labels of a dataset to calibration, metrics and reports; never torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.late import load
from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.metric import Metric, values_of
from automl_vision.evaluation.paired import RESAMPLES, comparable
from automl_vision.evaluation.predictions import Predictions, prediction_table

Outputs = TypeVar("Outputs", bound=Sized)
"""The outputs of a model for some images; their length is the number of images."""

Rows = NDArray[np.intp]
Arrays = dict[str, NDArray[Any]]
MetricKinds = Literal["none", "coco", "voc", "coco_voc"]


@dataclass(frozen=True)
class ScoringSettings:
    """What counts, and which metrics are followed.

    Attributes:
        primary_metric: ranks epochs and trials; None for the task's own.
        iou: of detectors, intersection over union from which an object counts as found.
        score: of detectors, operating threshold for precision and recall.
        metrics: of detectors, which metrics are computed after each epoch beside the primary one.
    """

    primary_metric: str | None = None
    iou: float = 0.5
    score: float = 0.3
    metrics: MetricKinds = "coco_voc"


class Scoring(ABC, Generic[Outputs]):
    """Scores the outputs of one task on one dataset.

    The `rows` of the methods are the positions of the images in the dataset, in the order of the outputs.

    Attributes:
        METRICS: of the task, by name; the first one ranks trials unless the user names another.
        INTERVALS: names of the metrics whose intervals reports hold beside that of the primary one.
        LOSS: name of the metric that is the loss after calibration, where there is one.
        CLASS_FIGURE: name of the figure of one class by which two models are compared.
        primary: the metric that ranks epochs and trials.

    Args:
        dataset: with labels.
        settings: of the trial.
    """

    METRICS: ClassVar[Mapping[str, Metric]]
    INTERVALS: ClassVar[tuple[str, ...]] = ()
    LOSS: ClassVar[str] = ""
    CLASS_FIGURE: ClassVar[str]

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        self.task = dataset.task
        self.images = dataset.table["image"]
        self.classes = dataset.classes
        self.settings = settings
        self.primary = self.METRICS[settings.primary_metric or next(iter(self.METRICS))]

    @abstractmethod
    def to_columns(self, outputs: Outputs) -> dict[str, pa.Array]:
        """The outputs as columns of `Predictions`, one value an image."""

    @abstractmethod
    def from_predictions(self, predictions: Predictions) -> Outputs:
        """The outputs back from the predictions of one split."""

    def predictions(self, split: str, outputs: Outputs, rows: Rows, calibration: Calibration) -> Predictions:
        """The outputs of one split in the form in which trials keep them."""
        images = self.images.take(pa.array(rows)).combine_chunks()
        table = prediction_table(split, rows, images, self.to_columns(outputs))
        return Predictions(table, self.task, self.classes, calibration)

    @abstractmethod
    def validation_loss(self, outputs: Outputs, rows: Rows) -> float:
        """Mean loss without smoothing or weights; NaN when it was not computed."""

    def are_finite(self, outputs: Outputs) -> bool:  # noqa: ARG002
        """Whether the outputs are finite numbers; a metric that they leave undefined is so for any others as well."""
        return True

    @abstractmethod
    def calibrate(self, outputs: Outputs, rows: Rows) -> Calibration:
        """Fit what turns outputs into probabilities and decisions."""

    @abstractmethod
    def cases(self, outputs: Outputs, rows: Rows, calibration: Calibration) -> Any:
        """Calibrated predictions beside their truth, as the metrics take them."""

    @abstractmethod
    def per_class(self, cases: Any) -> list[dict[str, Any]]:
        """Figures of each class, as JSON values."""

    @abstractmethod
    def class_figures(self, cases: Any, weights: Floats) -> Floats:
        """`CLASS_FIGURE` of each class, (resamples, classes); NaN where none of it is among the images.

        Args:
            cases: as `cases` returns them.
            weights: how often each image counts, (resamples, images).
        """

    def charts(self, cases: Any) -> dict[str, Any]:  # noqa: ARG002
        """Data of charts by name, as JSON values."""
        return {}

    @property
    def followed(self) -> Iterable[str]:
        """Names of the metrics that are computed after each epoch."""
        return self.METRICS

    def metrics(self, outputs: Outputs, rows: Rows, calibration: Calibration) -> dict[str, float]:
        """The metrics that are followed, by name; NaN where one is undefined."""
        cases = self.cases(outputs, rows, calibration)
        return values_of([self.METRICS[name] for name in self.followed], cases)

    def report(self, cases: Any, comparison: Mapping[str, NDArray[Any]] | None = None) -> Report:
        """All metrics, the intervals of the most important ones, figures by class and data for charts.

        Args:
            cases: as `cases` returns them.
            comparison: of the same cases, whose resamples of the primary metric are then not computed again.
        """
        known = {self.primary.name: (comparison or {}).get(RESAMPLES)}
        metrics = values_of(self.METRICS.values(), cases)
        intervals = {}
        for name in dict.fromkeys((self.primary.name, *self.INTERVALS)):
            interval = self.METRICS[name].interval(cases, known.get(name))
            intervals[name] = MetricInterval(value=metrics[name], low=interval.low, high=interval.high)
        return Report(
            metrics=metrics,
            intervals=intervals,
            per_class=self.per_class(cases),
            charts=self.charts(cases),
        )

    def judged(self, outputs: Outputs, rows: Rows) -> tuple[float, Arrays]:
        """How good outputs are after calibration, higher is better; and the arrays by which they are compared.

        By the loss where the task has one as a metric, which says more of few images than the share of right answers.
        """
        metric = self.METRICS[self.LOSS] if self.LOSS else self.primary
        cases = self.cases(outputs, rows, self.calibrate(outputs, rows))
        return metric.score(metric.value(cases)), comparable(metric, cases)

    def comparison(self, cases: Any) -> Arrays:
        """The arrays by which trials are compared, as `evaluation.paired.compare` takes them."""
        return comparable(self.primary, cases)


def create_scoring(task: str, dataset: Dataset, settings: ScoringSettings | None = None) -> Scoring[Any]:
    """The scoring of a task on a dataset.

    Args:
        task: the product's name of the task.
        dataset: with labels.
        settings: None for the defaults.
    """
    scoring: Scoring[Any] = load(TASKS[task].scoring)(dataset, settings or ScoringSettings())
    return scoring
