"""Live views of runs: what has changed, as server-sent events; a run is read once for all who watch it."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent
from pydantic import BaseModel, Field

from automl_vision.core.numbers import finite
from automl_vision.core.records import EvaluationEvent, Message, RunStatus, TrialStatus
from automl_vision.experiment.live import FileState, LiveRun, NewEvent, Position, TrialLine
from automl_vision.studio.opened import OpenedWorkspace, Recent
from automl_vision.workspace.run_folder import RunFolder

_EVERY = 1.0  # seconds after which a run is read even if its files have not changed: its process may be gone
_LOOK_EVERY = 0.2  # seconds; a look at the files of a run of 340 trials takes 0.3 ms, reading it 7 ms
_MOST_READERS = 64  # runs whose state is kept in memory
_FIRST_MESSAGES = 20  # that a new view gets
_LONG_BUDGET = 48 * 3600.0  # seconds; a longer budget is not worth a countdown
_RETRY = 1500  # milliseconds until a browser connects again


class LivePhase(BaseModel):
    """How far the run itself is, such as with decoding or packaging."""

    phase: str
    done: int
    total: int


class LiveTrial(BaseModel):
    """A trial while its run works."""

    trial: int
    model_name: str
    status: TrialStatus
    phase: str = Field(description="what it is doing", examples=["epoch 3/15"])
    epoch: int | None = Field(description="the last one validated; 0 is the probe")
    epochs: int | None = Field(description="planned")
    value: float | None = Field(description="best value of the primary metric so far")
    curve: list[float] = Field(description="the metric over the validations")
    seconds_left: float | None = Field(description="as the trial estimates it")
    reason: str | None


class RunMessage(BaseModel):
    """Something that a run or a trial said."""

    time: float = Field(description="seconds since 1970")
    text: str
    trial: int | None = Field(description="null for the run itself")


class LiveState(BaseModel):
    """A run as it is now."""

    status: RunStatus
    metric: str = Field(description="that ranks its trials")
    waits: str | None = Field(description="what a queued run waits for, in a sentence")
    phase: LivePhase | None
    budget_left: float | None = Field(description="seconds to the deadline; null if that is more than two days away")
    trials: int = Field(description="that were started")
    best: float | None = Field(description="value of the metric")
    best_trial: int | None
    is_canceling: bool = Field(description="whether the run was asked to end and has not ended yet")
    has_ended: bool = Field(description="whether nothing more happens unless the run is resumed")


class RunChange(LiveState):
    """What has changed of a run since the event before; `id` of the event is the position in the run's event files."""

    lines: list[LiveTrial] = Field(description="trials that have changed, whole")
    messages: list[RunMessage] = Field(description="new ones; none is sent twice")
    revision: int = Field(description="changes with the board")


