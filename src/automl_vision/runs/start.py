"""Starts the process that works on a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from automl_vision.core.errors import ComputeError
from automl_vision.core.telemetry import TELEMETRY_OFF
from automl_vision.runs.waiting import draw_ticket
from automl_vision.workspace.run_folder import RunFolder


def start_run(folder: RunFolder, lock: int, *, queue: bool = True) -> None:
    """Start the process that works on a run, in its own session so that Ctrl-C does not reach it.

    It inherits the run's lock, so that no other process can take the run in between, and the run's ticket, so that
    runs start in the order in which they were submitted.

    Args:
        folder: of the run.
        lock: descriptor from `folder.lock.hold`; the caller closes its own.
        queue: wait until the runs before this one have ended; if not, only those after it wait.

    Raises:
        ComputeError: the tickets of this machine cannot be used.
    """
    try:
        ticket = draw_ticket(folder, str(folder.spec().get("compute_target", "local")))
    except ComputeError:
        if queue:
            raise
        ticket = None
    command = [sys.executable, "-m", "automl_vision.runs", str(folder.path), "--lock", str(lock)]
    inherited = [lock]
    if ticket is not None:
        command += ["--ticket", f"{ticket.number}:{ticket.descriptor}:{ticket.line.folder}"]
        command += [] if queue else ["--now"]
        inherited.append(ticket.descriptor)
    log = (folder.path / "controller.log").open("ab")
    with log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=inherited,
            env=TELEMETRY_OFF | dict(os.environ),
        )
    if ticket is not None:
        ticket.close()
    threading.Thread(target=process.wait, daemon=True).start()  # so that no dead process is left behind
