"""How a trial tells the world what it does, and hears that it should stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from automl_vision.core.files import append_json_line
from automl_vision.core.records import Evaluation

EVENTS_FILE = "events.jsonl"
STOP_FILE = "stop"
_PROGRESS_INTERVAL = 0.5  # seconds


class Reporter(Protocol):
    """Where a trial reports to."""

    def message(self, text: str) -> None:
        """Say something that the user should read."""

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        """Say how far a phase is; may be dropped when it comes too often."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Report one validation."""

    def stop_reason(self) -> str | None:
        """Why the trial should end now, or None."""


class SilentReporter:
    """Reports nothing and is never asked to stop: for the processes of a trial that only help."""

    def message(self, text: str) -> None:
        """Drop the text."""

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        """Drop the progress."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Drop the evaluation."""

    def stop_reason(self) -> str | None:
        """Nothing ends the trial from here."""
        return None


class FileReporter:
    """Appends events to a file in the trial's folder, as JSON lines; asked to stop by a file beside it.

    Args:
        folder: of the trial.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._events = folder / EVENTS_FILE
        self._stop = folder / STOP_FILE
        self._last_progress = 0.0

    def message(self, text: str) -> None:
        """Append the text."""
        self._append("message", text=text)

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        """Append at most two a second, and the last of each phase."""
        now = time.monotonic()
        if done < total and now - self._last_progress < _PROGRESS_INTERVAL:
            return
        self._last_progress = now
        self._append("progress", phase=phase, done=done, total=total, **figures)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Append the evaluation."""
        self._append("evaluation", **evaluation.model_dump())

    def stop_reason(self) -> str | None:
        """The text of the stop file, if it is there."""
        try:
            return self._stop.read_text(encoding="utf-8").strip() or "stopped"
        except FileNotFoundError:
            return None

    def _append(self, kind: str, **fields: Any) -> None:
        append_json_line(self._events, {"event": kind, "time": time.time(), **fields})
