"""What every starter of processes needs: a child that dies with its parent, however that one ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable


def die_with_parent(*, group: bool) -> None:
    """Kill this process as soon as the process that started it through `multiprocessing` is gone.

    The kernel's own parent-death signal is not enough: the parent of a forked job is the fork server, which lives as
    long as one of its jobs.

    Args:
        group: whether the whole process group is killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        _kill_after(parent.join, group=group)


def die_with_standard_input() -> None:
    """Kill this process group as soon as the other end of the standard input is gone."""
    _kill_after(sys.stdin.buffer.read, group=True)


def _kill_after(wait: Callable[[], object], *, group: bool) -> None:
    def watch() -> None:
        wait()
        if group:
            os.killpg(0, signal.SIGKILL)
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
