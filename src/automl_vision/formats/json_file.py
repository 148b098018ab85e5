"""JSON from anywhere: strictly and fast where that goes, with Python's tolerance where it does not."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations
from automl_vision.formats.source import Source
from automl_vision.formats.text_encoding import decode_text

HEAD_FILES = 10  # looked at to find a format
_LARGEST = 1e9  # of all coordinates
_NUMERIC = (int, float, str)


def parse_json(data: bytes, place: str) -> Any:
    """A JSON document; NaN, Infinity and other encodings than UTF-8 are accepted as Python does.

    Raises:
        DataError: it is not JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    except RecursionError:
        raise DataError(f"{place}: the JSON is nested too deeply") from None
    try:
        return json.loads(decode_text(data, place))
    except RecursionError:
        raise DataError(f"{place}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{place} is not valid JSON ({error})") from None


def as_utf8(data: bytes, path: str) -> bytes:
    """A document in UTF-8: the same bytes where they are, since a copy of a large file would be held beside them."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return decode_text(data, path).encode()
    return data.removeprefix(codecs.BOM_UTF8)


def read_json_file(source: Source, path: str) -> Any:
    """A JSON file of a source.

    Raises:
        DataError: it cannot be read or is not JSON.
    """
    return source.parsed(path, parse_json)


def json_documents(source: Source, annotations: Annotations) -> Iterator[tuple[str, Any]]:
    """The JSON files of a source, each with its path; broken ones are reported."""
    for path in source.with_suffix(".json"):
        try:
            value = read_json_file(source, path)
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
        else:
            yield path, value


def try_json(source: Source, path: str) -> Any:
    """A JSON file for finding the format: None when it cannot be read."""
    return source.try_parsed(path, parse_json)


def some_json(source: Source, is_kind: Callable[[Any], object]) -> bool:
    """Whether one of the first JSON files of a source is of a kind, for finding the format."""
    return any(is_kind(try_json(source, path)) for path in source.with_suffix(".json")[:HEAD_FILES])


def as_number(value: Any) -> float:
    """A coordinate, which may be a text.

    Raises:
        ValueError: it is not a finite number.
    """
    try:
        number = float(value) if isinstance(value, _NUMERIC) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if -_LARGEST <= number <= _LARGEST:
        return number
    raise ValueError(f"a coordinate must be a finite number, not {shown(value)}")


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_mapping(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A JSON array; an empty one for any other value."""
    return value if isinstance(value, list) else []


def as_flag(value: Any) -> bool:
    """A flag: true, false, 0, 1, also as texts; what is missing is false.

    Raises:
        ValueError: it is something else.
    """
    if value is None or (type(value) is int and 0 <= value <= 1):
        return value == 1  # a million times
    text = str(value).strip().lower()
    if text in ("1", "true", "1.0", "yes"):
        return True
    if text in ("0", "false", "0.0", "no", ""):
        return False
    raise ValueError(f"a flag must be 0 or 1, not {shown(value)}")


def as_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height in pixels as an annotation states them ("2230px" too); None when it states nothing usable."""
    sides = _pixels(width), _pixels(height)
    return sides if all(sides) else None


def _pixels(value: Any) -> int:
    if type(value) is not int:
        try:
            value = float(str(value).strip().lower().removesuffix("px"))
        except ValueError:
            return 0
    return int(value) if 1 <= value <= 1e6 else 0


def shown(value: Any) -> str:
    """The beginning of a value, for messages."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = repr(type(value))
    return text if len(text) <= 60 else text[:57] + "..."
