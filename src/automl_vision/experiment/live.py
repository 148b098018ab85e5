"""The current state of a run, kept up to date from its files, for display in a terminal or as JSON lines."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from automl_vision.core.event_log import EVENTS_FILE
from automl_vision.core.numbers import finite
from automl_vision.core.records import EvaluationEvent, Event, PlaceInLine, Progress, RunStatus, TrialStatus
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

_BARS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 12  # characters; longer curves are subsampled


FileState = tuple[int, int, int] | None
"""Time of the last change, size and inode; None of a file that does not exist."""


@dataclass
class TrialLine:
    """One trial in the live view.

    Attributes:
        trial: its number.
        model_name: of the algorithm.
        status: as in the run folder.
        phase: what it is doing.
        epoch: the last one validated; 0 is the probe.
        epochs: planned.
        value: the best value of the primary metric so far.
        curve: the metric over the validations.
        seconds_left: estimated by the trial.
        reason: why it ended early or failed.
    """

    trial: int
    model_name: str = ""
    status: TrialStatus = TrialStatus.NOT_STARTED
    phase: str = ""
    epoch: int | None = None
    epochs: int | None = None
    value: float | None = None
    curve: list[float] = field(default_factory=list)
    seconds_left: float | None = None
    reason: str | None = None


class NewEvent(NamedTuple):
    """An event of a trial, or of the run itself, whose `trial` is None."""

    event: Event
    trial: int | None = None


@dataclass(frozen=True)
class Position:
    """How far the event files of a run were read; as a text, it lets a reader go on later, in any process.

    Attributes:
        run: bytes of the run's own events.
        started: numbers below it were read too; those not in `trials` to their end.
        trials: bytes by trial, of those that have no result yet.
    """

    run: int = 0
    started: int = 0
    trials: Mapping[int, int] = field(default_factory=dict)

    def offset(self, trial: int) -> int | None:
        """Where the new events of a trial begin; None if it has none, for it was read to its end."""
        return 0 if trial >= self.started else self.trials.get(trial)

    @property
    def text(self) -> str:
        """The position as a text, such as "1381:3:2=5120"."""
        return f"{self.run}:{self.started}:" + ",".join(f"{n}={offset}" for n, offset in sorted(self.trials.items()))

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that a text says.

        Raises:
            ValueError: it is not a position.
        """
        found = re.fullmatch(r"(\d{1,15}):(\d{1,6}):((?:\d{1,6}=\d{1,15}(?:,|$))*)", text, re.ASCII)
        if found is None:
            raise ValueError(f'"{text[:80]}" is not a position in the events of a run')
        pairs = (pair.split("=") for pair in found[3].split(",") if pair)
        return cls(int(found[1]), int(found[2]), {int(number): int(offset) for number, offset in pairs})


