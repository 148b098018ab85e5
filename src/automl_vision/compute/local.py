"""Runs jobs as processes of this machine, forked from a server that has already imported the heavy libraries.

A job starts in milliseconds instead of seconds. It has its own process group and log, and is killed when its parent
ends. An exception, a native crash or a lack of memory in a job affects nothing else. Where processes cannot be forked,
or `AUTOML_VISION_START_METHOD` is `spawn`, each job imports the libraries itself.
"""

from __future__ import annotations

import errno
import faulthandler
import gc
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NoReturn

from automl_vision.compute.compute import Failure, Job, RunningJob, Slot
from automl_vision.compute.processes import die_with_parent, reason_of
from automl_vision.core.errors import StorageError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.late import load
from automl_vision.core.locks import lock
from automl_vision.core.system import core_count, end_group, exit_text, lead_group, start_method, was_killed
from automl_vision.core.telemetry import TELEMETRY_OFF

CPU_SETTINGS = {
    # idle OpenMP threads that spin instead of sleeping were seen to slow training tenfold (37 to 3 images/s on two
    # cores) as soon as another program used a core; a short spin costs nothing measurable and gave 20 images/s
    "GOMP_SPINCOUNT": "1000",
    # memory that a step frees is kept for the next step instead of being returned to the kernel page by page
    "MALLOC_MMAP_THRESHOLD_": "33554432",  # bytes, the maximum of glibc
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
}
"""Environment of every job. It is read when a process starts, so the fork server must be started with it."""

JOB_ENVIRONMENT = CPU_SETTINGS | TELEMETRY_OFF
"""Added to the environment of the processes that run jobs, unless the caller's environment has these names."""

LOG_FILE = "log.txt"
LOCK_FILE = "job.lock"
"""Locked by a job's process and its children until the last of them ends."""

_ERROR_FILE = "error.json"
_LOG_LINES = 40
_GRACE = 3.0  # seconds between asking a job to end and killing it


