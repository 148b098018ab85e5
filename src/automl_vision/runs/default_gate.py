"""Whether AutoMode replaces the default recipe: only where another trial is probably better, and hardly ever worse."""

from __future__ import annotations

from collections.abc import Sequence

from automl_vision.core.records import Decision, PairedTest, Ranking
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.paired import Comparison, compare
from automl_vision.evaluation.posterior import Posterior, true_gain, usual_gain
from automl_vision.runs.trial_sources import TrialState
from automl_vision.runs.verdict import LEVEL, comparison_of
from automl_vision.workspace.run_folder import RunFolder

_PROBABLY, _HARDLY = 0.8, 0.1
"""The least probability of a gain, and the greatest one of a loss of more than half the usual gain, for a change."""


def decide(folder: RunFolder, trials: Sequence[TrialState], ranking: Ranking) -> Decision | None:
    """Choose between the default recipe, trial 0, and the best of the others; None if none has a result.

    The best of several candidates looks better than it is; `true_gain` allows for that.

    Args:
        folder: of the run.
        trials: all of them.
        ranking: how they are ranked.
    """
    done = [trial for trial in trials if trial.status.has_result and trial.score is not None]
    if not done:
        return None
    others = sorted((t for t in done if t.number != 0), key=lambda t: -(t.score or 0.0))
    if not others:
        return _decision(0, "the default recipe is kept: no other one was trained")
    if len(others) == len(done):
        number = others[0].number
        return _decision(number, f"trial {number} is kept: the default recipe gave no result to compare with")
    return _judged(folder, trials[0], others, ranking)


def _judged(folder: RunFolder, default: TrialState, others: Sequence[TrialState], ranking: Ranking) -> Decision:
    """The default recipe against the best of the others."""
    best = others[0]
    score, default_score = best.score or 0.0, default.score or 0.0
    scored = f"{ranking.metric} {ranking.score(score):.4f} against {ranking.score(default_score):.4f}"
    if score <= default_score:
        return _decision(0, f"the default recipe is kept: none of {len(others)} others scored better (best: {scored})")
    compared = compare(comparison_of(folder.trial(default.number)), comparison_of(folder.trial(best.number)))
    if compared is None:
        return _decision(0, f"the default recipe is kept: trial {best.number} ({scored}) cannot be compared with it")
    usual = usual_gain(default_score, ranking)
    gain = true_gain(_gain(compared, ranking), spread=usual)
    proof = f"{compared.test} on {compared.images} validation images: p {compared.p_value:.2g}"
    shown = f"shown at {LEVEL / len(others):.2g}" if compared.p_value < LEVEL / len(others) else "not proven"
    odds = f"better with a probability of {gain.above(0.0):.0%}; {shown}, {proof}"
    if is_promoted(gain, usual):
        return _decision(best.number, f"trial {best.number} replaces the default recipe: {scored}; {odds}", compared)
    return _decision(0, f"the default recipe is kept: trial {best.number} ({scored}) is {odds}", compared)


def is_promoted(gain: Posterior, usual: float) -> bool:
    """Whether a candidate replaces the default: a gain is probable, a loss of half the usual gain hardly.

    Args:
        gain: of the candidate.
        usual: standard deviation of true gains, in the unit of the metric.
    """
    return gain.above(0.0) >= _PROBABLY and 1 - gain.above(-usual / 2) <= _HARDLY


def _gain(compared: Comparison, ranking: Ranking) -> Interval:
    """The difference as a gain, of which higher is better."""
    difference = compared.difference
    if not ranking.lower_is_better:
        return difference
    return Interval(-difference.value, -difference.high, -difference.low)


def _decision(trial: int, reason: str, compared: Comparison | None = None) -> Decision:
    test = None if compared is None else PairedTest.model_validate(compared.to_json())
    return Decision(trial=trial, reason=reason, comparison=test)
