"""How a metric grows with labels, and how many more bring a wanted gain, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.core.numbers import finite, strict
from automl_vision.labeling.power_law import HORIZON, MISFIT, Measurement, PowerLaw

LEVEL = 0.8
GAIN = 0.02
"""Of the metric, that is asked for unless another one is: 2 points."""

_FEW = 0.05  # of the labels that there are
_NOISY = 1.0  # standard deviations that the metric must have grown by from the smallest size to the largest


@dataclass(frozen=True)
class Needed:
    """How many more labels bring a gain.

    Attributes:
        gain: of the metric.
        more: labels to add; None if it cannot be told.
        low, high: ends of the interval; `high` is infinite where more than the horizon may be needed.
        reason: why it cannot be told; empty if it can.
    """

    gain: float
    more: int | None
    low: float
    high: float
    reason: str = ""


@dataclass(frozen=True)
class Curve:
    """A metric by number of labels.

    Attributes:
        name: a class, or "" for all labels.
        metric: what was measured.
        points: sizes in ascending order; the last one of all labels.
        level: how often intervals are meant to hold what comes out.
        unit: what is counted, such as "labels" or "objects".
        misfit: how far such curves leave a power law, as `power_law.MISFIT`.
    """

    name: str
    metric: str
    points: tuple[Measurement, ...]
    level: float = LEVEL
    unit: str = "labels"
    misfit: float = MISFIT
    law: PowerLaw | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        law = PowerLaw.fit(self.points, misfit=self.misfit) if len(self.points) >= 3 else None
        object.__setattr__(self, "law", law)

    @property
    def labels(self) -> int:
        """How many labels there are."""
        return self.points[-1].labels if self.points else 0

    @property
    def value(self) -> float:
        """The metric with all labels."""
        return float(np.mean(self.points[-1].values)) if self.points else float("nan")

    @property
    def problem(self) -> str:
        """Why nothing can be told of more labels; empty if something can."""
        if self.law is None:
            return "there are too few labels to measure parts of them"
        first, last = self.points[0], self.points[-1]
        spread = self.law.noise * (1 + last.labels / first.labels / max(len(first.values), 1)) ** 0.5
        if np.mean(last.values) - np.mean(first.values) < _NOISY * spread:
            return f"the curve is flat: {np.mean(first.values):.3f} with {first.labels}, {self.value:.3f} with all"
        return ""

    def predict(self, labels: float) -> tuple[float, float, float]:
        """The metric that a number of labels probably gives: middle, low and high end of the interval.

        Raises:
            DataError: too few sizes were measured, or the number is beyond the horizon.
        """
        if self.law is None:
            raise DataError(f"the curve cannot be continued: {self.problem}")
        if not 0 < labels <= HORIZON * self.labels:
            raise DataError(
                f"a curve of {self.labels} labels is continued up to {HORIZON:g} times as many, not to {labels:g}"
            )
        return self.law.predict(labels, self.level)

    def needed(self, gain: float = GAIN) -> Needed:
        """How many more labels raise the metric by so much.

        Args:
            gain: of the metric, in (0, 1).
        """
        nothing = Needed(gain, None, float("nan"), float("nan"), self.problem)
        if self.law is None or self.problem:
            return nothing
        random = np.random.default_rng(2).standard_normal(len(self.law.scale))
        more = self.law.labels_for(np.maximum(gain + self.misfit * random, 0)) - self.labels
        most = (HORIZON - 1) * self.labels
        beyond = float(np.mean(more > most))
        if beyond > 0.5:
            middle, low, high = self.predict(HORIZON * self.labels)
            return Needed(
                gain, None, float("nan"), float("nan"),
                f"{HORIZON:g} times as many {self.unit} bring {middle - self.value:+.3f}, "
                f"{self.level:.0%} interval {low - self.value:+.3f} to {high - self.value:+.3f}",
            )  # fmt: skip
        ends = [(1 - self.level) / 2, (1 + self.level) / 2]
        low, high = np.quantile(np.where(more > most, np.inf, more), ends, method="inverted_cdf")
        if np.isinf(high) and low < _FEW * self.labels:
            return replace(nothing, reason="anything between a few labels and more than twice as many may be needed")
        middle = float(np.quantile(more, 0.5, method="inverted_cdf"))
        return Needed(gain, round(min(middle, most)), float(low), float(high))

    def sentence(self, gain: float = GAIN) -> str:
        """How many more labels bring a gain, in words."""
        found = self.needed(gain)
        what = f"{self.unit} of {self.name}" if self.name else self.unit
        wanted = f"{100 * gain:+g} points"
        if found.more is None:
            return f"how many more {what} bring {wanted} of {self.metric} cannot be told: {found.reason}"
        high = "more than can be told" if np.isinf(found.high) else f"{_rounded(found.high)}"
        return (
            f"about {_rounded(found.more)} more {what} for {wanted} of {self.metric} (now {self.value:.3f}), "
            f"{self.level:.0%} interval {_rounded(found.low)} to {high}"
        )

    def to_json(self, gain: float = GAIN) -> dict[str, Any]:
        """The curve as JSON values."""
        needed = strict(vars(self.needed(gain)))
        points = [{"labels": point.labels, "values": list(point.values)} for point in self.points]
        ahead = [(n, *self.predict(n)) for n in self._ahead()]
        names = ("labels", "value", "low", "high")
        return {
            "name": self.name, "metric": self.metric, "labels": self.labels, "value": finite(self.value),
            "points": points, "predicted": [dict(zip(names, each, strict=True)) for each in ahead],
            "needed": needed, "level": self.level, "sentence": self.sentence(gain),
        }  # fmt: skip

    def _ahead(self) -> Iterator[int]:
        if self.law is not None and not self.problem:
            yield from (round(self.labels * times) for times in (1.25, 1.5, 2, HORIZON))


@dataclass(frozen=True)
class LearningCurve:
    """How a metric grows with labels, overall and for each class.

    Attributes:
        overall: by number of labelled training images.
        classes: by name, the F1 of a class by the number of its own labels, all others as they are; those of which
            enough images are there.
        how: what was trained, for people.
        images: how many images the metrics were measured on.
    """

    overall: Curve
    classes: Mapping[str, Curve]
    how: str
    images: int

    def sentences(self, gain: float = GAIN) -> list[str]:
        """What more labels bring, overall and by class, those with the least labels for the gain first."""
        told: list[tuple[int, str]] = []
        untold = 0
        for curve in self.classes.values():
            found = curve.needed(gain)
            if found.more is None:
                untold += 1
            else:
                told.append((found.more, curve.sentence(gain)))
        classes = "1 class" if untold == 1 else f"{untold} classes"
        rest = f"{classes}: what more of their labels bring cannot be told" if untold else ""
        ranked = [text for _, text in sorted(told)]
        return [self.overall.sentence(gain), *ranked, *([rest] if rest else [])]

    def to_json(self, gain: float = GAIN) -> dict[str, Any]:
        """The curves as JSON values."""
        return {
            "overall": self.overall.to_json(gain),
            "classes": {name: curve.to_json(gain) for name, curve in self.classes.items()},
            "how": self.how,
            "images": self.images,
            "sentences": self.sentences(gain),
        }

    def __str__(self) -> str:
        return "\n".join(self.sentences())


def sizes_of(labels: int, *, least: int, steps: Sequence[float] = (0.125, 0.177, 0.25, 0.354, 0.5, 0.707)) -> list[int]:
    """The numbers of labels to measure, of so many that there are; without those below `least`."""
    return [*(size for size in dict.fromkeys(round(labels * step) for step in steps) if size >= least), labels]


def _rounded(labels: float) -> str:
    """A number with two significant digits."""
    if labels < 10:
        return f"{max(round(labels), 1)}"
    digits = 10 ** (len(str(int(labels))) - 2)
    return f"{round(labels / digits) * digits:,}"
