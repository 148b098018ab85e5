"""What earlier trials say of the candidates on a dataset: their gains on similar sets, and how the order follows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from automl_vision.core.records import DataFacts, PastTrial
from automl_vision.evaluation.posterior import Posterior, usual_gain

DEFAULT_ROLE = "default recipe"
"""The role of AutoMode's first trial, with which the others are compared."""

_REACH = 2.0  # doublings, of images, classes or sizes, after which another set counts 0.6 of a like one
_PLACES = 4.0  # by which a candidate moves forward for a mean gain of the usual size
_SEEN = 0.1  # of the usual gain; a smaller mean changes no order


@dataclass(frozen=True)
class Experience:
    """Gains of AutoMode's candidates on similar sets, in multiples of the usual gain.

    Attributes:
        gains: by role of the candidate; a role that was never tried is not in it.
        sets: number of sets behind each.
    """

    gains: Mapping[str, Posterior] = field(default_factory=dict)
    sets: Mapping[str, int] = field(default_factory=dict)

    def ordered(self, roles: Sequence[str]) -> list[str]:
        """The roles in the order in which they should be tried: each moves by what it gained on similar sets.

        Args:
            roles: in the order without experience.
        """
        places = {role: place - _PLACES * self._mean(role) for place, role in enumerate(roles)}
        return sorted(roles, key=places.__getitem__)

    def sentence(self, roles: Sequence[str]) -> str | None:
        """What was learnt of some candidates, or None where nothing was."""
        known = sorted((role for role in roles if self._mean(role)), key=lambda role: -self._mean(role))
        if not known:
            return None
        said = (f"{role} ({self.gains[role].mean:+.1f} on {_sets(self.sets[role])})" for role in known)
        return "earlier runs, in multiples of a usual gain over the default recipe: " + ", ".join(said)

    def _mean(self, role: str) -> float:
        gain = self.gains.get(role)
        return 0.0 if gain is None or abs(gain.mean) < _SEEN else gain.mean


def experience(past: Iterable[PastTrial], facts: DataFacts, task: str) -> Experience:
    """Sum up what AutoMode's trials on earlier sets say of its candidates on a set.

    The gain of a candidate on a set has a normal prior with mean 0 and the usual gain as its standard deviation. Each
    earlier set is one observation with an error of the same size, however often it was run, and counts less the less it
    resembles this one.

    Args:
        past: trials of earlier runs.
        facts: of the set.
        task: the product's name of the task.
    """
    runs: dict[str, list[PastTrial]] = defaultdict(list)
    for trial in past:
        if trial.task == task and trial.role:
            runs[trial.run].append(trial)
    observed: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)  # (gain, likeness) by role and set
    for trials in runs.values():
        default = next((trial for trial in trials if trial.role == DEFAULT_ROLE), None)
        for trial in trials:
            gain = None if default is None or trial is default else _gain(trial, default)
            if gain is not None:
                observed[trial.role, trial.data].append((gain, likeness(trial.facts, facts)))
    of_sets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (role, _), found in observed.items():
        of_sets[role].append((sum(gain for gain, _ in found) / len(found), found[0][1]))
    gains = {}
    for role, values in of_sets.items():
        weight = 1.0 + sum(like for _, like in values)
        gains[role] = Posterior(sum(like * gain for gain, like in values) / weight, math.sqrt(1 / weight))
    return Experience(gains, {role: len(values) for role, values in of_sets.items()})


def likeness(one: DataFacts, other: DataFacts) -> float:
    """How much two sets resemble each other, from 0 to 1 for sets with the same facts."""
    pairs = [(one.images, other.images), (one.classes, other.classes), (one.side, other.side)]
    if one.small_side and other.small_side:
        pairs += [(one.small_side, other.small_side), (one.objects, other.objects)]
    doublings = [math.log2(max(a, 1e-3) / max(b, 1e-3)) for a, b in pairs]
    return math.exp(-0.5 * sum((value / _REACH) ** 2 for value in doublings))


def _gain(trial: PastTrial, default: PastTrial) -> float | None:
    """Of a trial over the default recipe, in multiples of the usual gain; None if it is not known.

    A trial that was ended early is compared by the best scores up to its last epoch.
    """
    ranking, mine, other = trial.ranking, trial.score, default.score
    if trial.ended_early:
        last = max(trial.scores, default=0)
        mine = ranking.best_of(trial.scores.values())
        other = ranking.best_of(value for epoch, value in default.scores.items() if epoch <= last)
    if mine is None or other is None or default.score is None or trial.metric != default.metric:
        return None
    usual = usual_gain(default.score, ranking)
    return (ranking.score(mine) - ranking.score(other)) / usual if usual else None


def _sets(count: int) -> str:
    return "1 set" if count == 1 else f"{count} sets"
