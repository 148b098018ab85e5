"""The states of runs and trials; each is a string, spelled as on disk."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """The state of a run, in the order in which a run passes through them."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    """The run waits until the runs that were submitted before it on this machine have ended."""
    PREPARING = "Preparing"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"
    INTERRUPTED = "Interrupted"
    """The run has not ended, and no process is working on it."""

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more happens unless the run is resumed."""
        return self.is_final or self is RunStatus.INTERRUPTED


class TrialStatus(StrEnum):
    """The state of a trial."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"
    """Ended early by the early termination policy, with weights and metrics."""
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_final(self) -> bool:
        """Whether the trial has ended."""
        return self not in (TrialStatus.NOT_STARTED, TrialStatus.RUNNING)

    @property
    def has_result(self) -> bool:
        """Whether the trial has ended with weights and metrics."""
        return self in (TrialStatus.COMPLETED, TrialStatus.TERMINATED)
