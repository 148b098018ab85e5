"""What a hyperparameter may be in a search space: a choice, or a distribution of numbers.

Every distribution of numbers is described by its quantiles: a unit between 0 and 1 gives a value. So a sampler draws
units and needs to know nothing else of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from automl_vision.core.names import did_you_mean

_TINY = 1e-9  # units stay away from 0 and 1, whose quantiles of a normal distribution are infinite
_SIGMAS = 3.0  # what lies further out is too rare to forbid a normal distribution

KINDS = ("choice", "uniform", "quniform", "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal",
         "randint")  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One of the values.

    Attributes:
        values: texts, numbers, flags; or mappings of names to further distributions, for conditional spaces.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a choice needs at least one value")
        mappings = sum(isinstance(value, Mapping) for value in self.values)
        if mappings not in (0, len(self.values)):
            raise ValueError("the values of a choice are either all mappings or none is")
        seen: list[Any] = []
        for value in self.values:
            if any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in seen):
                raise ValueError(f"the choice has {value!r} twice")
            seen.append(value)

    @property
    def is_conditional(self) -> bool:
        """Whether the values are mappings, each with hyperparameters of its own."""
        return isinstance(self.values[0], Mapping)

    @property
    def is_ordered(self) -> bool:
        """Whether the values are numbers that rise or fall, so that neighbours are alike."""
        values = self.values
        if len(values) < 3 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            return False
        return list(values) in (sorted(values), sorted(values, reverse=True))


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, all as likely: `uniform`, `quniform`, `loguniform`, `qloguniform`.

    Attributes:
        low, high: bounds; of the value's logarithm when `log`.
        q: the value is rounded to the nearest multiple of it.
        log: the value is exp(uniform(low, high)).
    """

    low: float
    high: float
    q: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.kind} needs low < high, not {self.low!r} and {self.high!r}")
        if self.log and self.high > 700:
            raise ValueError(f"{self.kind} takes the logarithms of its bounds, and exp({self.high:g}) is no number")
        _check_q(self.kind, self.q)

    @property
    def kind(self) -> str:
        """Its name in a file."""
        return f"{'q' if self.q is not None else ''}{'log' if self.log else ''}uniform"

    def value(self, unit: float) -> float | int:
        """The quantile at a unit."""
        number = self.low + unit * (self.high - self.low)
        return _rounded(math.exp(number) if self.log else number, self.q)


@dataclass(frozen=True)
class Bell:
    """Normally distributed numbers: `normal`, `qnormal`, `lognormal`, `qlognormal`.

    Attributes:
        mu, sigma: mean and standard deviation; of the value's logarithm when `log`.
        q: the value is rounded to the nearest multiple of it.
        log: the value is exp(normal(mu, sigma)).
    """

    mu: float
    sigma: float
    q: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mu) and math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"{self.kind} needs sigma > 0, not {self.sigma!r}")
        if self.log and self.mu + 6 * self.sigma > 700:
            raise ValueError(f"{self.kind} takes the mean of the logarithm, and exp({self.mu:g}) is too large")
        _check_q(self.kind, self.q)

    @property
    def kind(self) -> str:
        """Its name in a file."""
        return f"{'q' if self.q is not None else ''}{'log' if self.log else ''}normal"

    def value(self, unit: float) -> float | int:
        """The quantile at a unit."""
        number = NormalDist(self.mu, self.sigma).inv_cdf(min(max(unit, _TINY), 1 - _TINY))
        return _rounded(math.exp(number) if self.log else number, self.q)


@dataclass(frozen=True)
class RandInt:
    """Whole numbers from 0 to below `upper`, all as likely."""

    upper: int
    kind: str = field(default="randint", init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.upper, bool) or not isinstance(self.upper, int) or self.upper < 1:
            raise ValueError(f"randint needs a whole number above 0, not {self.upper!r}")

    def value(self, unit: float) -> int:
        """The quantile at a unit."""
        return min(int(unit * self.upper), self.upper - 1)


Numbers = Range | Bell | RandInt
Distribution = Choice | Range | Bell | RandInt


def choice(*values: Any) -> Choice:
    """One of the values; also `choice(range(1, 5))` and `choice([1, 2, 3])`."""
    if len(values) == 1 and isinstance(values[0], Iterable) and not isinstance(values[0], str | Mapping):
        values = tuple(values[0])
    return Choice(tuple(values))


def uniform(low: float, high: float) -> Range:
    """Any number from low to high."""
    return Range(low, high)


def quniform(low: float, high: float, q: float) -> Range:
    """Multiples of q, nearest to uniform(low, high)."""
    return Range(low, high, q=q)


