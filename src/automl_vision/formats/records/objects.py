"""Labelled objects in a field of a record: a list of mappings, a mapping of lists, or one mapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.text import did_you_mean
from automl_vision.data.object import Object
from automl_vision.formats.json_file import as_flag, as_number, shown
from automl_vision.formats.records import vocabulary
from automl_vision.formats.records.vocabulary import usual, whole
from automl_vision.formats.source import as_text

Numbers = tuple[float, float, float, float]
Value = TypeVar("Value", float, NDArray[np.float64])
_SHARES = ("topX", "topY", "bottomX", "bottomY")  # as the lines of Azure name the corners


@dataclass(frozen=True)
class ObjectFields:
    """What the fields of an object mean.

    Attributes:
        label: the class.
        sides: four fields of a box.
        kind: what the sides are: "corners", "extents" or "centres".
        box: one field with x, y, width, height.
        polygon: a polygon, or a list of them.
        crowd, difficult: flags.
        shares: whether the names are those of a convention whose numbers are shares of width and height.
    """

    label: str | None
    sides: tuple[str, ...]
    kind: str
    box: str | None
    polygon: str | None
    crowd: str | None
    difficult: str | None
    shares: bool


@lru_cache(maxsize=4096)
def object_fields(names: tuple[str, ...]) -> ObjectFields:
    """The meaning of an object's fields, from their names."""
    sides, kind = box_sides(names)
    polygon = next(usual(names, vocabulary.POLYGON), None)
    return ObjectFields(
        label=next(usual(names, vocabulary.OBJECT_LABEL), None),
        sides=sides,
        kind=kind,
        box=next(usual(names, vocabulary.BOX), None),
        polygon=polygon,
        crowd=next(usual(names, vocabulary.CROWD), None),
        difficult=next(usual(names, vocabulary.DIFFICULT), None),
        shares=sides == _SHARES or polygon == "polygon",
    )


def box_sides(names: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The four fields of a box, and what they are: "corners", "extents" or "centres"; empty where there are none."""
    found = ((whole(names, conventions), kind) for kind, conventions in vocabulary.BOX_CONVENTIONS)
    return next((item for item in found if item[0]), ((), ""))


def as_corners(numbers: tuple[Value, Value, Value, Value], kind: str) -> tuple[Value, Value, Value, Value]:
    """The corners x1, y1, x2, y2 of a box, or of many.

    Args:
        numbers: four, or as many arrays.
        kind: "corners", "extents" for x, y, width, height, or "centres" for these around a centre.
    """
    a, b, c, d = numbers
    if kind == "extents":
        return a, b, a + c, b + d
    if kind == "centres":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return numbers


def objects_in(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a mapping, which is one object, or has a list for each of their fields.

    Raises:
        ValueError: the lists are of unequal lengths.
    """
    found = [next((name for name in usual(value, names) if isinstance(value[name], list)), "") for names in _LISTS]
    label, box, polygon = found
    if not label and (any(usual(value, vocabulary.OBJECT_LABEL)) or not (box or polygon)):
        return [value] if value else []
    boxes, names = value.get(box) or value.get(polygon) or [], value.get(label) or []
    if len(boxes) != len(names):
        raise ValueError(f"there are {len(boxes)} boxes and {len(names)} categories")
    fields = [name for name in found if name]
    return [dict(zip(fields, items, strict=True)) for items in zip_longest(*(value[name] for name in fields))]


_LISTS = (vocabulary.OBJECT_LABEL, vocabulary.BOX, vocabulary.POLYGON)


def read_object(value: dict[str, Any], fields: ObjectFields, *, numbers: bool) -> Object:
    """One object.

    Raises:
        ValueError: it has no label, or neither a box nor a polygon, or numbers that cannot be used.
    """
    given = value[fields.label] if fields.label else None
    label = as_text(given) if numbers or isinstance(given, str) else ""
    if not label:
        raise ValueError(f'the object has no "label".{did_you_mean("label", value)}')
    crowd = fields.crowd is not None and as_flag(value[fields.crowd])
    difficult = fields.difficult is not None and as_flag(value[fields.difficult])
    segments = _polygons(value[fields.polygon], strict=fields.shares) if fields.polygon else ()
    return Object(label, _box(value, fields, required=not segments), crowd, difficult, segments)


def _box(value: dict[str, Any], fields: ObjectFields, *, required: bool) -> Numbers | None:
    if fields.sides:
        a, b, c, d = [as_number(value[side]) for side in fields.sides]
        return as_corners((a, b, c, d), fields.kind)
    if fields.box is not None:
        box = value[fields.box]
        if not isinstance(box, list | tuple) or len(box) != 4:
            raise ValueError(f"a box needs 4 numbers: x, y, width, height, not {shown(box)}")
        x, y, width, height = map(as_number, box)
        return x, y, x + width, y + height
    if required:
        missing = next((name for name in _SHARES if value.get(name) is None), _SHARES[0])
        raise ValueError(f'the object has no "{missing}" and no "polygon".{did_you_mean(missing, value)}')
    return None


def _polygons(value: Any, *, strict: bool) -> tuple[list[float], ...]:
    """The polygons of an object.

    Args:
        value: a polygon x, y, x, y, ... or a list of them.
        strict: whether one of fewer than three points is a mistake; else it is left out.

    Raises:
        ValueError: there is a mistake, or a coordinate is not a finite number.
    """
    polygons = [value] if isinstance(value, list) and value and not isinstance(value[0], list) else value
    if not isinstance(polygons, list) or not polygons:
        if not strict:
            return ()
        raise ValueError(f"a polygon must be a list of lists of numbers, not {shown(polygons)}")
    whole = [polygon for polygon in polygons if _is_whole(polygon)]
    if strict and len(whole) < len(polygons):
        bad = next(polygon for polygon in polygons if not _is_whole(polygon))
        raise ValueError(f"a polygon needs at least 3 points x, y, not {shown(bad)}")
    return tuple([as_number(number) for number in polygon] for polygon in whole)


def _is_whole(polygon: Any) -> bool:
    return isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
