"""One folder a class, with or without train/val/test folders above."""

from __future__ import annotations

from pathlib import Path

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record, normalize_split
from automl_vision.data.formats import dataset_format
from automl_vision.data.images import IMAGE_SUFFIXES

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(path: Path) -> list[Path]:
    """All files below a folder, but not hidden ones, system files and what lies in hidden folders."""
    return sorted(
        file
        for file in path.rglob("*")
        if file.name.lower() not in _SYSTEM_FILES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and not file.is_dir()
    )


def _has_splits(root: Path) -> bool:
    """Whether the folders below are splits: "train" is there, and another split or no class stands beside it.

    For "train" and "test" may also be classes: they are when other folders hold images and not two splits hold folders.
    """
    folders = _folders(root)
    names = {normalize_split(folder.name) for folder in folders}
    nested = {normalize_split(folder.name) for folder in folders if _folders(folder)} - {None}
    if "train" in nested and len(nested) > 1:
        return True
    others = (folder for folder in folders if not normalize_split(folder.name))
    return "train" in names and not any(_is_image(file) for other in others for file in _files(other))


def _detect(path: Path, columns: Columns) -> bool:  # noqa: ARG001 - folders have no columns
    return path.is_dir() and any(_is_image(file) and file.parent != path for file in path.rglob("*"))


@dataset_format("folder", layout="one folder a class: [train|val|test/]CLASS/IMAGE.jpg", detect=_detect)
def read(path: Path, columns: Columns) -> Annotations:  # noqa: ARG001 - folders have no columns
    """Read class folders; files without an image suffix and images outside of class folders are reported."""
    if not path.is_dir():
        raise DataError(f'{path} is a file; the format "folder" reads a folder of class folders')
    annotations = Annotations("label")
    has_splits = _has_splits(path)
    for file in _files(path):
        *folders, _ = file.relative_to(path).parts
        place = file.relative_to(path).as_posix()
        split = normalize_split(folders.pop(0)) if has_splits and folders else None
        if not folders or (has_splits and split is None):
            if _is_image(file):  # a README beside the folders is no mistake
                annotations.reject(place, "the image stands in no class folder", "bad label")
        elif not _is_image(file):
            annotations.reject(place, f'"{file.suffix}" is no image suffix', "not an image")
        else:
            annotations.add(Record(place, (folders[0],), place, split))
    return annotations
