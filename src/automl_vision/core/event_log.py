"""A file of events: the process that works appends, anyone else follows."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from automl_vision.core.files import append_json_line, read_lines
from automl_vision.core.records.events import EVENT, EvaluationEvent, Event, Message

EVENTS_FILE = "events.jsonl"


class EventLog:
    """The events of a run or a trial, one JSON object per line.

    Args:
        folder: of the run or trial.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / EVENTS_FILE

    def append(self, event: Event) -> None:
        """Append an event, whole or not at all; waits while the disk is full."""
        append_json_line(self.path, event.model_dump(exclude_none=True))

    def read(self, offset: int = 0, end: int | None = None) -> tuple[list[Event], int]:
        """Return the events from a byte offset on, and the offset for the next call.

        Lines that a crash left incomplete and kinds of events that a later version added are skipped.

        Args:
            offset: that an earlier call returned.
            end: offset up to which is read; None for the end of the file.
        """
        lines, offset = read_lines(self.path, offset, end)
        return [event for event in map(_parsed, lines) if event is not None], offset

    def messages(self) -> list[Message]:
        """Return what the user should read, in the order in which it was written."""
        lines, _ = read_lines(self.path)
        events = (_parsed(line) for line in lines if b'"message"' in line)
        return [event for event in events if isinstance(event, Message)]

    def evaluations(self) -> list[EvaluationEvent]:
        """Return the validations so far by epoch; of an epoch that a resumed trial repeated, the last one."""
        lines, _ = read_lines(self.path)
        events = (_parsed(line) for line in lines if b'"evaluation"' in line)
        by_epoch = {event.epoch: event for event in events if isinstance(event, EvaluationEvent)}
        return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _parsed(line: bytes) -> Event | None:
    try:
        return EVENT.validate_json(line)
    except ValidationError:
        return None
