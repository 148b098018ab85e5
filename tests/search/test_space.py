"""Search spaces: every distribution's values, both ways of writing, conditions, and mistakes told at once."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from automl_vision.core.errors import ConfigError
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.search.distributions import (
    DISTRIBUTIONS,
    Choice,
    Numbers,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    register_distribution,
    uniform,
)
from automl_vision.search.space import SearchSpace

CONDITIONAL = {
    "optimizer": choice("sgd", "adamw"),
    "model": choice(
        {"model_name": "resnet18", "layers_to_freeze": choice(1, 2, 3)},
        {"model_name": choice("vits16r224", "seresnext"), "learning_rate": loguniform(-9, -3)},
    ),
}

EVERY = {
    "a": choice("x", 2, 0.5, True),
    "b": uniform(0, 1),
    "c": quniform(0, 10, 2),
    "d": loguniform(-3, 0),
    "e": qloguniform(0, 3, 0.5),
    "f": normal(5, 2),
    "g": qnormal(5, 2, 1),
    "h": lognormal(0, 1),
    "i": qlognormal(0, 1, 0.1),
    "j": randint(7),
    "k": "constant",
}


@pytest.mark.parametrize(
    ("distribution", "unit", "expected"),
    [
        (uniform(2, 4), 0.25, 2.5),
        (quniform(0, 1, 0.1), 0.34, 0.3),
        (quniform(1, 10, 3), 0.0, 0),  # as in the formula: round(1 / 3) * 3
        (quniform(2, 6, 2), 0.75, 6),
        (loguniform(math.log(1e-4), math.log(1e-2)), 0.5, 1e-3),
        (qloguniform(0, math.log(100), 5), 0.5, 10),
        (normal(3, 2), 0.5, 3),
        (normal(3, 2), 0.8413447460685429, 5),
        (qnormal(3, 2, 2), 0.5, 4),
        (lognormal(1, 1), 0.5, math.e),
        (qlognormal(math.log(7), 1, 5), 0.5, 5),
        (randint(4), 0.0, 0),
        (randint(4), 0.74, 2),
        (randint(4), 1.0, 3),
    ],
)
def test_the_value_at_a_fraction_is_the_quantile(distribution: object, unit: float, expected: float):
    assert distribution.value(unit) == pytest.approx(expected)  # type: ignore[attr-defined]


def test_values_over_all_fractions_have_the_moments_of_the_distribution():
    units = (np.arange(10_000) + 0.5) / 10_000
    assert np.mean([uniform(2, 4).value(u) for u in units]) == pytest.approx(3, abs=1e-3)
    assert np.std([normal(2, 3).value(u) for u in units]) == pytest.approx(3, abs=0.01)
    assert np.mean(np.log([lognormal(1, 2).value(u) for u in units])) == pytest.approx(1, abs=1e-3)
    assert np.mean(np.log([loguniform(-4, -2).value(u) for u in units])) == pytest.approx(-3, abs=1e-3)
    assert np.bincount([randint(5).value(u) for u in units]).tolist() == [2000] * 5


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (uniform(1, 2), (1, 2)),
        (quniform(1, 2, 0.3), (0.9, 2.1)),
        (loguniform(0, 1), (1, math.e)),
        (normal(1, 2), (-5, 7)),
        (randint(3), (0, 2)),
    ],
)
def test_ends_are_the_lowest_and_highest_value(distribution: object, expected: tuple[float, float]):
    assert distribution.ends() == pytest.approx(expected)  # type: ignore[attr-defined]


@given(st.integers(-50, 50), st.integers(1, 60), st.sampled_from([0.1, 0.5, 1, 3]), st.booleans())
def test_every_value_of_a_finite_distribution_has_a_coordinate(low: int, width: int, q: float, log: bool):
    make = qloguniform if log else quniform
    bounds = (low / 20, (low + width) / 20) if log else (low, low + width)
    try:
        distribution = make(*bounds, q)
    except ValueError:  # it has one value
        return
    places = distribution.coordinates(10_000)
    assert places is not None
    values = [distribution.value(place) for place in places]
    assert values == sorted(set(values))
    assert {distribution.value(unit) for unit in np.linspace(0, 1, 300)} <= set(values)


def test_a_distribution_with_too_many_values_has_no_coordinates():
    assert randint(4).coordinates(4) == [0.125, 0.375, 0.625, 0.875]
    for endless in (uniform(0, 1), qnormal(0, 1, 1), randint(5), quniform(0, 1, 0.1)):
        assert endless.coordinates(4) is None


def test_numbers_of_numpy_become_plain():
    assert [type(value) for value in choice(*np.array([1, 2])).values] == [int, int]


def test_whole_numbers_stay_whole():
    assert isinstance(quniform(1, 9, 1).value(0.3), int)
    assert isinstance(quniform(0, 1, 0.25).value(0.3), float)
    assert isinstance(randint(3).value(0.5), int)


@pytest.mark.parametrize("space", [EVERY, CONDITIONAL, [CONDITIONAL, {"seed": randint(3)}]], ids=["all", "if", "list"])
def test_python_yaml_and_json_are_the_same_space(space: object):
    made = SearchSpace.of(space)  # type: ignore[arg-type]
    assert SearchSpace.of(json.loads(json.dumps(made.to_json()))) == made
    assert SearchSpace.of(yaml.safe_load(yaml.safe_dump(made.to_json(), sort_keys=False))) == made
    assert len({made, SearchSpace.of(made.to_json())}) == 1


def test_yaml_as_it_is_written():
    text = """
    learning_rate: {type: loguniform, min_value: -9, max_value: -2}
    number_of_epochs: {type: choice, values: [5, 10]}
    model:
      type: choice
      values:
        - {model_name: resnet18}
        - {model_name: seresnext, drop_rate: {type: uniform, low: 0, high: 0.3}}
    """
    space = SearchSpace.of(yaml.safe_load(text))
    assert space == SearchSpace.of(
        {
            "learning_rate": loguniform(-9, -2),
            "number_of_epochs": choice(5, 10),
            "model": choice({"model_name": "resnet18"}, {"model_name": "seresnext", "drop_rate": uniform(0, 0.3)}),
        }
    )


def test_choice_takes_ranges_and_lists():
    assert choice(range(1, 4)) == choice([1, 2, 3]) == choice(1, 2, 3)
    assert choice("abc").values == ("abc",)


def test_a_condition_brings_its_own_hyperparameters():
    space = SearchSpace.of(CONDITIONAL)
    values, point = space.walk(lambda name, d: 1 if isinstance(d, Choice) else 0.5)
    assert values == {"optimizer": "adamw", "model_name": "seresnext", "learning_rate": pytest.approx(math.exp(-6))}
    assert point.keys() == {"optimizer", "model", "model[1].model_name", "model[1].learning_rate"}
    assert space.values_at(point) == values
    assert {name for name, _ in space.dimensions()} == point.keys() | {"model[0].layers_to_freeze"}


def test_a_grid_visits_every_combination_once():
    space = SearchSpace.of(
        {
            "a": choice(1, 2),
            "m": choice({"b": choice("x", "y"), "n": choice({"c": 1}, {"c": choice(2, 3)})}, {"d": 5}),
            "e": "fixed",
        }
    )
    found = [space.values_at(point) for point in space.combinations()]
    expected = [
        {"a": a, **rest, "e": "fixed"}
        for a in (1, 2)
        for rest in [*({"b": b, "c": c} for b in "xy" for c in (1, 2, 3)), {"d": 5}]
    ]
    assert found == expected


def test_a_configuration_of_two_alternatives_is_visited_once():
    space = SearchSpace.of([{"a": choice(1, 2)}, {"a": choice(2, 3)}])
    assert [space.values_at(point) for point in space.combinations()] == [{"a": 1}, {"a": 2}, {"a": 3}]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_the_size_of_a_grid_is_the_product(sizes: list[int]):
    space = SearchSpace.of({str(i): choice(range(size)) for i, size in enumerate(sizes)})
    assert len(list(space.combinations())) == math.prod(sizes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (choice, "at least one value"),
        (lambda: choice(1, 1), "1 twice"),
        (lambda: choice({"a": 1}, 2), "all mappings or none"),
        (lambda: uniform(2, 1), "low < high"),
        (lambda: uniform(0, math.inf), "low < high"),
        (lambda: quniform(0, 1, 0), "q: input should be greater than 0"),
        (lambda: loguniform(1, 1000), "takes the logarithms"),
        (lambda: normal(0, 0), "sigma > 0"),
        (lambda: randint(0), "greater than or equal to 1"),
        (lambda: randint(1.5), "valid integer"),  # type: ignore[arg-type]
        (lambda: randint(10**20), "less than or equal to"),
        (lambda: uniform("0", 1), "low: input should be a valid number, not '0'"),  # type: ignore[arg-type]
        (lambda: uniform(None, 1), "low: input should be a valid number, not None"),  # type: ignore[arg-type]
        (lambda: quniform(0, 1, True), "q: input should be a valid number, not True"),
        (lambda: uniform(0, 10**400), "too large"),
        (lambda: quniform(0, 0.1, 0.5), "gives only 0"),
        (lambda: choice([1, 2], [3]), "texts, finite numbers and flags"),
        (lambda: choice(math.nan, 1), "texts, finite numbers and flags"),
        (lambda: choice(uniform(0, 1), 2), "texts, finite numbers and flags"),
        (lambda: choice({1, 2}), "a set has no order"),
    ],
)
def test_a_wrong_distribution_is_an_error(make: object, message: str):
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("space", "problems"),
    [
        (
            {"a": {"type": "unifrm", "low": 0, "high": 1}, "b": {"type": "uniform", "low": 0}},
            ['a: no distribution is named "unifrm". Did you mean "uniform"', "b: uniform needs high"],
        ),
        (
            {"a": {"type": "uniform", "lo": 0, "high": 1}},
            ['a: uniform has no "lo". Did you mean "low"', "a: uniform needs low"],
        ),
        ({"a": {"type": "uniform", "low": "0", "high": 1}}, ["a: low: input should be a valid number, not '0'"]),
        ({"a": {"type": "choice", "values": 3}}, ["a: values: the values of a choice are a list"]),
        ({"a": [1, 2]}, ["a: a distribution"]),
        ({"a": 1}, ["nothing to choose from"]),
        ({"a": {"low": 0, "high": 1}}, ["a: a distribution has a type"]),
        (
            {"a": {"type": "quniform", "low": 0, "high": 1, "q": None}},
            ["a: q: input should be a valid number, not None"],
        ),
        ({1: choice(1, 2)}, ["1: the name of a hyperparameter is expected"]),
        (["a"], ["alternative 0 is a mapping"]),
        (
            {"a": {"type": "choice", "values": [{"type": "randint", "upper": 2}]}},
            ["a: a choice holds values or mappings"],
        ),
        ({}, ["nothing to choose from"]),
        (
            {"m": {"type": "choice", "values": [{"a": {"type": "randint", "upper": 0}}, {"b": [1]}]}},
            ["m[0].a: upper: input should be greater than or equal to 1", "m[1].b: a distribution"],
        ),
    ],
)
def test_all_mistakes_of_a_space_are_listed_with_their_place(space: dict[str, object], problems: list[str]):
    with pytest.raises(ConfigError) as caught:
        SearchSpace.of(space)
    assert len(caught.value.problems) == len(problems)
    for problem, expected in zip(caught.value.problems, problems, strict=True):
        assert expected in str(problem)


def test_a_distribution_of_ones_own_is_used_from_yaml():
    @register_distribution("squared")
    class Squared(Numbers):
        """Squares of uniform numbers between 0 and 1, times a maximum."""

        maximum: float

        def value(self, fraction: float) -> float:
            return self.maximum * fraction**2

    try:
        text = """
            task: image-classification
            training_data: x
            iterations: 3
            sampling: {type: random, space: {learning_rate: {type: squared, maximum: 0.1}}}
        """
        sampling = AutoMLVisionConfig(**yaml.safe_load(text)).hyperparameter_sampling
        assert sampling.search_space.entries == (("learning_rate", Squared(0.1)),)
        assert sampling.search_space.values_at({"learning_rate": 0.5}) == {"learning_rate": 0.025}
        with pytest.raises(ConfigError, match="learning_rate: input should be less than or equal to 1"):
            AutoMLVisionConfig(**yaml.safe_load(text.replace("0.1", "10")))
        schema = AutoMLVisionConfig.model_json_schema()["properties"]["hyperparameter_sampling"]
        assert "squared" in str(schema)
    finally:
        DISTRIBUTIONS.unregister("squared")


@pytest.mark.parametrize("entry", [entry for entry in EVERY.values() if entry != "constant"], ids=lambda d: d.type)
def test_every_distribution_is_frozen_and_described(entry: Choice | Numbers):
    assert {d.type for d in EVERY.values() if d != "constant"} == set(DISTRIBUTIONS.types)  # type: ignore[attr-defined]
    (option,) = [o for o in DISTRIBUTIONS.json_schema()["anyOf"] if o["properties"]["type"]["const"] == entry.type]
    assert option["description"]
    assert "type" in option["required"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.type = "other"
    assert DISTRIBUTIONS.parse(json.loads(json.dumps(DISTRIBUTIONS.to_json(entry)))) == entry
