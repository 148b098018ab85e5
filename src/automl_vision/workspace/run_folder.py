"""A run on disk: written by the process that works on it, read by anyone; every file is whole at any moment."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl_vision.core.errors import RunNotFoundError, WorkspaceError
from automl_vision.core.files import append_json_line, atomic_path, read_json, read_json_lines, write_json

FINAL = frozenset({"Completed", "Failed", "Canceled"})
"""How a run ends."""

WITH_RESULT = frozenset({"Completed", "Terminated"})
"""How a trial ends that has weights and metrics; `Terminated` is by the early termination policy."""

_STATUS, _SPEC, _EVENTS, _CANCEL, _LOCK = (
    "status.json",
    "spec.json",
    "events.jsonl",
    "cancel",
    "controller.lock",
)
_PLAN, _PUBLISHED, _STOP = "planned.json", "published.json", "stop"


class RunFolder:
    """The files of one run.

    A run is `NotStarted`, `Preparing`, `Running`, `Finalizing`, then `Completed`, `Failed` or `Canceled`; it is
    `Interrupted` when it is none of the last three and no process works on it.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        self.manifest = path / "manifest.parquet"
        self.model = path / "model"

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def create(self, spec: dict[str, Any], status: dict[str, Any]) -> None:
        """Write the run's specification."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / _SPEC, spec)
        self.update_status(status="NotStarted", created=time.time(), **status)

    def spec(self) -> dict[str, Any]:
        """The run's specification."""
        spec: dict[str, Any] = read_json(self.path / _SPEC)
        return spec

    def status(self) -> dict[str, Any]:
        """All that is recorded, with `status` as it is now.

        Raises:
            RunNotFoundError: the folder was deleted.
        """
        try:
            record: dict[str, Any] = read_json(self.path / _STATUS)
            if record["status"] not in FINAL and not self.is_worked_on():
                record = read_json(self.path / _STATUS)  # its process may have ended it just now
                record["status"] = record["status"] if record["status"] in FINAL else "Interrupted"
        except FileNotFoundError:
            self.require()
            raise
        return record

    def require(self) -> None:
        """See that the run is there.

        Raises:
            RunNotFoundError: the folder was deleted.
        """
        if not (self.path / _SPEC).exists():
            raise RunNotFoundError(f"run {self.id} is gone: its folder {self.path} was deleted")

    def update_status(self, **values: Any) -> None:
        """Record values beside those that are there.

        Raises:
            RunNotFoundError: the folder was deleted; it is not made again.
        """
        self.require()
        file = self.path / _STATUS
        if "seconds" in values:
            values["seconds_at"] = time.time()
        with self._writing:
            write_json(file, {**(read_json(file) if file.exists() else {}), **values})

    def message(self, text: str) -> None:
        """Record something that the user should read."""
        self._append({"event": "message", "time": time.time(), "text": text})

    def progress(self, phase: str, done: int, total: int) -> None:
        """Record how far a phase is."""
        self._append({"event": "progress", "time": time.time(), "phase": phase, "done": done, "total": total})

    def _append(self, event: dict[str, Any]) -> None:
        self.require()
        append_json_line(self.path / _EVENTS, event)

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The run's own events from a byte offset on, and the next offset."""
        return read_json_lines(self.path / _EVENTS, offset)

    def trial(self, number: int) -> TrialFolder:
        """A trial's folder, which need not exist yet."""
        return TrialFolder(self.path / "trials" / str(number))

    def trials(self) -> list[TrialFolder]:
        """The trials that were started, in order."""
        return self._trials_with(_SPEC)

    def planned_trials(self) -> list[TrialFolder]:
        """The trials that were proposed, started or not, in order."""
        return self._trials_with(_PLAN)

    def _trials_with(self, name: str) -> list[TrialFolder]:
        files = (self.path / "trials").glob(f"*/{name}")
        return [TrialFolder(file.parent) for file in sorted(files, key=lambda file: int(file.parent.name))]

    def request_cancel(self) -> None:
        """Ask the process that works on the run to end it."""
        (self.path / _CANCEL).touch()

    def cancel_requested(self) -> bool:
        """Whether the run should end."""
        return (self.path / _CANCEL).exists()

    def clear_cancel(self) -> None:
        """Forget a request to cancel."""
        (self.path / _CANCEL).unlink(missing_ok=True)

    def is_worked_on(self) -> bool:
        """Whether a living process holds the run."""
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)

    @contextmanager
    def hold(self, lock: int | None = None, *, wait: float = 0.5) -> Iterator[int]:
        """Work on the run, or prepare it and hand it over to a process that inherits the lock.

        The lock goes when the last process that has it ends, however it ends.

        Args:
            lock: inherited from the process that prepared the run; none: it is taken here.
            wait: seconds for which another process may still have it; a reader's test takes an instant.

        Yields:
            The lock's descriptor.

        Raises:
            WorkspaceError: another process works on the run.
        """
        descriptor = self._taken(wait) if lock is None else lock
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _taken(self, wait: float) -> int:
        descriptor, end = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644), time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(descriptor)
                    raise WorkspaceError(
                        f"run {self.id} is worked on by another process; see how it stands with: "
                        f"automl-vision watch {self.id}"
                    ) from None
            time.sleep(0.05)


