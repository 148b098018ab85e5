"""The folders of this machine in which the studio looks for data, and no others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.data.image_names import is_image
from automl_vision.storage.locations import ARCHIVE_SUFFIXES
from automl_vision.storage.urls import is_url

if TYPE_CHECKING:
    from automl_vision.workspace.workspace import Workspace

DATA_SUFFIXES = (*ARCHIVE_SUFFIXES, ".csv", ".tsv", ".json", ".jsonl", ".xml", ".parquet", ".yaml", ".yml")
_MOST_LISTED = 1000
_MOST_COUNTED = 3_000  # files of a folder that are looked at before it is shown


@dataclass(frozen=True)
class NewData:
    """Where new data may come from.

    Attributes:
        roots: folders in which data may be, besides the user's, the current one and the workspaces'.
        max_upload_gb: most that can be uploaded at once.
    """

    roots: tuple[Path, ...] = ()
    max_upload_gb: float = 10.0


@dataclass(frozen=True)
class Entry:
    """A folder, archive or annotation file.

    Attributes:
        name: in its folder.
        path: absolute.
        is_folder: whether it can be entered.
        size: in bytes; None for a folder.
        images: in a folder and in those below it, as far as was looked.
        has_more: whether there may be more images than were counted.
    """

    name: str
    path: str
    is_folder: bool
    size: int | None = None
    images: int = 0
    has_more: bool = False


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        path: of the folder.
        parent: of the folder above, or None if that is not to be seen.
        entries: folders first; hidden ones, images and other files are not listed.
        images: how many images are in it.
        here: the folder itself.
        more: how many entries are not listed because there are too many.
    """

    path: str
    parent: str | None
    entries: list[Entry]
    images: int
    here: Entry
    more: int


class OutsideError(DataError):
    """A path is not below the folders that the studio may read."""


class Places:
    """Folders below which data may be, whatever links and `..` say.

    Attributes:
        roots: their real paths, without those inside of others.

    Args:
        roots: as they were named; those that do not exist are left out.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        real = list(dict.fromkeys(Path(os.path.realpath(root)) for root in roots if root.is_dir()))
        self.roots: Sequence[Path] = [root for root in real if not any(other in root.parents for other in real)]

    def resolve(self, path: str) -> Path:
        """The real path of a folder or file that a user named.

        Raises:
            DataError: it is outside of the roots, or does not exist.
        """
        try:
            named = Path(path).expanduser()
            real = Path(os.path.realpath(named if named.is_absolute() else self.roots[0] / named))
            exists = real.exists()
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"the path cannot be read ({error})") from None
        if not self._is_inside(real):
            known = ", ".join(map(str, self.roots))
            raise OutsideError(
                f"{path} is outside of the folders that the studio may read: {known}. "
                "Start it with --data-root DIR to add one"
            )
        if not exists:
            raise DataError(f"{path} does not exist.{self._near(real)}")
        return real

    def require(self, data: str, workspace: Workspace) -> None:
        """Check that data may be read: a registered name, a URL, or a path below the roots.

        Raises:
            OutsideError: it is a path outside of the roots.
        """
        if is_url(data):
            return
        try:
            is_registered = workspace.datasets.resolve(data) != data
        except DataError:
            return  # nothing is there; who opens it says so
        if not is_registered and os.path.lexists(data):
            self.resolve(data)

    def holds(self, path: str) -> bool:
        """Whether a path is below the roots."""
        return self._is_inside(path)

    def listing(self, path: str) -> Listing:
        """What is in a folder, folders first.

        Raises:
            DataError: it is outside of the roots, does not exist, or cannot be read.
        """
        folder = self.resolve(path)
        if not folder.is_dir():
            raise DataError(f"{path} is a file, not a folder")
        entries, images = [], 0
        try:
            for found in os.scandir(folder):
                if found.name.startswith("."):
                    continue
                if found.is_dir() and self._is_inside(found.path):
                    entries.append(_folder(Path(found.path)))
                elif found.is_file() and found.name.lower().endswith(DATA_SUFFIXES):
                    entries.append(Entry(found.name, found.path, False, found.stat().st_size))
                elif is_image(found.name):
                    images += 1
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})") from None
        entries.sort(key=lambda entry: (not entry.is_folder, entry.name.lower()))
        parent = None if folder in self.roots else str(folder.parent)
        more = max(0, len(entries) - _MOST_LISTED)
        return Listing(str(folder), parent, entries[:_MOST_LISTED], images, _folder(folder), more)

    def _is_inside(self, path: str | Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(root == real or root in real.parents for root in self.roots)

    def _near(self, missing: Path) -> str:
        """A hint to what is there instead."""
        folder = missing.parent
        while not folder.exists():
            missing, folder = folder, folder.parent
        if not self._is_inside(folder) or not folder.is_dir():
            return ""
        names = [entry.name for entry in self.listing(str(folder)).entries]
        hint = did_you_mean(missing.name, names)
        return f"{hint} Looked in {folder}" if hint else f" {folder} has: {', '.join(names[:8]) or 'nothing'}"


def _folder(folder: Path) -> Entry:
    """A folder with the images in it and in those below it."""
    images = looked = 0
    for name in _names(folder, depth=3):
        looked += 1
        images += is_image(name)
        if looked >= _MOST_COUNTED:
            break
    return Entry(folder.name or str(folder), str(folder), True, None, images, looked >= _MOST_COUNTED)


def _names(folder: Path, *, depth: int) -> Iterator[str]:
    """Names of files in a folder and the folders in it."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            yield entry.name
    for entry in entries:
        if depth > 1 and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _names(Path(entry.path), depth=depth - 1)


def _allowed(request: Request) -> Places:
    found: Places = request.app.state.places
    return found


AllowedPlaces = Annotated[Places, Depends(_allowed)]
"""The folders that requests may name."""
