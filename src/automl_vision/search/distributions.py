"""What a hyperparameter may be in a search space: a choice, or a distribution of numbers.

Every distribution of numbers is described by its quantile function: it maps a fraction between 0 and 1 to a
value. So a sampler only draws fractions and need not know the distribution.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Annotated, Any, ClassVar, cast, dataclass_transform

import numpy as np
from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from automl_vision.search.registry import Registry

_TINY = 1e-9  # fractions stay away from 0 and 1, whose quantiles of a normal distribution are infinite
_MAX_LOG = 700.0  # exp of more overflows
_MAX_WHOLE = 2**53  # up to which a float holds every whole number
_SIGMAS = 3.0  # values further out are too rare to reject a normal distribution for them


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
class Distribution(ABC):
    """What a hyperparameter may be."""

    type: str

    @abstractmethod
    def coordinates(self, limit: int) -> list[float] | None:
        """One coordinate per value (an index of a choice, else a fraction), or None for more than `limit` values."""


class Numbers(Distribution):
    """A distribution of numbers. Write another one as a subclass with `@register_distribution`."""

    has_tails: ClassVar[bool] = False
    """Whether values beyond `ends` may be sampled, so rarely that a space may still use the distribution."""

    @abstractmethod
    def value(self, fraction: float) -> float | int:
        """The quantile at a fraction between 0 and 1."""

    def ends(self) -> tuple[float, float]:
        """Minimum and maximum value; of a distribution with tails, a range beyond which values are rare."""
        return self.value(0.0), self.value(1.0)

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return False

    def coordinates(self, limit: int) -> list[float] | None:  # noqa: ARG002
        """One fraction per value, or None for more than `limit` values."""
        return None


DISTRIBUTIONS: Registry[Distribution] = Registry(
    "distribution",
    aliases={"min_value": "low", "max_value": "high", "distribution": "type"},
    untyped="; mappings of hyperparameters belong in a choice",
)
"""Every distribution by its name in a file."""

register_distribution = DISTRIBUTIONS.register
"""Class decorator that makes a distribution's class a frozen pydantic dataclass and gives it a name in files."""


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


def _options(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple | range):
        raise ValueError(f"the values of a choice are a list, not {values!r}")
    return tuple(plain(value) for value in values)


def _number(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > _MAX_WHOLE:
        raise ValueError("the number is too large")
    return value


_OPTIONS_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, {"type": "object"}]},
}
Number = Annotated[float, Strict(), BeforeValidator(_number)]
Step = Annotated[float, Strict(), BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]


@register_distribution("choice")
class Choice(Distribution):
    """One of the values.

    Attributes:
        values: texts, numbers, flags; or mappings of names to further distributions, for conditional spaces.
    """

    values: Annotated[tuple[Any, ...], BeforeValidator(_options), WithJsonSchema(_OPTIONS_SCHEMA)]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a choice needs at least one value")
        mappings = sum(isinstance(value, Mapping) for value in self.values)
        if mappings not in (0, len(self.values)):
            raise ValueError("the values of a choice are either all mappings or none is")
        repeated = _repeated(self.values)
        if repeated:
            raise ValueError(f"the choice has {repeated[0]!r} twice")

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

    def coordinates(self, limit: int) -> list[float] | None:
        """The index of each value, or None for more than `limit` values."""
        return list(range(len(self.values))) if len(self.values) <= limit else None


class _Rounded(Numbers):
    """Numbers that may be rounded to multiples of `q`, and may be given by their logarithm."""

    is_log: ClassVar[bool] = False

    @property
    def step(self) -> float | None:
        """Values are multiples of it; None where they are not rounded."""
        return cast("float | None", getattr(self, "q", None))

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return self.step is not None and self.step.is_integer()

    def _value(self, number: float) -> float | int:
        """The nearest multiple of q, free of the noise of binary fractions; whole for a whole q."""
        number = math.exp(number) if self.is_log else number
        if self.step is None:
            return number
        multiple = math.floor(number / self.step + 0.5) * self.step
        return int(multiple) if self.is_whole else float(f"{multiple:.12g}")


class Range(_Rounded):
    """Numbers between two bounds, all equally likely.

    Attributes:
        low, high: bounds; of the value's logarithm if `is_log`.
        q: values are rounded to the nearest multiple of it, where the distribution has it.
    """

    low: Number
    high: Number

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.type} needs low < high, not {self.low!r} and {self.high!r}")
        if self.is_log and self.high > _MAX_LOG:
            raise ValueError(f"{self.type} takes the logarithms of its bounds, and exp({self.high:g}) overflows")
        if self.step is not None and self.value(0.0) == self.value(1.0):
            only = f"{self.value(0.0):g}"
            raise ValueError(f"{self.type} gives only {only}: no other multiple of q lies near its bounds")

    def value(self, fraction: float) -> float | int:
        """The quantile at a fraction between 0 and 1."""
        return self._value(self.low + fraction * (self.high - self.low))

    def coordinates(self, limit: int) -> list[float] | None:
        """One fraction per multiple of q: the middle of those that are rounded to it."""
        if self.step is None:
            return None
        q = self.step
        low, high = (math.exp(bound) if self.is_log else bound for bound in (self.low, self.high))
        first, last = math.floor(low / q + 0.5), math.floor(high / q + 0.5)
        if last - first >= limit:
            return None
        middles = [(max(low, (k - 0.5) * q) + min(high, (k + 0.5) * q)) / 2 for k in range(first, last + 1)]
        numbers = [math.log(middle) if self.is_log else middle for middle in middles]
        return [(number - self.low) / (self.high - self.low) for number in numbers]


