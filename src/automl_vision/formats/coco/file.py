"""COCO's JSON files: which of a folder's files they are, and their three lists, not parsed yet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.formats.image_listing import grouped
from automl_vision.formats.json_file import as_utf8, parse_json, shown
from automl_vision.formats.source import Source

_PIECE = 20_000  # annotations parsed at once
_MOST_FILES = 50  # in a folder of more, the first few show whether COCO's files are among them
_HEAD = 3
_INFO = 500  # bytes of a file's own description that are looked at
_TWINS = ("person_keypoints", "panoptic", "stuff")  # whose objects stand in the `instances` file of the same images too


class CocoFile(msgspec.Struct):
    """The lists of one file; empty where it has none of that name."""

    images: msgspec.Raw = msgspec.Raw(b"")
    annotations: msgspec.Raw = msgspec.Raw(b"")
    categories: msgspec.Raw = msgspec.Raw(b"")
    info: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_of_label_studio(self) -> bool:
        """Whether Label Studio exported the file."""
        return b"Label Studio" in bytes(memoryview(self.info)[:_INFO])

    @property
    def is_coco(self) -> bool:
        """Whether the file holds images, annotations (perhaps null) and categories."""
        lists = all(_starts_with(raw, b"[") for raw in (self.images, self.categories))
        return lists and (_starts_with(self.annotations, b"[") or _starts_with(self.annotations, b"null"))


def _starts_with(raw: msgspec.Raw, start: bytes) -> bool:
    return bytes(memoryview(raw)[: len(start)]) == start


def coco_files(source: Source) -> Iterator[str]:
    """The files that hold images, annotations and categories; results, captions and other JSON are passed over.

    Each is looked at when it is asked for, so that a reader of several large files holds one at a time.
    """
    listed = set(source.with_suffix(".json"))
    is_coco = cache(lambda path: source.try_parsed(path, _if_coco) is not None)
    for paths in grouped(source.with_suffix(".json"), folder_of).values():
        if len(paths) <= _MOST_FILES or any(map(is_coco, paths[:_HEAD])):
            for path in paths:
                twins = {path.replace(twin, "instances") for twin in _TWINS if twin in path} & listed
                if not any(map(is_coco, twins)) and is_coco(path):
                    yield path


def _if_coco(data: bytes, path: str) -> CocoFile | None:
    """A COCO file's lists; None for other JSON, whose bytes others have yet to look at."""
    parsed = _parse(data, path)
    return parsed if parsed.is_coco else None


def read_coco(source: Source, path: str) -> CocoFile:
    """A file's three lists, not parsed yet.

    Raises:
        DataError: it is not a JSON object.
    """
    return source.parsed(path, _if_coco) or _parse(source.read(path), path)


def _parse(data: bytes, path: str) -> CocoFile:
    data = as_utf8(data, path)  # the lists are views into these bytes, whose encoding is not asked for any more
    try:
        return msgspec.json.decode(data, type=CocoFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = parse_json(data, path)
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a COCO file: it holds no object")
    # Python's parser took what the fast one refuses, such as NaN; each record is judged on its own below
    pieces = {name: _plain(value[name]) for name in CocoFile.__struct_fields__ if name in value}
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
        DataError: it is not a list.
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
