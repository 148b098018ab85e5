"""How a search space is sampled: at random, as a grid, or by what earlier trials gave (Bayesian).

A sampler is asked for the next configuration and told how each one ended. What it proposes depends on the seed, on
what it proposed before and on what it was told, and on nothing else: told the same again it goes on the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from automl_vision.core.errors import ConfigError
from automl_vision.core.text import did_you_mean
from automl_vision.search.distributions import Choice, Distribution
from automl_vision.search.optuna_suggest import promising_points
from automl_vision.search.space import Point, SearchSpace, frozen

_ATTEMPTS = 200  # draws for a configuration that is new and allowed; after them what is left is listed
_MOST_LISTED = 10_000  # configurations; of a larger space the draws are all but certain to find a new one
# in a conditional space every so many proposals are random: without them the model was seen to stay in an alternative
# whose first scores were better and whose best is worse (benchmarks/samplers.py: better than random in 2 of 8, now 5)
_RANDOM_EVERY = 5

Space = SearchSpace | Mapping[str, Any] | Sequence[Any]
Accept = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class RandomParameterSampling:
    """Independent draws; the same seed gives the same ones.

    Attributes:
        space: a mapping of names to distributions, or a list of such mappings.
        seed: of the draws.
    """

    space: Space
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse(_seed_problems(self.seed))
        object.__setattr__(self, "space", SearchSpace.of(self.space))


@dataclass(frozen=True)
class GridParameterSampling:
    """Every combination of choices once.

    Attributes:
        space: a mapping of names to choices, or a list of such mappings.
    """

    space: Space

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", SearchSpace.of(self.space))
        search_space(self).require_choices()


@dataclass(frozen=True)
class BayesianParameterSampling:
    """Draws where earlier trials let expect a good score. At least 20 trials for each hyperparameter suit it.

    Attributes:
        space: a mapping of names to distributions, or a list of such mappings.
        seed: of the draws.
        algorithm: "tpe" (tree-structured Parzen estimator, Bergstra et al. 2011) or "gp" (Gaussian process).
    """

    space: Space
    seed: int = 0
    algorithm: Literal["tpe", "gp"] = "tpe"

    def __post_init__(self) -> None:
        known = self.algorithm in ("tpe", "gp")
        _refuse(_seed_problems(self.seed) + ([] if known else [f'algorithm is "tpe" or "gp", not {self.algorithm!r}']))
        object.__setattr__(self, "space", SearchSpace.of(self.space))


Sampling = RandomParameterSampling | GridParameterSampling | BayesianParameterSampling

KINDS: dict[str, type[Sampling]] = {
    "random": RandomParameterSampling,
    "grid": GridParameterSampling,
    "bayesian": BayesianParameterSampling,
}


def search_space(sampling: Sampling) -> SearchSpace:
    """The space of a sampling."""
    return SearchSpace.of(sampling.space)


def sampling_to_json(sampling: Sampling) -> dict[str, Any]:
    """The sampling as plain values; `sampling_from_json` reads them."""
    kind = next(name for name, shape in KINDS.items() if isinstance(sampling, shape))
    others = {name: value for name, value in vars(sampling).items() if name != "space"}
    return {"type": kind, **others, "space": search_space(sampling).to_json()}


def sampling_from_json(value: Any) -> Sampling:
    """A sampling from its mapping in a file, such as `{type: random, seed: 1, space: {...}}`.

    Raises:
        ConfigError: it breaks the rules; all mistakes at once.
    """
    if not isinstance(value, Mapping):
        _refuse([f"a mapping with type and space is expected, not {value!r}"])
    given = {str(name): part for name, part in value.items()}
    kind = str(given.pop("type", "random"))
    if kind not in KINDS:
        _refuse([f'no sampling is named "{kind}".{did_you_mean(kind, KINDS)} Choose: {", ".join(KINDS)}'])
    fields = tuple(KINDS[kind].__dataclass_fields__)
    problems = [f'{kind} sampling has no "{n}".{did_you_mean(n, fields)}' for n in given if n not in fields]
    known = {name: part for name, part in given.items() if name in fields}
    parts: list[dict[str, Any]] = [{**known, "space": _ANY_SPACE}]  # so that the mistakes beside the space are told too
    if "space" in given:
        parts.append({"space": given["space"]})
    else:
        problems.append(f"{kind} sampling needs a space")
    for part in parts:
        try:
            KINDS[kind](**part)
        except ConfigError as error:
            problems += error.problems
    _refuse(problems)
    return KINDS[kind](**known)


_ANY_SPACE = SearchSpace((("any", Choice((0, 1))),))


def _seed_problems(seed: Any) -> list[str]:
    whole = isinstance(seed, int) and not isinstance(seed, bool)
    return [] if whole and seed >= 0 else [f"seed is a whole number of at least 0, not {seed!r}"]


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError(problems, subject="The sampling")


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Attributes:
        number: of the asking, from 0.
        values: hyperparameters by name.
        point: where it lies in the space.
    """

    number: int
    values: dict[str, Any]
    point: Point


