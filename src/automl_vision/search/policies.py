"""Early termination: which trials are not worth going on, decided from learning curves alone.

A curve holds a trial's primary metric, one number for each report; interval n is the n-th report, counted from 1. Each
policy is a rule for one trial at its latest interval: it gives the reason to end the trial, or None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from automl_vision.core.errors import ConfigError
from automl_vision.core.text import did_you_mean


@dataclass(frozen=True)
class Curve:
    """What a trial reported so far.

    Attributes:
        values: by interval; None or NaN where a report lacks the metric.
        finished: whether the trial has ended.
    """

    values: Sequence[float | None]
    finished: bool = False


Curves = Mapping[int, Curve]
"""The trials of a sweep by number."""


@dataclass(frozen=True)
class NoTerminationPolicy:
    """Every trial runs to its end."""


@dataclass(frozen=True)
class BanditPolicy:
    """Ends what falls behind the best trial by more than a slack.

    Attributes:
        slack_factor: the threshold is best / (1 + slack_factor).
        slack_amount: the threshold is best - slack_amount; exactly one of the two is given.
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    slack_factor: float | None = None
    slack_amount: float | None = None
    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        problems = _schedule_problems(self.evaluation_interval, self.delay_evaluation)
        if (self.slack_factor is None) == (self.slack_amount is None):
            problems.append("exactly one of slack_factor and slack_amount is given")
        for name in ("slack_factor", "slack_amount"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value >= 0):
                problems.append(f"{name} is a number of at least 0, not {value!r}")
        _refuse(problems)


@dataclass(frozen=True)
class MedianStoppingPolicy:
    """Ends a trial whose best is below the median of the trials' running averages (Golovin et al. 2017, Vizier).

    Attributes:
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        _refuse(_schedule_problems(self.evaluation_interval, self.delay_evaluation))


@dataclass(frozen=True)
class TruncationSelectionPolicy:
    """Ends the lowest share of the trials at each interval.

    Attributes:
        truncation_percentage: of the trials, 1 to 99.
        exclude_finished_jobs: whether finished trials are left out of the comparison.
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    truncation_percentage: int
    exclude_finished_jobs: bool = False
    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        problems = _schedule_problems(self.evaluation_interval, self.delay_evaluation)
        if not (_is_number(self.truncation_percentage) and 1 <= self.truncation_percentage <= 99):
            problems.append(f"truncation_percentage is a number from 1 to 99, not {self.truncation_percentage!r}")
        if not isinstance(self.exclude_finished_jobs, bool):
            problems.append(f"exclude_finished_jobs is true or false, not {self.exclude_finished_jobs!r}")
        _refuse(problems)


@dataclass(frozen=True)
class SuccessiveHalvingPolicy:
    """At each rung only the best share goes on: asynchronous successive halving (ASHA, Li et al. 2020).

    The rungs are the intervals min_intervals x reduction_factor^k. A trial that reaches a rung is compared with all
    that reached it before; the first one goes on.

    Attributes:
        reduction_factor: one of so many goes on.
        min_intervals: the first rung.
    """

    reduction_factor: int = 3
    min_intervals: int = 1

    def __post_init__(self) -> None:
        problems = []
        if not (_is_whole(self.reduction_factor) and self.reduction_factor >= 2):
            problems.append(f"reduction_factor is a whole number of at least 2, not {self.reduction_factor!r}")
        if not (_is_whole(self.min_intervals) and self.min_intervals >= 1):
            problems.append(f"min_intervals is a whole number of at least 1, not {self.min_intervals!r}")
        _refuse(problems)


Policy = NoTerminationPolicy | BanditPolicy | MedianStoppingPolicy | TruncationSelectionPolicy | SuccessiveHalvingPolicy

KINDS: dict[str, type[Policy]] = {
    "bandit": BanditPolicy,
    "median_stopping": MedianStoppingPolicy,
    "truncation_selection": TruncationSelectionPolicy,
    "successive_halving": SuccessiveHalvingPolicy,
    "none": NoTerminationPolicy,
}


def reason_to_end(
    policy: Policy, curves: Curves, trial: int, *, interval: int | None = None, maximize: bool = True
) -> str | None:
    """Why a trial should end, or None when it should go on.

    Args:
        policy: the rule.
        curves: of all trials, the one in question among them.
        trial: its number.
        interval: its report that is judged; by default the latest.
        maximize: whether higher values are better.
    """
    reports = len(curves[trial].values)
    n = reports if interval is None else interval
    if not 1 <= n <= reports or isinstance(policy, NoTerminationPolicy) or not _applies(policy, n):
        return None
    scores = {number: _Scores(curve, n, maximize) for number, curve in curves.items()}
    own = scores[trial]
    others = {number: s for number, s in scores.items() if s.reached}
    if own.best == -math.inf:
        some = any(s.best > -math.inf for s in others.values())
        return f"no finite value up to evaluation {n}, where other trials have one" if some else None
    if isinstance(policy, BanditPolicy):
        return _bandit(policy, own, others, n)
    if isinstance(policy, MedianStoppingPolicy):
        return _median_stopping(own, others, n)
    if isinstance(policy, TruncationSelectionPolicy):
        kept = {k: s for k, s in others.items() if not (policy.exclude_finished_jobs and curves[k].finished)}
        return _truncation(policy, own, kept, n)
    return _halving(policy, own, others, n)


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """The policy as plain values; `policy_from_json` reads them."""
    kind = next(name for name, shape in KINDS.items() if isinstance(policy, shape))
    return {"type": kind, **asdict(policy)}


