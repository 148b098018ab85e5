"""Where remote files are kept on this machine, within a limit."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import threading
from functools import lru_cache
from pathlib import Path

from automl_vision.core.errors import ConfigError, StorageError
from automl_vision.core.files import atomic_path

CACHE_GIGABYTES = 20.0
"""Default limit of the cache of remote files; `AUTOML_VISION_CACHE_GB` changes it, 0 switches the cache off."""

_FULL_SHARE = 0.9  # what is left of the limit after old files were deleted
_MEASURE_SHARE = 0.02  # of the limit, written between two looks at what other processes have written


def cache_folder() -> Path:
    """Where this program keeps what it can make again, per user: `AUTOML_VISION_CACHE`, or a folder in their cache."""
    chosen = os.environ.get("AUTOML_VISION_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "automl-vision"


class DiskCache:
    """Files by URL in a folder; the ones that were not read for longest go when the limit is reached.

    Args:
        folder: where; shared by all processes of the user.
        limit_bytes: largest sum of the files' sizes; 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder, self.limit = folder, limit_bytes
        self._size: int | None = None
        self._unmeasured = 0
        self._lock = threading.Lock()

    @staticmethod
    def default() -> DiskCache:
        """The user's cache, by the environment.

        Raises:
            ConfigError: the limit in the environment is not a number of gigabytes.
        """
        return _cache(str(cache_folder() / "remote"), int(_gigabytes() * 1e9))

    def get(self, url: str) -> bytes | None:
        """The bytes, or None when they are not there."""
        file = self._file(url)
        try:
            data = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        return data

    def put(self, url: str, data: bytes) -> None:
        """Keep bytes; a full or read-only disk is no reason to stop."""
        if len(data) > self.limit:
            return
        with contextlib.suppress(OSError, StorageError), atomic_path(self._file(url)) as temporary:
            temporary.write_bytes(data)
        with self._lock:
            self._unmeasured += len(data)
            if self._size is None or self._unmeasured > _MEASURE_SHARE * self.limit:
                self._size, self._unmeasured = self._measured(), 0
            else:
                self._size += len(data)
            if self._size > self.limit:
                self._shrink()

    def _file(self, url: str) -> Path:
        key = hashlib.blake2b(url.encode(), digest_size=16).hexdigest()
        return self.folder / key[:2] / key[2:]

    def _measured(self) -> int:
        return sum(facts.st_size for _, facts in self._all())

    def _all(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for file in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):  # another process may delete it
                found.append((file, file.stat()))
        return found

    def _shrink(self) -> None:
        files = sorted(self._all(), key=lambda item: item[1].st_mtime)
        size = sum(facts.st_size for _, facts in files)
        for file, facts in files:
            if size <= _FULL_SHARE * self.limit:
                break
            file.unlink(missing_ok=True)
            size -= facts.st_size
        self._size = size


def _gigabytes() -> float:
    text = os.environ.get("AUTOML_VISION_CACHE_GB") or str(CACHE_GIGABYTES)
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise ConfigError(
        [f'AUTOML_VISION_CACHE_GB is a number of gigabytes, 0 or more, not "{text}"'], subject="The environment"
    )


@lru_cache(maxsize=4)
def _cache(folder: str, limit: int) -> DiskCache:
    return DiskCache(Path(folder), limit)