def loguniform(low: float, high: float) -> Range:
    """exp(uniform(low, high)): the bounds are logarithms."""
    return Range(low, high, log=True)


def qloguniform(low: float, high: float, q: float) -> Range:
    """Multiples of q, nearest to exp(uniform(low, high))."""
    return Range(low, high, q=q, log=True)


def normal(mu: float, sigma: float) -> Bell:
    """Normally distributed numbers."""
    return Bell(mu, sigma)


def qnormal(mu: float, sigma: float, q: float) -> Bell:
    """Multiples of q, nearest to normal(mu, sigma)."""
    return Bell(mu, sigma, q=q)


def lognormal(mu: float, sigma: float) -> Bell:
    """exp(normal(mu, sigma))."""
    return Bell(mu, sigma, log=True)


def qlognormal(mu: float, sigma: float, q: float) -> Bell:
    """Multiples of q, nearest to exp(normal(mu, sigma))."""
    return Bell(mu, sigma, q=q, log=True)


def randint(upper: int) -> RandInt:
    """Whole numbers from 0 to below upper."""
    return RandInt(upper)


def distribution_to_json(distribution: Distribution) -> dict[str, Any]:
    """The distribution as plain values; the values of a choice are left as they are."""
    if isinstance(distribution, Choice):
        return {"type": "choice", "values": list(distribution.values)}
    if isinstance(distribution, RandInt):
        return {"type": "randint", "upper": distribution.upper}
    names = ("low", "high") if isinstance(distribution, Range) else ("mu", "sigma")
    numbers = {name: getattr(distribution, name) for name in names}
    return {"type": distribution.kind, **numbers, **({} if distribution.q is None else {"q": distribution.q})}


FIELDS = {
    "choice": ("values",), "uniform": ("low", "high"), "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"), "qloguniform": ("low", "high", "q"), "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"), "lognormal": ("mu", "sigma"), "qlognormal": ("mu", "sigma", "q"),
    "randint": ("upper",),
}  # fmt: skip
_OTHER_NAMES = {"min_value": "low", "max_value": "high", "distribution": "type"}


def distribution_from_json(value: Mapping[str, Any]) -> Distribution:
    """A distribution from its mapping in a file, such as `{type: uniform, low: 0.001, high: 0.01}`.

    Raises:
        ValueError: it breaks the rules; the message is one sentence.
    """
    given = {_OTHER_NAMES.get(str(name), str(name)): part for name, part in value.items()}
    kind = given.pop("type", None)
    if kind not in FIELDS:
        raise ValueError(
            f'no distribution is named "{kind}".{did_you_mean(str(kind), KINDS)} Choose: {", ".join(KINDS)}'
        )
    fields = FIELDS[kind]
    for name in given:
        if name not in fields:
            raise ValueError(f'{kind} has no "{name}".{did_you_mean(name, fields)} It has: {", ".join(fields)}')
    missing = [name for name in fields if name not in given]
    if missing:
        raise ValueError(f"{kind} needs {', '.join(missing)}")
    if kind == "choice":
        values = given["values"]
        if not isinstance(values, list | tuple | range):
            raise ValueError(f"the values of a choice are a list, not {values!r}")
        return Choice(tuple(values))
    if kind == "randint":
        return RandInt(given["upper"])
    numbers = {name: _number(kind, name, given[name]) for name in fields}
    shape: type[Range | Bell] = Range if kind.endswith("uniform") else Bell
    return shape(**numbers, log="log" in kind)


def ends(distribution: Numbers) -> tuple[float, float]:
    """Least and largest value; of a normal distribution, three standard deviations from its mean."""
    if isinstance(distribution, Bell):
        tail = NormalDist().cdf(-_SIGMAS)
        return distribution.value(tail), distribution.value(1 - tail)
    return distribution.value(0.0), distribution.value(1.0)


def is_whole(distribution: Numbers) -> bool:
    """Whether all its values are whole numbers."""
    return isinstance(distribution, RandInt) or (distribution.q is not None and float(distribution.q).is_integer())


def _check_q(kind: str, q: float | None) -> None:
    if q is not None and not (math.isfinite(q) and q > 0):
        raise ValueError(f"{kind} needs q > 0, not {q!r}")


def _number(kind: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} of {kind} is a number, not {value!r}")
    return value


def _rounded(number: float, q: float | None) -> float | int:
    """The nearest multiple of q, free of the noise of binary fractions; whole for a whole q."""
    if q is None:
        return number
    multiple = math.floor(number / q + 0.5) * q
    return int(multiple) if float(q).is_integer() else float(f"{multiple:.12g}")
