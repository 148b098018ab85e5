"""AutoMode's trials: the unchanged default recipe first, then the portfolio, which successive halving thins out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl_vision.evaluation.metric import find_metric
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_sources import TrialState
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import Policy, SuccessiveHalvingPolicy
from automl_vision.search.portfolio import planned_candidate, portfolio

DEFAULT_ROLE = "default recipe"
_RUNGS_BEFORE_END = 9  # the first rung is at a ninth of the epochs: with a factor of 3, two rungs before the end


def default_recipe(spec: RunSpec) -> PlannedTrial:
    """Trial 0, the unchanged default."""
    return spec.trials[0].model_copy(update={"role": DEFAULT_ROLE})


def automode_policy(spec: RunSpec) -> Policy:
    """The user's policy, or successive halving: at each rung a candidate must keep up with the best third."""
    if spec.policy is not None:
        return spec.termination
    hyperparameters = spec.trials[0].hyperparameters
    reports = hyperparameters.number_of_epochs // hyperparameters.evaluation_frequency
    return SuccessiveHalvingPolicy(reduction_factor=3, min_intervals=max(1, reports // _RUNGS_BEFORE_END))


class AutoModeTrials:
    """Proposes the default recipe and, once it has a result, the portfolio.

    Args:
        spec: of the run.
        probes: primary metric of the linear probe by candidate, where features were probed.
        learning_rate: that the default recipe used; None before it has a result.
    """

    def __init__(self, spec: RunSpec, probes: Mapping[str, float], learning_rate: float | None) -> None:
        self._spec, self._learning_rate = spec, learning_rate
        self._planned = [default_recipe(spec)]
        if learning_rate is not None:
            self._planned += self._candidates(spec.arguments, probes, learning_rate)

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """Return the first trial that was not proposed yet."""
        end = min(len(self._planned), self._spec.iterations)
        return self._planned[len(trials)] if len(trials) < end else None

    def _candidates(
        self, fixed: Mapping[str, Any], probes: Mapping[str, float], learning_rate: float
    ) -> list[PlannedTrial]:
        base, task = self._spec.trials[0], self._spec.task
        metric = find_metric(task, self._spec.primary_metric)
        tried = [
            planned_candidate(candidate, base, task, fixed, learning_rate=learning_rate)
            for candidate in portfolio(base, task, fixed, {key: metric.score(value) for key, value in probes.items()})
        ]
        return [planned for planned in tried if planned is not None]
