"""The best trial within limits of latency and size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from automl_vision.runs.leaderboard import Leaderboard, Row


@dataclass(frozen=True)
class Limits:
    """What a model may take; None is no limit.

    Attributes:
        max_latency_ms: milliseconds per image, one image per batch.
        max_size_mb: size of the exported file in units of 10^6 bytes.

    Raises:
        ValueError: a limit is not a positive number.
    """

    max_latency_ms: float | None = None
    max_size_mb: float | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                raise ValueError(f"{name} must be a positive number, not {limit:g}")

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self.max_latency_ms is not None or self.max_size_mb is not None

    @property
    def text(self) -> str:
        """The limits in a few words."""
        parts = [(self.max_latency_ms, "ms per image"), (self.max_size_mb, "MB")]
        return "at most " + " and ".join(f"{limit:g} {unit}" for limit, unit in parts if limit is not None)

    def allow(self, latency_ms: float | None, size_mb: float | None) -> bool:
        """Whether a network keeps the limits; what is not known keeps none.

        Args:
            latency_ms: milliseconds per image, one image per batch.
            size_mb: of the exported file in units of 10^6 bytes.
        """
        pairs = ((self.max_latency_ms, latency_ms), (self.max_size_mb, size_mb))
        return all(limit is None or (value is not None and value <= limit) for limit, value in pairs)


def within(board: Leaderboard, limits: Limits) -> Leaderboard:
    """The finished trials that keep the limits, with their ranks among all, and a note on what was found.

    A trial on the front of these is on the front of all, for whatever beats it keeps the limits too.
    """
    done = [row for row in board if row.status.has_result]
    kept = [row for row in done if limits.allow(row.latency_ms, row.size_mb)]
    note = f"{_outcome(kept, done, limits)}{_not_judged(done)}"
    return Leaderboard(board.metric, kept, board.shown, note)


def _outcome(kept: Sequence[Row], done: Sequence[Row], limits: Limits) -> str:
    scored = [row for row in kept if row.score is not None]
    if scored:
        return f"best with {limits.text}: trial {scored[0].trial} ({scored[0].cost_text})"
    measured = [row for row in done if row.latency_ms is not None and row.size_mb is not None]
    if not measured:
        return f"no trial has {limits.text}, for none is measured"
    fastest = min(measured, key=lambda row: row.latency_ms or 0.0)
    smallest = min(measured, key=lambda row: row.size_mb or 0.0)
    near = {row.trial: f"trial {row.trial} has {row.cost_text}" for row in (fastest, smallest)}
    return f"no measured trial has {limits.text}: {'; '.join(near.values())}"


def _not_judged(done: Sequence[Row]) -> str:
    """Names the trials that may keep the limits or not."""
    groups = {
        "not measured": [row.trial for row in done if row.latency_ms is None and row.not_measurable is None],
        "cannot be exported": [row.trial for row in done if row.not_measurable is not None],
    }
    return "".join(f"; {words}: {', '.join(map(str, trials))}" for words, trials in groups.items() if trials)
