"""How often a key may be used: a rate and a daily quota, counted for all worker processes of a server together."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_vision.core.locks import lock, unlock
from automl_vision.deployment.online.keys import Key

_BURST_SECONDS = 1.0  # a second's worth of requests may come at once
_DAY = 86_400
_SLOT = struct.Struct("<32sddqq")  # digest of the key, tokens, when they were counted, day, used on that day
_SLOTS = 64  # keys that a server ever saw; two are in use at a time


class Allowance:
    """Counts the uses of keys in a file of memory that the worker processes share.

    The rate is a token bucket that holds a second's worth of requests, or one.

    Args:
        file: made if it does not exist; None counts in this process alone.
        clock: seconds since 1970.
    """

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._descriptor: int | None = None
        if file is not None:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            os.ftruncate(self._descriptor, _SLOT.size * _SLOTS)
        self._memory = mmap.mmap(-1 if self._descriptor is None else self._descriptor, _SLOT.size * _SLOTS)
        self._clock = clock

    def take(self, key: Key) -> float:
        """Count one request of a key.

        Returns:
            0 if the key allows it; otherwise seconds until it allows one again, and nothing is counted.
        """
        if key.per_second is None and key.per_day is None:
            return 0.0
        with self._locked():
            return self._take(key, self._clock())

    def close(self) -> None:
        """Let go of the shared memory."""
        self._memory.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _take(self, key: Key, now: float) -> float:
        offset, (_, tokens, counted, day, used) = self._slot(key)
        today = int(now // _DAY)
        used = used if day == today else 0
        wait = 0.0
        if key.per_second is not None:
            most = max(1.0, key.per_second * _BURST_SECONDS)
            tokens = most if counted == 0 else min(most, tokens + max(0.0, now - counted) * key.per_second)
            wait = 0.0 if tokens >= 1 else (1 - tokens) / key.per_second
        if key.per_day is not None and used >= key.per_day:
            wait = max(wait, (today + 1) * _DAY - now)
        if wait == 0:
            tokens, used = tokens - 1, used + 1
        _SLOT.pack_into(self._memory, offset, _name(key), tokens, now, today, used)
        return wait

    def _slot(self, key: Key) -> tuple[int, tuple[bytes, float, float, int, int]]:
        """Where a key is counted: its slot, a free one, or the one that was used longest ago."""
        name, oldest, oldest_time = _name(key), 0, math.inf
        for offset in range(0, _SLOT.size * _SLOTS, _SLOT.size):
            values = _SLOT.unpack_from(self._memory, offset)
            if values[0] == name:
                return offset, values
            if values[2] < oldest_time:
                oldest, oldest_time = offset, values[2]
        return oldest, (name, 0.0, 0.0, 0, 0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._descriptor is None:  # its requests come one after the other, from one event loop
            yield
            return
        lock(self._descriptor)
        try:
            yield
        finally:
            unlock(self._descriptor)


def _name(key: Key) -> bytes:
    return hashlib.blake2b(key.digest.encode(), digest_size=32).digest()
