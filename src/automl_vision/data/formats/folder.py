"""One folder a class, with or without train/val/test folders above."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from automl_vision.data.annotations import Annotations, Columns, Record, normalize_split
from automl_vision.data.formats import dataset_format
from automl_vision.data.images import IMAGE_SUFFIXES

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _class_folders(root: Path) -> Iterator[tuple[str | None, Path]]:
    """Each class folder with the split that it stands in."""
    folders = _folders(root)
    splits = [folder for folder in folders if normalize_split(folder.name)]
    # "test" may be a class: folders count as splits only when they hold folders themselves and "train" is there
    if any(normalize_split(folder.name) == "train" for folder in splits) and all(_folders(f) for f in splits):
        for split in splits:
            for folder in _folders(split):
                yield normalize_split(split.name), folder
        return
    for folder in folders:
        yield None, folder


def _detect(path: Path) -> bool:
    if not path.is_dir():
        return False
    return any(
        file.suffix.lower() in IMAGE_SUFFIXES for _, folder in _class_folders(path) for file in folder.rglob("*")
    )


@dataset_format("folder", layout="one folder a class: [train|val|test/]CLASS/IMAGE.jpg", detect=_detect)
def read(path: Path, columns: Columns) -> Annotations:  # noqa: ARG001 - folders have no columns
    """Read class folders; files without an image suffix are reported."""
    annotations = Annotations("label")
    classes = set()
    for split, folder in _class_folders(path):
        for file in sorted(folder.rglob("*")):
            if file.is_dir() or file.name.startswith(".") or file.name.lower() in _SYSTEM_FILES:
                continue
            place = file.relative_to(path).as_posix()
            if file.suffix.lower() not in IMAGE_SUFFIXES:
                annotations.reject(place, f'"{file.suffix}" is no image suffix', "not an image")
                continue
            classes.add(folder.name)
            annotations.add(Record(place, (folder.name,), place, split))
    annotations.classes = sorted(classes)
    return annotations
