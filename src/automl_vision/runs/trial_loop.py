"""The event loop of a run: fills slots with trials, reads their reports, stops poor ones, and keeps the deadline.

It knows neither data nor training: a trial is a job that writes reports and a result into its folder. All decisions
come from elsewhere: a trial source proposes trials, a policy stops them, the budget says whether another one fits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from automl_vision.compute.compute import Compute, Failure, Job, RunningJob, Slot
from automl_vision.core.errors import RunFailedError, StorageError
from automl_vision.core.numbers import finite
from automl_vision.core.records import EvaluationEvent, Ranking, TrialResult, TrialStatus
from automl_vision.runs.budget import Budget, fits_another
from automl_vision.runs.repeated_failures import MAX_REPEATED, repeated_failure
from automl_vision.runs.trial_records import Observer, TrialRecords
from automl_vision.runs.trial_sources import TrialSource, TrialState
from automl_vision.search.planned_trial import PlannedTrial, planned_trial
from automl_vision.search.policies import NoTerminationPolicy, Policy, reason_to_end
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

_POLL = 0.25  # seconds; the end of a trial is noticed at once
_SAVE_INTERVAL = 2.0  # seconds between records of the time that was used
_TIME_IS_UP = "the run's time was used up"
_MAX_LOST = 3  # how often a trial is started again because its machine went away

MakeJob = Callable[[TrialFolder, PlannedTrial, Slot, float], Job]
"""Makes the job of a trial from its folder, its configuration, its slot and the seconds that are left for it.

