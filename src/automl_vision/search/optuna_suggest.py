"""Points where earlier trials predict a good score, by Optuna's models of the scores."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from automl_vision.search.distributions import Choice, Distribution
from automl_vision.search.space import Point, SearchSpace

History = Sequence[tuple[Point, float | None]]
"""Every proposal's point with its score, higher is better: None while it runs, not finite when it failed."""

_STARTUP = 10  # random configurations before the model of the scores is used; Optuna's own default
# points that are proposed before the caller samples at random, in case they are known or not allowed; a point of the
# Gaussian process takes seconds on a busy machine, during which the controller does nothing else
_ATTEMPTS = {"tpe": 20, "gp": 3}


def promising_points(
    space: SearchSpace, history: History, *, algorithm: Literal["tpe", "gp"], seed: int
) -> Iterator[Point]:
    """Points from a model of the scores so far; running trials count as poor, so that concurrent trials differ.

    Args:
        space: of the points.
        history: all proposals so far, in order.
        algorithm: "tpe" or "gp".
        seed: of the sampling.
    """
    study = _study(space, history, algorithm, seed)
    for _ in range(_ATTEMPTS[algorithm]):
        trial = study.ask()
        if algorithm == "gp":  # it models one fixed set of dimensions: those that do not count, too
            for name, distribution in space.dimensions():
                _suggest(trial, name, distribution)
        yield space.walk(partial(_suggest, trial))[1]


def _study(space: SearchSpace, history: History, algorithm: str, seed: int) -> Any:
    """An Optuna study that knows every proposal and its score.

    It is rebuilt for each proposal, with a seed of its own, so that a proposal depends only on the history and an
    interrupted sweep continues unchanged.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    own_seed = int(np.random.default_rng([seed, len(history)]).integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`, experimental since 2020
        if algorithm == "gp":
            sampler: Any = optuna.samplers.GPSampler(seed=own_seed, n_startup_trials=_STARTUP)
        else:
            sampler = optuna.samplers.TPESampler(
                seed=own_seed, n_startup_trials=_STARTUP, multivariate=True, group=True
            )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    dimensions = {name: _optuna_distribution(d) for name, d in space.dimensions()}
    middle = {name: _middle(d) for name, d in space.dimensions()} if algorithm == "gp" else {}
    for point, score in history:
        failed = score is not None and not math.isfinite(score)
        state = TrialState.RUNNING if score is None else TrialState.FAIL if failed else TrialState.COMPLETE
        parameters = middle | point
        study.add_trial(
            create_trial(
                state=state,
                value=score if state == TrialState.COMPLETE else None,
                params=parameters,
                distributions={name: dimensions[name] for name in parameters},
            )
        )
    return study


def _optuna_distribution(distribution: Distribution) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(distribution, Choice):
        return FloatDistribution(0.0, 1.0)
    last = len(distribution.values) - 1
    return IntDistribution(0, last) if distribution.is_ordered else CategoricalDistribution(range(last + 1))


def _middle(distribution: Distribution) -> float:
    """The value of a dimension that is inactive, the same for all points."""
    return 0 if isinstance(distribution, Choice) else 0.5


def _suggest(trial: Any, name: str, distribution: Distribution) -> float:
    if not isinstance(distribution, Choice):
        return float(trial.suggest_float(name, 0.0, 1.0))
    last = len(distribution.values) - 1
    if distribution.is_ordered:
        return int(trial.suggest_int(name, 0, last))
    return int(trial.suggest_categorical(name, range(last + 1)))
