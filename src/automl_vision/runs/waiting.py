"""A run waits for its turn on this machine before it uses any of its time.

The process that waits has loaded nothing but this, 30 MB; what works on the run is imported when its turn has come.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from automl_vision.compute.targets import uses_this_machine
from automl_vision.compute.turns import Ticket, TicketHolder, WaitingLine
from automl_vision.core.records import PlaceInLine, RunStatus
from automl_vision.workspace.run_folder import RunFolder

BY_USER = "canceled by the user"

_POLL = 0.25  # seconds
_PATIENCE = "10"  # seconds for which a silent MLflow server is tried again while a run waits


def draw_ticket(folder: RunFolder) -> Ticket | None:
    """A run's ticket for its turn; None on a target that does not use this machine, which has a queue of its own.

    Raises:
        ComputeError: the folder of tickets cannot be used.
    """
    if not uses_this_machine(str(folder.spec().get("compute_target", "local"))):
        return None
    return WaitingLine().draw(folder.id, folder.path.parent.parent)


def wait_for_turn(folder: RunFolder, ticket: Ticket) -> bool:
    """Wait until the runs before this one have ended; the record says which they are, and MLflow shows `SCHEDULED`.

    Returns:
        Whether the run may begin; else the user has canceled it, and the record says so.

    Raises:
        RunNotFoundError: the run's folder was deleted.
    """
    shown: PlaceInLine | None = None
    while ahead := ticket.ahead():
        folder.require()
        if folder.cancel_request.is_set():
            folder.cancel_request.clear()
            folder.update(status=RunStatus.CANCELED, reason=BY_USER, in_line=None, ended=time.time())
            _announce(folder, "KILLED")
            return False
        place = _place(ahead)
        if place != shown:
            folder.update(status=RunStatus.QUEUED, reason=place.sentence, in_line=place, pid=os.getpid())
            folder.message(f"queued: {place.sentence}")
            if shown is None:
                _announce(folder, "SCHEDULED")
            shown = place
        time.sleep(_POLL)
    if shown is not None:
        folder.update(status=RunStatus.NOT_STARTED, reason=None, in_line=None)
    return True


def _place(ahead: list[TicketHolder]) -> PlaceInLine:
    return PlaceInLine(place=len(ahead), run=ahead[0].run, workspace=ahead[0].workspace)


def _announce(folder: RunFolder, status: str) -> None:
    """Show the run in MLflow; it writes the run's MLflow id into the record, so nothing else is written meanwhile.

    A store that does not answer is left alone: all is published when the run works.
    """
    command = [sys.executable, "-m", "automl_vision.runs.announce", str(folder.path), status]
    child = subprocess.Popen(command, env={**os.environ, "AUTOML_VISION_PATIENCE": _PATIENCE})
    while child.poll() is None:
        if status == "SCHEDULED" and folder.cancel_request.is_set():
            child.terminate()
        time.sleep(_POLL)
