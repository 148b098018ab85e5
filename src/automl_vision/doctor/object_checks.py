"""Boxes and polygons that are wrong or duplicated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.tasks import INSTANCE_SEGMENTATION
from automl_vision.data.boxes import overlaps
from automl_vision.data.masks import MaskCode
from automl_vision.data.objects import Objects
from automl_vision.data.ragged import ranges
from automl_vision.data.report import Problem, counts_by_kind
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

TINY_BOX = 4.0  # pixels of the shorter side
SAME_BOX = 0.9  # intersection over union from which two boxes are taken for one object
MASK_FITS = 0.8  # minimum intersection over union of a box and the box around its mask
_SLACK = 2.0  # pixels by which a box may miss its mask's edges, whatever the overlap
_PAIRS = 4_000_000  # pairs of boxes that are compared at once
_RECORDS = {"unreadable image"}  # kinds of problems that have a check of their own


def _left_out(name: str, kind: str, title: str, noun: str) -> None:
    """Register a check that reports one kind of objects that were left out when the data was opened."""

    @check(
        name,
        "warning",
        title=title,
        advice="These objects were left out when the data was opened; correct them at their source.",
    )
    def find(evidence: Evidence) -> Found:
        problems = [p for p in evidence.data.report.problems if p.kind == kind]
        return _of_problems(f"{plural(len(problems), 'box')} {noun}", problems)

    _RECORDS.add(kind)


_left_out("box-outside", "box outside", "Boxes outside of their image", "outside of the image")
_left_out("empty-box", "empty box", "Empty boxes", "without any area")
_left_out("inverted-box", "inverted box", "Inverted boxes", "with the right or lower edge first")
_left_out("bad-box", "bad box", "Boxes that are not numbers", "with a missing or infinite coordinate")


@check(
    "box-clipped",
    "hint",
    title="Boxes that extend beyond their image",
    advice="They were clipped; many of them suggest a wrong scale, or image sizes from before a rotation.",
)
def box_clipped(evidence: Evidence) -> Found:
    """Boxes that were clipped when the data was opened."""
    notes = [p for p in evidence.data.report.notes if p.kind == "box clipped"]
    return _of_problems(f"{plural(len(notes), 'box')} clipped at the edge of the image", notes)


@check(
    "tiny-box",
    "warning",
    title="Tiny boxes",
    advice="These are slips of the mouse, or objects too small for the network: drop them, or train on tiles.",
    actions=("none", "drop"),
)
def tiny_box(evidence: Evidence) -> Found:
    """Boxes with a side of only a few pixels."""
    box = evidence.data.objects.bbox
    sides = np.minimum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    (objects,) = np.nonzero(evidence.seen & (sides < TINY_BOX))
    objects = objects[np.argsort(sides[objects], kind="stable")]
    notes = tuple(f"{w:.1f} x {h:.1f} pixels" for w, h in (box[objects, 2:] - box[objects, :2]).tolist())
    return _of_objects(evidence, f"{plural(len(objects), 'box')} with a side under {TINY_BOX:g} pixels", objects, notes)


@check(
    "duplicate-box",
    "warning",
    title="Boxes drawn twice",
    advice="One object is counted twice; the later box is dropped.",
    actions=("drop", "none"),
)
def duplicate_box(evidence: Evidence) -> Found:
    """Nearly identical boxes of one class."""
    objects = evidence.data.objects
    first, second, overlap = _coinciding(evidence)
    same: Any = objects.label[first] == objects.label[second]
    twice: dict[int, float] = {}
    for a, b, value in sorted(zip(*(column[same].tolist() for column in (first, second, overlap)), strict=True)):
        if a not in twice:  # a box that is dropped itself is no reason to drop another
            twice.setdefault(b, value)
    found = np.array(sorted(twice), np.int64)
    notes = tuple(f"{twice[b]:.0%} of another box of the same class" for b in found.tolist())
    return _of_objects(evidence, f"{plural(len(found), 'box')} drawn a second time", found, notes)


@check(
    "box-of-two-classes",
    "warning",
    title="Boxes with two classes",
    advice="Keep one class, unless objects of both classes really overlap.",
    actions=("none", "drop"),
)
def box_of_two_classes(evidence: Evidence) -> Found:
    """Nearly identical boxes of different classes."""
    objects = evidence.data.objects
    first, second, _ = _coinciding(evidence)
    other: Any = objects.label[first] != objects.label[second]
    twice, at = np.unique(second[other], return_index=True)
    partner = first[other][at]
    notes = tuple(
        f"{objects.names[a]} on a box of {objects.names[b]}"
        for a, b in zip(objects.label[twice].tolist(), objects.label[partner].tolist(), strict=True)
    )
    return _of_objects(evidence, f"{plural(len(twice), 'box')} at the place of another class", twice, notes)


@check(
    "box-misses-mask",
    "warning",
    title="Boxes that disagree with their mask",
    advice="One of the two is wrong; the box is replaced by the one around the mask.",
    actions=("fit box", "drop", "none"),
)
def box_misses_mask(evidence: Evidence) -> Found:
    """Objects whose box does not fit their polygons or run-length code."""
    objects = evidence.data.objects
    bounds = mask_boxes(objects, evidence.data.sizes)
    known: Any = _has_area(bounds)
    overlap = np.where(known, overlaps(objects.bbox, np.where(known[:, None], bounds, 0)), 1.0)
    apart = np.abs(objects.bbox - np.where(known[:, None], bounds, objects.bbox)).max(axis=1, initial=0)
    (found,) = np.nonzero(evidence.seen & (overlap < MASK_FITS) & (apart > _SLACK))
    found = found[np.argsort(overlap[found], kind="stable")]
    notes = tuple(f"they share {value:.0%}" for value in overlap[found].tolist())
    return _of_objects(evidence, f"{plural(len(found), 'box')} not around the object's mask", found, notes)


@check(
    "empty-mask",
    "warning",
    title="Masks without any area",
    advice="The outline is a line, or is outside the image; for segmentation the object is removed.",
    actions=("drop", "none"),
)
def empty_mask(evidence: Evidence) -> Found:
    """Objects whose polygons or run-length code cover no pixel of their image."""
    bounds = mask_boxes(evidence.data.objects, evidence.data.sizes)
    (found,) = np.nonzero(evidence.seen & np.isfinite(bounds).all(axis=1) & ~_has_area(bounds))
    result = _of_objects(evidence, f"{plural(len(found), 'mask')} without any area in the image", found)
    segments = evidence.data.task == INSTANCE_SEGMENTATION
    return result if segments else replace(result, proposed="none")  # for detection, the box may still be right


@check(
    "crossed-polygon",
    "warning",
    title="Polygons that cross themselves",
    advice="The points were clicked in the wrong order; where the outline crosses itself, inside becomes outside.",
    actions=("none", "drop"),
)
def crossed_polygon(evidence: Evidence) -> Found | None:
    """Polygons that are not simple outlines."""
    import shapely

    objects = evidence.data.objects
    number = len(objects.first_number) - 1
    if not number:
        return None
    ring = np.repeat(np.arange(number), np.diff(objects.first_number) // 2)
    shapes = shapely.polygons(shapely.linearrings(objects.numbers.reshape(-1, 2), indices=ring))
    (odd,) = np.nonzero(~shapely.is_valid(shapes))
    crossed = [i for i in odd.tolist() if shapely.is_valid_reason(shapes[i]).startswith("Self-intersection")]
    owner = np.searchsorted(objects.first_segment, np.array(crossed, np.int64), side="right") - 1
    found = np.unique(owner[evidence.seen[owner]])
    return _of_objects(evidence, f"{plural(len(found), 'object')} with an outline that crosses itself", found)


@check(
    "other-records",
    "warning",
    title="Other records that were left out",
    advice="Read the reasons; correct the annotations at their source and open the data again.",
)
def other_records(evidence: Evidence) -> Found:
    """Records that were left out for any other reason."""
    problems = [p for p in evidence.data.report.problems if p.kind not in _RECORDS]
    return _of_problems(f"{plural(len(problems), 'record')} left out ({counts_by_kind(problems)})", problems)


def mask_boxes(objects: Objects, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, 4), the box around the part of each object's mask that is inside the image; NaN without a mask.

    Args:
        objects: with or without masks.
        sizes: (images, 2), width and height in pixels.
    """
    bounds = objects.polygon_bounds()
    for index, code in objects.rle.items():
        bounds[index] = MaskCode.from_text(code).bounds()
    return np.clip(bounds, 0, np.tile(sizes[objects.image], 2))


