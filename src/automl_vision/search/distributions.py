"""What a hyperparameter may be in a search space: a choice, or a distribution of numbers.

Every distribution of numbers is described by its quantiles: a unit between 0 and 1 gives a value. So a sampler draws
units and needs to know nothing else of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

_TINY = 1e-9  # units stay away from 0 and 1, whose quantiles of a normal distribution are infinite
_LARGEST_LOG = 700.0  # exp of more is no number
_LARGEST_WHOLE = 2**53  # up to which a float holds every whole number
_SIGMAS = 3.0  # what lies further out is too rare to forbid a normal distribution


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
        values = tuple(plain(value) for value in self.values)
        object.__setattr__(self, "values", values)
        mappings = sum(isinstance(value, Mapping) for value in values)
        if mappings not in (0, len(values)):
            raise ValueError("the values of a choice are either all mappings or none is")
        twice = _repeated(values)
        if twice:
            raise ValueError(f"the choice has {twice[0]!r} twice")

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
        _check_numbers(self.kind, low=self.low, high=self.high, **({} if self.q is None else {"q": self.q}))
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.kind} needs low < high, not {self.low!r} and {self.high!r}")
        if self.log and self.high > _LARGEST_LOG:
            raise ValueError(f"{self.kind} takes the logarithms of its bounds, and exp({self.high:g}) is no number")
        _check_q(self.kind, self.q)
        if self.q is not None and self.value(0.0) == self.value(1.0):
            raise ValueError(f"{self.kind} gives only {self.value(0.0):g}: no other multiple of q lies near its bounds")

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
        _check_numbers(self.kind, mu=self.mu, sigma=self.sigma, **({} if self.q is None else {"q": self.q}))
        if not (math.isfinite(self.mu) and math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"{self.kind} needs a finite mu and sigma > 0, not {self.mu!r} and {self.sigma!r}")
        if self.log and self.mu + 6 * self.sigma > _LARGEST_LOG:
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
        whole = isinstance(self.upper, int) and not isinstance(self.upper, bool)
        if not (whole and 1 <= self.upper <= _LARGEST_WHOLE):
            raise ValueError(f"randint needs a whole number above 0, not {self.upper!r}")

    def value(self, unit: float) -> int:
        """The quantile at a unit."""
        return min(int(unit * self.upper), self.upper - 1)


Numbers = Range | Bell | RandInt
Distribution = Choice | Range | Bell | RandInt


def choice(*values: Any) -> Choice:
    """One of the values; also `choice(range(1, 5))` and `choice([1, 2, 3])`."""
    if len(values) == 1 and isinstance(values[0], Iterable) and not isinstance(values[0], str | Mapping):
        if isinstance(values[0], set | frozenset):
            raise ValueError(
                "a choice takes a list: a set has no order, so the same seed would not give the same draws"
            )
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


def ends(distribution: Numbers) -> tuple[float, float]:
    """Least and largest value; of a normal distribution, three standard deviations from its mean."""
    if isinstance(distribution, Bell):
        tail = NormalDist().cdf(-_SIGMAS)
        return distribution.value(tail), distribution.value(1 - tail)
    return distribution.value(0.0), distribution.value(1.0)


def is_whole(distribution: Numbers) -> bool:
    """Whether all its values are whole numbers."""
    return isinstance(distribution, RandInt) or (distribution.q is not None and float(distribution.q).is_integer())


def coordinates(distribution: Distribution, most: int) -> list[float] | None:
    """Where the values of a distribution lie, one place for each: indices of a choice, otherwise units.

    Gives None when there are more than `most` values.
    """
    if isinstance(distribution, Choice):
        places: list[float] = list(range(len(distribution.values)))
        return places if len(places) <= most else None
    if isinstance(distribution, RandInt):
        upper = distribution.upper
        return [(i + 0.5) / upper for i in range(upper)] if upper <= most else None
    if isinstance(distribution, Range) and distribution.q is not None:
        return _multiples(distribution, distribution.q, most)
    return None


def _multiples(distribution: Range, q: float, most: int) -> list[float] | None:
    """A unit for each multiple of q that a distribution gives: the middle of those that are rounded to it."""
    low, high = (math.exp(bound) if distribution.log else bound for bound in (distribution.low, distribution.high))
    first, last = math.floor(low / q + 0.5), math.floor(high / q + 0.5)
    if last - first >= most:
        return None
    units = []
    for multiple in range(first, last + 1):
        middle = (max(low, (multiple - 0.5) * q) + min(high, (multiple + 0.5) * q)) / 2
        number = math.log(middle) if distribution.log else middle
        units.append((number - distribution.low) / (distribution.high - distribution.low))
    return units


def plain(value: Any) -> Any:
    """A value of a choice: a mapping, or a constant that a file can hold; NumPy's numbers become Python's.

    Raises:
        ValueError: it is something else.
    """
    value = value.item() if isinstance(value, np.generic) else value
    is_constant = value is None or isinstance(value, str | int | float)
    if isinstance(value, Mapping) or (is_constant and not (isinstance(value, float) and not math.isfinite(value))):
        return value
    raise ValueError(f"a choice holds texts, finite numbers and flags, or mappings of hyperparameters, not {value!r}")


def _repeated(values: Sequence[Any]) -> list[Any]:
    """Values that stand twice; 1 and 1.0 are the same, 1 and True are not."""
    if isinstance(values[0], Mapping):
        return [value for i, value in enumerate(values) if value in values[:i]]
    seen: set[tuple[bool, Any]] = set()
    repeated = []
    for value in values:
        key = (isinstance(value, bool), value)
        repeated += [value] if key in seen else []
        seen.add(key)
    return repeated


def _check_numbers(kind: str, **numbers: Any) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} of {kind} is a number, not {value!r}")
        if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
            raise ValueError(f"{name} of {kind} is too large")


def _check_q(kind: str, q: float | None) -> None:
    if q is not None and not (math.isfinite(q) and q > 0):
        raise ValueError(f"{kind} needs q > 0, not {q!r}")


def _rounded(number: float, q: float | None) -> float | int:
    """The nearest multiple of q, free of the noise of binary fractions; whole for a whole q."""
    if q is None:
        return number
    multiple = math.floor(number / q + 0.5) * q
    return int(multiple) if float(q).is_integer() else float(f"{multiple:.12g}")