class TrialFolder:
    """The files of one trial.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def number(self) -> int:
        """The trial's place in its run, from 0."""
        return int(self.path.name)

    def plan(self) -> dict[str, Any]:
        """What was proposed."""
        return self._read(_PLAN) or {}

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Record what is proposed, before anything of it runs."""
        write_json(self.path / _PLAN, plan)

    def spec(self) -> dict[str, Any]:
        """What the trial is."""
        return self._read(_SPEC) or {}

    def write_spec(self, spec: dict[str, Any]) -> None:
        """Record what the trial is."""
        write_json(self.path / _SPEC, spec)

    def status(self) -> dict[str, Any]:
        """`status`, `started`, `ended`, `reason`, `log`."""
        return self._read(_STATUS) or {"status": "NotStarted"}

    def update_status(self, **values: Any) -> None:
        """Record values beside those that are there."""
        write_json(self.path / _STATUS, {**(self._read(_STATUS) or {}), **values})

    def published(self) -> dict[str, Any]:
        """What the tracking store knows: events up to the byte `offset`, and whether it knows the end."""
        return self._read(_PUBLISHED) or {"offset": 0, "ended": False}

    def update_published(self, **values: Any) -> None:
        """Record what the tracking store knows."""
        write_json(self.path / _PUBLISHED, {**self.published(), **values})

    def request_stop(self, reason: str) -> None:
        """Ask the trial to end with what it has; it is told the reason."""
        with atomic_path(self.path / _STOP) as temporary:
            temporary.write_text(reason, encoding="utf-8")

    def stop_reason(self) -> str | None:
        """Why the trial was asked to end, or None."""
        file = self.path / _STOP
        return file.read_text(encoding="utf-8").strip() if file.exists() else None

    def result(self) -> dict[str, Any] | None:
        """The trial's result, once it has one."""
        return self._read("result.json")

    def metrics(self) -> dict[str, Any] | None:
        """Calibration and reports by split, once there are any."""
        return self._read("metrics.json")

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The trial's events from a byte offset on, and the next offset."""
        return read_json_lines(self.path / _EVENTS, offset)

    def evaluations(self) -> list[dict[str, Any]]:
        """The validations so far, the last word on each epoch."""
        events, _ = self.events()
        by_epoch = {event["epoch"]: event for event in events if event["event"] == "evaluation"}
        return [by_epoch[epoch] for epoch in sorted(by_epoch)]

    def _read(self, name: str) -> dict[str, Any] | None:
        file = self.path / name
        value: dict[str, Any] | None = read_json(file) if file.exists() else None
        return value
