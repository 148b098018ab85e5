"""File locks, which the operating system releases when the last process that holds one has ended, however it ends.

The only module that knows how a system locks a file: POSIX by `flock`, whose lock a child process can inherit, Windows
by a byte far behind the end of the file, for there nobody else can read what is locked, and no child inherits it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL = 0.05  # seconds

if sys.platform == "win32":
    import msvcrt

    _BYTE = 0x7FFF_0000  # the locked one

    def _change(descriptor: int, mode: int) -> None:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, mode, 1)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

    def try_lock(descriptor: int) -> bool:
        """Lock an open file unless it is locked; returns whether it was done. Closing the file unlocks it."""
        try:
            _change(descriptor, msvcrt.LK_NBLCK)
        except OSError:
            return False
        return True

    def _is_free(descriptor: int) -> bool:
        if not try_lock(descriptor):
            return False
        unlock(descriptor)
        return True

    def unlock(descriptor: int) -> None:
        """Let go of the lock of an open file that stays open."""
        _change(descriptor, msvcrt.LK_UNLCK)

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file unless it is locked; returns whether it was done. Closing the file unlocks it."""
        return _flock(descriptor, fcntl.LOCK_EX)

    def _is_free(descriptor: int) -> bool:
        return _flock(descriptor, fcntl.LOCK_SH)  # shared, so that two who ask do not take each other for the holder

    def unlock(descriptor: int) -> None:
        """Let go of the lock of an open file that stays open."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _flock(descriptor: int, kind: int) -> bool:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def lock(descriptor: int) -> None:
    """Lock an open file, when whoever holds it has let go; closing the file unlocks it."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    while not try_lock(descriptor):
        time.sleep(_POLL)


def lock_within(descriptor: int, seconds: float) -> bool:
    """Lock an open file, waiting for whoever holds it; returns whether it was done. Closing the file unlocks it.

    Args:
        descriptor: of the file.
        seconds: to wait at most; 0 tries once.
    """
    end = time.monotonic() + seconds
    while not try_lock(descriptor):
        if time.monotonic() > end:
            return False
        time.sleep(_POLL)
    return True


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of a file inside the block; the file is made, and stays.

    Raises:
        OSError: it cannot be written.
    """
    with file.open("w", encoding="utf-8") as opened:
        lock(opened.fileno())
        yield


def is_locked(file: Path) -> bool:
    """Whether a living process holds the lock of a file.

    Raises:
        OSError: there is no such file.
    """
    descriptor = os.open(file, os.O_RDWR)
    try:
        return not _is_free(descriptor)
    finally:
        os.close(descriptor)