class LiveReader:
    """A run that is read once a second and when its files have changed; any number of threads may ask.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.live = LiveRun(folder)
        self.lock = threading.RLock()
        self.messages: list[RunMessage] = []
        self.revision = 0
        self.reads = 0
        self._is_canceling = False
        self._read_at = self._looked_at = -_EVERY
        self._files: dict[str, FileState] = {}

    def refresh(self) -> None:
        """Read what is new; the files are looked at five times a second."""
        with self.lock:
            now = time.monotonic()
            if now - self._looked_at < _LOOK_EVERY / 2:
                return
            self._looked_at = now
            files = self.live.files_state()
            if now - self._read_at < _EVERY and files.items() <= self._files.items():
                return
            self._files = files  # as they were before they are read
            before = self._board_state()
            events = self.live.update()
            if self.live.has_ended:
                events += self.live.update()  # what was written between the reading of the record and the end
            self._is_canceling = not self.live.has_ended and self.live.folder.cancel_request.is_set()
            self._read_at, self.reads = time.monotonic(), self.reads + 1
            self.messages += _messages(events)
            if self._board_state() != before or any(isinstance(new.event, EvaluationEvent) for new in events):
                self.revision += 1

    def _board_state(self) -> tuple[Any, ...]:
        return self.live.status, *(line.status for line in self.live.lines.values())

    def state(self) -> LiveState:
        """The run as it was read last."""
        with self.lock:
            live, phase = self.live, self.live.phase
            best, left = live.best, live.budget_left
            return LiveState(
                status=live.status,
                waits=None if live.in_line is None else live.in_line.sentence,
                metric=live.metric,
                phase=None if phase is None else LivePhase(phase=phase.phase, done=phase.done, total=phase.total),
                budget_left=left if left < _LONG_BUDGET else None,
                trials=len(live.lines),
                best=None if best is None else best.value,
                best_trial=None if best is None else best.trial,
                is_canceling=self._is_canceling,
                has_ended=live.has_ended,
            )

    def open_trials(self) -> list[LiveTrial]:
        """The trials that have not ended."""
        with self.lock:
            return [_live_trial(line) for line in self.live.lines.values() if not line.status.is_final]

    def best_trial(self) -> LiveTrial | None:
        """The best trial so far."""
        with self.lock:
            return None if self.live.best is None else _live_trial(self.live.best)


class View:
    """One view of a run: what it has been sent, and what is new for it.

    Args:
        reader: of the run, which other views share.
        start: the position of the last event that the view has; None for a new view.
    """

    def __init__(self, reader: LiveReader, start: Position | None) -> None:
        self._reader = reader
        self._start = start
        self._seen_messages: int | None = None
        self._sent: tuple[Any, ...] = ()
        self._reads = 0
        self._sent_lines: dict[int, tuple[Any, ...]] = {}

    def next(self) -> tuple[RunChange | None, Position]:
        """What has changed since the last call, None for nothing, and the position up to which that is."""
        reader = self._reader
        with reader.lock:
            reader.refresh()
            if reader.reads == self._reads:
                return None, reader.live.position
            self._reads = reader.reads
            state, position = reader.state(), reader.live.position
            lines, messages = self._new_lines(), self._new_messages()
            key = (
                state.status,
                state.is_canceling,
                state.waits,
                state.phase,
                state.trials,
                state.best,
                state.best_trial,
                reader.revision,
            )
            if key == self._sent and not lines and not messages:
                return None, position
            self._sent = key
            return RunChange(**dict(state), lines=lines, messages=messages, revision=reader.revision), position

    def _new_lines(self) -> list[LiveTrial]:
        """Changed trials; of those that ended before the first event the board has everything."""
        found = []
        for number, line in self._reader.live.lines.items():
            key = _line_key(line)
            if self._sent_lines.get(number) == key:
                continue
            if not line.status.is_final or number in self._sent_lines:
                found.append(_live_trial(line))
            self._sent_lines[number] = key
        return found

    def _new_messages(self) -> list[RunMessage]:
        known = self._reader.messages
        if self._seen_messages is not None:
            found = known[self._seen_messages :]
        elif self._start is None:
            found = known[-_FIRST_MESSAGES:]
        else:
            found = _messages(self._reader.live.events_since(self._start))
        self._seen_messages = len(known)
        return found


def _messages(events: list[NewEvent]) -> list[RunMessage]:
    return [
        RunMessage(time=new.event.time, text=new.event.text, trial=new.trial)
        for new in events
        if isinstance(new.event, Message)
    ]


def _line_key(line: TrialLine) -> tuple[Any, ...]:
    left = None if line.seconds_left is None else int(line.seconds_left)
    return line.status, line.phase, line.epoch, len(line.curve), line.value, left, line.reason


def _live_trial(line: TrialLine) -> LiveTrial:
    return LiveTrial(**{**asdict(line), "value": finite(line.value)})


class LiveReaders:
    """The readers of the runs that are watched, shared by all views of a server."""

    def __init__(self) -> None:
        self._readers: Recent[str, LiveReader] = Recent(_MOST_READERS)

    def of(self, opened: OpenedWorkspace, run_id: str) -> LiveReader:
        """The reader of a run.

        Raises:
            RunNotFoundError: the workspace has no run of this id.
        """
        folder = opened.run(run_id).run.folder
        return self._readers.get(str(folder.path), lambda: LiveReader(folder))


async def changes(reader: LiveReader, start: Position | None) -> AsyncIterator[ServerSentEvent]:
    """The changes of a run as server-sent events until it ends; nothing is read once the view has gone.

    Args:
        reader: of the run.
        start: the position of the last event that the view has; None for a new view.
    """
    view = View(reader, start)
    while True:
        change, position = await anyio.to_thread.run_sync(view.next)
        if change is not None:
            yield ServerSentEvent(event="change", id=position.text, data=change, retry=_RETRY)
            if change.has_ended:
                return
        await anyio.sleep(_LOOK_EVERY)


def _readers(request: Request) -> LiveReaders:
    found: LiveReaders = request.app.state.live
    return found


Live = Annotated[LiveReaders, Depends(_readers)]
"""The readers of the server that answers a request."""
