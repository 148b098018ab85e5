"""What every location of a dataset's files has in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from automl_vision.core.errors import ImageError
from automl_vision.storage.urls import REMOTE_PROTOCOLS, is_url

MAX_IMAGE_BYTES = 2**29  # 512 MiB; read no further, for an archive's member may unpack to anything
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
INSIDE = "!/"  # between an archive's path and a folder in it
OUTSIDE = "leads outside of the data's folder; open the data with allow_outside=True (--allow-outside) if that is meant"


class Storage(ABC):
    """Files below one root; paths are relative to it, with forward slashes.

    Attributes:
        root: folder, archive or URL.
        skipped: the reason of each place that was not entered, once the files are listed.
    """

    _other_urls = OUTSIDE.replace("leads", "may lead")  # why URLs of other protocols are refused

    def __init__(self, root: str) -> None:
        self.root = root
        self.skipped: dict[str, str] = {}

    @property
    @abstractmethod
    def files(self) -> list[str]:
        """All files but hidden ones, sorted."""

    @abstractmethod
    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: it is missing, broken, cannot be read, or is longer than `limit`.
        """

    def resolve(self, path: str, *, allow_outside: bool = False) -> str:
        """What the manifest keeps for a path: relative to the root where that is possible.

        Raises:
            ImageError: the path leads outside of the root, or the URL may lead to this machine's files, which only
                `allow_outside` permits.
        """
        if not is_url(path):
            return self._inside(path, allow_outside=allow_outside)
        protocol = path.partition("://")[0]
        if allow_outside or protocol.lower() in REMOTE_PROTOCOLS:
            return path
        raise ImageError(f"a {protocol}:// URL {self._other_urls}")

    def _inside(self, path: str, *, allow_outside: bool) -> str:  # noqa: ARG002 - only folders have an outside
        """The path, when it stays below the root."""
        normal = os.path.normpath(path).replace(os.sep, "/")
        if normal.startswith(("../", "/")) or normal == "..":
            raise ImageError("the path leads outside of the data's folder")
        return normal

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:
        """What changes with a file's contents and is known without reading it; None when it must be read.

        Args:
            path: as `resolve` gave it.
            stat_only: take the file's size and time where its contents would be better.

        Raises:
            ImageError: the file is missing.
        """
        return path if is_url(path) else self._stated(path) if stat_only else None

    @abstractmethod
    def _stated(self, path: str) -> str:
        """What is known of a file without reading it, and changes with its contents."""


def check_size(size: int, limit: int) -> None:
    """Raise `OSError` when a file has more bytes than are read."""
    if size > limit:
        raise OSError(f"the file is larger than {limit:,} bytes")


def is_hidden(path: str) -> bool:
    """Whether a path leads through a hidden folder, or one that only an operating system needs."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
