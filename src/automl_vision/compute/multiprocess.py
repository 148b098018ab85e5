"""Starts the processes of one trial on this machine; without torch, so that it can fork before torch starts threads."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from automl_vision.compute.processes import die_with_parent, reason_of
from automl_vision.core.errors import TrialError
from automl_vision.core.system import copy_method, exit_text

RENDEZVOUS = "AUTOML_VISION_RENDEZVOUS"
"""Environment variable: rendezvous URL for the processes of one machine; if unset, `MASTER_ADDR` is used."""

_GRACE = 3.0  # seconds in which processes that lost their peer fail as well, so that the first cause is known
_LOST_PARTNER = ("gloo", "NCCL", "Connection closed", "Connection reset", "DistBackendError", "DistNetworkError")


def _interface() -> dict[str, str]:
    """The network interface by which processes talk: the job's own, or that of this machine alone."""
    return {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo")} if sys.platform == "linux" else {}


def was_launched() -> bool:
    """Whether this process is one of several that train together."""
    return "RANK" in os.environ


def launch(function: Callable[..., None], arguments: dict[str, Any], *, processes: int) -> None:
    """Call a function in several processes at once and wait for all of them; if one fails, the others are killed.

    The processes are forked where this is possible, so this process must not have used torch's threads or a GPU yet,
    and spawned elsewhere. They stay in this
    process's group, write to its output, and die with it. They meet at a file and communicate over loopback.

    Args:
        function: to call; `RANK`, `LOCAL_RANK`, `WORLD_SIZE` and `LOCAL_WORLD_SIZE` tell it which process it is in.
        arguments: its keyword arguments.
        processes: number of processes.

    Raises:
        TrialError: a process failed; the message gives the first cause.
    """
    context: Any = multiprocessing.get_context(copy_method())
    with tempfile.TemporaryDirectory(prefix="automl-vision-") as folder:
        ranks: dict[BaseProcess, Connection] = {}
        for rank in range(processes):
            receiver, sender = context.Pipe(duplex=False)
            environment = {
                "RANK": str(rank), "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
                RENDEZVOUS: (Path(folder) / "meet").as_uri(),
                **_interface(),
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
    """The first reason that is more than a lost connection to another process of the trial."""
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
    """The main function of a process; if it fails, it sends the reason in one sentence."""
    die_with_parent(group=False)
    os.environ |= environment
    try:
        function(**arguments)
    except Exception as error:
        traceback.print_exc()
        failures.send(reason_of(error))
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def _reason(process: BaseProcess, failures: Connection) -> str:
    """Why a process failed, in one sentence."""
    try:
        return str(failures.recv())
    except EOFError:  # it was ended before it could send its reason
        return f"process {process.name} of the trial {exit_text(process.exitcode)}"
