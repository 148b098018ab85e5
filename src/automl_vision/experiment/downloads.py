"""Listing and copying the files of a run or a trial."""

from __future__ import annotations

import shutil
from pathlib import Path

from automl_vision.core.errors import RunFailedError
from automl_vision.core.text import did_you_mean


def file_names(folder: Path) -> list[str]:
    """List the files in a folder, relative to it."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


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
    source = (folder / name).resolve()
    if not source.is_relative_to(folder.resolve()) or not source.is_file():
        hint = did_you_mean(name, file_names(folder))
        raise RunFailedError(f'{owner} has no file "{name}".{hint} List them with get_file_names()')
    target = target / source.name if target.is_dir() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(source, target))


def copy_files(folder: Path, prefix: str, target: Path, *, owner: str) -> Path:
    """Copy the files whose names start with a prefix into another folder, under the same names."""
    for name in file_names(folder):
        if name.startswith(prefix):
            copy_file(folder, name, target / name, owner=owner)
    return target
