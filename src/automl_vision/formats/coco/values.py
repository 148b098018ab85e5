"""One annotation of COCO: its values as they should be, or as other programs write them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from automl_vision.data.masks import MaskCode, compress_counts
from automl_vision.formats.json_file import as_flag, as_number, shown

_WHOLE = re.compile(r"(-?\d+)\.0+")


class RunLengths(msgspec.Struct, gc=False):
    """A run-length code: [height, width] and runs, as a list or compressed."""

    size: list[int]
    counts: list[int] | str


class CocoAnnotation(msgspec.Struct, gc=False):
    """What is read of an annotation; `keypoints` only to know that there are some."""

    image_id: int | str
    category_id: int | str
    bbox: list[float] | None = None
    iscrowd: int | None = 0
    ignore: int | None = 0
    isbbox: bool | int | None = False  # of COCO Annotator: the polygon is the box drawn again
    segmentation: list[list[float]] | RunLengths | None = None
    keypoints: msgspec.Raw = msgspec.Raw(b"")


decode_annotations = msgspec.json.Decoder(list[CocoAnnotation], strict=False).decode


def as_key(value: Any) -> int | str | None:
    """An id; whole numbers may come as floats, as pandas writes them, also in a text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (whole := _WHOLE.fullmatch(value)):
        return whole[1]
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def set_key(numbers: dict[int | str, int], key: int | str, value: int) -> None:
    """Set an id, as a number and as a text."""
    numbers[key] = value
    if isinstance(key, int):
        numbers[str(key)] = value
    elif key.isdecimal() and len(key) < 20:
        numbers[int(key)] = value


def converted(value: Any) -> CocoAnnotation:
    """An annotation whose types are unusual.

    Raises:
        ValueError: a value cannot be used; the message names it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"an annotation must be an object, not {shown(value)}")
    image, category = as_key(value.get("image_id")), as_key(value.get("category_id"))
    if image is None or category is None:
        raise ValueError(
            "image_id and category_id must be numbers or texts, "
            f"not {shown([value.get('image_id'), value.get('category_id')])}"
        )
    bbox = value.get("bbox")
    if bbox is not None and not isinstance(bbox, list):
        raise ValueError(f"a box must be a list, not {shown(bbox)}")
    return CocoAnnotation(
        image_id=image,
        category_id=category,
        bbox=None if bbox is None else [as_number(number) for number in bbox],
        iscrowd=as_flag(value.get("iscrowd")),
        ignore=as_flag(value.get("ignore")),
        isbbox=value.get("isbbox") is True,
        segmentation=_segmentation(value.get("segmentation")),
        keypoints=msgspec.Raw(b"[]" if value.get("keypoints") else b""),
    )


def _segmentation(value: Any) -> list[list[float]] | RunLengths | None:
    """A segmentation whose types are unusual: numbers as texts, points in pairs, a polygon without the outer list.

    Raises:
        ValueError: it is neither polygons nor a run-length code.
    """
    if not value:
        return None
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        sides = [int(as_number(side)) for side in size] if isinstance(size, list) else []
        if isinstance(counts, list):
            counts = [int(as_number(count)) for count in counts]
        if not isinstance(counts, list | str):
            raise ValueError(f"the counts of a run-length code must be a text or a list, not {shown(counts)}")
        return RunLengths(sides, counts)
    if not isinstance(value, list):
        raise ValueError(f"a segmentation must be polygons or a run-length code, not {shown(value)}")
    polygons = value if isinstance(value[0], list) else [value]
    return [_numbers(polygon) for polygon in polygons if isinstance(polygon, list)]


def _numbers(polygon: list[Any]) -> list[float]:
    """A polygon's numbers, also from points [[x, y], ...]."""
    if all(isinstance(point, list) and len(point) == 2 for point in polygon):
        polygon = [number for point in polygon for number in point]
    return [as_number(number) for number in polygon]


def usable_polygons(polygons: list[list[float]]) -> tuple[list[list[float]], str]:
    """The polygons of at least three points, and why others were dropped; points [[x, y], ...] are one polygon."""
    polygons = [polygon for polygon in polygons if polygon]
    if len(polygons) >= 3 and all(len(polygon) == 2 for polygon in polygons):
        polygons = [[number for point in polygons for number in point]]
    bad = [polygon for polygon in polygons if len(polygon) < 6 or len(polygon) % 2]
    reason = f"a polygon needs at least 3 points x, y, not {len(bad[0])} numbers" if bad else ""
    return [polygon for polygon in polygons if polygon not in bad], reason


def mask_code(code: RunLengths) -> str:
    """COCO's compressed run-length code, as the manifest keeps it.

    Raises:
        ValueError: it is not a run-length code.
    """
    if len(code.size) != 2 or min(code.size) < 1:
        raise ValueError(f"a run-length code needs its size [height, width], not {shown(code.size)}")
    counts = code.counts
    if not isinstance(counts, str):
        if any(count < 0 for count in counts):
            raise ValueError("the runs of a run-length code cannot be negative")
        counts = compress_counts(counts)
    return MaskCode(code.size[0], code.size[1], counts).checked().to_text()
