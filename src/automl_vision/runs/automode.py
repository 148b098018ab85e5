"""AutoMode's trials: the unchanged default recipe first, then the portfolio, which successive halving thins out."""

from __future__ import annotations

from collections.abc import Mapping

from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_sources import FixedTrials
from automl_vision.search.experience import DEFAULT_ROLE, Experience
from automl_vision.search.policies import Policy, SuccessiveHalvingPolicy
from automl_vision.search.portfolio import planned_candidate, portfolio

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


def automode_trials(
    spec: RunSpec,
    probes: Mapping[str, float],
    learning_rate: float | None,
    *,
    enlarged: int | None = None,
    known: Experience | None = None,
) -> FixedTrials:
    """The default recipe and, once it has a result, the portfolio.

    Args:
        spec: of the run.
        probes: primary metric of the linear probe by candidate, where features were probed.
        learning_rate: that the default recipe used; None before it has a result.
        enlarged: as for `portfolio`.
        known: as for `portfolio`.
    """
    base, task, fixed = spec.trials[0], spec.task, spec.arguments
    planned = [base.model_copy(update={"role": DEFAULT_ROLE})]  # trial 0, unchanged
    if learning_rate is not None:
        scores = {key: spec.ranking.score(value) for key, value in probes.items()}
        tried = [
            planned_candidate(candidate, base, task, fixed, learning_rate=learning_rate)
            for candidate in portfolio(base, task, fixed, scores, enlarged=enlarged, known=known)
        ]
        planned += [trial for trial in tried if trial is not None]
    return FixedTrials(planned[: spec.iterations])
