"""What every location of a dataset's files has in common."""

from __future__ import annotations

from typing import Protocol

from automl_vision.core.errors import ImageError
from automl_vision.storage.urls import REMOTE_PROTOCOLS

MAX_IMAGE_BYTES = 2**29  # 512 MiB; read no further, for an archive's member may unpack to anything
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
INSIDE = "!/"  # between an archive's path and a folder in it
OUTSIDE = "leads outside of the data's folder; open the data with allow_outside=True if that is meant"


class Storage(Protocol):
    """Files below one root; paths are relative to it, with forward slashes."""

    root: str
    skipped: dict[str, str]

    @property
    def files(self) -> list[str]:
        """All files but hidden ones, sorted; `skipped` then gives the reason of each place that was not entered."""
        ...

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: it is missing, cannot be read, or is longer than `limit`.
        """
        ...

    def resolve(self, path: str, *, allow_outside: bool = False) -> str:
        """What the manifest keeps for a path: relative to the root where that is possible.

        Raises:
            ImageError: the path leads outside of the root, which only `allow_outside` permits.
        """
        ...

    def identity(self, path: str, *, stat_only: bool = False) -> str | None:
        """What changes with a file's contents and is known without reading it; None when it must be read.

        Args:
            path: as `resolve` gave it.
            stat_only: take the file's size and time where its contents would be better.

        Raises:
            ImageError: the file is missing.
        """
        ...


def check_url(image: str, allow_outside: bool) -> str:
    """A URL, when its protocol cannot lead to this machine's files.

    Raises:
        ImageError: it may.
    """
    protocol = image.partition("://")[0]
    if allow_outside or protocol.lower() in REMOTE_PROTOCOLS:
        return image
    raise ImageError(f"a {protocol}:// URL {OUTSIDE.replace('leads', 'may lead')}")


def is_hidden(path: str) -> bool:
    """Whether a path leads through a hidden folder, or one that only an operating system needs."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
