"""The events of a run or a trial: lines of its `events.jsonl`, told apart by their key `event`."""

from __future__ import annotations

import time as clock
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from automl_vision.core.records.record import Record
from automl_vision.core.records.results import Evaluation


class Message(Record):
    """Something that the user should read."""

    event: Literal["message"] = "message"
    time: float = Field(default_factory=clock.time, description="seconds since 1970")
    text: str


class Progress(Record):
    """How far a phase is."""

    event: Literal["progress"] = "progress"
    time: float = Field(default_factory=clock.time, description="seconds since 1970")
    phase: str
    done: int
    total: int
    loss: float | None = None
    images_per_second: float | None = None
    seconds_left: float | None = Field(default=None, description="to the end of training, as the trial estimates it")


class EvaluationEvent(Evaluation):
    """A trial has validated."""

    event: Literal["evaluation"] = "evaluation"
    time: float = Field(default_factory=clock.time, description="seconds since 1970")


Event = Annotated[Message | Progress | EvaluationEvent, Field(discriminator="event")]

EVENT: TypeAdapter[Message | Progress | EvaluationEvent] = TypeAdapter(Event)
