"""Starts the process that works on a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from automl_vision.compute.turns import Ticket
from automl_vision.core.errors import ComputeError
from automl_vision.core.locks import unlock
from automl_vision.core.system import apart, inherits_files
from automl_vision.core.telemetry import TELEMETRY_OFF
from automl_vision.runs.waiting import draw_ticket
from automl_vision.workspace.run_folder import RunFolder

_POLL = 0.05  # seconds


def start_run(folder: RunFolder, lock: int, *, queue: bool = True) -> None:
    """Start the process that works on a run, in its own session so that Ctrl-C does not reach it.

    It inherits the run's lock, so that no other process can take the run in between, and the run's ticket, so that
    runs start in the order in which they were submitted. Where nothing can be inherited it takes and draws its own.

    Args:
        folder: of the run.
        lock: descriptor from `folder.lock.hold`; the caller closes its own.
        queue: wait until the runs before this one have ended; if not, only those after it wait.

    Raises:
        ComputeError: the tickets of this machine cannot be used.
    """
    options = [] if queue else ["--now"]
    if not inherits_files():
        unlock(lock)
        process = _started(folder, [*options, "--draw"])
        while process.poll() is None and not folder.lock.is_held():
            time.sleep(_POLL)
    else:
        ticket = _ticket(folder, queue=queue)
        options += ["--lock", str(lock)]
        if ticket is None:
            process = _started(folder, options, lock)
        else:
            options += ["--ticket", f"{ticket.number}:{ticket.descriptor}:{ticket.line.folder}"]
            process = _started(folder, options, lock, ticket.descriptor)
            ticket.close()
    threading.Thread(target=process.wait, daemon=True).start()  # so that no dead process is left behind


def _ticket(folder: RunFolder, *, queue: bool) -> Ticket | None:
    """The run's ticket; None where it has no need of one, or none can be drawn and it does not wait."""
    try:
        return draw_ticket(folder)
    except ComputeError:
        if queue:
            raise
        return None


def _started(folder: RunFolder, options: list[str], *inherited: int) -> subprocess.Popen[bytes]:
    with (folder.path / "controller.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "automl_vision.runs", str(folder.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=TELEMETRY_OFF | dict(os.environ),
            **apart(inherited),
        )
