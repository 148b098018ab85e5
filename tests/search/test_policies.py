"""Early termination against tables of cases computed by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from automl_vision.core.errors import ConfigError
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.search.policies import (
    POLICIES,
    BanditPolicy,
    Curve,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    Policy,
    Scores,
    SuccessiveHalvingPolicy,
    TruncationSelectionPolicy,
    reason_to_end,
    register_policy,
)

NAN = math.nan
Values = list[list[float | None]]


def ended(policy: Policy, values: Values, *, interval: int | None = None) -> list[int]:
    """The trials that the policy ends, each judged at its latest interval or at the given one."""
    curves = {i: Curve(v) for i, v in enumerate(values)}
    judged = [i for i, v in enumerate(values) if interval is None or len(v) >= interval]
    return [i for i in judged if reason_to_end(policy, curves, i, interval=interval)]


@pytest.mark.parametrize(
    ("policy", "values", "expected"),
    [
        # best 0.8, slack 0.2: below 0.8 / 1.2 = 0.667
        (BanditPolicy(slack_factor=0.2), [[0.8], [0.66], [0.67]], [1]),
        # below 0.8 - 0.1 = 0.7; at the threshold itself a trial goes on
        (BanditPolicy(slack_amount=0.125), [[0.75], [0.625], [0.624]], [2]),
        # the best so far counts, not the latest: 0.9 at interval 1
        (BanditPolicy(slack_amount=0.1), [[0.9, 0.2], [0.5, 0.85], [0.5, 0.79]], [2]),
        # negative values: the slack goes away from the best, -0.5 x 1.2 = -0.6
        (BanditPolicy(slack_factor=0.2), [[-0.5], [-0.59], [-0.61]], [2]),
        # ties with the best go on, without any slack
        (BanditPolicy(slack_factor=0), [[0.5], [0.5], [0.49]], [2]),
        # one trial only
        (BanditPolicy(slack_factor=0), [[0.1]], []),
        # NaN is no value: as long as no other trial has one, nothing is known
        (BanditPolicy(slack_factor=0.1), [[NAN], [NAN]], []),
        (BanditPolicy(slack_factor=0.1), [[NAN], [0.2]], [0]),
        (BanditPolicy(slack_factor=0.1), [[0.2, NAN], [0.21, 0.21]], []),
        # a missing report does not move the intervals
        (BanditPolicy(slack_amount=0.1), [[0.3, None, 0.5], [0.2, 0.9, 0.9]], [0]),
        # trial 1 is at interval 1, where the best is 0.4 as yet: the 0.9 of interval 2 does not count
        (BanditPolicy(slack_amount=0.1), [[0.4, 0.9], [0.35]], []),
    ],
)
def test_bandit_ends_trials_below_the_best_less_its_slack(policy: Policy, values: Values, expected: list[int]):
    assert ended(policy, values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # averages at interval 2: 0.2, 0.5, 0.8; median 0.5; best values 0.3, 0.6, 0.9
        ([[0.1, 0.3], [0.4, 0.6], [0.7, 0.9]], [0]),
        # an even number: the median of 0.2, 0.4, 0.6, 0.8 is 0.5
        ([[0.2], [0.4], [0.6], [0.8]], [0, 1]),
        # best at or above the median goes on although the latest is poor: averages 0.5, 0.5
        ([[0.9, 0.1], [0.5, 0.5]], []),
        ([[0.5], [0.5], [0.5]], []),
        ([[0.3]], []),
        # NaN counts in no average: 0.4, 0.6; median 0.5
        ([[NAN, 0.4], [0.6, 0.6]], [0]),
        ([[None, 0.4], [0.6, None]], [0]),
        ([[NAN], [NAN]], []),
    ],
)
def test_median_stopping_ends_trials_below_the_median_of_the_averages(values: Values, expected: list[int]):
    assert ended(MedianStoppingPolicy(), values) == expected


def test_median_stopping_compares_at_the_same_interval():
    """Trial 2 is at interval 1: the averages up to there are 0.1, 0.2 and 0.15, the median 0.15."""
    assert ended(MedianStoppingPolicy(), [[0.1, 0.9], [0.2, 0.9], [0.15]]) == []
    assert ended(MedianStoppingPolicy(), [[0.1, 0.9], [0.2, 0.9], [0.15], [0.14]]) == [3]


@pytest.mark.parametrize(
    ("percentage", "values", "expected"),
    [
        (20, [[0.1], [0.2], [0.3], [0.4], [0.5]], [0]),
        (40, [[0.1], [0.2], [0.3], [0.4], [0.5]], [0, 1]),
        (39, [[0.1], [0.2], [0.3], [0.4], [0.5]], [0]),  # 1.95 trials are one
        (19, [[0.1], [0.2], [0.3], [0.4], [0.5]], []),
        (99, [[0.3]], []),
        (50, [[0.1], [0.1], [0.1], [0.4]], []),  # a tie over the edge is spared
        (50, [[0.1], [0.1], [0.3], [0.4]], [0, 1]),
        (50, [[0.9, 0.1], [0.2, 0.2]], [0]),  # the value at the interval, not the best so far
        (50, [[0.5, NAN], [0.2, 0.2]], [0]),
        (50, [[0.5, None], [0.2, 0.2]], [0]),
    ],
)
def test_truncation_ends_the_lowest_share(percentage: int, values: Values, expected: list[int]):
    assert ended(TruncationSelectionPolicy(percentage), values) == expected


def test_an_interval_that_the_trial_has_not_reached_ends_nothing():
    curves = {0: Curve([0.1]), 1: Curve([0.9, 0.9])}
    for policy in (BanditPolicy(slack_factor=0), MedianStoppingPolicy(), TruncationSelectionPolicy(99)):
        assert [reason_to_end(policy, curves, 0, interval=n) for n in (0, 2, 3)] == [None] * 3


def test_the_reason_names_a_missing_value():
    curves = {0: Curve([0.5, NAN]), 1: Curve([0.2, 0.2])}
    reason = reason_to_end(TruncationSelectionPolicy(50), curves, 0)
    assert reason is not None
    assert reason.startswith("no finite value, among the lowest 50 % of 2 trials")


def test_truncation_may_leave_out_finished_trials():
    curves = {0: Curve([0.1], finished=True), 1: Curve([0.2]), 2: Curve([0.3]), 3: Curve([0.4], finished=True)}
    assert reason_to_end(TruncationSelectionPolicy(25), curves, 1) is None
    assert reason_to_end(TruncationSelectionPolicy(50, exclude_finished_jobs=True), curves, 1)
    assert reason_to_end(TruncationSelectionPolicy(49, exclude_finished_jobs=True), curves, 1) is None


@pytest.mark.parametrize(
    ("values", "interval", "expected"),
    [
        ([[0.1], [0.2], [0.3]], 1, [0, 1]),  # one of three goes on
        ([[0.1], [0.2]], 1, [0]),  # at least one goes on
        ([[0.1]], 1, []),
        ([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]], 1, [0, 1, 2, 3]),
        ([[0.3], [0.3], [0.3]], 1, []),  # ties go on
        ([[0.1, 0.1], [0.2, 0.2]], 2, []),  # interval 2 is no rung
        ([[0.1, 0.1, 0.9], [0.2, 0.2, 0.3], [0.4, 0.4]], 3, [1]),
        ([[NAN], [0.1], [0.2]], 1, [0, 1]),
    ],
)
def test_successive_halving_keeps_the_best_share_at_each_rung(values: Values, interval: int, expected: list[int]):
    policy = SuccessiveHalvingPolicy(reduction_factor=3)
    assert ended(policy, values, interval=interval) == expected


def test_rungs_are_the_first_one_times_powers_of_the_factor():
    policy = SuccessiveHalvingPolicy(reduction_factor=2, min_intervals=3)
    values: Values = [[0.1] * 30, [0.9] * 30]
    assert [n for n in range(1, 31) if ended(policy, values, interval=n)] == [3, 6, 12, 24]


def test_no_policy_ends_nothing():
    assert ended(NoTerminationPolicy(), [[0.0], [1.0]]) == []


def test_a_trial_that_has_not_reported_goes_on():
    assert reason_to_end(BanditPolicy(slack_factor=0), {0: Curve([]), 1: Curve([0.5])}, 0) is None


@pytest.mark.parametrize(
    ("policy", "values", "reason"),
    [
        (
            BanditPolicy(slack_factor=0.1),
            [[0.5] * 5 + [0.7], [0.91] * 6],
            "below 0.8273, the best 0.91 less 10 % slack, at evaluation 6",
        ),
        (
            MedianStoppingPolicy(),
            [[0.1], [0.5], [0.7]],
            "best 0.1, below 0.5, the median of 3 trials' running averages, at evaluation 1",
        ),
        (
            TruncationSelectionPolicy(50),
            [[0.1], [0.2]],
            "0.1, among the lowest 50 % of 2 trials, at evaluation 1",
        ),
        (
            SuccessiveHalvingPolicy(),
            [[0.1], [0.2]],
            "best 0.1, rank 2 of 2 at the rung of evaluation 1, where 1 goes on",
        ),
        (BanditPolicy(slack_factor=0), [[NAN], [0.2]], "no finite value up to evaluation 1"),
    ],
)
def test_the_reason_states_values_threshold_and_interval(policy: Policy, values: Values, reason: str):
    given = reason_to_end(policy, {i: Curve(v) for i, v in enumerate(values)}, 0)
    assert given is not None
    assert given.startswith(reason)


RULES = st.sampled_from(
    [
        BanditPolicy(slack_factor=0.1),
        BanditPolicy(slack_amount=0.0),
        MedianStoppingPolicy(),
        TruncationSelectionPolicy(60),
        SuccessiveHalvingPolicy(2),
    ]
)
CURVE_LISTS = st.lists(
    st.lists(st.one_of(st.none(), st.just(NAN), st.floats(-10, 10)), min_size=1, max_size=5), min_size=1, max_size=6
)


@given(RULES, CURVE_LISTS)
@example(MedianStoppingPolicy(), [[-5.730528912165736] * 3])  # whose sum, divided by 3, is rounded to more
def test_the_best_trial_of_an_interval_is_never_ended(policy: Policy, values: Values):
    n = min(map(len, values))
    best = [max((v for v in curve[:n] if v is not None and math.isfinite(v)), default=-math.inf) for curve in values]
    cut: Values = [curve[:n] for curve in values]
    winner = best.index(max(best))
    if isinstance(policy, TruncationSelectionPolicy):  # it judges the latest value alone
        latest = [-math.inf if c[-1] is None or not math.isfinite(c[-1]) else c[-1] for c in cut]
        winner = latest.index(max(latest))
        if latest[winner] == -math.inf:
            return
    assert winner not in ended(policy, cut)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "bandid", "slack_factor": 0.1}, 'Did you mean "bandit"'),
        ({"type": "bandit"}, "exactly one of slack_factor and slack_amount"),
        ({"type": "bandit", "slack_factor": 0.1, "slack_amount": 0.1}, "exactly one"),
        ({"type": "bandit", "slack_facto": 0.1}, 'Did you mean "slack_factor"'),
        ({"type": "bandit", "slack_factor": -1}, "slack_factor: input should be greater than or equal to 0, not -1"),
        ({"type": "truncation_selection"}, "needs truncation_percentage"),
        (
            {"type": "truncation_selection", "truncation_percentage": 100},
            "truncation_percentage: input should be less than or equal to 99",
        ),
        ({"type": "median_stopping", "evaluation_interval": 0}, "evaluation_interval: .* greater than or equal to 1"),
        ({"type": "median_stopping", "delay_evaluation": -1}, "delay_evaluation: .* greater than or equal to 0"),
        ({"type": "successive_halving", "reduction_factor": 1}, "reduction_factor: .* greater than or equal to 2"),
        ("bandit", "a mapping with type"),
    ],
)
def test_a_mistake_in_a_policy_is_an_error_that_names_it(value: object, message: str):
    with pytest.raises(ConfigError, match=message):
        POLICIES.parse(value)


def test_a_policy_of_ones_own_is_used_from_yaml():
    @register_policy("patience")
    class Patience(Policy):
        """Ends a trial whose latest value is below its best by more than a gap."""

        gap: float
        evaluation_interval: int = 1

        def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
            return "it fell" if own.latest < own.best - self.gap else None

    try:
        text = "task: image-classification\ntraining_data: x\npolicy: {type: patience, gap: 0.1}"
        policy = AutoMLVisionConfig(**yaml.safe_load(text)).policy
        assert policy == Patience(0.1)
        assert ended(policy, [[0.9, 0.7], [0.9, 0.85]]) == [0]
        with pytest.raises(ConfigError, match='patience has no "gapp"'):
            POLICIES.parse({"type": "patience", "gapp": 1})
        assert "patience" in str(AutoMLVisionConfig.model_json_schema()["properties"]["policy"])
    finally:
        POLICIES.unregister("patience")
