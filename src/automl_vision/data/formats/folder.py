"""One folder a class, with or without train/val/test folders above."""

from __future__ import annotations

from collections import defaultdict

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.names import is_image, normalize_split, suffix_of
from automl_vision.data.source import Source
from automl_vision.data.writing import Export

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


def _has_splits(files: list[str]) -> bool:
    """Whether the folders at the root are splits: "train" is there, and another split or no class stands beside it.

    For "train" and "test" may also be classes: they are when other folders hold images and not two splits hold folders.
    """
    below: dict[str, set[bool]] = defaultdict(set)  # by folder: whether files lie directly in it, or deeper
    others = False
    for path in files:
        folder, _, rest = path.partition("/")
        if rest:
            below[folder].add("/" in rest)
            others |= normalize_split(folder) is None and is_image(path)
    names = {normalize_split(folder) for folder in below}
    nested = {normalize_split(folder) for folder, deep in below.items() if True in deep} - {None}
    if "train" in nested and len(nested) > 1:
        return True
    return "train" in names and not others


@dataset_format(
    "folder",
    "label",
    layout="one folder a class: [train|val|test/]CLASS/IMAGE.jpg",
    detect=lambda source, _: not source.main and any("/" in path for path in source.images),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - folders have no columns
    """Read class folders; files without an image suffix and images outside of class folders are reported."""
    if source.main:
        raise DataError(f'{source.name} is a file; the format "folder" reads a folder of class folders')
    annotations = Annotations("label", reads_all=True)
    files = [path for path in source.files if path.rpartition("/")[2].lower() not in _SYSTEM_FILES]
    has_splits = _has_splits(files)
    for path in files:
        *folders, _ = path.split("/")
        split = normalize_split(folders.pop(0)) if has_splits and folders else None
        if not folders or (has_splits and split is None):
            if is_image(path):  # a README beside the folders is no mistake
                annotations.reject(path, "the image stands in no class folder", "bad label")
        elif not is_image(path):
            annotations.reject(path, f'"{suffix_of(path)}" is no image suffix', "not an image")
        else:
            annotations.add(Record(path, path, (folders[0],), split=split))
    return annotations


@export_format("folder", "label")
def write(export: Export) -> None:
    """Write `SPLIT/CLASS/IMAGE`, without splits `CLASS/IMAGE`.

    Raises:
        DataError: a class cannot be the name of a folder, or would be taken for a split.
    """
    for label in export.classes:
        is_split = normalize_split(label) is not None and "" in export.splits
        if "/" in label or label.startswith(".") or label in ("", "__MACOSX") or is_split:
            reason = "it is the name of a split" if is_split else "the file system or this format gives it a meaning"
            raise DataError(f'the class "{label}" cannot be the name of a folder, {reason}; choose another format')
    if "" in export.splits and len(export.splits) > 1:
        raise DataError("some images have a split and some have none, which folders cannot hold; choose another format")
    taken: set[str] = set()
    for split in export.splits:
        for record in export.records(split):
            (label,) = record.labels
            folder = "/".join(filter(None, [split, label]))
            target = f"{folder}/{_without_own_folders(record.image, label)}"
            if target.lower() in taken:
                target = f"{folder}/{record.image}"
            taken.add(target.lower())
            export.image(record.image, target)


def _without_own_folders(image: str, label: str) -> str:
    """An image's path without the folders that name its split and class, which it gets anew."""
    parts = image.split("/")
    start = 1 if len(parts) > 1 and normalize_split(parts[0]) is not None else 0
    start += len(parts) > start + 1 and parts[start] == label
    return "/".join(parts[start:])
