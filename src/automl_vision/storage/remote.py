"""Remote locations through fsspec: read on demand, with retries, kept on this machine's disk within a limit.

Credentials come from the environment, as each store's client documents it, for http from `~/.netrc`.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from automl_vision.core.errors import DataError
from automl_vision.core.files import atomic_path
from automl_vision.storage.cache_folder import DiskCache, cache_folder
from automl_vision.storage.locations import MAX_IMAGE_BYTES, Storage, check_size
from automl_vision.storage.urls import (
    check_password,
    full_url,
    is_url,
    redacted,
    without_secrets,
    without_signature,
)

_ATTEMPTS = 5
_FIRST_PAUSE = 0.2  # seconds; doubled after each attempt
_SILENCE = 60.0  # seconds without a byte, after which an attempt has failed
_MOST_OF_MESSAGE = 300  # letters of a client's message
_MOST_OF_NAME = 100  # letters of a downloaded file's name, its suffix among them
_IN_PATHS = "/%:@!$&'()*+,;=~"  # what stays as it is in the path of a URL, which may be in percent code already
_EXTRAS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
Result = TypeVar("Result")


def fetch(url: str, limit: int, *, version: str | None = "") -> bytes:
    """The bytes behind a URL, from the cache when they were read before.

    Args:
        url: where they are.
        limit: most bytes.
        version: what changes with the contents, where that counts; None reads anew.

    Raises:
        FileNotFoundError: nothing is there.
        OSError: it cannot be read, even after some attempts, or is longer than `limit` bytes.
    """
    cache, key = DiskCache.default(), "\n".join(filter(None, [without_signature(url), version]))
    data = None if version is None else cache.get(key)
    if data is None:
        data = _with_retries(partial(_read, full_url(url), limit))
        if version is not None:
            cache.put(key, data)
    check_size(len(data), limit)
    return data


def _with_retries(attempt: Callable[[], Result]) -> Result:
    """The result of an attempt, which is repeated when its error may be temporary.

    Raises:
        FileNotFoundError: nothing is there.
        OSError: no attempt succeeded; the message holds no credentials.
    """
    for number in range(_ATTEMPTS):
        if number:
            time.sleep(_FIRST_PAUSE * 2 ** (number - 1) * (0.5 + random.random()))
        try:
            return attempt()
        except FileNotFoundError:
            failure: OSError = FileNotFoundError("nothing is there")
            break
        except Exception as error:  # each store's client has its own tree of errors
            failure = OSError(_described(error))
            if not _may_pass(error):
                break
    raise failure  # out here it has no context: the client's own error holds the whole URL


def _described(error: Exception) -> str:
    text = without_secrets(str(error)[: 10 * _MOST_OF_MESSAGE])[:_MOST_OF_MESSAGE]  # some hold what the server has sent
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _may_pass(error: Exception) -> bool:
    """Whether another attempt may succeed: not for a refusal, an unknown protocol or a missing package."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status >= 500 or status in (408, 425, 429)
    return not isinstance(error, PermissionError | ImportError | ValueError | NotImplementedError)


def _read(url: str, limit: int) -> bytes:
    system, path = _filesystem(url)
    if _is_http(url):  # one request that ends at the limit, instead of asking for the size
        with system.open(path, "rb", block_size=0, size=1) as file:  # any size keeps fsspec from asking for it first
            chunks: list[bytes] = []
            left = limit + 1
            while left > 0 and (chunk := file.read(left)):  # which returns what has arrived, not all
                chunks.append(chunk)
                left -= len(chunk)
            return b"".join(chunks)
    if (size := system.size(path)) is not None and size > limit:
        raise ValueError(f"the file is larger than {limit:,} bytes")
    content: bytes = system.cat_file(path)
    return content


def _is_http(url: str) -> bool:
    return urlsplit(url).scheme.lower() in ("http", "https")


