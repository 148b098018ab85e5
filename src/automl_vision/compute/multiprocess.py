"""Starts the processes of one trial on this machine; without torch, so that they can be forked before it works."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from automl_vision.compute.processes import die_with_parent
from automl_vision.core.errors import AutoMLVisionError, TrialError

RENDEZVOUS = "AUTOML_VISION_RENDEZVOUS"
"""Environment variable: where the processes of one machine meet, as a URL of torch; unset: at `MASTER_ADDR`."""

_GRACE = 3.0  # seconds in which the processes that lost a partner fail too, so that the first cause is known
_LOST_PARTNER = ("gloo", "NCCL", "Connection closed", "Connection reset", "DistBackendError", "DistNetworkError")


def was_launched() -> bool:
    """Whether this process was started as one of several that train together."""
    return "RANK" in os.environ


def launch(function: Callable[..., None], arguments: dict[str, Any], *, processes: int) -> None:
    """Call a function in several processes at once and wait for all of them; if one fails, the others are killed.

    The processes are forked, so this process must not have used torch's threads or a GPU yet. They stay in this
    process's group, write to its output, and die with it. They meet at a file and communicate over loopback.

    Args:
        function: to call; `RANK`, `LOCAL_RANK`, `WORLD_SIZE` and `LOCAL_WORLD_SIZE` say which process it is in.
        arguments: its keyword arguments.
        processes: number of processes.

    Raises:
        TrialError: a process failed; the reason is that of the first cause.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="automl-vision-") as folder:
        ranks: dict[BaseProcess, Connection] = {}
        for rank in range(processes):
            receiver, sender = context.Pipe(duplex=False)
            environment = {
                "RANK": str(rank), "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
                RENDEZVOUS: f"file://{folder}/meet",
                "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
            }  # fmt: skip
            process: BaseProcess = context.Process(
                target=_call, args=(function, arguments, environment, sender), name=str(rank)
            )
            process.start()
            sender.close()
            ranks[process] = receiver
        try:
            _wait_for_all(list(ranks))
        finally:
            killed = [process for process in ranks if process.is_alive()]
            for process in killed:
                process.kill()
                process.join()
    reasons = [_reason(process, pipe) for process, pipe in ranks.items() if process.exitcode and process not in killed]
    if reasons or killed:
        raise TrialError(first_cause(reasons) if reasons else "the processes were ended")


def first_cause(reasons: list[str]) -> str:
    """The first reason that is not merely the loss of another process of the same trial."""
    causes = [reason for reason in reasons if not any(words in reason for words in _LOST_PARTNER)]
    return (causes or reasons)[0]


def _wait_for_all(processes: list[BaseProcess]) -> None:
    """Wait until all have ended, or until 3 seconds after the first failure."""
    deadline = float("inf")
    running = list(processes)
    while running and time.monotonic() < deadline:
        wait([process.sentinel for process in running], timeout=0.5)
        running = [process for process in running if process.is_alive()]
        if deadline == float("inf") and any(process.exitcode for process in processes):
            deadline = time.monotonic() + _GRACE


def _call(
    function: Callable[..., None], arguments: dict[str, Any], environment: dict[str, str], failures: Connection
) -> None:
    """The body of a process; a failure is sent as one sentence."""
    die_with_parent(group=False)
    os.environ |= environment
    try:
        function(**arguments)
    except Exception as error:
        traceback.print_exc()
        reason = str(error) if isinstance(error, AutoMLVisionError) else f"{type(error).__name__}: {error}"
        failures.send(reason)
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def _reason(process: BaseProcess, failures: Connection) -> str:
    """Why a process failed, in a sentence."""
    try:
        return str(failures.recv())
    except EOFError:  # it had no time to say anything
        code = process.exitcode or 0
    if code < 0:
        return f"process {process.name} of the trial was ended by {signal.Signals(-code).name}"
    return f"process {process.name} of the trial ended with exit code {code}"
