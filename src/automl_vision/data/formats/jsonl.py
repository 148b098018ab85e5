"""JSON lines: `{"image_url": ..., "label": "cat"}` or `{"image_url": ..., "label": ["cat", "sofa"]}`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from automl_vision.core.names import did_you_mean
from automl_vision.data.annotations import Annotations, Columns, Record, normalize_split, parse_split, read_text
from automl_vision.data.formats import dataset_format


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in (".jsonl", ".ndjson") else []
    return sorted({*path.glob("*.jsonl"), *path.glob("*/*.jsonl")})


def _labels(value: Any) -> tuple[str, ...]:
    """The labels of one line.

    Raises:
        ValueError: the label is neither a text nor a list of texts.
    """
    if isinstance(value, str) and value.strip():
        return (value.strip(),)
    if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(dict.fromkeys(item.strip() for item in value))
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        raise ValueError("the label lists objects; this version reads texts for classification")
    raise ValueError(f"the label must be a text or a list of texts, not {json.dumps(value)[:60]}")


def _record(line: str, place: str, columns: Columns, fallback_split: str | None) -> tuple[Record, bool]:
    """One line's record and whether its label is a list.

    Raises:
        ValueError: the line is no object with an image and a usable label.
    """
    try:
        value = json.loads(line)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("the line is not a JSON object")
    image_key, label_key = columns.image or "image_url", columns.label or "label"
    image = value.get(image_key) or value.get("image")
    if not isinstance(image, str) or not image.strip():
        raise ValueError(f'the line has no "{image_key}".{did_you_mean(image_key, value)}')
    if label_key not in value:
        raise ValueError(f'the line has no "{label_key}".{did_you_mean(label_key, value)}')
    label = value[label_key]
    split, group = value.get(columns.split or "split"), value.get(columns.group or "group")
    record = Record(
        image=image.strip(),
        labels=_labels(label),
        place=place,
        split=(None if split is None else parse_split(str(split))) or fallback_split,
        group=None if group is None else str(group),
    )
    return record, isinstance(label, list)


@dataset_format(
    "jsonl",
    layout='one object a line: {"image_url": "a.jpg", "label": "cat"} or {..., "label": ["cat", "sofa"]}',
    detect=lambda path, _: bool(_files(path)),
)
def read(path: Path, columns: Columns) -> Annotations:
    """Read every JSONL file; a file named after a split (`val.jsonl`) gives its lines that split."""
    root = path.parent if path.is_file() else path
    annotations = Annotations("label")
    for file in _files(path):
        fallback = normalize_split(file.stem.split("_")[0])
        for number, line in enumerate(read_text(file).split("\n"), start=1):
            if not line.strip():
                continue
            place = f"{file.relative_to(root).as_posix()}:{number}"
            try:
                record, is_list = _record(line, place, columns, fallback)
            except ValueError as error:  # json.JSONDecodeError is one
                annotations.reject(place, str(error), "bad label")
                continue
            if is_list:
                annotations.kind = "labels"
            annotations.add(record)
    return annotations
