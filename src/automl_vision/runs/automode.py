"""AutoMode's trials: the unchanged default recipe, another network's opinion, the portfolio with successive halving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_vision.runs.spec import RunSpec
from automl_vision.search.experience import DEFAULT_ROLE, Experience
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import Policy, SuccessiveHalvingPolicy
from automl_vision.search.portfolio import planned_candidate, portfolio, second_opinions

_FIRST_RUNG = 3  # a third of the default's validations: a single early report would rank by how the curves begin


def automode_policy(spec: RunSpec, validations: int) -> Policy:
    """The user's policy, or successive halving: at each rung a candidate must keep up with the best third.

    Args:
        spec: of the run.
        validations: that the default recipe had after its epochs of training.
    """
    if spec.policy is not None:
        return spec.termination
    return SuccessiveHalvingPolicy(reduction_factor=3, min_intervals=max(1, validations // _FIRST_RUNG))


def default_trial(spec: RunSpec) -> PlannedTrial:
    """Trial 0, the unchanged default recipe."""
    return spec.trials[0].model_copy(update={"role": DEFAULT_ROLE})


@dataclass(frozen=True)
class Opinion:
    """A trial whose answers are averaged with those of the default recipe.

    Attributes:
        planned: the trial, of which nothing but the head is trained.
        cost: operations for an image in units of those of the default recipe's network.
    """

    planned: PlannedTrial
    cost: float


def second_opinion_trials(spec: RunSpec) -> list[Opinion]:
    """Heads of other networks, the quickest first; none where the user wants no average or has fixed too much.

    Args:
        spec: of the run.
    """
    base, task, fixed = spec.trials[0], spec.task, spec.arguments
    candidates = second_opinions(base, task, fixed) if spec.ensemble else []
    planned = [(candidate, planned_candidate(candidate, base, task, fixed)) for candidate in candidates]
    found = [Opinion(trial, candidate.cost(base)) for candidate, trial in planned if trial is not None]
    return found[: spec.iterations - 1]


def candidate_trials(
    spec: RunSpec,
    probes: Mapping[str, float],
    learning_rate: float,
    *,
    suggested: Sequence[Mapping[str, Any]] = (),
    known: Experience | None = None,
) -> list[PlannedTrial]:
    """The portfolio, once the default recipe has a result.

    Args:
        spec: of the run.
        probes: primary metric of the linear probe by candidate, where features were probed.
        learning_rate: that the default recipe used.
        suggested: as for `portfolio`.
        known: as for `portfolio`.
    """
    base, task, fixed = spec.trials[0], spec.task, spec.arguments
    scores = {key: spec.ranking.score(value) for key, value in probes.items()}
    tried = [
        planned_candidate(candidate, base, task, fixed, learning_rate=learning_rate)
        for candidate in portfolio(base, task, fixed, scores, suggested=suggested, known=known)
    ]
    return [trial for trial in tried if trial is not None]
