"""What lies on this machine for a workspace, and how large it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from automl_vision.core.records import Record
from automl_vision.storage.cache_folder import cache_folder
from automl_vision.workspace.workspace import Workspace


class FolderUse(Record):
    """A folder or file with its size."""

    name: str = Field(description="what it holds, in a few words")
    path: str
    files: int
    bytes: int = Field(description="of all files, each counted once")
    is_cache: bool = Field(description="whether it may be deleted at any time, and is made again")


def storage_use(workspace: Workspace) -> list[FolderUse]:
    """The folders of a workspace and the caches outside of it, with their sizes; those that exist."""
    path = workspace.path
    places = [
        ("runs with their trials and models", workspace.runs_path, False),
        ("manifests of datasets", path / "datasets", False),
        ("MLflow's artifacts", path / "artifacts", False),
        ("MLflow's store", path / "mlflow.db", False),
        ("decoded images and measurements", workspace.cache_path, True),
        ("remote files", cache_folder(), True),
    ]
    found = []
    for name, place, is_cache in places:
        if place.exists():
            files, size = _counted(place)
            found.append(FolderUse(name=name, path=str(place), files=files, bytes=size, is_cache=is_cache))
    return found


def folder_size(path: Path) -> int:
    """Bytes of all files below a folder, or of a file; each counted once."""
    return _counted(path)[1]


def _counted(path: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes, each file counted once."""
    files, size, seen = 0, 0, set[tuple[int, int]]()
    for found in _stats(path):
        files += 1
        if (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            size += found.st_size
    return files, size


def _stats(path: Path) -> Iterator[os.stat_result]:
    """Of each file; those that vanish meanwhile are left out."""
    if path.is_file():
        yield path.stat()
        return
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                yield os.lstat(os.path.join(folder, name))  # noqa: PTH118 - a hundred thousand files
            except FileNotFoundError:
                continue
