"""JSON values one after another: a line each, an array, objects printed over several lines, or labels by image."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.text import suffix_of
from automl_vision.data.image_names import is_image
from automl_vision.formats.json_file import as_utf8, parse_json, read_json_file
from automl_vision.formats.records.nested import records_in
from automl_vision.formats.source import Source

LINE_SUFFIXES = (".jsonl", ".ndjson", ".manifest")
_BETWEEN = re.compile(r"[ \t\r\n,]*")  # objects that stand one after another; commas do no harm
_LOOKED_AT = 20  # keys of an object that may be images

Value = tuple[str, Any]


def read_values(source: Source, path: str) -> Iterator[Value]:
    """Each value with its place; a `ValueError` in its stead says why it cannot be read.

    Raises:
        DataError: the file cannot be read.
    """
    if suffix_of(path) not in LINE_SUFFIXES:
        yield from _whole(source, path)
        return
    data = as_utf8(source.read(path), path)
    yield from _lines(data, path) if _has_lines(data) else _whole(source, path)


def _has_lines(data: bytes) -> bool:
    """Whether the first line that is not empty is an object, or nothing at all."""
    first = next((text for line in io.BytesIO(data) if (text := line.decode().strip())), "")
    return not first.startswith(("[", "{")) or first.endswith("}")


def _lines(data: bytes, path: str) -> Iterator[Value]:
    for number, line in enumerate(io.BytesIO(data), start=1):
        if line.isspace():
            continue
        try:
            yield f"{path}:{number}", parse_json(line, "the line")
        except DataError as error:
            if line.decode().strip():
                yield f"{path}:{number}", ValueError(str(error))


def _whole(source: Source, path: str) -> Iterator[Value]:
    try:
        value = read_json_file(source, path)
    except DataError as error:
        yield from _one_after_another(source.read_text(path), path, error)
        return
    if isinstance(value, dict) and _are_labels(value):
        value = [{"image": image, "label": label} for image, label in value.items()]
    elif isinstance(value, dict) and _are_classes(value):
        value = [{"image": image, "label": label} for label, images in value.items() for image in images]
    elif (records := records_in(value)) is not None:
        value = records
    values = value if isinstance(value, list) else [value]
    yield from ((f"{path}: [{i}]", item) for i, item in enumerate(values))


def _are_labels(value: dict[str, Any]) -> bool:
    """Whether an object maps images to labels."""
    names = list(value)[:_LOOKED_AT]
    return bool(names) and all(is_image(name) and isinstance(value[name], str | int | list) for name in names)


def _are_classes(value: dict[str, Any]) -> bool:
    """Whether an object maps labels to lists of images."""
    lists = list(value.values())[:_LOOKED_AT]
    names = [name for images in lists if isinstance(images, list) for name in images[:_LOOKED_AT]]
    return bool(names) and all(isinstance(name, str) and is_image(name) for name in names) and all(lists)


def _one_after_another(text: str, path: str, error: DataError) -> Iterator[Value]:
    """Objects that stand one after another, each over several lines."""
    decoder, start, number = json.JSONDecoder(), 0, 0
    while (start := _BETWEEN.match(text, start).end()) < len(text):  # type: ignore[union-attr]
        try:
            value, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield f"{path}: [{number}]", ValueError(str(error))
            return
        yield f"{path}: [{number}]", value
        number += 1