def _filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it; asked for anew each time, for none outlives a fork.

    Raises:
        ImportError: the package that reads such URLs is not installed; the message names it.
        ValueError: no package is known for the protocol.
    """
    import fsspec

    options: dict[str, Any] = {}
    try:
        if _is_http(url):
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)
            options = {"client_kwargs": {"trust_env": True, "timeout": timeout}}
        system, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        protocol = url.partition("://")[0]
        package = _EXTRAS.get(protocol)
        hint = f"; install it with: pip install {package}" if package else ""
        raise ImportError(f"{protocol}:// needs a package that is not installed ({error}){hint}") from error
    return system, path


class RemoteFolder(Storage):
    """Files below a URL.

    Args:
        root: the URL.
        signed: whole URLs of some files, by name, where their signature is needed.
    """

    _other_urls = "in remote data is not read"

    def __init__(self, root: str, *, signed: dict[str, str] | None = None) -> None:
        check_password(root)
        super().__init__(root.rstrip("/"))
        self._signed = signed or {}

    @cached_property
    def _facts(self) -> dict[str, dict[str, Any]]:
        """What the store says of each file, by path."""
        try:
            base, found = _with_retries(partial(_listing, self.root))
        except OSError as error:
            raise DataError(
                f"{redacted(self.root)} cannot be listed ({error}); give the URL of an annotation file"
            ) from None
        start = len(base.rstrip("/")) + 1
        return {self._name(path[start:]): facts for path, facts in found.items()}

    def _name(self, path: str) -> str:
        """A listed path as people know it; a web server's pages link to names in percent code."""
        return unquote(path) if _is_http(self.root) and "%25" not in path else path

    def _url(self, path: str) -> str:
        if path in self._signed:
            return self._signed[path]
        return f"{self.root}/{quote(path, safe=_IN_PATHS) if _is_http(self.root) else path}"

    @cached_property
    def files(self) -> list[str]:
        """All files but hidden ones."""
        return sorted(path for path in self._facts if not any(part.startswith(".") for part in path.split("/")))

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a file; what was read before counts as the same."""
        return fetch(path if is_url(path) else self._url(path), limit)

    def read_anew(self, path: str, limit: int) -> bytes:
        """The bytes that a file has now: from the cache only if the store's listing shows that they are the same."""
        return fetch(self._url(path), limit, version=self._tag(path))

    def _tag(self, path: str) -> str | None:
        """The store's own tag of a file's contents, when the folder was listed anyway and the store has one."""
        facts = self.__dict__.get("_facts", {}).get(path, {})
        return next((str(facts[name]) for name in ("ETag", "etag", "content_md5", "md5Hash") if facts.get(name)), None)

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:  # noqa: ARG002 - files are far away
        """The store's own tag of the contents, or size and time, or at least the URL."""
        return self._stated(path)

    def _stated(self, path: str) -> str:
        url = path if is_url(path) else f"{self.root}/{path}"
        facts, tag = self.__dict__.get("_facts", {}).get(path, {}), self._tag(path)
        known = [tag] if tag else [facts.get("size"), facts.get("LastModified"), facts.get("mtime")]
        return "\n".join([url, *(str(fact) for fact in known if fact is not None)])


def _listing(root: str) -> tuple[str, dict[str, dict[str, Any]]]:
    system, base = _filesystem(root)
    system.invalidate_cache()  # of listings, which an earlier look has filled
    return base, system.find(base, detail=True)


def download(url: str) -> Path:
    """A remote file as a file of this machine, kept in the cache folder under the store's own tag of its contents.

    Raises:
        DataError: it cannot be read, or would take more than half of the free disk space.
    """
    try:
        return _with_retries(partial(_download, url))
    except OSError as error:
        raise DataError(f"{redacted(url)} cannot be read ({error})") from None


def _download(url: str) -> Path:
    folder = cache_folder() / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    name = urlsplit(url).path.rpartition("/")[2][-_MOST_OF_NAME:]
    system, path = _filesystem(url)
    facts = system.info(path)
    tag = "\n".join(str(facts.get(key)) for key in ("ETag", "etag", "size", "LastModified", "mtime"))
    key = hashlib.blake2b(f"{redacted(url)}\n{tag}".encode(), digest_size=8).hexdigest()
    target = folder / f"{key}-{name}"
    if target.exists():
        return target
    size = facts.get("size") or 0
    if size > shutil.disk_usage(folder).free // 2:
        raise ValueError("it would take more than half of the free disk space")
    with atomic_path(target) as temporary:
        system.get_file(path, str(temporary))
        if size and temporary.stat().st_size != size:
            raise OSError(f"the transfer ended after {temporary.stat().st_size:,} of {size:,} bytes")
    return target
