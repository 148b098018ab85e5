"""One labelled object, as importers, writers and pictures see it; needs nothing but Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Object:
    """One labelled object.

    Attributes:
        label: its class.
        bbox: x1, y1, x2, y2; None when it follows from the mask.
        iscrowd: one region around many objects, as COCO means it.
        difficult: not counted when missed, as Pascal VOC means it.
        segments: polygons x, y, x, y, ..., each at least three points.
        rle: COCO's compressed run-length code, if the mask is not a polygon.
    """

    label: str
    bbox: tuple[float, float, float, float] | None = None
    iscrowd: bool = False
    difficult: bool = False
    segments: tuple[Sequence[float], ...] = ()
    rle: str | None = None
