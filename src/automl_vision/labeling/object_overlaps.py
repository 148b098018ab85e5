"""Overlaps of objects of one image, and their masks as run-length codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.tasks import Kind
from automl_vision.data import boxes
from automl_vision.data.object import Object
from automl_vision.data.objects import ObjectBuilder
from automl_vision.evaluation.overlaps import mask_overlaps
from automl_vision.evaluation.scoring.segmentation import mask_codes

Floats = NDArray[np.float64]


def overlaps(some: Sequence[Object], others: Sequence[Object], kind: Kind, size: tuple[int, int]) -> Floats:
    """Intersection over union, (some, others), of boxes or of masks.

    Args:
        some, others: objects of one image, in pixels.
        kind: "boxes" or "masks".
        size: width and height of the image in pixels.
    """
    if not some or not others:
        return np.zeros((len(some), len(others)))
    if kind == "masks":
        return mask_overlaps(codes_of(some, size), codes_of(others, size), np.zeros(len(others), bool))
    first, second = (np.array([value.bbox for value in values], np.float64) for values in (some, others))
    return boxes.overlaps(first[:, None], second)


def codes_of(objects: Sequence[Object], size: tuple[int, int]) -> list[str]:
    """The run-length codes of the masks of objects of one image; see `data.masks.MaskCode`."""
    builder = ObjectBuilder()
    for value in objects:
        builder.add(0, value)
    sizes = np.array([[size[1], size[0]]], np.int64)
    return mask_codes(builder.build(), np.arange(len(objects)), sizes)


def drawable(value: Object, size: tuple[int, int]) -> Object:
    """The object with a mask that one region of Label Studio can be: one polygon, or a run-length code."""
    if value.rle is not None or len(value.segments) == 1:
        return value
    return replace(value, segments=(), rle=codes_of([value], size)[0])
