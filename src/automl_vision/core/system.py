"""What differs between operating systems: how processes start, end and belong together, cores and users.

The only module that knows process groups and their signals, which Windows does not have.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from automl_vision.core.errors import ComputeError

START_VARIABLE = "AUTOML_VISION_START_METHOD"
"""How the processes of jobs start: "forkserver", the default where the system has it, or "spawn", as Windows does."""

_KILLED = 9  # POSIX's number of SIGKILL, on each system
_NATIVE_CRASH = 0xC000_0000  # the first of the exit codes with which Windows ends a process


def start_method() -> str:
    """How the processes of jobs start on this machine: "forkserver" or "spawn".

    Raises:
        ComputeError: `AUTOML_VISION_START_METHOD` names another way.
    """
    has_fork = sys.platform != "win32"
    chosen = os.environ.get(START_VARIABLE) or ("forkserver" if has_fork else "spawn")
    possible = ("forkserver", "spawn") if has_fork else ("spawn",)
    if chosen not in possible:
        raise ComputeError(f'{START_VARIABLE} is "{chosen}"; on this system it can be {" or ".join(possible)}')
    return chosen


def copy_method() -> str:
    """How a process starts others that go on with what it has loaded: "fork", or "spawn", where they load it anew."""
    return "fork" if start_method() == "forkserver" else "spawn"


def inherits_files() -> bool:
    """Whether a process that is started here can inherit open files, and with them their locks."""
    return start_method() != "spawn"


def apart(descriptors: Sequence[int] = ()) -> dict[str, Any]:
    """Arguments of `subprocess.Popen` for a process with a group of its own, which Ctrl-C here does not reach.

    Args:
        descriptors: of files that it inherits; only where `inherits_files`.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True, "pass_fds": tuple(descriptors)}


def lead_group() -> None:
    """Make this process the first of a group of its own, which its children belong to."""
    if sys.platform != "win32":
        os.setpgid(0, 0)


def end_group(leader: int, *, at_once: bool) -> bool:
    """End a process that leads a group, and all of the group.

    Windows has no such groups: there the leader's children are ended as long as it lives itself.

    Args:
        leader: number of the process.
        at_once: if not, the processes are asked to end, which they may refuse; Windows cannot ask.

    Returns:
        Whether there was such a group.
    """
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(leader)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        os.killpg(leader, signal.SIGKILL if at_once else signal.SIGTERM)
    except ProcessLookupError:  # it does not exist yet, or no longer
        return False
    return True


def end_here(*, group: bool) -> None:
    """Kill this process at once.

    Args:
        group: and the group that it belongs to.
    """
    if sys.platform == "win32":
        if group:
            end_group(os.getpid(), at_once=True)
        os._exit(1)
    if group:
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def was_killed(code: int | None) -> bool:
    """Whether an exit code is that of a process which was killed at once, as the kernel does when memory runs out."""
    return code == -_KILLED


def exit_text(code: int | None) -> str:
    """How a process ended: "was ended by SIGKILL", "ended with exit code 1"."""
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    shown = f"{code:#010x}, a crash of native code" if code is not None and code >= _NATIVE_CRASH else code
    return f"ended with exit code {shown}"


def is_running(process: int) -> bool:
    """Whether there is a process with a number."""
    if sys.platform == "win32":
        listed = subprocess.run(
            ["tasklist", "/NH", "/FI", f"PID eq {process}"], capture_output=True, text=True, check=False
        )
        return str(process) in listed.stdout.split()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def core_count() -> int:
    """Number of cores that this process may use, by its affinity where the system has one."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def user_number() -> int | None:
    """The number of the user that this process runs for; None on Windows, where users have none."""
    if sys.platform == "win32":
        return None
    return os.getuid()
