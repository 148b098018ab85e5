"""The contract of a compute target: where jobs run. `local` and `ray` fulfil it, and `create_compute` chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """A function to call in a process of its own.

    Attributes:
        function: as "module:name"; it takes the arguments as keywords.
        arguments: JSON values.
        folder: for the job's log; made when missing. On a cluster every node reaches it.
    """

    function: str
    arguments: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        reason: one sentence.
        log: the last lines that it printed.
        error: class of the exception that ended it, such as "StorageError"; empty where there was none.
        lost: whether the job's machine went away, so that the same job may succeed elsewhere.
    """

    reason: str
    log: str
    error: str = ""
    lost: bool = False


@dataclass(frozen=True)
class Slot:
    """A share of the compute target that one trial has for itself.

    Attributes:
        number: from 0.
        threads: cores for the trial; 0: all.
        gpus: devices that only this slot uses, as the target names them; empty: none are set apart.
        processes: of the trial, which share the threads and take one of the GPUs each.
    """

    number: int
    threads: int = 0
    gpus: tuple[str, ...] = ()
    processes: int = 1


class RunningJob(Protocol):
    """A job that was submitted."""

    @property
    def job(self) -> Job:
        """What was submitted."""

    def is_running(self) -> bool:
        """Whether it still works, or waits for its turn."""

    def failure(self) -> Failure | None:
        """Why the ended job failed, or None when it succeeded."""

    def cancel(self) -> None:
        """End the job and everything that it started; returns when they are gone."""


class Compute(Protocol):
    """Where jobs run. Its life: `warm_up`, `slots`, then `submit` and `wait` in turns, and `close`."""

    @property
    def device(self) -> str:
        """What trials take as their device: "auto", "cpu" or "cuda"."""

    def warm_up(self) -> None:
        """Begin whatever is slow to start, so that it starts while the caller does other work."""

    def slots(self, wanted: int, *, threads: int = 0, processes: int = 1) -> list[Slot]:
        """Shares for as many trials at once as are wanted and the target bears, at least one.

        Args:
            wanted: trials at once.
            threads: cores for each trial; 0: the cores are divided among the trials.
            processes: that train each trial together.
        """

    def submit(self, job: Job, slot: Slot | None = None) -> RunningJob:
        """Start a job in a slot; without one it may use all that there is."""

    def wait(self, jobs: Sequence[RunningJob], timeout: float) -> None:
        """Return when one of the target's jobs has ended, or after `timeout` seconds."""

    def close(self) -> None:
        """Give back whatever the target holds."""
