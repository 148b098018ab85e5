"""Layouts of real image sets in a short notation: what lies in a folder, and what has to be read from it."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects

COUNT = 6  # a "#" in a name or a line stands for each number below


@dataclass(frozen=True)
class Layout:
    """A folder of images and what it means.

    Attributes:
        name: of the layout.
        images: what each image has to be read as, as `described` says it; None for one that is not in the dataset.
        files: contents of the other files: bytes, a text, a list of lines, or a JSON value.
        error: what the message of an error holds; None where the set is to be read.
        reports: what a problem or a note has to say.
        settings: of `Dataset.open`.
    """

    name: str
    images: dict[str, str | None]
    files: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    reports: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def expected(self) -> dict[str, str]:
        """Each image of the dataset and what it has to be read as."""
        return {path: text for path, text in expanded(self.images).items() if text is not None}

    def write(self, root: Path) -> Path:
        """Write the files below a folder, which is given back."""
        for path in expanded(self.images):
            put(root / path, PICTURE)
        for path, content in expanded(self.files).items():
            put(root / path, as_bytes(content))
        return root


def picture() -> bytes:
    """A picture of 8 x 8 pixels."""
    file = BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 30)).save(file, "PNG")
    return file.getvalue()


PICTURE = picture()
IMAGES: dict[str, str | None] = {"images/c#.jpg": "- cat", "images/d#.jpg": "- dog"}
BOXES: dict[str, str | None] = {"images/c#.jpg": "- cat@1,2,4,6", "images/d#.jpg": "- dog@2,2,6,7"}
UNTOLD: dict[str, str | None] = {"images/c#.jpg": None, "images/d#.jpg": None}


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def expanded(values: dict[str, Any]) -> dict[str, Any]:
    """The same for each number that a "#" in a key stands for, also in a text or in lines below it."""
    found = {}
    for key, value in values.items():
        for i in range(COUNT) if "#" in key else [0]:
            found[key.replace("#", str(i))] = (
                value.replace("#", str(i)) if "#" in key and isinstance(value, str) else value
            )
    return found


def as_bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, list) and all(isinstance(line, str) for line in content):
        return "".join(f"{line}\n" for line in lines(*content)).encode()
    return json.dumps(content).encode()


def lines(*patterns: str) -> list[str]:
    """Lines, one with a "#" once for each number."""
    return [p.replace("#", str(i)) for p in patterns for i in (range(COUNT) if "#" in p else [0])]


def described(dataset: Dataset) -> dict[str, str]:
    """Each image as split ("-" for none), group in brackets, labels, or objects with their boxes."""
    rows = dataset.table.to_pylist()
    found = {}
    for i, row in enumerate(rows):
        names = sorted(row["labels"])
        if has_objects(dataset.task):
            objects = [dataset.objects[j] for j in dataset.objects.rows_of(i)]
            names = sorted(f"{o.label}@{','.join(f'{x:g}' for x in o.bbox or ())}" for o in objects)
        group = f"[{row['group']}] " if row["group"] else ""
        found[row["image"]] = f"{row['split'] or '-'} {group}{'|'.join(names)}"
    return found


def check(layout: Layout, path: Path) -> None:
    """What lies at a path is read as the layout says, or refused as it says."""
    if layout.error is not None:
        with pytest.raises(DataError, match=f"(?s){layout.error}"):
            Dataset.open(path, **layout.settings)
        return
    dataset = Dataset.open(path, **layout.settings)
    below = dataset.root.removeprefix(str(path)).strip("!/")  # where the data start deeper
    found = {f"{below}/{image}" if below else image: text for image, text in described(dataset).items()}
    assert _composed(found) == _composed(layout.expected)
    said = "\n".join(f"{p.place}: {p.reason}" for p in (*dataset.report.problems, *dataset.report.notes))
    assert layout.reports in said


def _composed(values: dict[str, str]) -> dict[str, str]:
    return {unicodedata.normalize("NFC", image): text for image, text in values.items()}
