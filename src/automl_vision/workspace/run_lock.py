"""The lock of a run: one process at a time works on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_vision.core.errors import WorkspaceError
from automl_vision.core.locks import is_locked, lock_within

_FILE = "controller.lock"


class RunLock:
    """A file lock that ends with the last process that holds it, however that process ends.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_held(self) -> bool:
        """Whether a living process holds the lock."""
        file = self._folder / _FILE
        return file.exists() and is_locked(file)

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
        descriptor = self.take(wait) if inherited is None else inherited
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def take(self, wait: float) -> int:
        """Take the lock, and return the descriptor that holds it until it is closed.

        Raises:
            WorkspaceError: another process works on the run, for longer than `wait` seconds.
        """
        descriptor = self._open()
        if not lock_within(descriptor, wait):
            os.close(descriptor)
            run = self._folder.name
            raise WorkspaceError(
                f"run {run} is already running in another process; follow it with: automl-vision watch {run}"
            )
        return descriptor

    def _open(self) -> int:
        return os.open(self._folder / _FILE, os.O_RDWR | os.O_CREAT, 0o644)
