"""What a threshold shall achieve: a precision, a recall, the least cost, or the best F1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.text import did_you_mean
from automl_vision.evaluation.intervals import Floats, wilson_low

_ROUNDING = 1e-9
NOTHING = 1.0
"""The threshold that shows as good as nothing."""


@dataclass(frozen=True)
class Curve:
    """What each threshold shows, from the highest to the lowest one; each is a score that occurred.

    Attributes:
        thresholds: (k,), falling.
        right: (k,), right answers at or above it.
        shown: (k,), answers at or above it.
        positives: number of all that there were to find.
    """

    thresholds: Floats
    right: Floats
    shown: Floats
    positives: int

    @staticmethod
    def of(scores: Floats, right: NDArray[np.bool_], positives: int) -> Curve:
        """The curve of answers (n,) with scores that are numbers."""
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        ends = np.flatnonzero(np.append(np.diff(falling) != 0, True)) if len(order) else np.zeros(0, np.intp)
        return Curve(
            falling[ends], right[order].cumsum()[ends].astype(np.float64), (ends + 1).astype(np.float64), positives
        )

    @property
    def precision(self) -> Floats:
        """(k,)."""
        return self.right / self.shown

    @property
    def recall(self) -> Floats:
        """(k,); 0 where there was nothing to find."""
        return self.right / max(self.positives, 1)


class Goal(ABC):
    """What a threshold shall achieve."""

    figure: str = ""
    """The figure that must reach `value`: "precision", "recall", or none."""
    value: float = 0.0

    @property
    @abstractmethod
    def text(self) -> str:
        """The goal, as the object of "wanted is"."""

    @abstractmethod
    def choose(self, curve: Curve) -> float | None:
        """The threshold of a curve that meets the goal best; None if none meets it."""


@dataclass(frozen=True)
class _Reach(Goal):
    """At least a wanted share.

    Attributes:
        value: the share, between 0 and 1.
        cautious: whether the lower end of its 95 % interval must reach it.
    """

    value: float
    cautious: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.value <= 1:
            raise ValueError(f"a wanted {self.figure} lies above 0 and at most at 1; {self.value:g} does not")

    def _reached(self, right: Floats, cases: Floats) -> NDArray[np.bool_]:
        share = wilson_low(right, cases) if self.cautious else right / cases
        return np.asarray((share >= self.value - _ROUNDING) & (right > 0))

    @property
    def text(self) -> str:
        """Such as "a precision of at least 0.9"."""
        interval = " at the lower end of its interval" if self.cautious else ""
        return f"a {self.figure} of at least {self.value:g}{interval}"


class Precision(_Reach):
    """At least this precision, with the highest recall, and the highest precision among equal ones."""

    figure = "precision"

    def choose(self, curve: Curve) -> float | None:
        """The lowest threshold that reaches the precision, unless a higher one finds as much."""
        reached = self._reached(curve.right, curve.shown)
        if not reached.any():
            return None
        return float(curve.thresholds[np.flatnonzero(reached & (curve.right == curve.right[reached].max()))[0]])


class Recall(_Reach):
    """At least this recall, with the highest precision, and the highest recall among equal ones."""

    figure = "recall"

    def choose(self, curve: Curve) -> float | None:
        """The most precise threshold among those that reach the recall."""
        reached = self._reached(curve.right, np.full(len(curve.right), float(max(curve.positives, 1))))
        if not reached.any():
            return None
        best = reached & (curve.precision == curve.precision[reached].max())
        return float(curve.thresholds[np.flatnonzero(best)[-1]])


@dataclass(frozen=True)
class LeastCost(Goal):
    """The least cost of wrong answers and of what is missed.

    Attributes:
        false: cost of a wrong answer.
        missed: cost of one that is not found.
    """

    false: float = 1.0
    missed: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.false < np.inf and 0 <= self.missed < np.inf):
            raise ValueError(f"costs are numbers from 0 on; {self.false:g} and {self.missed:g} are not")

    @property
    def text(self) -> str:
        """Such as "the least cost (false 1, missed 5)"."""
        return f"the least cost (false {self.false:g}, missed {self.missed:g})"

    def choose(self, curve: Curve) -> float | None:
        """The cheapest threshold, the highest of equal ones; one that shows nothing where that costs no more."""
        if not len(curve.thresholds):
            return None
        costs = self.false * (curve.shown - curve.right) + self.missed * (curve.positives - curve.right)
        if costs.min() >= self.missed * curve.positives and curve.thresholds[0] < NOTHING:
            return NOTHING
        return float(curve.thresholds[costs.argmin()])


class BestF1(Goal):
    """The highest F1, the highest threshold of equal ones."""

    @property
    def text(self) -> str:
        """In words."""
        return "the best F1"

    def choose(self, curve: Curve) -> float | None:
        """The threshold with the highest harmonic mean of precision and recall."""
        if not curve.right.any():
            return None
        f1 = 2 * curve.right / (curve.shown + curve.positives)
        return float(curve.thresholds[f1.argmax()])


def goals_of(
    classes: tuple[str, ...],
    *,
    precision: float | None = None,
    recall: float | None = None,
    cost: Mapping[str, Any] | None = None,
    cautious: bool = False,
) -> list[Goal]:
    """The goal of each class.

    Args:
        classes: their names.
        precision, recall, cost: at most one; none of them wants the best F1. A cost is `{"false": 1, "missed": 5}`,
            or such a mapping for each class by its name; what is not named costs 1.
        cautious: whether the lower end of the interval must reach the precision or recall.

    Raises:
        ValueError: several are wanted, a share or cost cannot be, or a class is not one of the model.
    """
    given = [
        name for name, value in (("precision", precision), ("recall", recall), ("cost", cost)) if value is not None
    ]
    if len(given) > 1:
        raise ValueError(f"one of precision, recall and cost can be wanted at a time, not {' and '.join(given)}")
    if cautious and (cost is not None or not given):
        raise ValueError("only a wanted precision or recall can be chosen cautiously")
    if precision is not None:
        return [Precision(precision, cautious)] * len(classes)
    if recall is not None:
        return [Recall(recall, cautious)] * len(classes)
    if cost is None:
        return [BestF1()] * len(classes)
    if any(isinstance(entry, Mapping) for entry in cost.values()):
        check_classes(cost, classes)
        return [_least_cost(cost.get(name, {})) for name in classes]
    return [_least_cost(cost)] * len(classes)


def _least_cost(costs: Mapping[str, Any]) -> LeastCost:
    wrong = [name for name in costs if name not in ("false", "missed")]
    if wrong:
        raise ValueError(f'a cost is of "false" or "missed", not of "{wrong[0]}"')
    return LeastCost(**{name: _number(value) for name, value in costs.items()})


def cost_matrix(cost: Mapping[str, Any], classes: tuple[str, ...]) -> Floats:
    """Costs (true class, predicted class) from those that are named; a right answer costs 0, any other 1.

    Args:
        cost: such as `{"VIRUS": {"NORMAL": 5}}`: taking a VIRUS for NORMAL costs 5.
        classes: their names.

    Raises:
        ValueError: a class is not one of the model, or a cost is not a finite number.
    """
    matrix = 1 - np.eye(len(classes))
    check_classes(cost, classes)
    position = {name: i for i, name in enumerate(classes)}
    for true, row in cost.items():
        if not isinstance(row, Mapping):
            raise ValueError(f'the costs of true "{true}" are a mapping from predicted classes to costs, not {row!r}')
        check_classes(row, classes)
        for predicted, value in row.items():
            matrix[position[true], position[predicted]] = _number(value)
    return matrix


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"a cost is a finite number, not {value!r}")
    return float(value)


def check_classes(names: Mapping[str, Any], classes: tuple[str, ...]) -> None:
    """Raise `ValueError` for a name that is not a class of the model."""
    for name in names:
        if name not in classes:
            raise ValueError(f'the model has no class "{name}".{did_you_mean(name, classes)}')
