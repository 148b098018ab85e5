"""Files that come into a folder, each when it is complete."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from automl_vision.core.errors import StreamError
from automl_vision.data.image_names import is_image

Version = tuple[int, int]
"""Bytes of a file, and when it was last changed, in nanoseconds since 1970."""


@dataclass(frozen=True)
class FoundFile:
    """A complete image file, in the version that was found."""

    path: Path
    version: Version


class FolderWatch:
    """Looks into a folder for images that are new or changed.

    A file counts as complete when two looks in a row found it the same, and it can be read; one that cannot be read is
    tried again when it changes; once it has been the same for 10 seconds, it is broken. Files whose names begin with a
    dot are left out, for programs write under such names. Only what is in the folder is remembered.

    Args:
        folder: with its subfolders.
        known: versions of files that are done already, by their paths.
        patience: seconds for which a file that cannot be read and does not change may still be in the writing.

    Raises:
        StreamError: the folder does not exist.
    """

    def __init__(self, folder: str | Path, known: Mapping[str, Version], *, patience: float = 10.0) -> None:
        self._folder, self._patience = Path(folder), patience
        if not self._folder.is_dir():
            raise StreamError(f"{folder} is not a folder, and only folders can be watched")
        self._done: dict[str, Version] = dict(known)
        self._growing: dict[str, tuple[Version, float]] = {}  # the version that a look found, and since when
        self._unread: dict[str, Version] = {}

    def complete_files(self) -> list[FoundFile]:
        """The files that have become complete since the last call, by their names."""
        if not self._folder.is_dir():  # such as a drive that is away for a while: what is done stays known
            return []
        found = dict(self._versions())
        now = time.monotonic()
        for known in (self._done, self._growing, self._unread):
            for path in known.keys() - found.keys():
                del known[path]
        complete = []
        for path, version in sorted(found.items()):
            if self._done.get(path) == version:
                continue
            before, since = self._growing.get(path, (None, now))
            if before != version:
                self._growing[path] = version, now
            elif self._unread.get(path) != version or self._has_settled(version, since):
                complete.append(FoundFile(Path(path), version))
        return complete

    def accepts(self, file: FoundFile, *, is_readable: bool) -> bool:
        """Whether what was read of a file counts; not, if it may still be in the writing or has gone."""
        path = str(file.path)
        if not is_readable:
            self._unread[path] = file.version
            if not self._has_settled(*self._growing[path]) or not file.path.exists():
                return False
        self._done[path] = file.version
        self._growing.pop(path, None)
        self._unread.pop(path, None)
        return True

    def _has_settled(self, version: Version, since: float) -> bool:
        """Whether a version is too old to be in the writing, by its own time or by how long it is known."""
        return time.monotonic() - since >= self._patience or time.time() - version[1] / 1e9 >= self._patience

    def _versions(self) -> Iterator[tuple[str, Version]]:
        for folder, folders, names in os.walk(self._folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if is_image(name) and not name.startswith("."):
                    path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of many files is slow
                    try:
                        facts = os.stat(path)  # noqa: PTH116
                    except OSError:  # it has gone meanwhile
                        continue
                    yield path, (facts.st_size, facts.st_mtime_ns)
