"""The main function of a run's process: it waits for the run's turn, then works on the run."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from automl_vision.compute.turns import Ticket, WaitingLine
from automl_vision.runs.waiting import wait_for_turn
from automl_vision.workspace.run_folder import RunFolder


def main() -> None:
    """Work on the run of a folder, with the lock and the ticket that this process inherited, if it did."""
    parser = argparse.ArgumentParser(prog="python -m automl_vision.runs")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, help="descriptor of the run's lock")
    parser.add_argument("--ticket", help="NUMBER:DESCRIPTOR:FOLDER of the ticket for the run's turn")
    parser.add_argument("--now", action="store_true", help="do not wait for it; later runs wait for this one")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    folder = RunFolder(given.folder)
    ticket = None if given.ticket is None else _inherited(given.ticket)
    inherited = [given.lock] if given.lock is not None else []
    for descriptor in inherited if ticket is None else [*inherited, ticket.descriptor]:
        os.set_inheritable(descriptor, False)  # what this process starts must not hold the run after it
    if ticket is None or given.now or wait_for_turn(folder, ticket):
        from automl_vision.core.plugins import load_plugins
        from automl_vision.runs.controller import work_on_run

        load_plugins()
        work_on_run(folder, given.lock)


def _inherited(text: str) -> Ticket:
    number, descriptor, folder = text.split(":", 2)
    return Ticket(WaitingLine(Path(folder)), int(number), int(descriptor))
