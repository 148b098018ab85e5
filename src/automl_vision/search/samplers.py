"""How a search space is sampled: at random, as a grid, or by what earlier trials scored (Bayesian).

A sampler proposes the next configuration and receives the score of each one. Its proposals depend only on the seed, on
earlier proposals and on the scores received: with the same history it continues in the same way.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, dataclass_transform

import numpy as np
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import core_schema

from automl_vision.search.distributions import DISTRIBUTIONS, Choice, Distribution
from automl_vision.search.optuna_suggest import History, promising_points
from automl_vision.search.registry import Registry
from automl_vision.search.space import Point, SearchSpace, frozen

_ATTEMPTS = 200  # samples in search of a configuration that is new and allowed; then the remaining ones are listed
_MAX_LISTED = 10_000  # configurations; in a larger space a new one is all but certain to be sampled
# in a conditional space every fifth proposal is random: without them the model was seen to stay in an alternative
# whose first scores were better and whose best is worse (benchmarks/samplers.py: better than random in 2 of 8, now 5)
_RANDOM_EVERY = 5

Space = SearchSpace | Mapping[str, Any] | Sequence[Any]
Accept = Callable[[dict[str, Any]], bool]
Seed = Annotated[int, Strict(), Field(ge=0)]


class _SpaceField:
    """Metadata of a field that holds a search space: how it is parsed, written and described."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse what `SearchSpace.of` takes."""
        return core_schema.no_info_plain_validator_function(
            SearchSpace.of, serialization=core_schema.plain_serializer_function_ser_schema(SearchSpace.to_json)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A mapping of names to distributions or constants, or a list of such mappings."""
        constant = {"type": ["string", "number", "boolean", "null"]}
        options = [*DISTRIBUTIONS.json_schema()["anyOf"], constant]
        return {
            "description": "a mapping of names to distributions or constants, or a list of such mappings, of which "
            "each trial takes one",
            "anyOf": [
                {"type": "object", "additionalProperties": {"anyOf": options}},
                {"type": "array", "minItems": 1, "items": {"type": "object"}},
            ],
        }


AnySpace = Annotated[Space, _SpaceField()]


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
class Sampling(ABC):
    """A search space and how it is sampled. Write another one as a subclass with `@register_sampling`.

    Attributes:
        space: a mapping of names to distributions, or a list of such mappings.
    """

    is_bounded: ClassVar[bool] = False
    """Whether the number of points is finite in any space that it accepts, so that a run needs no other limit."""

    space: AnySpace

    @property
    def search_space(self) -> SearchSpace:
        """The space, typed."""
        return SearchSpace.of(self.space)

    @abstractmethod
    def points(self, history: History) -> Iterator[Point]:
        """Points to try next, of which the first one that is new and allowed is proposed.

        Args:
            history: every proposal's point with its score; the points must depend on it and the fields alone.
        """


SAMPLINGS: Registry[Sampling] = Registry("sampling", label="{} sampling", default="random")
"""Every sampling by its name in a file."""

register_sampling = SAMPLINGS.register
"""Class decorator that makes a sampling's class a frozen pydantic dataclass and gives it a name in files."""


@register_sampling("random")
class RandomParameterSampling(Sampling):
    """Independent samples; the same seed gives the same ones.

    Attributes:
        space: a mapping of names to distributions, or a list of such mappings.
        seed: of the random numbers.
    """

    seed: Seed = 0

    def points(self, history: History) -> Iterator[Point]:
        """Random points."""
        return random_points(self.search_space, history, self.seed)


@register_sampling("grid")
class GridParameterSampling(Sampling):
    """Every combination of choices once.

    Attributes:
        space: a mapping of names to choices, or a list of such mappings.
    """

    is_bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.search_space.require_choices()

    def points(self, history: History) -> Iterator[Point]:  # noqa: ARG002
        """All combinations in order."""
        return self.search_space.combinations()


@register_sampling("bayesian")
class BayesianParameterSampling(Sampling):
    """Samples where earlier trials predict a good score. Plan at least 20 trials per hyperparameter.

    Attributes:
        space: a mapping of names to distributions, or a list of such mappings.
        seed: of the random numbers.
        algorithm: "tpe" (tree-structured Parzen estimator, Bergstra et al. 2011) or "gp" (Gaussian process).
    """

    seed: Seed = 0
    algorithm: Literal["tpe", "gp"] = "tpe"

    def points(self, history: History) -> Iterator[Point]:
        """Points from a model of the scores, then random ones."""
        space = self.search_space
        others = random_points(space, history, self.seed)
        if space.is_conditional and len(history) % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            return others
        return itertools.chain(promising_points(space, history, algorithm=self.algorithm, seed=self.seed), others)


def random_points(space: SearchSpace, history: History, seed: int) -> Iterator[Point]:
    """Independent random points, then all configurations of a small finite space in random order.

    Args:
        space: of the points.
        history: its length selects a separate random stream for each proposal.
        seed: of all streams.
    """
    random = np.random.default_rng([seed, len(history)])
    for _ in range(_ATTEMPTS):
        yield space.walk(lambda _, d: _sample(random, d))[1]
    if space.is_finite:  # the last new configurations are hardly ever sampled
        points = list(itertools.islice(space.combinations(), _MAX_LISTED))
        for index in np.random.default_rng([seed, len(history)]).permutation(len(points)):
            yield points[index]


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Attributes:
        number: of the proposal, from 0.
        values: hyperparameters by name.
        point: where it lies in the space.
    """

    number: int
    values: dict[str, Any]
    point: Point


@dataclass
class Sampler:
    """Proposes configurations: first `recall` those from before an interruption, then `ask` and `tell` in turns.

    Attributes:
        sampling: what is sampled, and how.
        accept: says whether a configuration is allowed; others are replaced.
    """

    sampling: Sampling
    accept: Accept = field(default=lambda _: True)

    def __post_init__(self) -> None:
        self._space = self.sampling.search_space
        self._history: list[tuple[Point, float | None]] = []
        self._seen: set[tuple[tuple[str, str], ...]] = set()

    def ask(self) -> Proposal | None:
        """A configuration that was not proposed before, or None when there are no more."""
        for point in self.sampling.points(tuple(self._history)):
            values = self._space.values_at(point)
            key = frozen(values)
            if key in self._seen:
                continue
            if self.accept(values):
                proposal = Proposal(len(self._history), values, point)
                self.recall(proposal)
                return proposal
            self._seen.add(key)
        return None

    def recall(self, proposal: Proposal) -> None:
        """Take up a proposal that was made before."""
        self._history.append((proposal.point, None))
        self._seen.add(frozen(proposal.values))

    def tell(self, number: int, score: float | None) -> None:
        """Report how a proposal ended.

        Args:
            number: of the proposal.
            score: its metric, higher is better; None or NaN when it failed.
        """
        self._history[number] = (self._history[number][0], math.nan if score is None else float(score))


def _sample(random: np.random.Generator, distribution: Distribution) -> float:
    if isinstance(distribution, Choice):
        return int(random.integers(len(distribution.values)))
    return float(random.random())