def policy_from_json(value: Any) -> Policy:
    """A policy from its mapping in a file, such as `{type: bandit, slack_factor: 0.1}`.

    Raises:
        ConfigError: it breaks the rules; all mistakes at once.
    """
    if not isinstance(value, Mapping):
        raise ConfigError([f"a mapping with type is expected, not {value!r}"], subject="The policy")
    given = {str(name): part for name, part in value.items()}
    kind = str(given.pop("type", "")).lower().removesuffix("_policy")
    if kind not in KINDS:
        hint = f"{did_you_mean(kind, KINDS)} Choose: {', '.join(KINDS)}"
        raise ConfigError([f'no policy is named "{kind}".{hint}'], subject="The policy")
    fields = tuple(KINDS[kind].__dataclass_fields__)
    problems = [f'{kind} has no "{name}".{did_you_mean(name, fields)}' for name in given if name not in fields]
    known = {name: part for name, part in given.items() if name in fields}
    if kind == "truncation_selection" and "truncation_percentage" not in known:
        problems.append("truncation_selection needs truncation_percentage")
        known["truncation_percentage"] = 50
    try:
        policy = KINDS[kind](**known)
    except ConfigError as error:
        problems += error.problems
    _refuse(problems)
    return policy


class _Scores:
    """A curve up to an interval, as scores of which higher is better.

    Attributes:
        reached: whether the trial reported so often.
        latest: at the interval itself; minus infinity where it lacks.
        best: so far.
        average: of the reports that have a value.
    """

    def __init__(self, curve: Curve, n: int, maximize: bool) -> None:
        sign = 1.0 if maximize else -1.0
        scores = [-math.inf if v is None or not math.isfinite(v) else sign * v for v in curve.values[:n]]
        finite = [score for score in scores if score > -math.inf]
        self.sign = sign
        self.reached = len(curve.values) >= n
        self.latest = scores[-1] if scores else -math.inf
        self.best = max(finite, default=-math.inf)
        self.average = min(fmean(finite), self.best) if finite else -math.inf  # rounding may lift it above the best

    def text(self, score: float) -> str:
        """A score as the metric's value."""
        return "no finite value" if score == -math.inf else f"{self.sign * score:.4g}"

    @property
    def worse(self) -> str:
        """The side on which a poor value lies."""
        return "below" if self.sign > 0 else "above"


def _bandit(policy: BanditPolicy, own: _Scores, others: Mapping[int, _Scores], n: int) -> str | None:
    best = max(s.best for s in others.values())
    if policy.slack_amount is not None:
        threshold, slack = best - policy.slack_amount, f"{policy.slack_amount:g}"
    else:
        factor = 1 + float(policy.slack_factor or 0)
        threshold = best / factor if best >= 0 else best * factor  # a slack never moves the threshold above the best
        slack = f"{100 * (factor - 1):g} % slack"
    if own.best >= threshold:
        return None
    less = "less" if own.sign > 0 else "and"
    return f"{own.worse} {own.text(threshold)}, the best {own.text(best)} {less} {slack}, at evaluation {n}"


def _median_stopping(own: _Scores, others: Mapping[int, _Scores], n: int) -> str | None:
    averages = [s.average for s in others.values() if s.average > -math.inf]
    threshold = median(averages)
    if own.best >= threshold:
        return None
    counted = f"the median of {len(averages)} trials' running averages"
    return f"best {own.text(own.best)}, {own.worse} {own.text(threshold)}, {counted}, at evaluation {n}"


def _truncation(policy: TruncationSelectionPolicy, own: _Scores, others: Mapping[int, _Scores], n: int) -> str | None:
    """Among the lowest share; where trials tie at its edge, they are spared."""
    ended = int(policy.truncation_percentage * len(others) / 100)
    not_better = sum(s.latest <= own.latest for s in others.values())
    if not_better > ended:
        return None
    share = f"the lowest {policy.truncation_percentage:g} % of {len(others)} trials"
    return f"{own.text(own.latest)}, among {share}, at evaluation {n}"


def _halving(policy: SuccessiveHalvingPolicy, own: _Scores, others: Mapping[int, _Scores], n: int) -> str | None:
    going_on = max(1, len(others) // policy.reduction_factor)
    better = sum(s.best > own.best for s in others.values())
    if better < going_on:
        return None
    return (
        f"best {own.text(own.best)}, rank {better + 1} of {len(others)} at the rung of evaluation {n}, "
        f"where {going_on} {'goes' if going_on == 1 else 'go'} on"
    )


def _applies(policy: Policy, n: int) -> bool:
    if isinstance(policy, SuccessiveHalvingPolicy):
        rung = policy.min_intervals
        while rung < n:
            rung *= policy.reduction_factor
        return rung == n
    if isinstance(policy, NoTerminationPolicy):
        return False
    return n % policy.evaluation_interval == 0 and n >= policy.delay_evaluation


def _schedule_problems(evaluation_interval: Any, delay_evaluation: Any) -> list[str]:
    problems = []
    if not (_is_whole(evaluation_interval) and evaluation_interval >= 1):
        problems.append(f"evaluation_interval is a whole number of at least 1, not {evaluation_interval!r}")
    if not (_is_whole(delay_evaluation) and delay_evaluation >= 0):
        problems.append(f"delay_evaluation is a whole number of at least 0, not {delay_evaluation!r}")
    return problems


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError(problems, subject="The policy")
