"""JSON values one after another: a line each, an array, objects printed over several lines, or labels by image."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.text import suffix_of
from automl_vision.data.image_names import is_image
from automl_vision.formats.json_file import parse_json, read_json_file
from automl_vision.formats.source import Source

LINE_SUFFIXES = (".jsonl", ".ndjson", ".manifest")
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
    text = source.read_text(path)
    yield from _lines(text, path) if _has_lines(text) else _whole(source, path)


def _has_lines(text: str) -> bool:
    """Whether the first line that is not empty is an object, or nothing at all."""
    first = next((line for line in text.split("\n", 20) if line.strip()), "")
    return not first.lstrip().startswith(("[", "{")) or first.rstrip().endswith("}")


def _lines(text: str, path: str) -> Iterator[Value]:
    for number, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"{path}:{number}", parse_json(line.encode(errors="surrogatepass"), "the line")
        except DataError as error:
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
    values = value if isinstance(value, list) else [value]
    yield from ((f"{path}: [{i}]", item) for i, item in enumerate(values))


def _are_labels(value: dict[str, Any]) -> bool:
    """Whether an object gives labels by image."""
    names = list(value)[:_LOOKED_AT]
    return bool(names) and all(is_image(name) and isinstance(value[name], str | int | list) for name in names)


def _are_classes(value: dict[str, Any]) -> bool:
    """Whether an object gives images by label."""
    lists = list(value.values())[:_LOOKED_AT]
    names = [name for images in lists if isinstance(images, list) for name in images[:_LOOKED_AT]]
    return bool(names) and all(isinstance(name, str) and is_image(name) for name in names) and all(lists)


def _one_after_another(text: str, path: str, error: DataError) -> Iterator[Value]:
    """Objects that stand one after another, each over several lines."""
    decoder, start, number = json.JSONDecoder(), 0, 0
    while (start := _next(text, start)) < len(text):
        try:
            value, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield f"{path}: [{number}]", ValueError(str(error))
            return
        yield f"{path}: [{number}]", value
        number += 1


def _next(text: str, start: int) -> int:
    """Where the next object starts; commas between them do no harm."""
    while start < len(text) and text[start] in " \t\r\n,":
        start += 1
    return start