class LocalJob:
    """A job that runs in its own process."""

    def __init__(self, job: Job, process: BaseProcess) -> None:
        self.job = job
        self._process = process
        self._group_ended = False

    @property
    def sentinel(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._process.sentinel

    def is_running(self) -> bool:
        """Whether the job is still running; once it has ended, the processes that it left behind are killed."""
        if self._process.is_alive():
            return True
        self._end_group()
        return False

    def failure(self) -> Failure | None:
        """Why the ended job failed, or None when it succeeded."""
        code = self._process.exitcode
        return None if code == 0 else failure_of(code, self.job.folder)

    def cancel(self) -> None:
        """Stop the job and everything that it started; processes that ignore the request are killed after 3 seconds."""
        if self._process.is_alive() and not self._end(at_once=False):
            self._process.terminate()  # it has not created its process group yet
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
        self._end_group()
        self._process.join()

    def _end_group(self) -> None:
        """Kill what is left of the job's process group; only once, because its number may be reused."""
        if not self._group_ended:
            self._group_ended = True
            self._end(at_once=True)

    def _end(self, *, at_once: bool) -> bool:
        """End the job's process group; returns whether the group exists."""
        pid = self._process.pid
        return pid is not None and end_group(pid, at_once=at_once)


class LocalCompute:
    """Runs jobs as processes of this machine.

    Args:
        preload: modules that the fork server imports once, for all jobs.
        device: "auto" uses GPUs if there are any, "cuda" requires them, "cpu" does not use them.
    """

    def __init__(self, preload: Sequence[str] = (), *, device: str = "auto") -> None:
        self.device = device
        self._context: BaseContext = multiprocessing.get_context(start_method())
        if start_method() == "forkserver":
            self._context.set_forkserver_preload(["automl_vision.compute.preloading", __name__, *preload])

    def warm_up(self) -> None:
        """Start the fork server, if there is one, so that it imports while the caller does other work."""
        if start_method() != "forkserver":
            return
        from multiprocessing import forkserver

        with _added_environment(JOB_ENVIRONMENT):
            forkserver.ensure_running()

    def slots(self, wanted: int, *, threads: int = 0, processes: int = 1) -> list[Slot]:
        """One GPU per process if there are GPUs; otherwise the cores are divided, so that trials do not compete."""
        gpus = visible_gpus() if self.device != "cpu" else []
        cores = max(core_count(), len(gpus))
        fitting = max(1, len(gpus) // processes) if gpus else max(1, cores // processes)
        shares = share_cores(cores, min(wanted, fitting), threads)
        apart = bool(gpus) and len(shares) > 1
        return [
            Slot(number, each, tuple(gpus[number * processes : (number + 1) * processes]) if apart else (), processes)
            for number, each in enumerate(shares)
        ]

    def submit(self, job: Job, slot: Slot | None = None, *, environment: Mapping[str, str] | None = None) -> LocalJob:
        """Start a job, with more environment variables if there are any."""
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / _ERROR_FILE).unlink(missing_ok=True)
        reserved = {"CUDA_VISIBLE_DEVICES": ",".join(slot.gpus)} if slot is not None and slot.gpus else {}
        process: BaseProcess = self._context.Process(  # type: ignore[attr-defined]
            target=_run, args=(job, reserved | dict(environment or {}))
        )
        self.warm_up()
        with _added_environment(JOB_ENVIRONMENT):  # which a process that is not forked inherits from this one
            process.start()
        return LocalJob(job, process)

    def wait(self, jobs: Sequence[RunningJob], timeout: float) -> None:
        """Sleep until one of the processes ends."""
        connection.wait([job.sentinel for job in jobs if isinstance(job, LocalJob)], timeout)

    def close(self) -> None:
        """Does nothing: the fork server ends with its last job and its owner."""


@contextmanager
def _added_environment(added: Mapping[str, str]) -> Iterator[None]:
    """Add to the environment of processes started inside the block; `multiprocessing` has no parameter for this."""
    new = {name: value for name, value in added.items() if name not in os.environ}
    os.environ |= new
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


def share_cores(cores: int, wanted: int, threads: int = 0) -> list[int]:
    """Number of threads of each concurrent trial, at most `wanted` of them; [0] if one trial gets all cores."""
    count = max(1, min(wanted, cores // max(1, threads)))
    return count * [threads or (0 if count == 1 else cores // count)]


def visible_gpus() -> list[str]:
    """The GPUs that are visible to this process, named as in `CUDA_VISIBLE_DEVICES`."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=30)
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def _run(job: Job, environment: dict[str, str]) -> None:
    """The main function of a job's process."""
    gc.freeze()  # what was imported stays, and its memory is shared with the server as long as nothing visits it
    gc.enable()
    lead_group()
    die_with_parent(group=True)
    os.environ |= environment
    _hold(job.folder)
    run_here(job)


def run_here(job: Job) -> NoReturn:
    """Call a job's function in this process, write its output to the job's log, and end the process."""
    log = os.open(job.folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        for number in (1, 2)
    )
    faulthandler.enable(all_threads=False)
    try:
        load(job.function)(**job.arguments)
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, StorageError):  # then this reason could not be written either
            os._exit(errno.ENOSPC)
        write_json(job.folder / _ERROR_FILE, {"reason": reason_of(error), "error": type(error).__name__})
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)  # native libraries' exit handlers have been seen to crash after the work was done


def _hold(folder: Path) -> None:
    """Wait until an earlier process of the same job has ended; its parent may have died a moment ago."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    lock(descriptor)  # released when this process ends, as the descriptor is never closed


def failure_of(code: int | None, folder: Path) -> Failure:
    """Why a job ended with an exit code other than 0."""
    if code == errno.ENOSPC:
        return Failure("no space is left on the disk", "", StorageError.__name__)
    error = folder / _ERROR_FILE
    found = read_json(error) if error.exists() else {"reason": _reason(code), "error": ""}
    return Failure(found["reason"], last_lines(folder / LOG_FILE), found["error"])


def _reason(code: int | None) -> str:
    """How the process of a job ended, with the likely cause of a signal."""
    reason = f"the process {exit_text(code)}"
    if code is None or code >= 0 or code == -signal.SIGTERM:
        return reason
    hint = "; the machine may have run out of memory" if was_killed(code) else ", a crash of native code"
    return f"{reason}{hint}"


def last_lines(file: Path) -> str:
    """The last lines of a text file; empty if it does not exist."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 16_384))
        text = stream.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-_LOG_LINES:])
