"""Whether AutoMode replaces the default recipe: only where another trial is probably better, and hardly ever worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_vision.core.records import Decision, Gate, PairedTest, Ranking
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.paired import Comparison, compare
from automl_vision.evaluation.posterior import (
    AVERAGE_CHANGES,
    AVERAGE_GAIN,
    USUAL_GAIN,
    Posterior,
    lack,
    true_gain,
    usual_gain,
)
from automl_vision.runs.trial_sources import TrialState
from automl_vision.runs.verdict import LEVEL, comparison_of
from automl_vision.workspace.run_folder import RunFolder

_PROBABLY, _HARDLY = 0.8, 0.1
"""The least probability of a gain, and the greatest one of a loss of more than half the usual gain, for a change."""

_WORTH = 0.125
"""Of the usual gain: a quarter of a point of the accuracy, for which an average may take several times as long."""


def decide(
    folder: RunFolder,
    trials: Sequence[TrialState],
    ranking: Ranking,
    gate: Gate = "probable",
    *,
    trained: Sequence[TrialState] | None = None,
) -> Decision | None:
    """Choose between the default recipe, trial 0, and the best of the others; None if none has a result.

    The best of several candidates looks better than it is; `true_gain` allows for that.

    Args:
        folder: of the run.
        trials: those that may be kept.
        ranking: how they are ranked.
        gate: "strict" replaces the default recipe only where the paired test proves a gain.
        trained: all of the run; by default those that may be kept.
    """
    done = [trial for trial in trials if trial.status.has_result and trial.score is not None]
    if not done:
        return None
    trained = trials if trained is None else trained
    left_out = _left_out(trials, trained)
    others = sorted((t for t in done if t.number != 0), key=lambda t: -(t.score or 0.0))
    if not others:
        lack = "can be taken" if left_out else "has a result" if len(trained) > 1 else "was trained"
        decision = _decision(0, f"the default recipe is kept: no other one {lack}")
    elif len(others) == len(done):
        number = others[0].number
        decision = _decision(number, f"trial {number} is kept: the default recipe cannot be taken")
    else:
        decision = _judged(folder, trials[0], others, ranking, gate)
    return decision.model_copy(update={"reason": "; ".join([decision.reason, *left_out])})


def _left_out(allowed: Sequence[TrialState], trained: Sequence[TrialState]) -> list[str]:
    """Which trials have a result and cannot be kept, and why, in words."""
    numbers = {trial.number for trial in allowed}
    done = [trial for trial in trained if trial.status.has_result]
    beyond = [str(trial.number) for trial in done if trial.number not in numbers]
    unscored = [str(trial.number) for trial in done if trial.number in numbers and trial.score is None]
    parts = (("not known to keep the limits", beyond), ("with a score that is not a number", unscored))
    return [f"{what}: {', '.join(each)}" for what, each in parts if each]


@dataclass(frozen=True)
class _Judged:
    """A trial beside the default recipe.

    Attributes:
        trial: its number.
        scored: both scores, in words.
        compared: the paired test; None where they cannot be compared.
        gain: the distribution of its true gain.
        known: what is known of such a trial before any image is looked at, in words; empty if nothing is.
        least: gain for which it is taken.
    """

    trial: int
    scored: str
    compared: Comparison | None
    gain: Posterior
    known: str = ""
    least: float = 0.0


def _judged(
    folder: RunFolder, default: TrialState, others: Sequence[TrialState], ranking: Ranking, gate: Gate
) -> Decision:
    """The default recipe against the other one whose true gain is the largest, as far as that is known."""
    default_score = default.score or 0.0
    usual = usual_gain(default_score, ranking)
    arrays = comparison_of(folder.trial(default.number))
    judged = [_compared(folder, arrays, default_score, other, ranking) for other in others]
    best = max(judged, key=lambda each: each.gain.mean)
    if best.gain.mean <= 0:
        scored = judged[0].scored
        return _decision(0, f"the default recipe is kept: none of {len(others)} others scored better (best: {scored})")
    compared, scored = best.compared, best.scored
    if compared is None:
        return _decision(0, f"the default recipe is kept: trial {best.trial} ({scored}) cannot be compared with it")
    proof = f"{compared.test} on {compared.images} validation images: p {compared.p_value:.2g}"
    level = LEVEL / len(others)
    is_proven = compared.p_value < level and _gain(compared, ranking).value > 0
    shown = f"shown at {level:.2g}" if is_proven else "not proven"
    by = f" by more than {best.least:.2g}" if best.least else ""
    odds = f"{best.known}better{by} with a probability of {best.gain.above(best.least):.0%}; {shown}, {proof}"
    is_enough = is_proven if gate == "strict" else is_promoted(best.gain, usual, best.least)
    if is_enough:
        return _decision(best.trial, f"trial {best.trial} replaces the default recipe: {scored}; {odds}", compared)
    return _decision(0, f"the default recipe is kept: trial {best.trial} ({scored}) is {odds}", compared)


def _compared(
    folder: RunFolder, arrays: Mapping[str, Any], default_score: float, other: TrialState, ranking: Ranking
) -> _Judged:
    """A trial beside the default recipe; one that cannot be compared counts by its score."""
    score = other.score or 0.0
    scored = f"{ranking.metric} {ranking.score(score):.4f} against {ranking.score(default_score):.4f}"
    compared = compare(arrays, comparison_of(folder.trial(other.number)))
    if compared is None:
        return _Judged(other.number, scored, None, Posterior(score - default_score, 0.0))
    usual, lacking = usual_gain(default_score, ranking), lack(default_score, ranking)
    scale, measured = usual / USUAL_GAIN, _gain(compared, ranking)  # the scale is the metric's
    if not other.planned.members:
        gain = true_gain(measured, spread=min(usual, lacking), least_error=scale / compared.images)
        return _Judged(other.number, scored, compared, gain)
    mean, spread = (share * lacking for share in AVERAGE_GAIN)
    error = scale * math.sqrt(AVERAGE_CHANGES / compared.images)
    gain = true_gain(measured, spread=spread, mean=mean, least_error=error)
    fewer = "less loss" if ranking.lower_is_better else "fewer errors"
    known = f"an {other.planned.role}; on other sets averages had {AVERAGE_GAIN[0]:.0%} {fewer}; "
    return _Judged(other.number, scored, compared, gain, known, least=_WORTH * usual)


def is_promoted(gain: Posterior, usual: float, least: float = 0.0) -> bool:
    """Whether a candidate replaces the default: a gain is probable, a loss of half the usual gain hardly.

    Args:
        gain: of the candidate.
        usual: standard deviation of true gains, in the unit of the metric.
        least: gain that has to be probable, of a candidate that takes longer.
    """
    return gain.above(least) >= _PROBABLY and 1 - gain.above(-usual / 2) <= _HARDLY


def _gain(compared: Comparison, ranking: Ranking) -> Interval:
    """The difference as a gain, of which higher is better."""
    return compared.difference.negated if ranking.lower_is_better else compared.difference


def _decision(trial: int, reason: str, compared: Comparison | None = None) -> Decision:
    test = None if compared is None else PairedTest.model_validate(compared.to_json())
    return Decision(trial=trial, reason=reason, comparison=test)
