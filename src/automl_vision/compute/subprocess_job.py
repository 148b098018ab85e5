"""Runs a job in a new interpreter, for callers whose main program must not be imported a second time.

A process that is forked from a server imports the main program again, so a script without a main guard would run
twice. A new interpreter avoids this, but has to import everything that the job needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from automl_vision.compute.compute import Failure, Job
from automl_vision.compute.local import JOB_ENVIRONMENT, failure_of, run_here
from automl_vision.compute.processes import die_with_standard_input
from automl_vision.core.files import read_json, write_json
from automl_vision.core.system import apart, end_group

_JOB_FILE = "job.json"
_POLL = 0.1  # seconds
_GRACE = 3.0  # seconds between asking a job to end and killing it


def run_fresh(job: Job, *, watch: Callable[[], None] | None = None) -> Failure | None:
    """Run a job to its end; it is killed if this process dies or this call is interrupted.

    Args:
        job: its folder gets the log.
        watch: called several times per second while it runs.

    Returns:
        Why it failed, or None if it succeeded.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / _JOB_FILE, {"function": job.function, "arguments": job.arguments})
    process = subprocess.Popen(
        [sys.executable, "-m", "automl_vision.compute.subprocess_job", str(job.folder)],
        stdin=subprocess.PIPE,  # closed when this process ends, however it ends
        env=JOB_ENVIRONMENT | dict(os.environ),
        **apart(),
    )
    try:
        while process.poll() is None:
            if watch:
                watch()
            time.sleep(_POLL)
    finally:
        if process.poll() is None:
            end_group(process.pid, at_once=False)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
        end_group(process.pid, at_once=True)  # children may ignore the request or outlive the job
        process.wait()
        if process.stdin:
            process.stdin.close()
    return failure_of(process.returncode, job.folder) if process.returncode else None


def main() -> None:
    """Run the job of a folder."""
    folder = Path(sys.argv[1])
    die_with_standard_input()
    run_here(Job(**read_json(folder / _JOB_FILE), folder=folder))


if __name__ == "__main__":
    main()
