"""The lock of a run: one process at a time works on it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_vision.core.errors import WorkspaceError

_FILE = "controller.lock"
_POLL = 0.05  # seconds


class RunLock:
    """A file lock that ends with the last process that holds it, however that process ends.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_held(self) -> bool:
        """Whether a living process holds the lock."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)

    @contextmanager
    def hold(self, inherited: int | None = None, *, wait: float = 0.5) -> Iterator[int]:
        """Hold the lock to work on the run, or to prepare it for a process that inherits the lock.

        Args:
            inherited: descriptor from the process that prepared the run; None takes the lock here.
            wait: seconds to wait for another process to release it; a call of `is_held` holds it for an instant.

        Yields:
            The lock's descriptor.

        Raises:
            WorkspaceError: another process works on the run.
        """
        descriptor = self._taken(wait) if inherited is None else inherited
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _taken(self, wait: float) -> int:
        descriptor, end = self._open(), time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(descriptor)
                    run = self._folder.name
                    raise WorkspaceError(
                        f"run {run} is already running in another process; follow it with: automl-vision watch {run}"
                    ) from None
            time.sleep(_POLL)

    def _open(self) -> int:
        return os.open(self._folder / _FILE, os.O_RDWR | os.O_CREAT, 0o644)
