"""The contract of a compute target: where jobs run. `local` and `ray` implement it; `create_compute` chooses.

`automl_vision.testing.ComputeConformance` is the contract as tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """A function to call in a separate process.

    Attributes:
        function: as "module:name"; it takes the arguments as keywords.
        arguments: JSON values.
        folder: for the job's log; created if missing. On a cluster all nodes must be able to access it.
    """

    function: str
    arguments: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        reason: one sentence.
        log: the last lines of its output.
        error: class of the exception that ended it, such as "StorageError"; empty if there was none.
        lost: whether the machine was lost, so that the same job may succeed elsewhere.
    """

    reason: str
    log: str
    error: str = ""
    lost: bool = False


@dataclass(frozen=True)
class Slot:
    """The part of a compute target that one trial uses.

    Attributes:
        number: from 0.
        threads: cores for the trial; 0: all.
        gpus: devices reserved for this slot, as the target names them; empty: none are reserved.
        processes: of the trial; they share the threads, and each uses one of the GPUs.
    """

    number: int
    threads: int = 0
    gpus: tuple[str, ...] = ()
    processes: int = 1


class RunningJob(Protocol):
    """A job that was submitted."""

    @property
    def job(self) -> Job:
        """The job that was submitted."""

    def is_running(self) -> bool:
        """Whether it is running or waiting to start."""

    def failure(self) -> Failure | None:
        """Why the ended job failed, or None when it succeeded."""

    def cancel(self) -> None:
        """Stop the job and everything that it started; returns when they are gone."""


class Compute(Protocol):
    """Where jobs run. Calls come in this order: `warm_up`, `slots`, then `submit` and `wait` in turns, and `close`."""

    @property
    def device(self) -> str:
        """The device that trials use: "auto", "cpu" or "cuda"."""

    def warm_up(self) -> None:
        """Begin whatever is slow to start, so that the caller can do other work meanwhile."""

    def slots(self, wanted: int, *, threads: int = 0, processes: int = 1) -> list[Slot]:
        """Up to `wanted` slots for concurrent trials, as many as the target can run; at least one.

        Args:
            wanted: maximum number of concurrent trials.
            threads: cores for each trial; 0: the cores are divided among the trials.
            processes: per trial.
        """

    def submit(self, job: Job, slot: Slot | None = None) -> RunningJob:
        """Start a job in a slot; without a slot it may use the whole target."""

    def wait(self, jobs: Sequence[RunningJob], timeout: float) -> None:
        """Return when one of the target's jobs has ended, or after `timeout` seconds."""

    def close(self) -> None:
        """Release whatever the target holds."""
