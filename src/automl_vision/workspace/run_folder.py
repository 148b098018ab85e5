"""A run on disk: written by the process that works on it, read by anyone; every file is complete at any moment."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from automl_vision.core.errors import RunNotFoundError
from automl_vision.core.event_log import EventLog
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import SPEC_FILE, Message, Progress, RunOutline, RunRecord, RunStatus
from automl_vision.workspace.run_lock import RunLock
from automl_vision.workspace.trial_folder import PLAN_FILE, TrialFolder

_STATUS, _CANCEL = "status.json", "cancel"


class CancelRequest:
    """A file that asks the process that works on a run to end it.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _CANCEL

    def set(self) -> None:
        """Ask for the end of the run."""
        self._file.touch()

    def is_set(self) -> bool:
        """Whether the run should end."""
        return self._file.exists()

    def clear(self) -> None:
        """Withdraw the request."""
        self._file.unlink(missing_ok=True)


class RunFolder:
    """The files of one run.

    Attributes:
        path: the folder.
        manifest: the dataset as it was prepared for the run.
        pixel_statistics: what reports have read of its images' pixels; can be deleted.
        model: folder of the packaged model.
        events: the run's own messages and progress.
        lock: held by the process that works on the run.
        cancel_request: asks that process to end the run.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.parquet"
        self.pixel_statistics = path / "pixel_statistics.arrow"
        self.model = path / "model"
        self.events = EventLog(path)
        self.lock = RunLock(path)
        self.cancel_request = CancelRequest(path)
        self._writing = threading.Lock()

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def create(self, spec: dict[str, Any], *, experiment: str = "") -> None:
        """Write the run's specification and its first record."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / SPEC_FILE, spec)
        self.update(status=RunStatus.NOT_STARTED, created=time.time(), experiment=experiment)

    def spec(self) -> dict[str, Any]:
        """The run's specification as JSON values, which `runs.spec.read_run_spec` reads."""
        spec: dict[str, Any] = read_json(self.path / SPEC_FILE)
        return spec

    def outline(self) -> RunOutline:
        """Task, primary metric and budget, of a run that any version made."""
        return RunOutline.model_validate_json((self.path / SPEC_FILE).read_bytes())

    def record(self) -> RunRecord:
        """The run's state; a run that has not ended is `Interrupted` if no process works on it.

        Raises:
            RunNotFoundError: the folder was deleted.
        """
        try:
            record = self._written()
            if not record.status.is_final and not self.is_active():
                record = self._written()  # its process may have ended it just now
                if not record.status.is_final:
                    record = _interrupted(record)
        except FileNotFoundError:
            self.require()
            raise
        return record

    def is_active(self) -> bool:
        """Whether a living process works on the run."""
        return self.lock.is_held()

    def require(self) -> None:
        """Check that the run still exists.

        Raises:
            RunNotFoundError: the folder was deleted.
        """
        if not (self.path / SPEC_FILE).exists():
            raise RunNotFoundError(f"run {self.id} is gone: its folder {self.path} was deleted")

    def update(self, **values: Any) -> None:
        """Replace fields of the run's record.

        Raises:
            RunNotFoundError: the folder was deleted; it is not made again.
        """
        self.require()
        if "seconds" in values:
            values["seconds_at"] = time.time()
        with self._writing:
            known = self._written().model_dump(exclude_unset=True) if (self.path / _STATUS).exists() else {}
            record = RunRecord.model_validate({**known, **values})
            write_json(self.path / _STATUS, record.model_dump(exclude_unset=True))

    def message(self, text: str) -> None:
        """Record something that the user should read."""
        self.require()
        self.events.append(Message(text=text))

    def progress(self, phase: str, done: int, total: int) -> None:
        """Record how far a phase is."""
        self.require()
        self.events.append(Progress(phase=phase, done=done, total=total))

    def trial(self, number: int) -> TrialFolder:
        """A trial's folder, which need not exist yet."""
        return TrialFolder(self.path / "trials" / str(number))

    def trials(self, *, planned: bool = False) -> list[TrialFolder]:
        """The trials that were started, in order; with `planned`, also those that were only proposed."""
        files = (self.path / "trials").glob(f"*/{PLAN_FILE if planned else SPEC_FILE}")
        return [self.trial(number) for number in sorted(int(file.parent.name) for file in files)]

    def _written(self) -> RunRecord:
        return RunRecord.model_validate_json((self.path / _STATUS).read_bytes())


def _interrupted(record: RunRecord) -> RunRecord:
    """The record of a run whose process is gone; it has also lost its place in the line."""
    waited = {"reason": None, "in_line": None} if record.in_line is not None else {}
    return record.model_copy(update={"status": RunStatus.INTERRUPTED, **waited})