The job's argument `spec`, if it has one, is recorded as the trial's specification.
"""


class CanceledError(Exception):
    """The user asked to end the run."""


@dataclass
class _Running:
    """A trial in a slot."""

    state: TrialState
    folder: TrialFolder
    job: RunningJob
    slot: Slot
    offset: int
    stop_reason: str | None = None

    def request_stop(self, reason: str) -> None:
        """Ask the trial to end with what it has, unless it was asked before."""
        if self.stop_reason is None:
            self.stop_reason = reason
            self.folder.request_stop(reason)


@dataclass
class TrialLoop:
    """Runs the trials of a run, stage by stage; trials that ended before an interruption are not repeated.

    Attributes:
        task: the product's name of the task.
        folder: of the run; everything that happens is recorded there.
        compute: where trials run.
        ranking: how trials are ranked.
        make_job: makes the job of a trial.
        budget: the deadline.
        observer: notified of what happens.
        trials: the state of every trial, in order; those of an earlier process are there from the start.
        time_is_up: whether the last stage ended because no further trial of it fits.
    """

    task: str
    folder: RunFolder
    compute: Compute
    ranking: Ranking
    make_job: MakeJob
    budget: Budget
    observer: Observer
    trials: list[TrialState] = field(default_factory=list)
    time_is_up: bool = False

    def __post_init__(self) -> None:
        self._running: list[_Running] = []
        self._records = TrialRecords(self.observer)
        self._policy: Policy = NoTerminationPolicy()
        self._saved = 0.0
        self._recover()

    def run(
        self,
        source: TrialSource,
        slots: Sequence[Slot],
        *,
        policy: Policy | None = None,
        least_seconds: float | None = None,
    ) -> None:
        """Run a stage: work until every trial of a source has ended or the time is used up.

        Args:
            source: proposes trials; those of it that were interrupted go on first.
            slots: shares of the compute, one per concurrent trial.
            policy: stops poor trials; None stops none.
            least_seconds: that a trial of the source needs; None judges by the trials so far.

        Raises:
            CanceledError: the user asked to end the run.
            StorageError: a trial could not write, however long it waited.
            RunFailedError: every trial fails for the same reason.
            RunNotFoundError: the run's folder was deleted.
        """
        self._policy, self.time_is_up = policy or NoTerminationPolicy(), False
        try:
            while True:
                self._fill_slots(source, slots, least_seconds)
                self._save()
                if not self._running:
                    return
                self.compute.wait([running.job for running in self._running], _POLL)
                self._check()
                for running in list(self._running):
                    self._follow(running)
                self._stop_on_repeated_failure()
                self._keep_deadline()
        finally:
            for running in self._running:  # its state is in its folder, and it can go on from there
                running.job.cancel()
            self._running.clear()

    def _recover(self) -> None:
        """Take over what an earlier process recorded."""
        for folder in self.folder.trials(planned=True):
            plan = folder.plan().model_dump(by_alias=True, exclude_unset=True)
            record, result = folder.record(), folder.result()
            state = TrialState(folder.number, planned_trial(self.task, plan), record.status, reason=record.reason or "")
            state.add(folder.evaluations(), self.ranking)
            if result is not None and not state.status.has_result:  # it ended while no process watched it
                state.status, reason = _outcome(folder, result)
                folder.update(status=state.status, ended=time.time(), reason=reason)
            if state.status.has_result and result is not None:
                state.score, state.seconds = finite(self.ranking.score(result.score)), result.seconds
            if state.status.is_final and not folder.published().ended:
                self._records.ended_before(folder, state.planned, state.status)
            self.trials.append(state)

    def _fill_slots(self, source: TrialSource, slots: Sequence[Slot], least_seconds: float | None) -> None:
        """Start trials while there are slots, trials and time."""
        active = [running.state.number for running in self._running]
        waiting = [each for each in self.trials if not each.status.is_final and each.number not in active]
        waiting = [each for each in waiting if source.has(each.planned)]
        for slot in slots:
            if self.time_is_up or any(running.slot == slot for running in self._running):
                continue
            planned = waiting[0].planned if waiting else source.next(self.trials)
            if planned is None:
                return
            seconds = self.budget.seconds_for_trials
            fits = fits_another(self.trials, seconds) if least_seconds is None else seconds >= least_seconds
            if not fits:
                self.time_is_up = True
                return
            self._start(waiting.pop(0) if waiting else self._recorded(planned), slot)

    def _recorded(self, planned: PlannedTrial) -> TrialState:
        """A new trial, which is recorded before anything of it runs."""
        state = TrialState(len(self.trials), planned)
        self.folder.trial(state.number).write_plan(planned.model_dump())
        self.trials.append(state)
        return state

    def _start(self, state: TrialState, slot: Slot) -> None:
        folder = self.folder.trial(state.number)
        job = self.make_job(folder, state.planned, slot, max(1.0, self.budget.seconds_for_trials))
        running = self.compute.submit(job, slot)
        state.status = TrialStatus.RUNNING
        self._running.append(_Running(state, folder, running, slot, folder.published().offset))
        self._records.started(folder, state.planned, job.arguments.get("spec", {}))

    def _save(self) -> None:
        """Write what happened, and every two seconds the time that was used."""
        self._records.write()
        if time.monotonic() - self._saved > _SAVE_INTERVAL:
            self._saved = time.monotonic()
            self.folder.update(seconds=self.budget.spent)

    def _follow(self, running: _Running) -> None:
        """Read a trial's new reports, judge them, and see whether it has ended."""
        is_running, state = running.job.is_running(), running.state
        events, offset = running.folder.events.read(running.offset)
        if offset != running.offset:
            running.offset = offset
            evaluations = [event for event in events if isinstance(event, EvaluationEvent)]
            judged = len(state.curve.values)
            state.add(evaluations, self.ranking)
            self.observer.reported(running.folder, events, offset)
            if evaluations and is_running:
                self._judge(running, judged)
        if not is_running:
            self._running.remove(running)
            self._end(running)

    def _judge(self, running: _Running, judged: int) -> None:
        """Stop a trial early if the policy rejects one of the reports after those that were judged before."""
        if running.stop_reason is not None:
            return
        curves = {state.number: state.curve for state in self.trials}
        number = running.state.number
        new = range(judged + 1, len(running.state.curve.values) + 1)
        reasons = (reason_to_end(self._policy, curves, number, interval=n) for n in new)
        reason = next((reason for reason in reasons if reason is not None), None)
        if reason is not None:
            running.request_stop(reason)
            self.folder.message(f"trial {number} is ended: {reason}")

    def _end(self, running: _Running) -> None:
        """Record how a trial ended, or start it again if its machine went away."""
        state, folder = running.state, running.folder
        failure, result = running.job.failure(), folder.result()
        if result is not None:  # it is written last, so whatever ended the process afterwards does not count
            state.score, state.seconds = finite(self.ranking.score(result.score)), result.seconds
            state.status, reason = _outcome(folder, result)
            self._records.ended(folder, state.status, reason=reason)
        elif failure is not None and failure.lost and state.lost < _MAX_LOST:
            state.lost += 1
            state.status = TrialStatus.NOT_STARTED
            self.folder.message(f"trial {state.number} is started again: {failure.reason}")
        else:
            self._fail(state, folder, failure or Failure("it left no result", ""))

    def _fail(self, state: TrialState, folder: TrialFolder, failure: Failure) -> None:
        if failure.error == StorageError.__name__:
            folder.update(status=TrialStatus.NOT_STARTED, ended=time.time(), reason=failure.reason)
            raise StorageError(failure.reason)
        state.status, state.reason = TrialStatus.FAILED, failure.reason
        self._records.ended(folder, state.status, reason=failure.reason, log=failure.log)
        self.folder.message(f"trial {state.number} failed: {failure.reason}")

    def _stop_on_repeated_failure(self) -> None:
        """End a run in which every trial fails for the same reason.

        Raises:
            RunFailedError: that is the case.
        """
        reason = repeated_failure(self.trials)
        if reason is not None:
            self._cancel_running("the run was given up")
            raise RunFailedError(
                f"{MAX_REPEATED} trials failed for the same reason and none gave a result: {reason}. Repair the cause, "
                f"then go on with: automl-vision resume {self.folder.id}"
            )

    def _keep_deadline(self) -> None:
        """When the time for trials is over, ask them to end with what they have; cancel those that do not."""
        if self.budget.seconds_for_trials < 0:
            for running in self._running:
                running.request_stop(_TIME_IS_UP)
        if self._running and self.budget.is_over_without(self.trials):
            self._cancel_running(_TIME_IS_UP)
            self.time_is_up = True

    def _check(self) -> None:
        self.folder.require()
        if self.folder.cancel_request.is_set():
            self._cancel_running(None)
            raise CanceledError
        self.observer.check()

    def _cancel_running(self, reason: str | None) -> None:
        """Cancel all running trials, and record it."""
        for running in self._running:
            running.job.cancel()
            running.state.status = TrialStatus.CANCELED
            self._records.ended(running.folder, running.state.status, reason=reason)
        self._running.clear()
        self._records.write()


def _outcome(folder: TrialFolder, result: TrialResult) -> tuple[TrialStatus, str | None]:
    """The status of a trial that left a result, and the reason if the policy stopped it."""
    if result.stopped is not None and result.stopped == folder.stop_reason() and result.stopped != _TIME_IS_UP:
        return TrialStatus.TERMINATED, result.stopped
    return TrialStatus.COMPLETED, None
