"""What every sampling has to do."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from copy import deepcopy
from itertools import islice
from typing import Any, ClassVar

import pytest

from automl_vision.search.distributions import Choice, choice, loguniform, quniform, randint, uniform
from automl_vision.search.optuna_suggest import History
from automl_vision.search.samplers import SAMPLINGS, Sampler, Sampling
from automl_vision.search.space import Point

_CHOICES = {"x": choice(range(4)), "kind": choice({"name": "a", "y": choice(1, 2)}, {"name": "b", "z": 3})}
_DISTRIBUTIONS = {
    "rate": loguniform(-9, -2),
    "share": uniform(0, 1),
    "steps": quniform(10, 50, 5),
    "layers": randint(4),
    "kind": choice({"name": "a", "y": uniform(-2, 2)}, {"name": "b", "z": choice(1, 2, 3)}),
}
_ENDLESS = 100_000  # points in a space of 12 configurations

SCORES: dict[str, Callable[[int], float | None]] = {
    "rising": float,
    "equal": lambda _: 0.5,
    "not a number": lambda _: math.nan,
    "infinite": lambda i: math.inf if i % 2 else -math.inf,
    "failed now and then": lambda i: math.nan if i % 3 else float(i),
    "running": lambda _: None,
}
"""How the trials of a history ended, by name."""


class SamplingConformance:
    """The behaviour of `Sampling`. Give the attribute `sampling`.

    Attributes:
        sampling: the class.
        settings: of its fields besides `space`.
        only_choices: whether it takes spaces of choices alone.
        finished: numbers of trials after which it is asked.
        taken: points that are looked at each time.
    """

    sampling: ClassVar[type[Sampling]]
    settings: ClassVar[dict[str, Any]] = {}
    only_choices: ClassVar[bool] = False
    finished: ClassVar[tuple[int, ...]] = (0, 1, 12)
    taken: ClassVar[int] = 5

    def make(self, space: Any = None, **changes: Any) -> Sampling:
        """The sampling of a space; without one, of a conditional space of all distributions that it takes."""
        create: Callable[..., Sampling] = self.sampling
        return create(space or (_CHOICES if self.only_choices else _DISTRIBUTIONS), **{**self.settings, **changes})

    def points(self, sampling: Sampling, history: History) -> list[Point]:
        """The next points after a history."""
        return list(islice(sampling.points(history), self.taken))

    def history(self, trials: int, score: Callable[[int], float | None] = float) -> History:
        """Trials with points of its own and the given scores."""
        sampling, found = self.make(), []
        sampler = Sampler(sampling)
        for i in range(trials):
            proposal = sampler.ask()
            if proposal is None:
                break
            found.append((proposal.point, score(i)))
            if (value := score(i)) is not None:
                sampler.tell(proposal.number, value)
        return tuple(found)

    def test_it_is_registered_and_described(self) -> None:
        """Job files name it by `type`, and their schema describes it by the first line of its docstring."""
        name = self.make().type  # type: ignore[attr-defined] # of the decorator
        assert SAMPLINGS.types[name] is self.sampling
        kinds = {option["properties"]["type"]["const"]: option for option in SAMPLINGS.json_schema()["anyOf"]}
        assert kinds[name]["description"]

    def test_it_is_written_and_read(self) -> None:
        """A run keeps it as JSON, and continues with the same points."""
        sampling, history = self.make(), self.history(3)
        again = SAMPLINGS.parse(json.loads(json.dumps(SAMPLINGS.to_json(sampling))))
        assert again.search_space == sampling.search_space
        assert self.points(again, history) == self.points(sampling, history)

    def test_it_is_frozen(self) -> None:
        """Nothing can change it while a run uses it."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            self.make().space = {}

    def test_the_same_history_has_the_same_points(self) -> None:
        """Nothing else counts: an interrupted sweep goes on as if nothing had happened."""
        sampling, other = self.make(), self.make()
        for trials in self.finished:
            history = self.history(trials)
            before = deepcopy(history)
            first = self.points(sampling, history)
            assert self.points(sampling, history) == self.points(other, history) == first
            assert history == before

    def test_another_seed_has_other_points(self) -> None:
        """Where there is a seed."""
        if "seed" not in {field.name for field in dataclasses.fields(self.sampling)}:  # type: ignore[arg-type]
            pytest.skip("the sampling has no seed")
        assert self.points(self.make(seed=1), ()) != self.points(self.make(seed=2), ())

    @pytest.mark.parametrize("scores", SCORES)
    def test_points_lie_in_the_space(self, scores: str) -> None:
        """After any history; each has the dimensions that count under its choices, and no others."""
        sampling = self.make()
        space = sampling.search_space
        dimensions = dict(space.dimensions())
        for trials in self.finished:
            points = self.points(sampling, self.history(trials, SCORES[scores]))
            assert points
            for point in points:
                walked = space.walk(lambda name, _: point[name])[1]  # noqa: B023 - called at once
                assert walked == point
                for name, coordinate in point.items():
                    distribution = dimensions[name]
                    if isinstance(distribution, Choice):
                        assert coordinate in range(len(distribution.values))
                    else:
                        assert 0 <= coordinate <= 1

    def test_all_alternatives_are_tried(self) -> None:
        """A choice over mappings is sampled like any other, and only the chosen one brings its hyperparameters."""
        sampler = Sampler(self.make())
        found = [proposal.values for _ in range(12) if (proposal := sampler.ask())]
        assert {values["name"] for values in found} == {"a", "b"}
        for values in found:
            assert ("y" in values, "z" in values) == (values["name"] == "a", values["name"] == "b")

    def test_a_small_space_comes_to_an_end(self) -> None:
        """When everything was tried there is nothing more to propose, instead of a search without end."""
        sampling = self.make(_CHOICES)
        everything = tuple((point, 0.5) for point in sampling.search_space.combinations())
        assert len(list(islice(sampling.points(everything), _ENDLESS))) < _ENDLESS
        sampler = Sampler(sampling)
        asked = [sampler.ask() for _ in range(len(everything) + 1)]
        assert asked[-1] is None

    def test_what_is_refused_is_replaced(self) -> None:
        """A configuration that is not allowed costs no trial."""
        sampler = Sampler(self.make(_CHOICES), accept=lambda values: values["x"] > 1)
        found = [proposal.values["x"] for _ in range(4) if (proposal := sampler.ask())]
        assert found
        assert min(found) > 1
