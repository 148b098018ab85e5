"""Remote locations through fsspec: read on demand, with retries, kept on this machine's disk within a limit.

Credentials come from the environment, as each store's client documents it; URLs appear in messages without their query
and user.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import threading
import time
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.files import atomic_path

REMOTE_PROTOCOLS = frozenset({"http", "https", "s3", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory"})
CACHE_GIGABYTES = 20.0
"""Default limit of the cache of remote files; `AUTOML_VISION_CACHE_GB` changes it, 0 switches the cache off."""

_ATTEMPTS = 5
_FIRST_PAUSE = 0.2  # seconds; doubled after each attempt
_FULL_SHARE = 0.9  # what is left of the limit after old files were deleted
_EXTRAS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}


def is_url(path: str) -> bool:
    """Whether a path is a URL and not a file."""
    return "://" in path


def redacted(url: str) -> str:
    """A URL for messages: without user, password, query and fragment, where credentials stand."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def cache_folder() -> Path:
    """Where remote files are kept: `AUTOML_VISION_CACHE`, or a folder in the user's cache."""
    chosen = os.environ.get("AUTOML_VISION_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "automl-vision"


def fetch(url: str, limit: int) -> bytes:
    """The bytes behind a URL, from the cache when they were read before.

    Raises:
        FileNotFoundError: nothing is there.
        OSError: it cannot be read, even after some attempts, or is longer than `limit` bytes.
    """
    cache = DiskCache.default()
    data = cache.get(url)
    if data is None:
        data = _with_retries(url, limit)
        cache.put(url, data)
    if len(data) > limit:
        raise OSError(f"the file is larger than {limit:,} bytes")
    return data


def _with_retries(url: str, limit: int) -> bytes:
    for attempt in range(_ATTEMPTS):
        try:
            return _read(url, limit)
        except FileNotFoundError:
            raise
        except Exception as error:  # each store's client has its own tree of errors
            if attempt == _ATTEMPTS - 1 or not _may_pass(error):
                text = str(error).replace(url, redacted(url)).partition("?")[0]
                raise OSError(f"{type(error).__name__}: {text}" if text else type(error).__name__) from None
            time.sleep(_FIRST_PAUSE * 2**attempt * (0.5 + random.random()))
    raise AssertionError("unreachable")


def _may_pass(error: Exception) -> bool:
    """Whether another attempt may succeed: not for a refusal, an unknown protocol or a missing package."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status >= 500 or status in (408, 425, 429)
    return not isinstance(error, PermissionError | ImportError | ValueError | NotImplementedError)


def _read(url: str, limit: int) -> bytes:
    system, path = _filesystem(url)
    if urlsplit(url).scheme in ("http", "https"):  # one request that ends at the limit, instead of asking for the size
        with system.open(path, "rb", block_size=0) as file:
            data: bytes = file.read(limit + 1)
            return data
    if system.size(path) > limit:
        raise ValueError(f"the file is larger than {limit:,} bytes")
    content: bytes = system.cat_file(path)
    return content


def _filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it.

    Raises:
        ImportError: the package that reads such URLs is not installed; the message names it.
        ValueError: no package is known for the protocol.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        protocol = url.partition("://")[0]
        package = _EXTRAS.get(protocol)
        hint = f"; install it with: pip install {package}" if package else ""
        raise ImportError(f"{protocol}:// needs a package that is not installed ({error}){hint}") from error
    return system, path


class RemoteFolder:
    """Files below a URL."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.skipped: dict[str, str] = {}

    @staticmethod
    @lru_cache(maxsize=16)
    def open(root: str) -> RemoteFolder:
        """The folder; one object a URL, so that it is listed once."""
        return RemoteFolder(root)

    @cached_property
    def _facts(self) -> dict[str, dict[str, Any]]:
        """What the store says of each file, by path."""
        try:
            system, base = _filesystem(self.root)
            found = system.find(base, detail=True)
        except Exception as error:
            raise DataError(
                f"{redacted(self.root)} cannot be listed ({type(error).__name__}: {str(error).partition('?')[0]}); "
                "give the URL of an annotation file"
            ) from None
        start = len(base.rstrip("/")) + 1
        return {path[start:]: facts for path, facts in found.items()}

    @cached_property
    def files(self) -> list[str]:
        """All files but hidden ones."""
        return sorted(path for path in self._facts if not any(part.startswith(".") for part in path.split("/")))

    def read(self, path: str, limit: int = 2**29) -> bytes:
        """The bytes of a file."""
        return fetch(path if is_url(path) else f"{self.root}/{path}", limit)

    def resolve(self, path: str, *, allow_outside: bool = False) -> str:
        """The path below the URL, or another URL."""
        if is_url(path):
            protocol = path.partition("://")[0].lower()
            if allow_outside or protocol in REMOTE_PROTOCOLS:
                return path
            raise ImageError(f"a {protocol}:// URL in remote data is not read")
        normal = os.path.normpath(path).replace(os.sep, "/")
        if normal.startswith(("../", "/")) or normal == "..":
            raise ImageError("the path leads outside of the data's folder")
        return normal

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:  # noqa: ARG002 - files are far away
        """The store's own tag of the contents, or size and time, or at least the URL without its query."""
        url = path if is_url(path) else f"{self.root}/{path}"
        facts = self.__dict__.get("_facts", {}).get(path, {})  # only when it was listed anyway
        tag = next((facts[name] for name in ("ETag", "etag", "content_md5", "md5Hash") if facts.get(name)), None)
        known = [tag] if tag else [facts.get("size"), facts.get("LastModified"), facts.get("mtime")]
        return "\n".join([redacted(url), *(str(fact) for fact in known if fact is not None)])


class DiskCache:
    """Files by URL in a folder; the ones that were not read for longest go when the limit is reached.

    Args:
        folder: where; shared by all processes of the user.
        limit_bytes: largest sum of the files' sizes; 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder, self.limit = folder, limit_bytes
        self._size: int | None = None
        self._lock = threading.Lock()

    @staticmethod
    def default() -> DiskCache:
        """The user's cache, by the environment."""
        gigabytes = float(os.environ.get("AUTOML_VISION_CACHE_GB", CACHE_GIGABYTES))
        return _cache(str(cache_folder() / "remote"), int(gigabytes * 1e9))

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
        with contextlib.suppress(OSError), atomic_path(self._file(url)) as temporary:
            temporary.write_bytes(data)
        with self._lock:
            self._size = (self._measured() if self._size is None else self._size) + len(data)
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


@lru_cache(maxsize=4)
def _cache(folder: str, limit: int) -> DiskCache:
    return DiskCache(Path(folder), limit)


def download(url: str) -> Path:
    """A remote file as a file of this machine, kept in the cache folder under the store's own tag of its contents.

    Raises:
        DataError: it cannot be read, or would take more than half of the free disk space.
    """
    import shutil

    folder = cache_folder() / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    name = urlsplit(url).path.rpartition("/")[2]
    try:
        system, path = _filesystem(url)
        facts = system.info(path)
        tag = "\n".join(str(facts.get(key)) for key in ("ETag", "etag", "size", "LastModified", "mtime"))
        key = hashlib.blake2b(f"{redacted(url)}\n{tag}".encode(), digest_size=8).hexdigest()
        target = folder / f"{key}-{name}"
        if target.exists():
            return target
        if (facts.get("size") or 0) > shutil.disk_usage(folder).free // 2:
            raise DataError(f"{redacted(url)} would take more than half of the free disk space")
        with atomic_path(target) as temporary:
            system.get_file(path, str(temporary))
    except DataError:
        raise
    except Exception as error:
        text = str(error).partition("?")[0]
        raise DataError(f"{redacted(url)} cannot be read ({type(error).__name__}: {text})") from None
    return target
