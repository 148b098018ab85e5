"""The event loop of a sweep: fills slots with trials, hears their reports, ends the poor ones, keeps the deadline.

It knows neither data nor training: a trial is a job that writes reports and a result into its folder. All decisions
come from elsewhere: `sources` say what to try, `policies` what to end, `budget` whether another trial fits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from automl_vision.compute.compute import Compute, Failure, Job, RunningJob, Slot
from automl_vision.core.errors import RunFailedError, StorageError
from automl_vision.core.numbers import finite
from automl_vision.runs.budget import Budget, fits_another
from automl_vision.runs.repeated_failures import MOST_ALIKE, hopeless
from automl_vision.runs.trial_sources import TrialSource, TrialState
from automl_vision.search.planned_trial import PlannedTrial, planned_trial
from automl_vision.search.policies import Policy, reason_to_end
from automl_vision.workspace.run_folder import RunFolder, TrialFolder

_POLL = 0.25  # seconds; the end of a trial is heard at once
_NOTED_EVERY = 2.0  # seconds between notes of the time that was used
_TIME_IS_UP = "the run's time was used up"
_MOST_LOST = 3  # how often a trial is started again because its machine went away

MakeJob = Callable[[TrialFolder, PlannedTrial, Slot, float], Job]
"""The job of a trial, given its folder, its plan, its slot and the seconds that are left for it.

