"""`Run`: a submitted run, from any process: watch it, cancel it, resume it, take what it gave."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from automl_vision.compute.local import last_lines
from automl_vision.core.errors import RunFailedError
from automl_vision.runs.leaderboard import Leaderboard, read_leaderboard
from automl_vision.runs.spec import read_sweep_spec
from automl_vision.runs.start import start_run
from automl_vision.workspace.run_folder import FINAL, WITH_RESULT, TrialFolder
from automl_vision.workspace.workspace import Workspace

_POLL = 0.2  # seconds
_MOST_LOGS = 3  # of failed trials that are shown
_CLOSING = 15.0  # seconds that a process which ended its run may still take to leave it


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

    def get_status(self) -> str:
        """`NotStarted`, `Preparing`, `Running`, `Finalizing`, `Completed`, `Failed`, `Canceled` or `Interrupted`."""
        return str(self.folder.status()["status"])

    def get_details(self) -> dict[str, Any]:
        """All that is recorded of the run's state."""
        return self.folder.status()

    def wait_for_completion(
        self, show_output: bool = False, *, raise_on_error: bool = True, as_json: bool = False
    ) -> dict[str, Any]:
        """Wait until the run ends; Ctrl-C cancels it, and a second one leaves it to end by itself.

        Args:
            show_output: show live progress.
            raise_on_error: raise when the run does not complete.
            as_json: show it as JSON lines.

        Returns:
            The run's final state.

        Raises:
            RunFailedError: the run failed, was canceled, or its process is gone.
        """
        try:
            if show_output:
                from automl_vision.experiment.progress import show_progress

                show_progress(self.folder, as_json=as_json)
            else:
                while self.get_status() not in (*FINAL, "Interrupted"):
                    time.sleep(_POLL)
        except KeyboardInterrupt:
            self._cancel_aloud()
            raise
        status = self.folder.status()
        if raise_on_error and status["status"] != "Completed":
            raise RunFailedError(self._failure(status))
        return status

    def cancel(self, *, timeout: float = 30.0) -> None:
        """End the run and its trials; waits until it has ended."""
        if self.get_status() in FINAL:
            return
        self.folder.request_cancel()
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.get_status() not in FINAL:
            if self.get_status() == "Interrupted":
                self.folder.clear_cancel()
                self.folder.update_status(status="Canceled", reason="canceled by the user", ended=time.time())
            time.sleep(_POLL)

    def resume(self) -> Run:
        """Go on with a run whose process is gone, or that was canceled or failed; finished trials stay.

        Gives the run itself. A completed run is left alone.

        Raises:
            WorkspaceError: a process works on the run.
            ConfigError: another version made the run, and this one cannot read it.
        """
        status = self.get_status()
        if status == "Completed":
            return self
        read_sweep_spec(self.id, self.folder.spec())
        with self.folder.hold(wait=_CLOSING if status in FINAL else 0.5) as lock:
            self.folder.clear_cancel()
            for trial in self.folder.trials():
                if trial.status()["status"] not in WITH_RESULT:
                    trial.update_status(status="NotStarted", reason=None)
            self.folder.update_status(status="NotStarted", reason=None)
            start_run(self.folder, lock)
        return self

    def leaderboard(self) -> Leaderboard:
        """Every trial, best first."""
        return read_leaderboard(self.folder)

    def get_children(self) -> list[TrialFolder]:
        """The run's trials, in the order in which they were started."""
        return self.folder.trials()

    def get_children_sorted_by_primary_metric(self) -> list[TrialFolder]:
        """The run's trials, best first."""
        return [self.folder.trial(row.trial) for row in self.leaderboard()]

    def get_best_child(self) -> TrialFolder | None:
        """The trial that became the model, or the best so far; None before any has a score."""
        chosen = self.folder.status().get("best_trial")
        if chosen is not None:
            return self.folder.trial(chosen)
        ranked = [row for row in self.leaderboard() if row.score is not None]
        return self.folder.trial(ranked[0].trial) if ranked else None

    def get_metrics(self) -> dict[str, dict[str, float]]:
        """All metrics of the best trial, by split."""
        best = self.get_best_child()
        metrics = best.metrics() if best else None
        return {split: report["metrics"] for split, report in metrics["splits"].items()} if metrics else {}

    def get_file_names(self) -> list[str]:
        """Files of the run, relative to its folder."""
        return sorted(str(file.relative_to(self.folder.path)) for file in self.folder.path.rglob("*") if file.is_file())

    def download_file(self, name: str, output: str | Path) -> Path:
        """Copy one of the run's files; `output` is a file, or a folder that is there.

        Raises:
            RunFailedError: the run has no such file.
        """
        source = (self.folder.path / name).resolve()
        if not source.is_relative_to(self.folder.path.resolve()) or not source.is_file():
            raise RunFailedError(f'run "{self.id}" has no file "{name}"; list them with get_file_names()')
        target = Path(output) / source.name if Path(output).is_dir() else Path(output)
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(source, target))

    def download_files(self, prefix: str, output: str | Path) -> Path:
        """Copy the run's files whose names start with a prefix, such as "model", into a folder."""
        for name in self.get_file_names():
            if name.startswith(prefix):
                self.download_file(name, Path(output) / name)
        return Path(output)

    def register_model(self, model_name: str, *, tags: dict[str, str] | None = None) -> str:
        """Register the run's model in the workspace's MLflow registry.

        Args:
            model_name: a new name, or one that gets a new version.
            tags: kept with the version.

        Returns:
            The new version's number.

        Raises:
            RunFailedError: the run has no model, or MLflow was never told of it.
        """
        self.model_path  # noqa: B018 - raises when there is none
        mlflow_run = self.folder.status().get("mlflow", {}).get("run")
        if mlflow_run is None:
            raise RunFailedError(f'run "{self.id}" is not in MLflow, so its model cannot be registered there')
        return self.workspace.register_model(model_name, mlflow_run, {**(tags or {}), "automl_vision.run": self.id})

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

    def _cancel_aloud(self) -> None:
        """Cancel the run for one who waits for it, and say so."""
        sys.stderr.write(f"canceling run {self.id}; press Ctrl-C again to leave it to end by itself\n")
        try:
            self.cancel()
        finally:
            status = self.get_status()
            if status == "Completed":
                told = "is Completed"
            elif status in FINAL:
                told = f"is {status}; go on with: automl-vision resume {self.id}"
            else:
                told = f"is still at work and will end; see how it stands with: automl-vision watch {self.id}"
            sys.stderr.write(f"run {self.id} {told}\n")

    def _failure(self, status: dict[str, Any]) -> str:
        lines = [f'run "{self.id}" is {status["status"]}: {status.get("reason") or "its process is gone"}']
        logs: dict[str, str] = {}  # of the first trial that failed for a reason
        for trial in self.folder.trials():
            record = trial.status()
            if record["status"] == "Failed" and record.get("log"):
                logs.setdefault(record["reason"], f"Last lines of trial {trial.number}:\n{record['log']}")
        lines += list(logs.values())[:_MOST_LOGS]
        if status["status"] == "Interrupted":
            log = last_lines(self.folder.path / "controller.log")
            lines.append(f"{log}\nGo on with: automl-vision resume {self.id}")
        return "\n".join(lines)
