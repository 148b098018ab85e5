"""Reports a trial's progress and checks for stop requests."""

from __future__ import annotations

import time
from pathlib import Path

from automl_vision.core.event_log import EventLog
from automl_vision.core.records import STOP_FILE, Evaluation, EvaluationEvent, Message, Progress

_PROGRESS_INTERVAL = 0.5  # seconds


class Reporter:
    """Receives the reports of a trial. This one drops them, for the processes of a trial beside its main one."""

    def message(self, text: str) -> None:
        """Report something that the user should read."""

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        """Report how far a phase is; reports that come too often may be dropped.

        Args:
            phase: its name.
            done, total: of its steps.
            figures: `loss`, `images_per_second`, `seconds_left`, as far as they are known.
        """

    def evaluation(self, evaluation: Evaluation) -> None:
        """Report one validation."""

    def stop_reason(self) -> str | None:
        """Why the trial should end now, or None."""
        return None


class FileReporter(Reporter):
    """Appends events to a file in the trial's folder; a file beside it asks the trial to stop.

    Args:
        folder: of the trial.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventLog(folder)
        self._stop = folder / STOP_FILE
        self._last_progress = 0.0

    def message(self, text: str) -> None:
        """Append the text."""
        self._events.append(Message(text=text))

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        """Append at most two reports per second, and the last one of each phase."""
        now = time.monotonic()
        if done < total and now - self._last_progress < _PROGRESS_INTERVAL:
            return
        self._last_progress = now
        self._events.append(Progress.model_validate({"phase": phase, "done": done, "total": total, **figures}))

    def evaluation(self, evaluation: Evaluation) -> None:
        """Append the evaluation."""
        self._events.append(EvaluationEvent(**evaluation.model_dump()))

    def stop_reason(self) -> str | None:
        """The text of the stop file, if there is one."""
        try:
            return self._stop.read_text(encoding="utf-8").strip() or "stopped"
        except FileNotFoundError:
            return None
