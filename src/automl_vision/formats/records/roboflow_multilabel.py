"""Roboflow's multi-label export: a `_classes.csv` a split, one 0/1 column a label."""

from __future__ import annotations

import csv

from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.split_names import normalize_split
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source

_FILE = "_classes.csv"


def _files(source: Source) -> list[str]:
    """The tables, but not those of the same name that list the values of masks."""
    named = [path for path in source.files if path.rpartition("/")[2] == _FILE]
    return [path for path in named if not source.try_text(path).lower().startswith("pixel value")]


@dataset_format(
    "roboflow-multilabel",
    "labels",
    rank=Rank.NAMED_FILES + 30,
    layout="[train|valid|test/]_classes.csv with columns filename, LABEL, LABEL, ... of 0 and 1",
    detect=lambda source, _: bool(_files(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the columns are fixed by the format
    """Read every `_classes.csv` under a folder; each folder's name is its split."""
    annotations = Annotations("labels")
    classes: list[str] = []
    for file in _files(source):
        folder = folder_of(file)
        split = normalize_split(folder.rpartition("/")[2])
        rows = csv.reader(source.read_text(file).splitlines(), skipinitialspace=True)
        names = [name.strip() for name in next(rows, [])][1:]
        classes += [name for name in names if name not in classes]
        for row in rows:
            place = f"{file}:{rows.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            flags = [cell.strip() for cell in row[1:]]
            if len(flags) != len(names) or any(flag not in ("0", "1") for flag in flags):
                annotations.reject(place, f"expected {len(names)} columns of 0 or 1 after the name", "bad label")
                continue
            labels = tuple(name for name, flag in zip(names, flags, strict=True) if flag == "1")
            annotations.add(Record(source.image(row[0].strip(), folder), place, labels, split=split))
    annotations.classes = classes
    return annotations
