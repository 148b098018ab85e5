"""Shared by everything that starts processes: a child dies with its parent, and says why it failed."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.system import end_here


def reason_of(error: Exception) -> str:
    """Why a job failed, in one sentence; errors that are not the product's own are named with their class."""
    return str(error) if isinstance(error, AutoMLVisionError) else f"{type(error).__name__}: {error}"


def die_with_parent(*, group: bool) -> None:
    """Kill this process as soon as the process that started it through `multiprocessing` has ended.

    The kernel's parent-death signal is not enough: the parent of a forked job is the fork server, which lives as long
    as one of its jobs.

    Args:
        group: whether the whole process group is killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        _kill_after(parent.join, group=group)


def die_with_standard_input() -> None:
    """Kill this process group as soon as the other end of its standard input is closed."""
    _kill_after(sys.stdin.buffer.read, group=True)


def _kill_after(wait: Callable[[], object], *, group: bool) -> None:
    def watch() -> None:
        wait()
        end_here(group=group)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
