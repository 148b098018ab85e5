"""What tests of real processes share: jobs, waiting for something to be true, and whether a process lives."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from automl_vision.compute.compute import Failure, Job
from automl_vision.compute.local import LocalCompute, LocalJob
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.controller import PRELOAD

PRELOADED = list(PRELOAD)
"""What jobs' processes have loaded before they start; a test process has one fork server, so all ask for the same."""


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until a condition holds; the longer it takes, the less often it is asked for."""
    end, pause = time.monotonic() + seconds, 0.01
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(pause)
        pause = min(0.1, 1.2 * pause)


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def finish(compute: LocalCompute, job: LocalJob) -> Failure | None:
    """Wait for a job to end; gives why it failed."""
    while job.is_running():
        compute.wait([job], 60)
    return job.failure()


def start_trial(compute: LocalCompute, spec: TrialSpec) -> LocalJob:
    """Train a trial in a process of its own."""
    arguments = {"spec": spec.model_dump()}
    return compute.submit(Job("automl_vision.training.job:run_trial", arguments, Path(spec.folder)))


def kill_trial(compute: LocalCompute, spec: TrialSpec, *, after: int) -> None:
    """Start a trial and kill its process once its state after an epoch is on disk."""
    from automl_vision.training.checkpoint import load_checkpoint  # loads torch, which not every process needs

    job = start_trial(compute, spec)
    try:
        wait_for(lambda: (state := load_checkpoint(Path(spec.folder))) and len(state.record["evaluations"]) > after)
    finally:
        os.kill(job._process.pid or 0, signal.SIGKILL)
    failure = finish(compute, job)
    assert failure is not None
    assert "SIGKILL" in failure.reason
    assert not (Path(spec.folder) / "result.json").exists()
