"""COCO's JSON files: which of a folder's files they are, and their three lists, not parsed yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.formats.json_file import parse_json, shown
from automl_vision.formats.source import Source, decode_text

_PIECE = 20_000  # annotations parsed at once
_MOST_FILES = 50  # in a folder of more, the first few tell whether COCO's files are among them
_HEAD = 3
_TWINS = ("person_keypoints", "panoptic", "stuff")  # whose objects stand in the `instances` file of the same images too


class CocoFile(msgspec.Struct):
    """The lists of one file; empty where it has none of that name."""

    images: msgspec.Raw = msgspec.Raw(b"")
    annotations: msgspec.Raw = msgspec.Raw(b"")
    categories: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_coco(self) -> bool:
        """Whether the file holds images, annotations (perhaps null) and categories."""
        lists = all(_starts_with(raw, b"[") for raw in (self.images, self.categories))
        return lists and (_starts_with(self.annotations, b"[") or _starts_with(self.annotations, b"null"))


def _starts_with(raw: msgspec.Raw, start: bytes) -> bool:
    return bytes(memoryview(raw)[: len(start)]) == start


def coco_files(source: Source) -> list[str]:
    """The files that hold images, annotations and categories; results, captions and other JSON are passed over."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in source.with_suffix(".json"):
        folders[folder_of(path)].append(path)
    found: list[str] = []
    for paths in folders.values():
        if len(paths) <= _MOST_FILES or any(_is_coco(source, path) for path in paths[:_HEAD]):
            found += [path for path in paths if _is_coco(source, path)]
    return [
        path for path in found if not any(path.replace(twin, "instances") in found for twin in _TWINS if twin in path)
    ]


def _is_coco(source: Source, path: str) -> bool:
    try:
        return parse_coco(source, path).is_coco
    except DataError:
        return False


def parse_coco(source: Source, path: str) -> CocoFile:
    """A file's three lists, not parsed yet.

    Raises:
        DataError: it is no JSON object.
    """
    data = source.read(path)
    if not data.isascii():  # pieces are looked at later, when their encoding is not asked for any more
        data = decode_text(data).encode()
    try:
        return msgspec.json.decode(data, type=CocoFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = parse_json(data, path)
    if not isinstance(value, dict):
        raise DataError(f"{path} is no COCO file: it holds no object")
    # Python's parser took what the fast one refuses, such as NaN; each record is judged on its own below
    pieces = {name: _plain(value[name]) for name in ("images", "annotations", "categories") if name in value}
    return CocoFile(**{name: msgspec.Raw(msgspec.json.encode(piece)) for name, piece in pieces.items()})


def _plain(value: Any) -> Any:
    """A value with texts instead of what no strict JSON holds: NaN, endless numbers, halves of characters."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    is_strict = not isinstance(value, int | float) or (np.isfinite(value) and abs(value) < 2**63)
    return value if is_strict or isinstance(value, bool) else str(value)[:20]


def whole_list(raw: msgspec.Raw, path: str, name: str) -> list[Any]:
    """One of the file's lists.

    Raises:
        DataError: it is no list.
    """
    value = msgspec.json.decode(raw) if memoryview(raw) else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f'{path}: "{name}" must be a list, not {shown(value)}')
    return value


def pieces_of(raw: msgspec.Raw, path: str) -> Iterator[tuple[int, list[msgspec.Raw]]]:
    """The annotations in pieces, unparsed, each with the number of its first."""
    if not memoryview(raw) or _starts_with(raw, b"null"):
        return
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise DataError(f'{path}: "annotations" must be a list') from None
    for start in range(0, len(items), _PIECE):
        yield start, items[start : start + _PIECE]
