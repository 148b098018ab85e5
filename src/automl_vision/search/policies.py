"""Early termination: decides from learning curves alone which trials to end.

A curve holds a trial's primary metric, of which higher is better, one number per report; interval n is the n-th report,
counted from 1. A policy judges one trial at one interval: it returns the reason to end the trial, or None.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Annotated, dataclass_transform

from pydantic import Field, Strict

from automl_vision.search.registry import Registry

Interval = Annotated[int, Strict(), Field(ge=1)]
Delay = Annotated[int, Strict(), Field(ge=0)]
Slack = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]


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
"""The trials of a run by number."""


class Scores:
    """A curve up to an interval.

    Attributes:
        reached: whether the trial has reported that often.
        finished: whether the trial has ended.
        latest: value at the interval itself; minus infinity if missing.
        best: highest value so far; minus infinity if there is none.
        average: mean of the reports that have a value; minus infinity if none has.
    """

    def __init__(self, curve: Curve, n: int) -> None:
        scores = [-math.inf if v is None or not math.isfinite(v) else v for v in curve.values[:n]]
        finite = [score for score in scores if score > -math.inf]
        self.reached, self.finished = len(curve.values) >= n, curve.finished
        self.latest = scores[-1] if scores else -math.inf
        self.best = max(finite, default=-math.inf)
        self.average = min(fmean(finite), self.best) if finite else -math.inf  # rounding may lift it above the best


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
class Policy(ABC):
    """A rule that ends trials. Write another one as a subclass with `@register_policy`.

    The two settings of the schedule are fields of those policies that declare them.

    Attributes:
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    evaluation_interval = 1
    delay_evaluation = 0

    def applies(self, interval: int) -> bool:
        """Whether trials are judged at an interval."""
        return interval % self.evaluation_interval == 0 and interval >= self.delay_evaluation

    @abstractmethod
    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        """Why a trial should end at an interval, or None when it should go on.

        Args:
            own: the trial's scores, of which at least one is finite.
            others: all trials that reached the interval, by number, the one in question among them.
            interval: number of reports.
        """


POLICIES: Registry[Policy] = Registry("policy", suffix="_policy")
"""Every policy by its name in a file."""

register_policy = POLICIES.register
"""Class decorator that makes a policy's class a frozen pydantic dataclass and gives it a name in files."""


@register_policy("bandit")
class BanditPolicy(Policy):
    """Ends a trial whose best value falls behind the best trial by more than a slack.

    Attributes:
        slack_factor: the threshold is best / (1 + slack_factor).
        slack_amount: the threshold is best - slack_amount; exactly one of the two is given.
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    slack_factor: Slack | None = None
    slack_amount: Slack | None = None
    evaluation_interval: Interval = 1
    delay_evaluation: Delay = 0

    def __post_init__(self) -> None:
        if (self.slack_factor is None) == (self.slack_amount is None):
            raise ValueError("exactly one of slack_factor and slack_amount is given")

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        """Why a trial should end at an interval, or None when it should go on."""
        best = max(s.best for s in others.values())
        if self.slack_amount is not None:
            threshold, slack = best - self.slack_amount, f"{self.slack_amount:g}"
        else:
            factor = 1 + float(self.slack_factor or 0)
            threshold = best / factor if best >= 0 else best * factor  # a slack never lifts it above the best
            slack = f"{100 * (factor - 1):g} % slack"
        if own.best >= threshold:
            return None
        return f"below {_text(threshold)}, the best {_text(best)} less {slack}, at evaluation {interval}"


@register_policy("median_stopping")
class MedianStoppingPolicy(Policy):
    """Ends a trial whose best is below the median of the trials' running averages (Golovin et al. 2017, Vizier).

    Attributes:
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    evaluation_interval: Interval = 1
    delay_evaluation: Delay = 0

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        """Why a trial should end at an interval, or None when it should go on."""
        averages = [s.average for s in others.values() if s.average > -math.inf]
        threshold = median(averages)
        if own.best >= threshold:
            return None
        counted = f"the median of {len(averages)} trials' running averages"
        return f"best {_text(own.best)}, below {_text(threshold)}, {counted}, at evaluation {interval}"


@register_policy("truncation_selection")
class TruncationSelectionPolicy(Policy):
    """Ends the trials with the lowest values at each interval; trials that tie at the edge are spared.

    Attributes:
        truncation_percentage: of the trials, 1 to 99.
        exclude_finished_jobs: whether finished trials are left out of the comparison.
        evaluation_interval: applied at multiples of it.
        delay_evaluation: not applied before this interval.
    """

    truncation_percentage: Annotated[float, Strict(), Field(ge=1, le=99)]
    exclude_finished_jobs: Annotated[bool, Strict()] = False
    evaluation_interval: Interval = 1
    delay_evaluation: Delay = 0

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        """Why a trial should end at an interval, or None when it should go on."""
        compared = [s for s in others.values() if not (self.exclude_finished_jobs and s.finished)]
        ended = int(self.truncation_percentage * len(compared) / 100)
        if sum(s.latest <= own.latest for s in compared) > ended:
            return None
        group = f"the lowest {self.truncation_percentage:g} % of {len(compared)} trials"
        return f"{_text(own.latest)}, among {group}, at evaluation {interval}"


@register_policy("successive_halving")
class SuccessiveHalvingPolicy(Policy):
    """Keeps only the best trials at each rung: asynchronous successive halving (ASHA, Li et al. 2020).

    The rungs are the intervals min_intervals x reduction_factor^k. A trial that reaches a rung is compared with all
    that reached it before; the first one goes on.

    Attributes:
        reduction_factor: the best 1 / reduction_factor of the trials go on at each rung.
        min_intervals: the first rung.
    """

    reduction_factor: Annotated[int, Strict(), Field(ge=2)] = 3
    min_intervals: Interval = 1

    def applies(self, interval: int) -> bool:
        """Whether the interval is a rung."""
        rung = self.min_intervals
        while rung < interval:
            rung *= self.reduction_factor
        return rung == interval

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        """Why a trial should end at an interval, or None when it should go on."""
        going_on = max(1, len(others) // self.reduction_factor)
        better = sum(s.best > own.best for s in others.values())
        if better < going_on:
            return None
        return (
            f"best {_text(own.best)}, rank {better + 1} of {len(others)} at the rung of evaluation {interval}, "
            f"where {going_on} {'goes' if going_on == 1 else 'go'} on"
        )


@register_policy("none")
class NoTerminationPolicy(Policy):
    """Every trial runs to its end."""

    def applies(self, interval: int) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:  # noqa: ARG002
        """No reason."""
        return None


def reason_to_end(policy: Policy, curves: Curves, trial: int, *, interval: int | None = None) -> str | None:
    """Why a trial should end, or None when it should go on.

    Args:
        policy: the rule.
        curves: of all trials, the one in question among them.
        trial: its number.
        interval: its report that is judged; by default the latest.
    """
    reports = len(curves[trial].values)
    n = reports if interval is None else interval
    if not 1 <= n <= reports or not policy.applies(n):
        return None
    scores = {number: Scores(curve, n) for number, curve in curves.items()}
    reached = {number: s for number, s in scores.items() if s.reached}
    if scores[trial].best == -math.inf:
        some = any(s.best > -math.inf for s in reached.values())
        return f"no finite value up to evaluation {n}, where other trials have one" if some else None
    return policy.reason(scores[trial], reached, n)


def _text(score: float) -> str:
    return "no finite value" if score == -math.inf else f"{score:.4g}"
