"""Which trials the validation images cannot tell from the best one, and which of these is the fastest or smallest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_vision.core.records import COMPARISON_FILE
from automl_vision.evaluation.paired import Comparison, compare_many, holm
from automl_vision.runs.leaderboard import Row
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

LEVEL = 0.05
LATENCY_NOISE = 1.1
"""Ratio of two latencies up to which they count as equal; see `benchmarks/candidate_latency.py`."""


@dataclass(frozen=True)
class TrialTest:
    """The paired test of a trial with the best one.

    Attributes:
        trial: its number.
        comparison: the trial's metric minus that of the best.
        p_value: adjusted for the number of tests (Holm 1979).
    """

    trial: int
    comparison: Comparison
    p_value: float

    @property
    def is_different(self) -> bool:
        """Whether the trial can be told from the best one."""
        return self.p_value < LEVEL


@dataclass(frozen=True)
class Verdict:
    """What the validation images say of a run's trials.

    Attributes:
        best: number of the trial with the best score.
        tests: of every other trial with a result that can be compared, in the order of the leaderboard.
        recommended: the one that AutoMode decided for; otherwise of the best trial and those that cannot be told from
            it, as `recommend` says.
        reason: why, in a few words, such as "Fastest of these: trial 3 (7.1 ms per image, 4.3 MB)".
    """

    best: int
    tests: tuple[TrialTest, ...]
    recommended: int
    reason: str

    @property
    def not_distinguishable(self) -> tuple[int, ...]:
        """The trials that cannot be told from the best one."""
        return tuple(test.trial for test in self.tests if not test.is_different)

    @property
    def sentence(self) -> str:
        """The verdict in one or two sentences; empty if no other trial has a result."""
        if not self.tests:
            return ""
        images = self.tests[0].comparison.images
        tests = f"paired tests on {images} validation images, Holm-corrected, level {LEVEL:g}"
        equal = self.not_distinguishable
        if not equal:
            return f"trial {self.best} is better than every other one ({tests})"
        numbers = ", ".join(map(str, equal))
        return f"trial {self.best} scores best; not distinguishable from it: {numbers} ({tests}). {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        tests = [
            {"trial": test.trial, **test.comparison.to_json(), "adjusted_p_value": test.p_value} for test in self.tests
        ]
        return {
            "best": self.best,
            "not_distinguishable": list(self.not_distinguishable),
            "recommended": self.recommended,
            "tests": tests,
            "sentence": self.sentence,
        }


def judge(folder: RunFolder, rows: Iterable[Row]) -> Verdict | None:
    """Test every trial with a result against the best one; None if no trial has a result.

    Args:
        folder: of the run.
        rows: its leaderboard.
    """
    done = [row for row in rows if row.status.has_result and row.score is not None]
    if not done:
        return None
    best = comparison_of(folder.trial(done[0].trial))
    compared = compare_many(best, [comparison_of(folder.trial(row.trial)) for row in done[1:]])
    known = [(row, found) for row, found in zip(done[1:], compared, strict=True) if found is not None]
    adjusted = holm([comparison.p_value for _, comparison in known])
    tests = tuple(TrialTest(row.trial, found, p) for (row, found), p in zip(known, adjusted, strict=True))
    equal = {test.trial for test in tests if not test.is_different} | {done[0].trial}
    recommended, reason = recommend([row for row in done if row.trial in equal])
    decision = folder.record().decision
    if decision is not None and any(row.trial == decision.trial for row in done):
        recommended = decision.trial
    return Verdict(done[0].trial, tests, recommended, reason)


def recommend(rows: Sequence[Row]) -> tuple[int, str]:
    """The trial to take of several that are equally good, and why.

    Where all of them are measured: of those whose latency is within 10 % of the lowest, which is its noise, the one
    with the smallest file; of several the first. Where one is not measured yet, the one with the fewest weights. A
    trial whose network cannot be exported is not recommended, unless none can.

    Args:
        rows: at least one, best first.
    """
    usable = [row for row in rows if row.not_measurable is None] or list(rows)
    costs = [(row, row.latency_ms, row.size_mb) for row in usable]
    measured = [(row, latency, size) for row, latency, size in costs if latency is not None and size is not None]
    if len(measured) < len(usable):
        chosen = min(usable, key=lambda row: row.parameters or float("inf"))
        weights = f" ({chosen.parameters / 1e6:.3g} million weights)" if chosen.parameters else ""
        return chosen.trial, f"Smallest of these: trial {chosen.trial}{weights}"
    limit = LATENCY_NOISE * min(latency for _, latency, _ in measured)
    chosen, _, its_size = min((each for each in measured if each[1] <= limit), key=lambda each: each[2])
    is_smallest = its_size <= min(size for _, _, size in measured)
    words = "Smallest and fastest" if is_smallest else "Fastest"
    return chosen.trial, f"{words} of these: trial {chosen.trial} ({chosen.cost_text})"


def comparison_of(trial: TrialFolder) -> dict[str, Any]:
    """The arrays by which a trial is compared with others; empty if it left none."""
    try:
        with np.load(trial.path / COMPARISON_FILE) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        return {}
