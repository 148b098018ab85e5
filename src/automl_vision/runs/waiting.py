"""A run waits for its turn on this machine before it uses any of its time."""

from __future__ import annotations

import os
import time

from automl_vision.compute.targets import uses_this_machine
from automl_vision.compute.turns import Ticket, TicketHolder, WaitingLine
from automl_vision.core.records import PlaceInLine, RunStatus
from automl_vision.runs.mlflow_observer import PARENT, Publisher, published
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_loop import CanceledError
from automl_vision.workspace.run_folder import RunFolder

BY_USER = "canceled by the user"
_POLL = 0.25  # seconds


def draw_ticket(folder: RunFolder, compute_target: str) -> Ticket | None:
    """A run's ticket for its turn; None on a target that does not use this machine, which has a queue of its own.

    Raises:
        ComputeError: the folder of tickets cannot be used.
    """
    if not uses_this_machine(compute_target):
        return None
    return WaitingLine().draw(folder.id, folder.path.parent.parent)


def wait_for_turn(folder: RunFolder, spec: RunSpec, ticket: Ticket) -> None:
    """Wait until the runs before this one have ended; the record says which they are, and MLflow shows `SCHEDULED`.

    Raises:
        CanceledError: the user asked to end the run.
        RunNotFoundError: the run's folder was deleted.
    """
    ahead = ticket.ahead()
    if not ahead:
        return
    with published(folder, spec) as publisher:
        publisher.run_queued(spec)
        _wait(folder, ticket, publisher)


def _wait(folder: RunFolder, ticket: Ticket, publisher: Publisher) -> None:
    shown: PlaceInLine | None = None
    while ahead := ticket.ahead():
        folder.require()
        if folder.cancel_request.is_set():
            publisher.tracking.end(PARENT, "KILLED")
            folder.cancel_request.clear()
            folder.update(status=RunStatus.CANCELED, reason=BY_USER, in_line=None, ended=time.time())
            raise CanceledError
        place = _place(ahead)
        if place != shown:
            shown = place
            folder.update(status=RunStatus.QUEUED, reason=place.sentence, in_line=place, pid=os.getpid())
            folder.message(f"queued: {place.sentence}")
        time.sleep(_POLL)


def _place(ahead: list[TicketHolder]) -> PlaceInLine:
    return PlaceInLine(place=len(ahead), run=ahead[0].run, workspace=ahead[0].workspace)
