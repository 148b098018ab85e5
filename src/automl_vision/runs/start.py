"""Starts the process that works on a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from automl_vision.core.telemetry import TELEMETRY_OFF
from automl_vision.workspace.run_folder import RunFolder


def start_run(folder: RunFolder, lock: int) -> None:
    """Start the process that works on a run, in its own session so that Ctrl-C does not reach it.

    It inherits the run's lock, so that no other process can take the run in between.

    Args:
        folder: of the run.
        lock: descriptor from `folder.lock.hold`; the caller closes its own.
    """
    log = (folder.path / "controller.log").open("ab")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "automl_vision.runs", str(folder.path), str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
            env=TELEMETRY_OFF | dict(os.environ),
        )
    threading.Thread(target=process.wait, daemon=True).start()  # so that no dead process is left behind
