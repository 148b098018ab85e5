"""One folder a class, with or without train/val/test folders above."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import normalize_split, parse_split, split_in_name
from automl_vision.formats.folder_layout import FolderLayout, layout_of_photos
from automl_vision.formats.masks_aside import masks_aside
from automl_vision.formats.records.tables import candidate_tables, side_labels, side_splits, unlabelled_tables
from automl_vision.formats.registry import Rank, dataset_format, export_format
from automl_vision.formats.source import Source
from automl_vision.formats.writing import Export

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
_SHOWN = 4
_UNLABELLED = (
    "if nobody has labelled them: automl-vision label create NAME --images FOLDER --classes CLASS CLASS --task TASK"
)
_NO_CLASS = "the image stands in no class folder"
_FOLDER_NUMBER = re.compile(r"-?[1-9]\d?")
_NAME_START = re.compile(r"([^\W\d]+(?:[ _-][^\W\d]+)*)[ ._-]*\(?\d")  # as in cat.0.jpg


def _detect(source: Source, columns: Columns) -> bool:
    if source.main or not source.images:
        return False
    if columns.label is not None:
        return _FOLDER_NUMBER.fullmatch(columns.label) is not None
    return bool(layout_of_photos(source).meaning)


def _explain(source: Source) -> str | None:
    """Why a folder of images holds no classes."""
    if source.main or not source.images:
        return None
    folders = {folder_of(path) for path in source.images}
    if len(folders) == 1 and (only := folders.pop()):
        return f'all images stand in one folder, "{only}"; at least 2 classes are needed, a folder each; {_UNLABELLED}'
    shown = f"{len(source.images)} images stand in no class folder, such as {source.images[0]}"
    starts = Counter(
        match[1] for path in source.images if (match := _NAME_START.match(path.rpartition("/")[2])) is not None
    )
    usual = sorted(start for start, count in starts.items() if count > 1 and normalize_split(start) is None)
    if not 1 < len(usual) <= len(source.images) // 2:
        return f"{shown}; {_UNLABELLED}"
    names = ", ".join(usual[:_SHOWN])
    return (
        f"{shown}; their names begin with {names}: move them into folders of these names, or add a table of labels; "
        f"{_UNLABELLED}"
    )


@dataset_format(
    "folder",
    "label",
    rank=Rank.CLASS_FOLDERS,
    layout="one folder a class: [train|val|test/]CLASS/IMAGE.jpg",
    detect=_detect,
    explain=_explain,
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read class folders; images outside of them, and files in them that are no images, are reported.

    Columns are numbers of folders in an image's path: 1 for the first one, -1 for the one that holds the image.

    Raises:
        DataError: the source is a file, its folders may mean two things, or a column is no number.
    """
    if source.main:
        raise DataError(f'{source.name} is a file; the format "folder" reads a folder of class folders')
    annotations = Annotations("label", reads_all=True)
    if columns.label is not None:
        _read_stated(source, columns, annotations)
        return annotations
    aside = masks_aside(source)
    layout = layout_of_photos(source)
    if aside:
        mask, photo = next(iter(aside.items()))
        reason = f"{len(aside)} images are masks of others, such as {mask} of {photo}, and left aside; they are read"
        annotations.ignore(source.name, f'{reason} with task="image-instance-segmentation"', "masks aside")
    for reason in unlabelled_tables(source):
        annotations.ignore(source.name, f"the folders are read as classes; {reason}", "tables")
    labels = side_labels(source, candidate_tables(source), {meaning.label for meaning in layout.meaning.values()})
    for path in source.images:
        if path in aside:
            continue
        folder = folder_of(path)
        meaning = layout.meaning.get(folder)
        if meaning is not None:
            annotations.add(Record(path, path, (meaning.label,), (), meaning.split, meaning.group))
        elif path in labels:
            annotations.add(Record(path, path, (labels[path],), (), source.split_of(path)))
        elif folder not in layout.unlabelled:
            annotations.reject(path, _NO_CLASS, "bad label")
    labelled = set(map(folder_of, labels))
    for place, reason in layout.notes:
        if place not in labelled:
            annotations.ignore(place or source.name, reason, "folders")
    _report_others(source, layout, annotations)
    _take_listed_splits(source, annotations)
    return annotations


def _take_listed_splits(source: Source, annotations: Annotations) -> None:
    """Where the folders tell no split, take what tables and lists beside them tell, such as train.txt."""
    if any(annotations.splits):
        return
    splits = side_splits(source, candidate_tables(source))
    annotations.splits = [splits.get(image) for image in annotations.images]


def _report_others(source: Source, layout: FolderLayout, annotations: Annotations) -> None:
    """Report files that are no images: those in class folders, unless they lie beside an image of their name."""
    parents, empty = layout.class_parents, set()
    beside: dict[str, list[str]] = defaultdict(list)
    for path in source.files:
        if is_image(path) or path.rpartition("/")[2].lower() in _SYSTEM_FILES:
            continue
        folder = folder_of(path)
        stem = path.rpartition(".")[0]
        if folder in layout.meaning:
            if stem not in source.image_set and source.listing.beside(stem) is None:
                annotations.reject(path, f'"{suffix_of(path)}" is not an image suffix', "not an image")
            else:
                beside[suffix_of(path)].append(path)
        elif folder and folder not in empty and folder_of(folder) in parents:
            empty.add(folder)
            annotations.ignore(folder, f"the folder holds no image, but files such as {path}", "folders")
    for suffix, files in beside.items():
        reason = f"{len(files)} {suffix} files lie beside images of their names and are not read"
        annotations.ignore(files[0], reason, "not read")


def _read_stated(source: Source, columns: Columns, annotations: Annotations) -> None:
    """Read images whose class, split and group stand in folders that the user names by their numbers."""
    label, split, group = (_number(columns, name) for name in ("label", "split", "group"))
    for path in source.images:
        folders = path.split("/")[:-1]
        try:
            names = [None if number is None else _folder(folders, number) for number in (label, split, group)]
            stated = _split(folders) if names[1] is None else parse_split(names[1])
        except ValueError as error:
            annotations.reject(path, str(error), "bad label")
            continue
        annotations.add(Record(path, path, (names[0] or "",), (), stated, names[2]))


def _split(folders: list[str]) -> str | None:
    """The split that one of some folders states, the outermost first."""
    return next((split for folder in folders if (split := split_in_name(folder))), None)


def _number(columns: Columns, name: str) -> int | None:
    """The number of a folder.

    Raises:
        DataError: it is none.
    """
    value = getattr(columns, name)
    if value is None:
        return None
    if not _FOLDER_NUMBER.fullmatch(value):
        raise DataError(
            f'for class folders {name}_column is the number of a folder in the path: "1" for the first, "-1" for the '
            f'one that holds the image; not "{value}"'
        )
    return int(value)


def _folder(folders: list[str], number: int) -> str:
    """One of an image's folders.

    Raises:
        ValueError: there are not so many.
    """
    if abs(number) > len(folders):
        raise ValueError(f"folder {number} of the path is asked for; it has {len(folders)}")
    return folders[number - 1 if number > 0 else number]


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
