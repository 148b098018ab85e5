"""Which objects can be used: whole columns at once, each object that is left out or clipped with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.masks import MaskCode
from automl_vision.data.objects import Objects
from automl_vision.data.report import ImportReport

_LARGEST = 1e9  # pixels; the manifest's numbers have 32 bits
_TOLERANCE = 1.0  # pixels beyond the edge that are rounding and clipped without a word


def usable_objects(
    objects: Objects,
    sizes: NDArray[np.float64],
    places: Sequence[str],
    report: ImportReport,
    *,
    with_masks: bool,
) -> Objects:
    """The objects that can be used, boxes clipped to the image; the others go into the report.

    Args:
        objects: in pixels; a box that is unknown (NaN) follows from the mask.
        sizes: (images, 2), width and height.
        places: of the images, for messages.
        report: objects that are left out or clipped are added to it.
        with_masks: whether objects need a mask.
    """
    objects = _with_boxes(objects)
    corners = sizes[objects.image]
    box = objects.bbox
    width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    outside = np.any(box[:, :2] >= corners, axis=1) | np.any(box[:, 2:] <= 0, axis=1)
    rules: list[tuple[str, str, Any]] = [
        ("the box is not made of finite numbers", "bad box", ~np.isfinite(box).all(axis=1)),
        ("the box is inverted: its right or lower edge comes first", "inverted box", (width < 0) | (height < 0)),
        ("the box is empty", "empty box", (width <= 0) | (height <= 0)),
        ("the box lies outside of the image", "box outside", outside),
        ("the polygon is not made of finite numbers of pixels", "bad mask", _unreal(objects)),
        ("the mask is of another size than the image", "bad mask", _misfits(objects, sizes)),
    ]
    if with_masks:
        rules.append(("the object has a box but no polygon or mask", "no mask", ~objects.has_mask))
    bad: Any = np.zeros(len(objects), bool)
    for reason, kind, found in rules:
        for index in np.flatnonzero(found & ~bad).tolist():
            report.add(objects.place(index, places), f"{reason} ({_numbers(box[index])})", kind)
        bad = np.logical_or(bad, found)
    with np.errstate(invalid="ignore"):
        clipped = np.concatenate([np.clip(box[:, :2], 0, corners), np.clip(box[:, 2:], 0, corners)], axis=1)
        beyond: Any = np.any(np.abs(clipped - box) > _TOLERANCE, axis=1) & ~bad
    for index in np.flatnonzero(beyond).tolist():
        reason = f"the box reached beyond the image and was clipped ({_numbers(box[index])})"
        report.note(objects.place(index, places), reason, "box clipped")
    objects = replace(objects, bbox=clipped)
    return objects.take(np.flatnonzero(~bad)) if bad.any() else objects


def _with_boxes(objects: Objects) -> Objects:
    """The objects; those without a box get the box around their mask."""
    unknown: Any = np.isnan(objects.bbox).all(axis=1)
    if not unknown.any():
        return objects
    box: Any = np.where(unknown[:, None], objects.polygon_bounds(), objects.bbox)
    for index, code in objects.rle.items():
        if unknown[index]:
            box[index] = MaskCode.from_text(code).bounds()
    return replace(objects, bbox=box)


def _unreal(objects: Objects) -> NDArray[np.bool_]:
    """(n,), whether an object's polygons hold a number that is none, or absurdly large."""
    if (np.abs(objects.numbers) <= _LARGEST).all():
        return np.zeros(len(objects), bool)
    with np.errstate(invalid="ignore"):
        return (np.diff(objects.first_segment) > 0) & ~(np.abs(objects.polygon_bounds()) <= _LARGEST).all(axis=1)


def _misfits(objects: Objects, sizes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,), whether an object's run-length code is of another size than its image."""
    misfits = np.zeros(len(objects), bool)
    for index, code in objects.rle.items():
        mask = MaskCode.from_text(code)
        misfits[index] = (mask.width, mask.height) != tuple(sizes[objects.image[index]].astype(int).tolist())
    return misfits


def _numbers(box: NDArray[np.float64]) -> str:
    return ", ".join(f"{number:g}" for number in box.tolist())
