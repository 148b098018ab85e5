"""Early stopping: when validation has stopped improving."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Ends a trial after `patience` evaluations without improvement; the first `delay` evaluations do not count.

    Attributes:
        patience: evaluations without improvement that end the trial.
        delay: evaluations that do not count.
        evaluations: seen so far.
        best: highest score so far.
        stale: evaluations since the last improvement.
    """

    patience: int
    delay: int
    evaluations: int = 0
    best: float = float("-inf")
    stale: int = 0

    @property
    def reason(self) -> str:
        """Why the trial ends, for the user."""
        return f"no gain over {self.patience} evaluations"

    def should_stop(self, score: float) -> bool:
        """Add the next evaluation's score, higher is better, and return whether to stop."""
        self.evaluations += 1
        gained = score > self.best
        self.best = max(self.best, score)
        if gained or self.evaluations <= self.delay:
            self.stale = 0
        else:
            self.stale += 1
        return self.stale >= self.patience