class Bell(_Rounded):
    """Normally distributed numbers.

    Attributes:
        mu, sigma: mean and standard deviation; of the value's logarithm if `is_log`.
        q: values are rounded to the nearest multiple of it, where the distribution has it.
    """

    has_tails: ClassVar[bool] = True
    mu: Number
    sigma: Number

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mu) and math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"{self.type} needs a finite mu and sigma > 0, not {self.mu!r} and {self.sigma!r}")
        if self.is_log and self.mu + 6 * self.sigma > _MAX_LOG:
            raise ValueError(f"{self.type} takes the mean of the logarithm, and exp({self.mu:g}) is too large")

    def value(self, fraction: float) -> float | int:
        """The quantile at a fraction between 0 and 1."""
        return self._value(NormalDist(self.mu, self.sigma).inv_cdf(min(max(fraction, _TINY), 1 - _TINY)))

    def ends(self) -> tuple[float, float]:
        """The values three standard deviations from the mean."""
        tail = NormalDist().cdf(-_SIGMAS)
        return self.value(tail), self.value(1 - tail)


@register_distribution("uniform")
class Uniform(Range):
    """Any number from low to high."""


@register_distribution("quniform")
class QUniform(Range):
    """Multiples of q, nearest to uniform(low, high)."""

    q: Step


@register_distribution("loguniform")
class LogUniform(Range):
    """exp(uniform(low, high)): the bounds are logarithms."""

    is_log: ClassVar[bool] = True


@register_distribution("qloguniform")
class QLogUniform(Range):
    """Multiples of q, nearest to loguniform(low, high)."""

    is_log: ClassVar[bool] = True
    q: Step


@register_distribution("normal")
class Normal(Bell):
    """Normally distributed numbers."""


@register_distribution("qnormal")
class QNormal(Bell):
    """Multiples of q, nearest to normal(mu, sigma)."""

    q: Step


@register_distribution("lognormal")
class LogNormal(Bell):
    """exp(normal(mu, sigma)): mean and standard deviation of the logarithm."""

    is_log: ClassVar[bool] = True


@register_distribution("qlognormal")
class QLogNormal(Bell):
    """Multiples of q, nearest to lognormal(mu, sigma)."""

    is_log: ClassVar[bool] = True
    q: Step


@register_distribution("randint")
class RandInt(Numbers):
    """Whole numbers from 0 to below `upper`, all equally likely."""

    upper: Annotated[int, Strict(), Field(ge=1, le=_MAX_WHOLE)]

    @property
    def is_whole(self) -> bool:
        """Always."""
        return True

    def value(self, fraction: float) -> int:
        """The quantile at a fraction between 0 and 1."""
        return min(int(fraction * self.upper), self.upper - 1)

    def coordinates(self, limit: int) -> list[float] | None:
        """One fraction per number, or None for more than `limit` numbers."""
        return [(i + 0.5) / self.upper for i in range(self.upper)] if self.upper <= limit else None


def choice(*values: Any) -> Choice:
    """One of the values; also `choice(range(1, 5))` and `choice([1, 2, 3])`."""
    if len(values) == 1 and isinstance(values[0], Iterable) and not isinstance(values[0], str | Mapping):
        if isinstance(values[0], set | frozenset):
            raise ValueError(
                "a choice takes a list: a set has no order, so the same seed would not give the same draws"
            )
        values = tuple(values[0])
    return Choice(tuple(values))


def uniform(low: float, high: float) -> Uniform:
    """Any number from low to high."""
    return Uniform(low, high)


def quniform(low: float, high: float, q: float) -> QUniform:
    """Multiples of q, nearest to uniform(low, high)."""
    return QUniform(low, high, q)


def loguniform(low: float, high: float) -> LogUniform:
    """exp(uniform(low, high)): the bounds are logarithms."""
    return LogUniform(low, high)


def qloguniform(low: float, high: float, q: float) -> QLogUniform:
    """Multiples of q, nearest to exp(uniform(low, high))."""
    return QLogUniform(low, high, q)


def normal(mu: float, sigma: float) -> Normal:
    """Normally distributed numbers."""
    return Normal(mu, sigma)


def qnormal(mu: float, sigma: float, q: float) -> QNormal:
    """Multiples of q, nearest to normal(mu, sigma)."""
    return QNormal(mu, sigma, q)


def lognormal(mu: float, sigma: float) -> LogNormal:
    """exp(normal(mu, sigma))."""
    return LogNormal(mu, sigma)


def qlognormal(mu: float, sigma: float, q: float) -> QLogNormal:
    """Multiples of q, nearest to exp(normal(mu, sigma))."""
    return QLogNormal(mu, sigma, q)


def randint(upper: int) -> RandInt:
    """Whole numbers from 0 to below upper."""
    return RandInt(upper)


def _repeated(values: Sequence[Any]) -> list[Any]:
    """Values that occur twice; 1 and 1.0 are the same, 1 and True are not."""
    if isinstance(values[0], Mapping):
        return [value for i, value in enumerate(values) if value in values[:i]]
    seen: set[tuple[bool, Any]] = set()
    repeated = []
    for value in values:
        key = (isinstance(value, bool), value)
        repeated += [value] if key in seen else []
        seen.add(key)
    return repeated
