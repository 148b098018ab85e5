"""Listing and copying the files of a run or a trial."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pydantic import Field

from automl_vision.core.errors import RunFailedError
from automl_vision.core.records import Record
from automl_vision.core.text import did_you_mean


class FolderEntry(Record):
    """A file or a folder in the folder of a run."""

    name: str = Field(description="relative to the folder of the run")
    is_folder: bool
    bytes: int | None = Field(description="size of a file; null for a folder")
    changed: float = Field(description="seconds since 1970")


def file_names(folder: Path) -> list[str]:
    """List the files in a folder, relative to it."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def find_file(folder: Path, name: str, *, owner: str) -> Path:
    """One file of a folder.

    Args:
        folder: has the file.
        name: relative to the folder.
        owner: of the folder, for messages, such as `run "shapes-1"`.

    Raises:
        RunFailedError: the folder has no such file, or the name leads out of it.
    """
    source = _inside(folder, name)
    if source is None or not os.path.isfile(source):  # noqa: PTH113 - it bears what is no file name
        hint = did_you_mean(name, file_names(folder))
        raise RunFailedError(f'{owner} has no file "{name}".{hint} List them with get_file_names()')
    return source


def list_folder(folder: Path, name: str = "", *, owner: str) -> list[FolderEntry]:
    """The files and folders directly in a folder, folders first; numbers in names are sorted as numbers.

    Args:
        folder: of a run or trial.
        name: of a folder in it; empty for itself.
        owner: of the folder, for messages.

    Raises:
        RunFailedError: there is no such folder, or the name leads out of it.
    """
    root, shown = folder.resolve(), _inside(folder, name)
    if shown is None or not os.path.isdir(shown):  # noqa: PTH112 - it bears what is no file name
        raise RunFailedError(f'{owner} has no folder "{name}"')
    found = []
    for path in shown.iterdir():
        try:
            state, is_folder = path.stat(), path.is_dir()
        except FileNotFoundError:  # it was replaced just now
            continue
        size = None if is_folder else state.st_size
        relative = path.relative_to(root).as_posix()
        found.append(FolderEntry(name=relative, is_folder=is_folder, bytes=size, changed=state.st_mtime))
    return sorted(found, key=lambda entry: (not entry.is_folder, _by_number(entry.name)))


def _inside(folder: Path, name: str) -> Path | None:
    """A path relative to a folder; None if it leads out of it."""
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError):  # such as a name with a null character
        return None
    return path if path.is_relative_to(folder.resolve()) else None


def _by_number(name: str) -> tuple[int, str]:
    last = name.rpartition("/")[2]
    return (int(last) if last.isascii() and last.isdigit() else -1, last)


def copy_file(folder: Path, name: str, target: Path, *, owner: str) -> Path:
    """Copy one file out of a folder.

    Args:
        folder: has the file.
        name: relative to the folder.
        target: a file, or an existing folder.
        owner: of the folder, for messages, such as `run "shapes-1"`.

    Returns:
        The copy.

    Raises:
        RunFailedError: the folder has no such file, or the name leads out of it.
    """
    source = find_file(folder, name, owner=owner)
    target = target / source.name if target.is_dir() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(source, target))


def copy_files(folder: Path, prefix: str, target: Path, *, owner: str) -> Path:
    """Copy the files whose names start with a prefix into another folder, under the same names."""
    for name in file_names(folder):
        if name.startswith(prefix):
            copy_file(folder, name, target / name, owner=owner)
    return target
