"""The job that the conformance tests of compute targets run; loads nothing heavy, for each job imports it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from automl_vision.core.errors import DataError


def work(behaviour: str, path: str = "") -> None:
    """Behave in a known way: raise, refuse, crash, write, sleep with a child, or succeed.

    Args:
        behaviour: what to do after a line of output.
        path: of the file to write the numbers of the processes into.
    """
    sys.stdout.write("working\n")
    sys.stdout.flush()
    if behaviour == "raise":
        raise ValueError("a bad value")
    if behaviour == "refuse":
        raise DataError("the data is unusable")
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "write":
        Path(path).write_text(f"{os.getpid()}")
    if behaviour == "sleep":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(60)
