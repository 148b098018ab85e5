"""What the machine does: the runs that wait or work, live, and their changes as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from automl_vision.experiment.live import Position
from automl_vision.experiment.run_list import RunSummary
from automl_vision.studio.events import Live, LiveReader, LiveState, LiveTrial, RunChange, RunMessage, changes
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations

router = operations()

_MESSAGES = 3  # of a run, the last ones


class ActiveRun(BaseModel):
    """A run that waits or works."""

    workspace: str = Field(description="its name")
    run: RunSummary
    live: LiveState
    working: list[LiveTrial] = Field(description="trials that have not ended")
    leader: LiveTrial | None = Field(description="the best trial so far")
    messages: list[RunMessage] = Field(description="the last ones")


class Activity(BaseModel):
    """What the machine does."""

    runs: list[ActiveRun] = Field(description="those that wait or work, of all open workspaces, the newest first")


@router.get("/activity", tags=["activity"])
def get_activity(
    request: Request,
    readers: Live,
    workspace: Annotated[str | None, Query(description="its name; by default all that are open")] = None,
) -> Activity:
    """Return the runs that wait or work; each is read once for all who watch it."""
    spaces: dict[str, OpenedWorkspace] = request.app.state.workspaces
    found = [
        _active(name, run, readers.of(opened, run.id))
        for name, opened in spaces.items()
        if workspace in (None, name)
        for run in opened.run_list.all()
        if not run.status.is_at_rest
    ]
    return Activity(runs=found)


def _active(workspace: str, run: RunSummary, reader: LiveReader) -> ActiveRun:
    with reader.lock:
        reader.refresh()
        return ActiveRun(
            workspace=workspace,
            run=run,
            live=reader.state(),
            working=reader.open_trials(),
            leader=reader.best_trial(),
            messages=reader.messages[-_MESSAGES:],
        )


def _watched(opened: Opened, readers: Live, run_id: str) -> LiveReader:
    return readers.of(opened, run_id)


@router.get(
    "/runs/{run_id}/events",
    tags=["runs"],
    response_class=EventSourceResponse,
    responses={200: {"model": RunChange, "description": "events, whose data are these"}},
)
async def follow_run(
    reader: Annotated[LiveReader, Depends(_watched)],
    after: Annotated[str | None, Query(max_length=100_000, description="id of the last event that is known")] = None,
    last_event_id: Annotated[str | None, Header(description="the same, as browsers send it")] = None,
) -> AsyncIterable[ServerSentEvent]:
    """Follow a run: an event `change` for all that is new, until the run ends.

    The `id` of an event is the position in the event files of the run and its trials up to which it tells; from there
    another connection goes on, which loses and repeats nothing.
    """
    async for event in changes(reader, _position(last_event_id or after)):
        yield event


def _position(text: str | None) -> Position | None:
    """The position of the last event that is known; an unreadable one begins anew."""
    try:
        return None if not text else Position.parse(text)
    except ValueError:
        return None