@dataclass
class _Told:
    """A proposal and how it ended: its score, higher is better; None while it runs; NaN when it failed."""

    proposal: Proposal
    score: float | None = None


@dataclass
class Sampler:
    """Asks and tells. Its life: `recall` what was proposed before an interruption, then `ask` and `tell` in turns.

    Attributes:
        sampling: what is sampled, and how.
        accept: says whether a configuration is allowed; others are drawn again.
        maximize: whether higher scores are better.
    """

    sampling: Sampling
    accept: Accept = field(default=lambda _: True)
    maximize: bool = True

    def __post_init__(self) -> None:
        self._space = search_space(self.sampling)
        self._is_conditional = any(isinstance(d, Choice) and d.is_conditional for _, d in self._space.dimensions())
        self._told: list[_Told] = []
        self._seen: set[tuple[tuple[str, str], ...]] = set()
        self._grid = self._space.combinations() if isinstance(self.sampling, GridParameterSampling) else None

    def ask(self) -> Proposal | None:
        """A configuration that was not proposed before, or None when there are no more."""
        for point in self._candidates():
            values = self._space.values_at(point)
            if frozen(values) not in self._seen and self.accept(values):
                proposal = Proposal(len(self._told), values, point)
                self.recall(proposal)
                return proposal
        return None

    def recall(self, proposal: Proposal) -> None:
        """Take up a proposal that was made before."""
        self._told.append(_Told(proposal))
        self._seen.add(frozen(proposal.values))

    def tell(self, number: int, score: float | None) -> None:
        """Say how a proposal ended.

        Args:
            number: of the proposal.
            score: its metric; None or NaN when it failed.
        """
        self._told[number].score = math.nan if score is None else float(score)

    def _candidates(self) -> Iterator[Point]:
        if self._grid is not None:
            return self._grid
        explores = self._is_conditional and len(self._told) % _RANDOM_EVERY == _RANDOM_EVERY - 1
        if isinstance(self.sampling, BayesianParameterSampling) and not explores:
            return itertools.chain(self._promising(self.sampling), self._random(), self._left())
        return itertools.chain(self._random(), self._left())

    def _random(self) -> Iterator[Point]:
        random = self._generator()
        for _ in range(_ATTEMPTS):
            yield self._space.walk(lambda _, d: _draw(random, d))[1]

    def _left(self) -> Iterator[Point]:
        """All configurations of a small finite space in random order: draws hardly find the last ones."""
        if self._space.is_finite:
            points = list(itertools.islice(self._space.combinations(), _MOST_LISTED))
            for index in self._generator().permutation(len(points)):
                yield points[index]

    def _generator(self) -> np.random.Generator:
        seed = 0 if isinstance(self.sampling, GridParameterSampling) else self.sampling.seed
        return np.random.default_rng([seed, len(self._told)])

    def _promising(self, sampling: BayesianParameterSampling) -> Iterator[Point]:
        history = [(told.proposal.point, told.score) for told in self._told]
        return promising_points(
            self._space, history, algorithm=sampling.algorithm, seed=sampling.seed, maximize=self.maximize
        )


def _draw(random: np.random.Generator, distribution: Distribution) -> float:
    if isinstance(distribution, Choice):
        return int(random.integers(len(distribution.values)))
    return float(random.random())
