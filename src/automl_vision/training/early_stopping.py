"""When validation no longer gains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Ends a trial after `patience` evaluations without gain; the first `delay` evaluations only set the mark.

    Attributes:
        patience: evaluations without gain that end the trial.
        delay: evaluations that do not count.
        evaluations: seen so far.
        best: highest score so far.
        stale: evaluations since the last gain.
    """

    patience: int
    delay: int
    evaluations: int = 0
    best: float = float("-inf")
    stale: int = 0

    @property
    def reason(self) -> str:
        """What to tell when it stops."""
        return f"no gain over {self.patience} evaluations"

    def should_stop(self, score: float) -> bool:
        """Take the next evaluation's score, higher is better, and say whether to stop."""
        self.evaluations += 1
        gained = score > self.best
        self.best = max(self.best, score)
        if gained or self.evaluations <= self.delay:
            self.stale = 0
        else:
            self.stale += 1
        return self.stale >= self.patience
