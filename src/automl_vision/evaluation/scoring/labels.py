"""Scoring that both kinds of image classification share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.predictions import Predictions, label_columns
from automl_vision.evaluation.scoring.scoring import Scoring, ScoringSettings
from automl_vision.evaluation.weighted import Counts

Logits = NDArray[np.float32]


class LabelScoring(Scoring[Logits]):
    """Scores logits (images, classes) by the labels of whole images."""

    LOSS = "log_loss"
    CLASS_FIGURE = "f1"

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        super().__init__(dataset, settings)
        self.targets = dataset.targets  # (images, classes), bool

    def to_columns(self, outputs: Logits) -> dict[str, pa.Array]:
        """The logits."""
        return label_columns(outputs)

    def from_predictions(self, predictions: Predictions) -> Logits:
        """The logits."""
        return predictions.logits

    def are_finite(self, outputs: Logits) -> bool:
        """Whether no logit overflowed, as those of random weights may before training."""
        return bool(np.isfinite(outputs).all())

    def probabilities(self, outputs: Logits, calibration: Calibration) -> NDArray[np.float64]:
        """Calibrated probabilities (images, classes)."""
        return self.activation(outputs.astype(np.float64) / calibration.temperature)

    def class_figures(self, cases: Any, weights: Floats) -> Floats:
        """F1."""
        counts: Counts = cases.counts(weights)
        return np.where(counts.true > 0, counts.f1(), np.nan)

    @staticmethod
    @abstractmethod
    def activation(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities from logits, both (images, classes)."""
