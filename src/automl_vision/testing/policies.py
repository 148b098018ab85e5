"""What every early termination policy has to do."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar

import pytest

from automl_vision.search.policies import POLICIES, Curve, Curves, Policy, Scores, reason_to_end

_RUNS, _INTERVALS = 60, 9
_MISSING = (None, math.nan, math.inf, -math.inf)


class PolicyConformance:
    """The behaviour of `Policy`. Override the fixture `policy`.

    Attributes:
        ends_trials: whether the policy ever ends a trial.
    """

    ends_trials: ClassVar[bool] = True

    @pytest.fixture
    def policy(self) -> Policy:
        """The policy, with settings that end poor trials."""
        raise NotImplementedError("override the fixture `policy`")

    def test_it_is_registered_and_described(self, policy: Any) -> None:
        """Job files name it by `type`, and their schema describes it by the first line of its docstring."""
        name: str = policy.type
        kinds = {option["properties"]["type"]["const"]: option for option in POLICIES.json_schema()["anyOf"]}
        assert kinds[name]["description"]
        assert POLICIES.types[name] is type(policy)

    def test_it_is_written_and_read(self, policy: Policy) -> None:
        """A run keeps it as JSON."""
        assert POLICIES.parse(json.loads(json.dumps(POLICIES.to_json(policy)))) == policy

    def test_it_is_frozen(self, policy: Any) -> None:
        """Nothing can change it while a run uses it."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            policy.type = "other"

    def test_the_same_curves_have_the_same_answer(self, policy: Policy) -> None:
        """Whatever it was asked before, and in whatever order the trials come."""
        questions = [(curves, trial) for curves in _runs(0) for trial in curves]
        answers = [reason_to_end(policy, curves, trial) for curves, trial in questions]
        for (curves, trial), answer in reversed(list(zip(questions, answers, strict=True))):
            turned = {number: curves[number] for number in reversed(list(curves))}
            assert reason_to_end(policy, turned, trial) == answer

    def test_what_it_is_given_is_left_unchanged(self, policy: Policy) -> None:
        """The scores of all trials are the caller's."""
        for curves in _runs(1):
            scores = {number: Scores(curve, 1) for number, curve in curves.items()}
            before = {number: deepcopy(vars(score)) for number, score in scores.items()}
            for score in scores.values():
                if score.best > -math.inf:
                    policy.reason(score, scores, 1)
            assert {number: vars(score) for number, score in scores.items()} == before

    @pytest.mark.parametrize("level", [10.0, 0.0, -10.0], ids=["positive", "around zero", "negative"])
    def test_the_best_trial_goes_on(self, policy: Policy, level: float) -> None:
        """More is better at any level: a metric to minimise comes with its sign changed, so scores may be negative."""
        for curves in _runs(2, level=level):
            best = max(max(_finite(curve), default=-math.inf) for curve in curves.values())
            rising = [max(best, level) + 1 + n for n in range(_INTERVALS)]
            for interval in range(1, _INTERVALS + 1):
                run = {**curves, 99: Curve(rising[:interval])}
                assert reason_to_end(policy, run, 99) is None

    def test_a_trial_that_nobody_can_be_compared_with_goes_on(self, policy: Policy) -> None:
        """It is alone, or the others have no finite value."""
        for others in ({}, {0: Curve([math.nan] * _INTERVALS), 1: Curve([None] * _INTERVALS)}):
            for interval in range(1, _INTERVALS + 1):
                rising = Curve([0.1 * n for n in range(interval)])
                assert reason_to_end(policy, {**others, 2: rising}, 2) is None

    def test_missing_values_are_no_error(self, policy: Policy) -> None:
        """A report may lack the metric, and a trial may diverge."""
        for curves in _runs(3, missing=0.5):
            for trial, curve in curves.items():
                for interval in range(1, len(curve.values) + 1):
                    reason = reason_to_end(policy, curves, trial, interval=interval)
                    assert reason is None or isinstance(reason, str)

    def test_the_reason_is_one_line(self, policy: Policy) -> None:
        """It stands on the leaderboard."""
        found = [reason for curves in _runs(4) for trial in curves if (reason := reason_to_end(policy, curves, trial))]
        assert all(reason.strip() and "\n" not in reason for reason in found)

    def test_a_hopeless_trial_is_ended(self, policy: Policy) -> None:
        """One that falls while eight others rise; a policy that never ends a trial ends not even that one."""
        assert bool(self._ended_at(policy)) == self.ends_trials

    @pytest.mark.parametrize(
        ("schedule", "expected"),
        [
            ({"evaluation_interval": 3}, {3, 6, 9}),
            ({"delay_evaluation": 5}, {5, 6, 7, 8, 9}),
            ({"evaluation_interval": 2, "delay_evaluation": 5}, {6, 8}),
            ({"delay_evaluation": 10}, set()),
        ],
        ids=str,
    )
    def test_it_keeps_to_its_schedule(self, policy: Policy, schedule: dict[str, int], expected: set[int]) -> None:
        """Trials are ended at multiples of `evaluation_interval` alone, and none before `delay_evaluation`."""
        fields: Any = policy
        if not set(schedule) <= {field.name for field in dataclasses.fields(fields)}:
            pytest.skip("the policy has a schedule of its own")
        every = {"evaluation_interval": 1, "delay_evaluation": 0}
        ended = self._ended_at(dataclasses.replace(fields, **every))
        assert self._ended_at(dataclasses.replace(fields, **every | schedule)) == ended & expected

    @staticmethod
    def _ended_at(policy: Policy) -> set[int]:
        """The intervals at which a hopeless trial is ended."""
        falling = [1.0 - 0.1 * n for n in range(_INTERVALS)]
        rising = {i: Curve([2.0 + 0.1 * n + i for n in range(_INTERVALS)]) for i in range(8)}
        curves = {**rising, 8: Curve(falling)}
        return {n for n in range(1, _INTERVALS + 1) if reason_to_end(policy, curves, 8, interval=n)}


def _runs(seed: int, *, level: float = 0.0, missing: float = 0.2) -> Iterator[Curves]:
    """The curves of random runs.

    Args:
        seed: of the random numbers.
        level: around which the values lie.
        missing: share of the reports without a finite value.
    """
    numbers = random.Random(seed)
    for _ in range(_RUNS):
        curves = {}
        for trial in range(numbers.randint(1, 8)):
            reports = numbers.randint(1, _INTERVALS)
            values = [
                numbers.choice(_MISSING) if numbers.random() < missing else level + numbers.gauss(0, 1)
                for _ in range(reports)
            ]
            curves[trial] = Curve(values, finished=numbers.random() < 0.3)
        yield curves


def _finite(curve: Curve) -> list[float]:
    return [value for value in curve.values if value is not None and math.isfinite(value)]
