"""From a detector's scores to the probability that a detection is right: evaluation fits it, serving applies it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EDGE = 1e-9  # float32 has no number between 1 - 6e-8 and 1, so no two scores become one
_HALVINGS = 60


@dataclass(frozen=True)
class ScoreMap:
    """An increasing map of scores for each class: sigmoid(a ln s - b ln(1 - s) + c) (Kull et al. 2017).

    It includes temperature scaling (a = b, c = 0) and Platt's map of the score's logit (a = b). Since it increases, the
    order of the detections within a class, and with it average precision, stays as it is.

    Attributes:
        kind: the form that was chosen: "none", "temperature", "platt", "platt per class" or "beta".
        parameters: (classes, 3), a, b and c of each class; a and b are positive.

    Raises:
        ValueError: a or b is not positive, or a row does not hold three finite numbers.
    """

    kind: str
    parameters: tuple[tuple[float, ...], ...]

    @property
    def words(self) -> str:
        """The form in words, for people."""
        return self.kind.replace("platt", "Platt's")

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(tuple(map(float, row)) for row in self.parameters))
        values = np.array(self.parameters, np.float64)
        if values.shape != (len(self.parameters), 3) or not np.isfinite(values).all() or not (values[:, :2] > 0).all():
            raise ValueError("a map of scores needs three finite numbers for each class, the first two above 0")

    def __call__(self, scores: Floats, labels: NDArray[np.int64]) -> Floats:
        """Probabilities (n,) of detections with these scores (n,) and classes (n,)."""
        a, b, c = np.array(self.parameters)[labels].reshape(-1, 3).T
        s = np.clip(scores, _EDGE, 1 - _EDGE)
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (a * np.log(s) - b * np.log1p(-s) + c))))

    def scores_of(self, probabilities: Floats) -> Floats:
        """For each class the highest score, (classes,), whose probability is at most the one given for the class."""
        labels = np.arange(len(self.parameters))
        low, high = np.zeros(len(labels)), np.ones(len(labels))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            is_below = self(middle, labels) < probabilities
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
        return low
