"""`Run`: a submitted run, from any process: watch it, cancel it, resume it, and take its results."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_vision.compute.local import last_lines
from automl_vision.core.errors import RunFailedError
from automl_vision.core.records import RunRecord, RunStatus, TrialStatus
from automl_vision.experiment.downloads import (
    FolderEntry,
    copy_file,
    copy_files,
    file_names,
    find_file,
    list_folder,
)
from automl_vision.experiment.live import NewEvent
from automl_vision.experiment.trial import Trial
from automl_vision.runs.board_reader import BoardReader
from automl_vision.runs.leaderboard import Leaderboard
from automl_vision.runs.limits import Limits, within
from automl_vision.runs.spec import read_run_spec
from automl_vision.runs.start import start_run
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.workspace import Workspace

if TYPE_CHECKING:
    from automl_vision.experiment.figures import Figures
    from automl_vision.runs.verdict import Verdict

_POLL = 0.2  # seconds
_MAX_LOGS = 3  # of failed trials that are shown
_CLOSING = 15.0  # seconds that a process may still take to close after it ended its run


class Run:
    """A run of an experiment; a new process picks it up by its id.

    Args:
        workspace: where it is.
        run_id: its id.

    Raises:
        RunNotFoundError: the workspace has no run of this id.
    """

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.workspace = workspace
        self.id = run_id
        self.folder = workspace.run_folder(run_id)
        self._board = BoardReader(self.folder)

    def get_status(self) -> RunStatus:
        """Return the run's status, which is a `str`.

        `NotStarted`, `Queued`, `Preparing`, `Running`, `Finalizing`, `Completed`, `Failed`, `Canceled` or
        `Interrupted`. What a queued run waits for is in `get_details()["in_line"]`.
        """
        return self.folder.record().status

    def get_details(self) -> dict[str, Any]:
        """Return everything that is recorded of the run's state as JSON values."""
        return _details(self.folder.record())

    def wait_for_completion(
        self, show_output: bool = False, *, raise_on_error: bool = True, as_json: bool = False
    ) -> dict[str, Any]:
        """Wait until the run ends; Ctrl-C cancels it, and a second Ctrl-C stops waiting for the cancellation.

        Args:
            show_output: show live progress: a card in a notebook, lines elsewhere.
            raise_on_error: raise if the run does not complete.
            as_json: show the progress as JSON lines.

        Returns:
            The run's final state, as `get_details` returns it.

        Raises:
            RunFailedError: the run failed, was canceled, or its process is gone.
        """
        try:
            if show_output:
                self._show(as_json=as_json)
            else:
                while not self.get_status().is_at_rest:
                    time.sleep(_POLL)
        except KeyboardInterrupt:
            self._cancel_and_report()
            raise
        record = self.folder.record()
        if raise_on_error and record.status is not RunStatus.COMPLETED:
            raise RunFailedError(self._failure(record))
        return _details(record)

    def watch(self) -> None:
        """Show the run live until it ends: a card that changes in a notebook, lines elsewhere.

        Interrupting this leaves the run as it is.
        """
        self._show()

    def cancel(self, *, timeout: float = 30.0) -> None:
        """End the run and its trials, and wait until it has ended."""
        if self.get_status().is_final:
            return
        self.folder.cancel_request.set()
        end = time.monotonic() + timeout
        while time.monotonic() < end and not (status := self.get_status()).is_final:
            if status is RunStatus.INTERRUPTED:
                self.folder.cancel_request.clear()
                self.folder.update(
                    status=RunStatus.CANCELED, reason="canceled by the user", in_line=None, ended=time.time()
                )
            time.sleep(_POLL)

    def resume(self, *, queue: bool = True) -> Run:
        """Continue a run whose process is gone, or that was canceled or failed; finished trials are kept.

        A completed run is left alone. On this machine the run goes to the end of the line, behind those that wait.

        Args:
            queue: wait until the runs before this one have ended; if not, it goes on at once beside them.

        Returns:
            The run itself.

        Raises:
            WorkspaceError: the run is already running in another process.
            ConfigError: another version made the run, and this one cannot read it.
        """
        if self.get_status() is not RunStatus.COMPLETED:
            with reopened_run(self.folder) as lock:
                start_run(self.folder, lock, queue=queue)
        return self

    def leaderboard(
        self, metrics: Sequence[str] = (), *, max_latency_ms: float | None = None, max_size_mb: float | None = None
    ) -> Leaderboard:
        """Every trial, best first; with a limit, every finished trial that keeps it, and a note on the best of these.

        Args:
            metrics: further metrics of the task that get columns.
            max_latency_ms: maximum milliseconds per image of the exported network, one image per batch.
            max_size_mb: maximum size of the exported file, in units of 10^6 bytes.

        Raises:
            ValueError: no trial knows such a metric, or a limit is not a positive number.
        """
        board, limits = self._board.read(metrics), Limits(max_latency_ms, max_size_mb)
        return within(board, limits) if limits.are_set else board

    def verdict(self, *, max_latency_ms: float | None = None, max_size_mb: float | None = None) -> Verdict | None:
        """Which trials cannot be told from the best one by paired tests, and which of these is the fastest or smallest.

        None before a trial has a result, and where none keeps the limits, which are those of `leaderboard`. Without
        limits those of the run count, if any trial keeps them.
        """
        from automl_vision.runs.verdict import judge

        if max_latency_ms is None and max_size_mb is None:
            outline = self.folder.outline()
            own = self.leaderboard(max_latency_ms=outline.max_latency_ms, max_size_mb=outline.max_size_mb)
            if len(own):
                return judge(self.folder, own)
        return judge(self.folder, self.leaderboard(max_latency_ms=max_latency_ms, max_size_mb=max_size_mb))

    def measure(self, *, again: bool = False) -> Leaderboard:
        """Measure latency and size of the finished trials' networks that are not measured yet, on this machine.

        A run does this by itself when its trials have ended, as far as its time suffices. What could not be measured is
        tried again.

        Args:
            again: also measure what was measured before, such as on another machine.

        Raises:
            WorkspaceError: another process works on the run.
        """
        from automl_vision.runs.measuring import measure_now

        measure_now(self.folder, again=again)
        return self.leaderboard()

    def figures(self) -> Figures:
        """Return figures of the trials by name: their scores, what they cost, and what hyperparameters matter.

        Each shows in a notebook, and is built when it is asked for. `missing` says why others cannot be drawn.
        """
        from automl_vision.experiment.run_figures import run_figures

        return run_figures(self.leaderboard(), self.folder.outline().ranking, self.verdict)

    def get_children(self) -> list[Trial]:
        """Return the run's trials, in the order in which they were started."""
        return [Trial(folder) for folder in self.folder.trials()]

    def get_child(self, number: int) -> Trial:
        """Return a trial by its number.

        Raises:
            RunFailedError: no trial of this number was started.
        """
        trial = self._trial(number)
        if not trial.path.exists():
            raise RunFailedError(f"run {self.id} has no trial {number}")
        return trial

    def get_children_sorted_by_primary_metric(self) -> list[Trial]:
        """Return the run's trials, best first."""
        return [self._trial(row.trial) for row in self.leaderboard()]

    def get_best_child(self) -> Trial | None:
        """Return the trial that became the model, or the best one so far; None before any has a score."""
        chosen = self.folder.record().best_trial
        if chosen is not None:
            return self._trial(chosen)
        ranked = [row for row in self.leaderboard() if row.score is not None]
        return self._trial(ranked[0].trial) if ranked else None

    def get_metrics(self) -> dict[str, dict[str, float]]:
        """Return all metrics of the best trial, by split."""
        best = self.get_best_child()
        return best.get_metrics() if best else {}

    def get_messages(self) -> list[NewEvent]:
        """Return what the run and its trials said, in order of time; the `trial` of the run's own messages is None."""
        found = [NewEvent(message) for message in self.folder.events.messages()]
        for trial in self.folder.trials():
            found += [NewEvent(message, trial.number) for message in trial.events.messages()]
        return sorted(found, key=lambda new: new.event.time)

    def get_log(self) -> str:
        """Return the last lines that the run's process wrote to its log; empty if it wrote none."""
        return last_lines(self.folder.path / "controller.log")

    def get_file_names(self) -> list[str]:
        """List the run's files, relative to its folder."""
        return file_names(self.folder.path)

    def list_files(self, folder: str = "") -> list[FolderEntry]:
        """List the files and folders directly in one of the run's folders, with their sizes.

        Args:
            folder: relative to the folder of the run; empty for itself.

        Raises:
            RunFailedError: the run has no such folder.
        """
        return list_folder(self.folder.path, folder, owner=f'run "{self.id}"')

    def get_file(self, name: str) -> Path:
        """Return where one of the run's files is.

        Args:
            name: as `get_file_names` lists it.

        Raises:
            RunFailedError: the run has no such file.
        """
        return find_file(self.folder.path, name, owner=f'run "{self.id}"')

    def download_file(self, name: str, output_file_path: str | Path = ".") -> Path:
        """Copy one of the run's files and return the copy.

        Args:
            name: as `get_file_names` lists it.
            output_file_path: a file, or an existing folder.

        Raises:
            RunFailedError: the run has no such file.
        """
        return copy_file(self.folder.path, name, Path(output_file_path), owner=f'run "{self.id}"')

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> Path:
        """Copy the run's files whose names start with a prefix, such as "model", into a folder; returns the folder."""
        return copy_files(self.folder.path, prefix, Path(output_directory), owner=f'run "{self.id}"')

    def register_model(self, model_name: str, *, tags: dict[str, str] | None = None) -> str:
        """Register the run's model in the workspace's MLflow registry.

        Args:
            model_name: a new name, or an existing one, which gets a new version.
            tags: kept with the version.

        Returns:
            The new version's number.

        Raises:
            RunFailedError: the run has no model.
            WorkspaceError: the registry cannot be written.
        """
        return str(self.workspace.models.register(self.model_path, model_name, tags=tags).number)

    @property
    def model_path(self) -> Path:
        """The packaged model folder.

        Raises:
            RunFailedError: the run has none.
        """
        if not self.folder.model.exists():
            raise RunFailedError(f'run "{self.id}" has no model (its status is {self.get_status()})')
        return self.folder.model

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.get_status()})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        """The run's card for a notebook, and one line for what shows only text."""
        from automl_vision.experiment.notebook import CardReader

        card = CardReader(self.folder).read()
        return {"text/html": card._repr_html_(), "text/plain": repr(card)}

    def _repr_html_(self) -> str:
        """The run's card as HTML."""
        return self._repr_mimebundle_()["text/html"]

    def _show(self, *, as_json: bool = False) -> None:
        """Show the run live until it ends."""
        from automl_vision.experiment.notebook import notebook_display, show_card
        from automl_vision.experiment.progress import show_progress

        display = None if as_json else notebook_display()
        if display is None:
            show_progress(self.folder, as_json=as_json)
        else:
            show_card(self.folder, display)

    def _trial(self, number: int) -> Trial:
        return Trial(self.folder.trial(number))

    def _cancel_and_report(self) -> None:
        """Cancel the run on behalf of the person who waits for it, and say how that went."""
        sys.stderr.write(f"canceling run {self.id}; press Ctrl-C again to stop waiting\n")
        try:
            self.cancel()
        finally:
            status = self.get_status()
            if status is RunStatus.COMPLETED:
                outcome = "is Completed"
            elif status.is_final:
                outcome = f"is {status}; continue it with: automl-vision resume {self.id}"
            else:
                outcome = f"is still ending; follow it with: automl-vision watch {self.id}"
            sys.stderr.write(f"run {self.id} {outcome}\n")

    def _failure(self, record: RunRecord) -> str:
        lines = [f'run "{self.id}" is {record.status}: {record.reason or "its process is gone"}']
        logs: dict[str, str] = {}  # by reason, of the first trial that failed for it
        for trial in self.folder.trials():
            failed = trial.record()
            if failed.status is TrialStatus.FAILED and failed.log:
                logs.setdefault(failed.reason or "", f"Last lines of trial {trial.number}:\n{failed.log}")
        lines += list(logs.values())[:_MAX_LOGS]
        if record.status is RunStatus.INTERRUPTED:
            log = self.get_log()
            lines.append(f"{log}\nContinue it with: automl-vision resume {self.id}")
        return "\n".join(lines)


@contextmanager
def reopened_run(folder: RunFolder) -> Iterator[int]:
    """Make a run that has ended ready for a process that works on it again; raises what `resume` raises.

    Yields:
        The descriptor of the run's lock, which that process inherits.
    """
    read_run_spec(folder.id, folder.spec())
    with folder.lock.hold(wait=_CLOSING if folder.record().status.is_final else 0.5) as lock:
        folder.cancel_request.clear()
        for trial in folder.trials():
            if not trial.record().status.has_result:
                trial.update(status=TrialStatus.NOT_STARTED, reason=None)
        folder.update(status=RunStatus.NOT_STARTED, reason=None, in_line=None)
        yield lock


def _details(record: RunRecord) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_unset=True)
