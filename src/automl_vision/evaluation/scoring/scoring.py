"""From a model's outputs and the labels of a dataset to calibration, metrics and reports; never torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.late import load
from automl_vision.core.records import Calibration, Report
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset

Outputs = TypeVar("Outputs", bound=Sized)
"""The outputs of a model for some images; their length is the number of images."""

Rows = NDArray[np.intp]
Arrays = dict[str, NDArray[Any]]
MetricKinds = Literal["none", "coco", "voc", "coco_voc"]


@dataclass(frozen=True)
class ScoringSettings:
    """What counts as found; labels of whole images need no settings.

    Attributes:
        iou: intersection over union from which an object counts as found.
        score: operating threshold, for precision and recall.
        metrics: which metrics are computed after each epoch, as in `detection_metrics`.
    """

    iou: float = 0.5
    score: float = 0.3
    metrics: MetricKinds = "coco_voc"


class Scoring(ABC, Generic[Outputs]):
    """Scores the outputs of one task on one dataset.

    The `rows` of the methods are the positions of the images in the dataset, in the order of the outputs.

    Args:
        dataset: with labels.
        settings: for detectors.
    """

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        self.classes = dataset.classes
        self.settings = settings

    @abstractmethod
    def to_arrays(self, outputs: Outputs) -> Arrays:
        """The outputs as arrays by name, for a file."""

    @abstractmethod
    def from_arrays(self, arrays: Mapping[str, NDArray[Any]], rows: Rows) -> Outputs:
        """The outputs back from the arrays of a file."""

    @abstractmethod
    def validation_loss(self, outputs: Outputs, rows: Rows) -> float:
        """Mean loss without smoothing or weights; NaN when it was not computed."""

    @abstractmethod
    def calibrate(self, outputs: Outputs, rows: Rows) -> Calibration:
        """Fit what turns outputs into probabilities and decisions."""

    @abstractmethod
    def metrics(self, outputs: Outputs, rows: Rows, calibration: Calibration) -> dict[str, float]:
        """The metrics by name; of no images too, where they are NaN or what the task counts as nothing found."""

    @abstractmethod
    def comparison(self, outputs: Outputs, rows: Rows, calibration: Calibration) -> Arrays:
        """The arrays by which trials are compared, as `evaluation.paired.compare` takes them."""

    @abstractmethod
    def report(self, outputs: Outputs, rows: Rows, calibration: Calibration) -> Report:
        """Metrics with intervals, figures per class and data for charts."""


def create_scoring(task: str, dataset: Dataset, settings: ScoringSettings | None = None) -> Scoring[Any]:
    """The scoring of a task on a dataset.

    Args:
        task: the product's name of the task.
        dataset: with labels.
        settings: for detectors; None for the defaults.
    """
    scoring: Scoring[Any] = load(TASKS[task].scoring)(dataset, settings or ScoringSettings())
    return scoring