class LiveRun:
    """The state of a run as far as it was read.

    Attributes:
        metric: the primary metric.
        lines: by trial.
        status: of the run.
        in_line: what the run waits for while it is queued.
        phase: progress of the run itself, such as decoding or packaging.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        outline = folder.outline()
        self.folder = folder
        self.metric = outline.primary_metric
        self._outline = outline
        self.lines: dict[int, TrialLine] = {}
        self.status = RunStatus.NOT_STARTED
        self.in_line: PlaceInLine | None = None
        self.phase: Progress | None = None
        self._seconds, self._seconds_at = 0.0, time.time()
        self._offset = 0
        self._offsets: dict[int, int] = {}
        self._values: dict[
            int, dict[int, float]
        ] = {}  # of the metric, by trial and epoch: a resumed trial repeats some

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens unless the run is resumed."""
        return self.status.is_at_rest

    @property
    def is_working(self) -> bool:
        """Whether the run's time passes: it has begun and not ended."""
        return not self.has_ended and self.status not in (RunStatus.NOT_STARTED, RunStatus.QUEUED)

    @property
    def best(self) -> TrialLine | None:
        """The best trial so far."""
        scored = [line for line in self.lines.values() if line.value is not None]
        return max(scored, key=lambda line: self._outline.ranking.score(line.value or 0.0), default=None)

    @property
    def budget_left(self) -> float:
        """Seconds to the run's deadline."""
        return max(
            0.0,
            self._outline.budget_seconds - self._seconds - (time.time() - self._seconds_at if self.is_working else 0.0),
        )

    def update(self) -> list[NewEvent]:
        """Read what is new, and return the new events in order of time."""
        record = self.folder.record()
        self.status, self.in_line = record.status, record.in_line
        self._seconds, self._seconds_at = record.seconds, record.seconds_at or time.time()
        events, self._offset = self.folder.events.read(self._offset)
        for event in events:
            if isinstance(event, Progress):
                self.phase = event
        found = [NewEvent(event) for event in events]
        for trial in self.folder.trials():
            line = self.lines.setdefault(trial.number, TrialLine(trial.number))
            if not _is_closed(line):
                found += self._read_trial(trial, line)
        return sorted(found, key=lambda new: new.event.time)

    def files_state(self) -> dict[str, FileState]:
        """The files and folders that `update` would read, each with a value that changes with it."""
        root = str(self.folder.path)
        closed = {str(line.trial) for line in self.lines.values() if _is_closed(line)}
        paths = [root, f"{root}/{EVENTS_FILE}"]  # all files but the events are replaced, which changes their folder
        with suppress(FileNotFoundError):
            for name in os.listdir(f"{root}/trials"):  # noqa: PTH208 - for speed
                if name not in closed:
                    paths += [f"{root}/trials/{name}", f"{root}/trials/{name}/{EVENTS_FILE}"]
        return {path: _file_state(path) for path in paths}

    @property
    def position(self) -> Position:
        """How far the files were read."""
        started = max(self.lines, default=-1) + 1
        open_trials = [n for n in range(started) if n not in self.lines or not _is_closed(self.lines[n])]
        return Position(self._offset, started, {n: self._offsets.get(n, 0) for n in open_trials})

    def events_since(self, start: Position) -> list[NewEvent]:
        """The events from an earlier position up to this one, in order of time."""
        found = [NewEvent(event) for event in self.folder.events.read(start.run, self._offset)[0]]
        for number in self.lines:
            offset = start.offset(number)
            if offset is not None:
                events, _ = self.folder.trial(number).events.read(offset, self._offsets.get(number, 0))
                found += [NewEvent(event, number) for event in events]
        return sorted(found, key=lambda new: new.event.time)

    def _read_trial(self, trial: TrialFolder, line: TrialLine) -> list[NewEvent]:
        record = trial.record()  # before the events, so that none is missed of a trial that has ended
        events, self._offsets[trial.number] = trial.events.read(self._offsets.get(trial.number, 0))
        line.model_name = line.model_name or trial.plan().model_name
        line.status, line.reason = record.status, record.reason
        for event in events:
            self._add(line, event)
        if line.status.is_final:
            line.seconds_left, line.phase = None, ""
            result = trial.result()
            line.value = line.value if result is None else finite(result.score)
        return [NewEvent(event, trial.number) for event in events]

    def _add(self, line: TrialLine, event: Event) -> None:
        if isinstance(event, EvaluationEvent):
            line.epoch = event.epoch
            values = self._values.setdefault(line.trial, {})
            value = finite(event.metrics.get(self.metric))
            if value is not None:
                values[event.epoch] = value
            line.curve = [values[epoch] for epoch in sorted(values)]
            line.value = self._outline.ranking.best_of(values.values())
        elif isinstance(event, Progress):
            line.phase, line.seconds_left = event.phase, finite(event.seconds_left)
            _, _, epochs = event.phase.partition("/")
            if epochs.isdigit():
                line.epochs = int(epochs)

    def to_json(self) -> dict[str, Any]:
        """The run as JSON values: status, best trial, budget."""
        best = self.best
        return {
            "event": "run",
            "status": self.status,
            "trials": len(self.lines),
            "best": None if best is None else {"trial": best.trial, self.metric: best.value},
            "budget_left": round(self.budget_left, 1),
        } | ({} if self.in_line is None else {"in_line": self.in_line.model_dump()})


def _file_state(path: str) -> FileState:
    try:
        found = os.stat(path)  # noqa: PTH116 - for speed
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_closed(line: TrialLine) -> bool:
    """Whether nothing more comes from a trial; one that failed or was canceled goes on when its run is resumed."""
    return line.status.has_result and line.epoch is not None


def line_to_json(line: TrialLine) -> dict[str, Any]:
    """A trial's line as JSON values."""
    return {"event": "trial", **asdict(line)}


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """Draw a curve as text, scaled so that trials can be compared.

    Args:
        values: the curve.
        low, high: values of the lowest and the highest bar.
    """
    step = max(1, -(-len(values) // _SPARK_WIDTH))
    shown = list(values)[::-1][::step][::-1]  # includes the last value
    span = high - low
    return "".join(_BARS[min(7, max(0, int(8 * (value - low) / span)))] if span > 0 else _BARS[0] for value in shown)


def duration(seconds: float) -> str:
    """Format seconds as minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    return f"{minutes}:{rest:02d}" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"
