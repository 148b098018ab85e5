"""The main function of a run's process: it waits for the run's turn, then works on the run."""

from __future__ import annotations

import argparse
import logging
import os
import time
from pathlib import Path

from automl_vision.compute.turns import Ticket, WaitingLine
from automl_vision.core.errors import ComputeError
from automl_vision.core.records import RunStatus
from automl_vision.runs.waiting import draw_ticket, wait_for_turn
from automl_vision.workspace.run_folder import RunFolder

_HANDOVER = 10.0  # seconds that the process which prepared the run may take to let go of it


def main() -> None:
    """Work on the run of a folder, with the lock and the ticket that this process inherited, or with its own."""
    parser = argparse.ArgumentParser(prog="python -m automl_vision.runs")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, help="descriptor of the run's lock")
    parser.add_argument("--ticket", help="NUMBER:DESCRIPTOR:FOLDER of the ticket for the run's turn")
    parser.add_argument("--draw", action="store_true", help="draw a ticket, where none can be inherited")
    parser.add_argument("--now", action="store_true", help="do not wait for it; later runs wait for this one")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    folder = RunFolder(given.folder)
    lock: int = folder.lock.take(_HANDOVER) if given.lock is None else given.lock
    ticket = _ticket(folder, given)
    for descriptor in (lock,) if ticket is None else (lock, ticket.descriptor):
        os.set_inheritable(descriptor, False)  # what this process starts must not hold the run after it
    if ticket is None or given.now or wait_for_turn(folder, ticket):
        from automl_vision.core.plugins import load_plugins
        from automl_vision.runs.controller import work_on_run

        load_plugins()
        work_on_run(folder, lock)


def _ticket(folder: RunFolder, given: argparse.Namespace) -> Ticket | None:
    if given.ticket is not None:
        number, descriptor, line = given.ticket.split(":", 2)
        return Ticket(WaitingLine(Path(line)), int(number), int(descriptor))
    if not given.draw:
        return None
    try:
        return draw_ticket(folder)
    except ComputeError as error:
        if given.now:
            return None
        folder.update(status=RunStatus.FAILED, reason=str(error), ended=time.time())
        raise