def _has_area(bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,), whether a box has an area; False for NaN."""
    return np.asarray((bounds[:, 2] > bounds[:, 0]) & (bounds[:, 3] > bounds[:, 1]))


def _coinciding(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of objects of one image with nearly identical boxes, and their overlap; without crowds."""
    objects = evidence.data.objects
    (counted,) = np.nonzero(evidence.seen & ~objects.iscrowd)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for first, second in _pairs(objects.image[counted]):
        a, b = counted[first], counted[second]
        overlap = overlaps(objects.bbox[a], objects.bbox[b])
        (same,) = np.nonzero(overlap >= SAME_BOX)
        found.append((a[same], b[same], overlap[same]))
    first, second, overlap = (np.concatenate(column) for column in zip(*found, strict=True))
    return first, second, overlap


def _pairs(image: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of positions with the same image, the earlier first, in batches; `image` must be sorted."""
    ends = np.searchsorted(image, image, side="right")
    later = ends - np.arange(len(image)) - 1  # partners of each position
    total = np.cumsum(later)
    start = 0
    while start < len(image):
        before = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + _PAIRS, side="right")))
        first = np.arange(start, stop)
        yield np.repeat(first, later[first]), ranges(first + 1, later[first])
        start = stop


def _of_objects(evidence: Evidence, summary: str, objects: NDArray[np.intp], notes: tuple[str, ...] = ()) -> Found:
    return Found(summary, rows=evidence.data.objects.image[objects], objects=objects, notes=notes)


def _of_problems(summary: str, problems: list[Problem]) -> Found:
    return Found(summary, places=tuple(p.place for p in problems), notes=tuple(p.reason for p in problems))