Its argument `spec`, where it has one, is recorded as the trial's specification.
"""


class CanceledError(Exception):
    """The user asked to end the run."""


class Observer(Protocol):
    """Hears what happens, such as the tracking store."""

    def started(self, trial: TrialFolder, planned: PlannedTrial) -> None:
        """A trial starts, or goes on after an interruption."""

    def reported(self, trial: TrialFolder, events: Sequence[dict[str, Any]], offset: int) -> None:
        """A trial wrote events, up to a byte offset of its file."""

    def ended(self, trial: TrialFolder, status: str) -> None:
        """A trial ended."""

    def check(self) -> None:
        """Raise what must stop the sweep."""


@dataclass
class _Running:
    """A trial in a slot."""

    state: TrialState
    folder: TrialFolder
    job: RunningJob
    slot: Slot
    offset: int
    stop_reason: str | None = None


@dataclass
class TrialLoop:
    """Runs a sweep's trials until there are no more; what ended before an interruption is not run again.

    Attributes:
        task: the product's name of the task.
        folder: of the run, the record of all that is done.
        compute: where trials run.
        slots: shares of it, one a trial at once.
        source: proposes trials.
        policy: ends poor ones.
        metric: name of the primary metric.
        make_job: from a plan to a job.
        budget: the deadline.
        observer: told what happens.
        trials: what is known of every trial, in order.
        time_is_up: whether no further trial fits.
    """

    task: str
    folder: RunFolder
    compute: Compute
    slots: Sequence[Slot]
    source: TrialSource
    policy: Policy
    metric: str
    make_job: MakeJob
    budget: Budget
    observer: Observer
    trials: list[TrialState] = field(default_factory=list)
    time_is_up: bool = False

    def __post_init__(self) -> None:
        self._running: list[_Running] = []
        self._waiting: list[TrialState] = []
        self._records: list[Callable[[], None]] = []
        self._noted = 0.0

    def run(self) -> None:
        """Work until every trial has ended, or the time is used up.

        Raises:
            CanceledError: the user asked to end the run.
            StorageError: a trial could not write, however long it waited.
            RunFailedError: there is no hope that a trial gives a result.
            RunNotFoundError: the run's folder was deleted.
        """
        self._recover()
        try:
            while True:
                self._fill_slots()
                self._write_records()
                if not self._running:
                    return
                self.compute.wait([running.job for running in self._running], _POLL)
                self._check()
                for running in list(self._running):
                    self._hear(running)
                self._keep_hope()
                self._keep_deadline()
        finally:
            self._leave()

    def _recover(self) -> None:
        """Take up what an earlier process recorded."""
        for folder in self.folder.planned_trials():
            record = folder.status()
            state = TrialState(folder.number, planned_trial(self.task, folder.plan()), record["status"])
            state.reason = record.get("reason") or ""
            self._read_reports(state, folder.evaluations())
            result = folder.result()
            if result is not None and not state.has_result:  # it ended while nobody looked
                state.status = self._ended_well(folder, result)
            if state.has_result and result is not None:
                state.score, state.seconds = finite(result["score"]), result["seconds"]
            if state.has_ended and not folder.published()["ended"]:
                self._records.append(partial(self._publish_end, folder, state))
            if not state.has_ended:
                self._waiting.append(state)
            self.trials.append(state)

    def _publish_end(self, folder: TrialFolder, state: TrialState) -> None:
        self.observer.started(folder, state.planned)
        events, offset = folder.events(folder.published()["offset"])
        self.observer.reported(folder, events, offset)
        self.observer.ended(folder, state.status)

    def _fill_slots(self) -> None:
        """Start trials while there are slots, trials and time."""
        free = [slot for slot in self.slots if all(running.slot != slot for running in self._running)]
        for slot in free:
            if not self._has_time():
                return
            state = self._waiting.pop(0) if self._waiting else self._propose()
            if state is None:
                return
            self._start(state, slot)

    def _has_time(self) -> bool:
        self.time_is_up = self.time_is_up or not fits_another(self.trials, self.budget.seconds_for_trials)
        return not self.time_is_up

    def _propose(self) -> TrialState | None:
        """Ask for the next trial and record it before anything of it runs."""
        planned = self.source.next(self.trials)
        if planned is None:
            return None
        state = TrialState(len(self.trials), planned)
        self.folder.trial(state.number).write_plan(planned.model_dump())
        self.trials.append(state)
        return state

    def _start(self, state: TrialState, slot: Slot) -> None:
        folder = self.folder.trial(state.number)
        job = self.make_job(folder, state.planned, slot, max(1.0, self.budget.seconds_for_trials))
        running = self.compute.submit(job, slot)
        state.status = "Running"
        self._running.append(_Running(state, folder, running, slot, folder.published()["offset"]))
        self._records.append(partial(folder.write_spec, job.arguments.get("spec", {})))
        self._records.append(
            partial(folder.update_status, status="Running", started=time.time(), reason=None, log=None)
        )
        self._records.append(partial(self.observer.started, folder, state.planned))

    def _write_records(self) -> None:
        """Write what slots need not wait for, once they are filled: each file takes its time to reach the disk.

        A crash before this loses nothing: what a trial left in its folder says how it ended.
        """
        records, self._records = self._records, []
        for record in records:
            record()
        if time.monotonic() - self._noted > _NOTED_EVERY:
            self._noted = time.monotonic()
            self.folder.update_status(seconds=self.budget.spent)

    def _hear(self, running: _Running) -> None:
        """Take a trial's reports, judge it, and see whether it has ended."""
        working = running.job.is_running()
        events, offset = running.folder.events(running.offset)
        if offset != running.offset:
            running.offset = offset
            evaluations = [event for event in events if event["event"] == "evaluation"]
            judged = len(running.state.curve.values)
            self._read_reports(running.state, evaluations)
            self.observer.reported(running.folder, events, offset)
            if evaluations and working:
                self._judge(running, judged)
        if not working:
            self._running.remove(running)
            self._end(running)

    def _read_reports(self, state: TrialState, evaluations: Sequence[dict[str, Any]]) -> None:
        for event in evaluations:
            state.reports[event["epoch"]] = event["metrics"].get(self.metric)
            state.seconds = event["seconds"]

    def _judge(self, running: _Running, judged: int) -> None:
        """Ask a trial to end with what it has, if the policy says so of one of the reports after the judged ones."""
        if running.stop_reason is not None:
            return
        curves = {state.number: state.curve for state in self.trials}
        number = running.state.number
        new = range(judged + 1, len(running.state.curve.values) + 1)
        reasons = (reason_to_end(self.policy, curves, number, interval=n) for n in new)
        reason = next((reason for reason in reasons if reason is not None), None)
        if reason is not None:
            running.stop_reason = reason
            running.folder.request_stop(reason)
            self.folder.message(f"trial {running.state.number} is ended: {reason}")

    def _end(self, running: _Running) -> None:
        """Record how a trial ended."""
        state, folder = running.state, running.folder
        failure, result = running.job.failure(), folder.result()
        if result is not None:  # it is written last, so whatever ended the process afterwards does not count
            state.score, state.seconds = finite(result["score"]), result["seconds"]
            state.status = self._ended_well(folder, result)
        elif failure is not None and failure.lost and state.lost < _MOST_LOST:
            state.lost += 1
            self.folder.message(f"trial {state.number} is started again: {failure.reason}")
            self._waiting.append(state)
            return
        else:
            self._fail(state, folder, failure)
        self._records.append(partial(self.observer.ended, folder, state.status))

    def _ended_well(self, folder: TrialFolder, result: dict[str, Any]) -> str:
        """Record a trial that left a result; gives its status."""
        reason = result.get("stopped")
        judged = reason is not None and reason == folder.stop_reason() and reason != _TIME_IS_UP
        status = "Terminated" if judged else "Completed"
        reason = reason if status == "Terminated" else None
        self._records.append(partial(folder.update_status, status=status, ended=time.time(), reason=reason))
        return status

    def _fail(self, state: TrialState, folder: TrialFolder, failure: Failure | None) -> None:
        failure = failure or Failure("it left no result", "")
        if failure.error == StorageError.__name__:
            folder.update_status(status="NotStarted", ended=time.time(), reason=failure.reason)
            raise StorageError(failure.reason)
        state.status, state.reason = "Failed", failure.reason
        self._records.append(
            partial(folder.update_status, status="Failed", ended=time.time(), reason=failure.reason, log=failure.log)
        )
        self.folder.message(f"trial {state.number} failed: {failure.reason}")

    def _keep_hope(self) -> None:
        """End a sweep in which nothing but one error has come of the trials.

        Raises:
            RunFailedError: so it is.
        """
        reason = hopeless(self.trials)
        if reason is not None:
            self._cancel_running("the run was given up")
            raise RunFailedError(
                f"{MOST_ALIKE} trials failed for the same reason and none gave a result: {reason}. Repair the cause, "
                f"then go on with: automl-vision resume {self.folder.id}"
            )

    def _keep_deadline(self) -> None:
        """When the time for trials is over, ask them to end with what they have; end by force what does not."""
        if self.budget.seconds_for_trials < 0:
            for running in self._running:
                if running.stop_reason is None:
                    running.stop_reason = _TIME_IS_UP
                    running.folder.request_stop(_TIME_IS_UP)
        if self._running and self.budget.is_over_without(self.trials):
            self._cancel_running(_TIME_IS_UP)
            self.time_is_up = True

    def _check(self) -> None:
        self.folder.require()
        if self.folder.cancel_requested():
            self._cancel_running(None)
            raise CanceledError
        self.observer.check()

    def _cancel_running(self, reason: str | None) -> None:
        """End all that runs, by force, and record it."""
        self._write_records()
        for running in self._running:
            running.job.cancel()
            running.state.status = "Canceled"
            running.folder.update_status(status="Canceled", ended=time.time(), reason=reason)
            self.observer.ended(running.folder, "Canceled")
        self._running.clear()

    def _leave(self) -> None:
        """End what still runs; its state is in its folder, and it can go on from there."""
        for running in self._running:
            running.job.cancel()
        self._running.clear()
