"""Scoring that both kinds of image classification share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.scoring.scoring import Arrays, Rows, Scoring, ScoringSettings

Logits = NDArray[np.float32]


class LabelScoring(Scoring[Logits]):
    """Scores logits (images, classes) by the labels of whole images."""

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        super().__init__(dataset, settings)
        self.targets = dataset.targets  # (images, classes), bool

    def to_arrays(self, outputs: Logits) -> Arrays:
        """The logits by name."""
        return {"outputs": outputs}

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]], rows: Rows) -> Logits:  # noqa: ARG002 - the logits tell
        """The logits."""
        return arrays["outputs"]

    def probabilities(self, outputs: Logits, calibration: Calibration) -> NDArray[np.float64]:
        """Calibrated probabilities (images, classes)."""
        return self.activation(outputs.astype(np.float64) / calibration.temperature)

    @staticmethod
    @abstractmethod
    def activation(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities from logits, both (images, classes)."""
