"""Whether AutoMode replaces the default recipe: only if a paired test on the validation images says so."""

from __future__ import annotations

from collections.abc import Sequence

from automl_vision.core.records import Decision, PairedTest, Ranking
from automl_vision.evaluation.paired import Comparison, compare
from automl_vision.runs.trial_sources import TrialState
from automl_vision.runs.verdict import LEVEL, comparison_of
from automl_vision.workspace.run_folder import RunFolder


def decide(folder: RunFolder, trials: Sequence[TrialState], ranking: Ranking) -> Decision | None:
    """Choose between the default recipe, trial 0, and the best of the others; None if none has a result.

    The best of several candidates looks better than it is, so the level is divided by their number (Bonferroni).

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
    level = LEVEL / len(others)
    test = f"{compared.test} on {compared.images} validation images: p {compared.p_value:.2g}"
    if compared.p_value < level:
        reason = f"trial {best.number} replaces the default recipe: {scored}; {test}, below {level:.2g}"
        return _decision(best.number, reason, compared)
    needed = (
        f"{LEVEL} over {len(others)} candidates would take {level:.2g}" if len(others) > 1 else f"not below {level}"
    )
    reason = f"trial {best.number} may be better only by chance ({scored}; {test}; {needed})"
    return _decision(0, f"the default recipe is kept: {reason}", compared)


def _decision(trial: int, reason: str, compared: Comparison | None = None) -> Decision:
    test = None if compared is None else PairedTest.model_validate(compared.to_json())
    return Decision(trial=trial, reason=reason, comparison=test)
