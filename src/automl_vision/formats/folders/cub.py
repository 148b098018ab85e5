"""The layout of CUB-200: numbered images in `images.txt`, their classes and their split in files of their own."""

from __future__ import annotations

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source

_IMAGES, _LABELS, _CLASSES, _SPLIT = "images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt"
_SPLITS = {"1": "train", "0": "test"}


def _folder(source: Source) -> str | None:
    """The folder of the files, with a slash at its end."""
    files = source.files
    found = [path.removesuffix(_LABELS) for path in files if path.rpartition("/")[2] == _LABELS]
    return next((folder for folder in found if f"{folder}{_IMAGES}" in files), None)


@dataset_format(
    "cub",
    "label",
    rank=Rank.NAMED_FILES + 20,
    layout="CUB-200: images.txt (NUMBER PATH), image_class_labels.txt (NUMBER CLASS), classes.txt, perhaps a split",
    detect=lambda source, _: not source.main and _folder(source) is not None,
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the files have no columns
    """Read the numbered images; 1 in `train_test_split.txt` is for training, 0 for testing.

    Raises:
        DataError: the files are not there.
    """
    folder = _folder(source)
    if folder is None:
        raise DataError(f"{source.name} holds no {_IMAGES} with {_LABELS} beside it")
    annotations = Annotations("label")
    labels, names, splits = (_values(source, f"{folder}{file}") for file in (_LABELS, _CLASSES, _SPLIT))
    for line in _broken_lines(source, f"{folder}{_IMAGES}"):
        annotations.reject(f"{folder}{_IMAGES}:{line}", "a line is NUMBER PATH", "bad line")
    for number, image in _values(source, f"{folder}{_IMAGES}").items():
        place = f"{folder}{_IMAGES}: image {number}"
        if number not in labels:
            annotations.reject(place, f"{_LABELS} has no class for it", "bad label")
            continue
        if names and labels[number] not in names:
            annotations.reject(place, f"{_CLASSES} has no class {labels[number]}", "bad label")
            continue
        label = names.get(labels[number], labels[number])
        path = source.image(f"images/{image}", folder_of(folder))
        annotations.add(Record(path, place, (label,), (), _SPLITS.get(splits.get(number, ""))))
    return annotations


def _values(source: Source, path: str) -> dict[str, str]:
    """The rest of each line by its first word; empty where there is no such file."""
    rows = (line.split(None, 1) for line in source.try_text(path).splitlines())
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def _broken_lines(source: Source, path: str) -> list[int]:
    """The numbers of the lines, from 1, that hold a single word."""
    lines = enumerate(source.try_text(path).splitlines(), start=1)
    return [number for number, line in lines if len(line.split(None, 1)) == 1]
