"""Starting the process that works on a run."""

from __future__ import annotations

import subprocess
import sys
import threading

from automl_vision.workspace.run_folder import RunFolder


def start_run(folder: RunFolder) -> None:
    """Start the process that works on a run, in a session of its own so that Ctrl-C does not reach it."""
    log = (folder.path / "controller.log").open("ab")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "automl_vision.sweeps", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # so that no dead process is left behind
