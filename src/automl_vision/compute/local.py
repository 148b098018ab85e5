"""Jobs as processes of this machine, forked from a server that has the heavy libraries imported.

A job starts in milliseconds instead of seconds, has a process group and a log of its own, and dies with its parent;
what goes wrong in it (an exception, a native crash, a kill for lack of memory) reaches nothing else.
"""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.files import read_json, write_json

CPU_SETTINGS = {
    # idle OpenMP threads that spin instead of sleeping were seen to slow training tenfold (37 to 3 images/s on two
    # cores) as soon as another program used a core; a short spin costs nothing measurable and gave 20 images/s
    "GOMP_SPINCOUNT": "1000",
    # memory that a step frees is kept for the next step instead of being given back to the kernel, page by page
    "MALLOC_MMAP_THRESHOLD_": "33554432",  # bytes, the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
}
"""Environment of every job, which counts from the start of the fork server on."""

LOG_FILE = "log.txt"
_ERROR_FILE = "error.json"
_LOG_LINES = 40
_GRACE = 3.0  # seconds between asking a job to end and killing it


@dataclass(frozen=True)
class Job:
    """A function to call in a process of its own.

    Attributes:
        function: as "module:name"; it takes the arguments as keywords.
        arguments: JSON values.
        folder: for the job's log; made when missing.
    """

    function: str
    arguments: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        reason: one sentence.
        log: the last lines that it printed.
    """

    reason: str
    log: str


class RunningJob:
    """A job that was submitted."""

    def __init__(self, job: Job, process: BaseProcess) -> None:
        self.job = job
        self._process = process

    def is_running(self) -> bool:
        """Whether it still works."""
        return self._process.is_alive()

    def failure(self) -> Failure | None:
        """Why the ended job failed, or None when it succeeded."""
        code = self._process.exitcode
        if code == 0:
            return None
        return failure_of(code, self.job.folder)

    def cancel(self) -> None:
        """End the job and everything that it started."""
        self._signal(signal.SIGTERM)
        self._process.join(_GRACE)
        self._signal(signal.SIGKILL)
        self._process.join()

    def _signal(self, number: signal.Signals) -> None:
        pid = self._process.pid
        if pid is None or not self._process.is_alive():
            return
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # the group does not exist yet, or not any more
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return


class LocalCompute:
    """Runs jobs as processes of this machine.

    Args:
        preload: modules that the fork server imports once, for all jobs.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        os.environ |= {name: os.environ.get(name, value) for name, value in CPU_SETTINGS.items()}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))

    def warm_up(self) -> None:
        """Start the fork server, so that it imports while the caller does other work."""
        from multiprocessing import forkserver

        forkserver.ensure_running()

    def submit(self, job: Job) -> RunningJob:
        """Start a job."""
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / _ERROR_FILE).unlink(missing_ok=True)
        process = self._context.Process(target=_run, args=(job.function, job.arguments, str(job.folder)))
        process.start()
        return RunningJob(job, process)


def _run(function: str, arguments: dict[str, Any], folder: str) -> None:
    """The body of a job's process."""
    os.setpgid(0, 0)
    _die_with_parent()
    run_here(function, arguments, folder)


def run_here(function: str, arguments: dict[str, Any], folder: str) -> NoReturn:
    """Call a job's function in this process, its output in the job's log, and end the process."""
    log = os.open(Path(folder) / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.enable(all_threads=False)
    module, _, name = function.partition(":")
    try:
        getattr(importlib.import_module(module), name)(**arguments)
    except Exception as error:
        traceback.print_exc()
        reason = str(error) if isinstance(error, AutoMLVisionError) else f"{type(error).__name__}: {error}"
        write_json(Path(folder) / _ERROR_FILE, {"reason": reason})
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)  # native libraries' exit handlers have been seen to crash after the work was done


def _die_with_parent() -> None:
    """Kill this process group as soon as the process that submitted the job is gone, however it went.

    The kernel's own parent-death signal does not do: the parent of a forked job is the fork server, which lives on as
    long as one of its jobs.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def failure_of(code: int | None, folder: Path) -> Failure:
    """Why a job ended with an exit code other than 0."""
    return Failure(_reason(code, folder), last_lines(folder / LOG_FILE))


def _reason(code: int | None, folder: Path) -> str:
    """One sentence on an exit code."""
    error = folder / _ERROR_FILE
    if error.exists():
        return str(read_json(error)["reason"])
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = "; the machine may have run out of memory" if name == "SIGKILL" else ", a crash of native code"
        return f"the process was ended by {name}{hint if name != 'SIGTERM' else ''}"
    return f"the process ended with exit code {code}"


def last_lines(file: Path, lines: int = _LOG_LINES) -> str:
    """The end of a text file, or nothing when it is not there."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 16_384))
        text = stream.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
