"""Roboflow's multi-label export: a `_classes.csv` a split, one 0/1 column a label."""

from __future__ import annotations

import csv
from pathlib import Path

from automl_vision.data.annotations import Annotations, Columns, Record, normalize_split, read_text
from automl_vision.data.formats import dataset_format

_FILE = "_classes.csv"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.name == _FILE else []
    return sorted({*path.glob(_FILE), *path.glob(f"*/{_FILE}")})


@dataset_format(
    "roboflow-multilabel",
    layout="[train|valid|test/]_classes.csv with columns filename, LABEL, LABEL, ... of 0 and 1",
    detect=lambda path, _: bool(_files(path)),
)
def read(path: Path, columns: Columns) -> Annotations:  # noqa: ARG001 - the columns are fixed by the format
    """Read every `_classes.csv` under a folder; each folder's name is its split."""
    root = path.parent if path.is_file() else path
    annotations = Annotations("labels")
    classes: list[str] = []
    for file in _files(path):
        folder = file.parent.relative_to(root)
        split = normalize_split(folder.name)
        rows = csv.reader(read_text(file).splitlines(), skipinitialspace=True)
        names = [name.strip() for name in next(rows, [])][1:]
        classes += [name for name in names if name not in classes]
        for row in rows:
            place = f"{file.relative_to(root).as_posix()}:{rows.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            flags = [cell.strip() for cell in row[1:]]
            if len(flags) != len(names) or any(flag not in ("0", "1") for flag in flags):
                annotations.reject(place, f"expected {len(names)} columns of 0 or 1 after the name", "bad label")
                continue
            labels = tuple(name for name, flag in zip(names, flags, strict=True) if flag == "1")
            annotations.add(Record((folder / row[0].strip()).as_posix(), labels, place, split))
    annotations.classes = classes
    return annotations
