"""Writes down what happens to the trials of a run, and passes it on to the tracking store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from automl_vision.core.records import Event, TrialStatus
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.trial_folder import TrialFolder


class Observer(Protocol):
    """Is notified of what happens to trials; the tracking store is one."""

    def started(self, trial: TrialFolder, planned: PlannedTrial) -> None:
        """A trial starts, or goes on after an interruption."""

    def reported(self, trial: TrialFolder, events: Sequence[Event], offset: int) -> None:
        """A trial wrote events, up to a byte offset of its file."""

    def ended(self, trial: TrialFolder, status: TrialStatus) -> None:
        """A trial ended."""

    def check(self) -> None:
        """Raise an error that must stop the run."""


class TrialRecords:
    """Records of trials that wait until the slots are filled: each file takes its time to reach the disk.

    A crash before `write` loses nothing: what a trial left in its folder says how it ended.

    Args:
        observer: notified of what is recorded.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._waiting: list[Callable[[], None]] = []

    def started(self, trial: TrialFolder, planned: PlannedTrial, spec: dict[str, Any]) -> None:
        """Record that a trial runs."""
        self._waiting += [
            partial(trial.write_spec, spec),
            partial(trial.update, status=TrialStatus.RUNNING, started=time.time(), reason=None, log=None),
            partial(self._observer.started, trial, planned),
        ]

    def ended(self, trial: TrialFolder, status: TrialStatus, *, reason: str | None, log: str | None = None) -> None:
        """Record how a trial ended."""
        self._waiting += [
            partial(trial.update, status=status, ended=time.time(), reason=reason, log=log),
            partial(self._observer.ended, trial, status),
        ]

    def ended_before(self, trial: TrialFolder, planned: PlannedTrial, status: TrialStatus) -> None:
        """Notify the observer of a trial that ended before an interruption."""
        self._waiting.append(partial(self._pass_on, trial, planned, status))

    def write(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            record()

    def _pass_on(self, trial: TrialFolder, planned: PlannedTrial, status: TrialStatus) -> None:
        self._observer.started(trial, planned)
        events, offset = trial.events.read(trial.published().offset)
        self._observer.reported(trial, events, offset)
        self._observer.ended(trial, status)
