"""Samplers by ask and tell: repeatable, without repeats, and better than chance where they learn."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import yaml

from automl_vision.core.errors import ConfigError
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.search.distributions import choice, loguniform, quniform, randint, uniform
from automl_vision.search.optuna_suggest import History
from automl_vision.search.samplers import (
    SAMPLINGS,
    AnySpace,
    BayesianParameterSampling,
    GridParameterSampling,
    Proposal,
    RandomParameterSampling,
    Sampler,
    Sampling,
    register_sampling,
)
from automl_vision.search.space import Point, SearchSpace, most_configurations

SPACE = {
    "x": uniform(-2, 2),
    "kind": choice({"name": "a", "y": uniform(-2, 2)}, {"name": "b", "z": loguniform(-4, 0), "w": choice(1, 2, 3)}),
}
CASES = [
    RandomParameterSampling(SPACE, seed=3),
    GridParameterSampling({"x": choice(range(8)), "kind": choice({"y": choice(1, 2)}, {"z": 3})}),
    BayesianParameterSampling(SPACE, seed=3),
    BayesianParameterSampling(SPACE, seed=3, algorithm="gp"),
]
IDS = ["random", "grid", "tpe", "gp"]


def score(values: dict[str, object]) -> float:
    """Best at x = 1 in alternative "a" with y = -1."""
    x, y = float(values["x"]), float(values.get("y", 3))  # type: ignore[arg-type]
    return -((x - 1) ** 2) - (y + 1) ** 2


def run(sampler: Sampler, trials: int) -> list[Proposal]:
    proposals = []
    for _ in range(trials):
        proposal = sampler.ask()
        if proposal is None:
            break
        sampler.tell(proposal.number, score(proposal.values))
        proposals.append(proposal)
    return proposals


@pytest.mark.parametrize("sampling", CASES, ids=IDS)
def test_an_interrupted_sampler_goes_on_as_if_nothing_had_happened(sampling: Sampling):
    """Through JSON, with one trial running at the interruption."""
    undisturbed, first = Sampler(sampling), Sampler(sampling)
    expected = run(undisturbed, 12)
    before = run(first, 11)
    pending = first.ask()
    assert pending is not None
    resumed = Sampler(SAMPLINGS.parse(json.loads(json.dumps(SAMPLINGS.to_json(sampling)))))
    for proposal in [*before, pending]:
        again = json.loads(json.dumps(vars(proposal)))
        resumed.recall(Proposal(**again))
    for proposal in before:
        resumed.tell(proposal.number, score(proposal.values))
    assert [*before, pending] == expected
    resumed.tell(pending.number, score(pending.values))
    assert resumed.ask() == undisturbed.ask()


@pytest.mark.parametrize("sampling", CASES, ids=IDS)
def test_concurrent_trials_are_never_the_same(sampling: Sampling):
    sampler = Sampler(sampling)
    run(sampler, 12)
    at_once = [sampler.ask() for _ in range(4)]
    values = [json.dumps(proposal.values) for proposal in at_once if proposal is not None]
    assert len(values) == len(set(values)) == 4


@pytest.mark.parametrize("algorithm", ["tpe", "gp"])
def test_concurrent_trials_of_bayesian_sampling_are_apart(algorithm: str):
    """Running trials are known to the model: it does not propose the same optimum again and again."""
    sampler = Sampler(BayesianParameterSampling({"x": uniform(0, 1)}, algorithm=algorithm))  # type: ignore[arg-type]
    for _ in range(15):
        proposal = sampler.ask()
        assert proposal is not None
        sampler.tell(proposal.number, -((proposal.values["x"] - 0.3) ** 2))
    drawn = sorted(sampler.ask().values["x"] for _ in range(6))  # type: ignore[union-attr]
    assert np.diff(drawn).min() > 1e-6


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_a_finite_space_ends_when_everything_was_tried(kind: str):
    sampling = SAMPLINGS.parse({"type": kind, "space": {"a": {"type": "choice", "values": [1, 2, 3]}, "x": 0}})
    sampler = Sampler(sampling)
    found = []
    while (proposal := sampler.ask()) is not None:
        found.append(proposal.values["a"])
        sampler.tell(proposal.number, float(proposal.values["a"]))
    assert sorted(found) == [1, 2, 3]


@pytest.mark.parametrize("seed", range(3))
def test_random_sampling_finds_the_last_combinations_too(seed: int):
    space = {"a": choice(range(10)), "b": randint(6), "c": quniform(0, 2, 0.5)}
    found = [frozenset(p.values.items()) for p in run_all(Sampler(RandomParameterSampling(space, seed)))]
    assert len(found) == len(set(found)) == 300
    assert most_configurations(SearchSpace.of(space), 1000) == 300


def test_a_grid_is_visited_in_order_and_ends():
    sampler = Sampler(GridParameterSampling({"a": choice(1, 2), "b": choice("x", "y")}))
    assert [p.values for p in run_all(sampler)] == [{"a": a, "b": b} for a in (1, 2) for b in "xy"]
    assert sampler.ask() is None


def run_all(sampler: Sampler) -> list[Proposal]:
    found = []
    while (proposal := sampler.ask()) is not None:
        found.append(proposal)
    return found


@pytest.mark.parametrize(
    ("algorithm", "seeds", "trials"), [("tpe", 6, 40), pytest.param("gp", 4, 30, marks=pytest.mark.slow)]
)
def test_bayesian_sampling_beats_random_over_a_conditional_space(algorithm: str, seeds: int, trials: int):
    better = 0
    for seed in range(seeds):
        random = max(score(p.values) for p in run(Sampler(RandomParameterSampling(SPACE, seed=seed)), trials))
        sampling = BayesianParameterSampling(SPACE, seed=seed, algorithm=algorithm)  # type: ignore[arg-type]
        better += max(score(p.values) for p in run(Sampler(sampling), trials)) > random
    assert better >= 0.8 * seeds


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "ranom", "space": SPACE}, 'Did you mean "random"'),
        ({"type": "random"}, "random sampling needs space"),
        ({"type": "grid", "space": {"a": {"type": "uniform", "low": 0, "high": 1}}}, "a: a grid takes only choices"),
        ({"type": "grid", "seed": 1, "space": {"a": choice(1, 2)}}, 'grid sampling has no "seed"'),
        (
            {"type": "bayesian", "algorithm": "gpp", "space": SPACE},
            "algorithm: input should be 'tpe' or 'gp', not 'gpp'",
        ),
        ({"type": "random", "seed": "one", "space": SPACE}, "seed: input should be a valid integer, not 'one'"),
        ({"type": "random", "seed": -1, "space": SPACE}, "seed: input should be greater than or equal to 0"),
        (
            {"type": "random", "sed": 1, "seed": 0.5, "space": {"a": 1}},
            r'"sed"(.|\n)*nothing to choose(.|\n)*seed: ',
        ),
        ([1], "a mapping with type is expected"),
    ],
)
def test_a_mistake_in_a_sampling_is_an_error_that_names_it(value: object, message: str):
    with pytest.raises(ConfigError, match=message):
        SAMPLINGS.parse(value)


def test_a_sampling_of_ones_own_is_used_from_yaml():
    @register_sampling("backwards")
    class Backwards(Sampling):
        """Every combination of choices once, the last one first."""

        space: AnySpace
        skip: int = 0

        def points(self, history: History) -> Iterator[Point]:
            yield from list(self.search_space.combinations())[::-1][self.skip :]

    try:
        text = """
            task: image-classification
            training_data: x
            iterations: 3
            sampling: {type: backwards, skip: 1, space: {number_of_epochs: {type: choice, values: [1, 2, 3]}}}
        """
        sampling = AutoMLVisionConfig(**yaml.safe_load(text)).hyperparameter_sampling
        assert sampling == Backwards({"number_of_epochs": choice(1, 2, 3)}, skip=1)
        assert [p.values["number_of_epochs"] for p in run_all(Sampler(sampling))] == [2, 1]
        with pytest.raises(ConfigError, match='backwards sampling has no "skp"'):
            SAMPLINGS.parse({"type": "backwards", "skp": 1})
        schema = AutoMLVisionConfig.model_json_schema()["properties"]["hyperparameter_sampling"]
        assert "backwards" in str(schema)
    finally:
        SAMPLINGS.unregister("backwards")
