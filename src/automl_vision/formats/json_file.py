"""JSON from anywhere: strictly and fast where that goes, with Python's tolerance where it does not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import msgspec

from automl_vision.core.errors import DataError
from automl_vision.formats.source import Source, decode_text

HEAD_FILES = 10  # looked at to find a format


def parse_json(data: bytes, place: str) -> Any:
    """A JSON document; NaN, Infinity and other encodings than UTF-8 are accepted as Python does.

    Raises:
        DataError: it is no JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    except RecursionError:
        raise DataError(f"{place}: the JSON is nested too deeply") from None
    try:
        return json.loads(decode_text(data))
    except RecursionError:
        raise DataError(f"{place}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{place} is not valid JSON ({error})") from None


def read_json_file(source: Source, path: str) -> Any:
    """A JSON file of a source.

    Raises:
        DataError: it cannot be read or is no JSON.
    """
    return source.parsed(path, parse_json)


def try_json(source: Source, path: str) -> Any:
    """A JSON file for finding the format: None when it cannot be read."""
    try:
        return read_json_file(source, path)
    except DataError:
        return None


def some_json(source: Source, is_kind: Callable[[Any], object]) -> bool:
    """Whether one of the first JSON files of a source is of a kind, for finding the format."""
    return any(is_kind(try_json(source, path)) for path in source.with_suffix(".json")[:HEAD_FILES])


def as_number(value: Any) -> float:
    """A coordinate, which may be a text.

    Raises:
        ValueError: it is no finite number.
    """
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e9:
        raise ValueError(f"a coordinate must be a finite number, not {shown(value)}")
    return number


def as_flag(value: Any) -> bool:
    """A flag: true, false, 0, 1, also as texts; what is missing is false.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return False
    text = str(value).strip().lower()
    if text in ("1", "true", "1.0", "yes"):
        return True
    if text in ("0", "false", "0.0", "no", ""):
        return False
    raise ValueError(f"a flag must be 0 or 1, not {shown(value)}")


def as_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height in pixels as an annotation states them ("2230px" too); None when it states nothing usable."""
    if type(width) is int and type(height) is int and 1 <= width <= 1e6 and 1 <= height <= 1e6:
        return width, height  # a million times
    numbers = []
    for value in (width, height):
        text = str(value).strip().lower().removesuffix("px").strip() if value is not None else ""
        try:
            number = float(text)
        except ValueError:
            return None
        if not 1 <= number <= 1e6:
            return None
        numbers.append(int(number))
    return numbers[0], numbers[1]


def shown(value: Any) -> str:
    """The beginning of a value, for messages."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = repr(type(value))
    return text if len(text) <= 60 else text[:57] + "..."
