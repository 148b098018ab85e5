"""Confusion of objects: which class a detector shows where an object is, and where it shows or sees nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.coco import Pairs
from automl_vision.evaluation.detection import DetectionCases

Positions = NDArray[np.int64]


def object_confusion(cases: DetectionCases) -> NDArray[np.intp]:
    """Counts (true class, shown class) at the operating threshold, (classes + 1, classes + 1).

    The last column counts objects that nothing is shown at, the last row what is shown where no object is. Each
    detection, best first, takes the free object of its own class that it overlaps most, by at least the asked overlap;
    what is left over then takes free objects of other classes. Crowds and difficult objects are no objects to find, and
    what is shown at one of its own class is not counted.

    Args:
        cases: detections beside their truth.
    """
    found, true, classes = cases.found, cases.true, cases.thresholds.classes
    shown, plain = found.scores >= cases.thresholds.score, ~(true.crowd | true.difficult)
    pairs = _some(cases.pairs, shown[cases.pairs.found] & (cases.pairs.overlap >= cases.thresholds.iou))
    same, to_find = found.labels[pairs.found] == true.labels[pairs.true], plain[pairs.true]
    partner, free = np.full(len(found), -1), np.ones(len(true), bool)
    for allowed in (same, ~same):
        _take_turns(_some(pairs, allowed & to_find), found.image, partner, free)
    is_excused = np.zeros(len(found), bool)
    is_excused[pairs.found[same & ~to_find]] = True
    counted = np.flatnonzero(shown & ((partner >= 0) | ~is_excused))
    matrix = np.zeros((classes + 1, classes + 1), np.intp)
    labels = np.append(true.labels, classes)[partner[counted]]  # -1 is the background
    np.add.at(matrix, (labels, found.labels[counted]), 1)
    np.add.at(matrix[:, classes], true.labels[plain & free], 1)
    return matrix


def _some(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    return Pairs(pairs.found[chosen], pairs.true[chosen], pairs.overlap[chosen])


def _take_turns(pairs: Pairs, image: Positions, partner: Positions, free: NDArray[np.bool_]) -> None:
    """Each detection without an object takes the free one that it overlaps most: in each image the best detection
    first, in all images at once.

    Args:
        pairs: that are possible, sorted by detection and then by object.
        image: (detections,).
        partner: (detections,), the object of each, -1 for none; changed.
        free: (objects,), whether nothing has taken it; changed.
    """
    pairs = _some(pairs, (partner[pairs.found] < 0) & free[pairs.true])
    detections, counts = np.unique(pairs.found, return_counts=True)
    turn = np.arange(len(detections)) - np.searchsorted(image[detections], image[detections])
    turns = np.repeat(turn, counts)
    order = np.argsort(turns, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(turns[order])) + 1) if len(order) else ():
        a, b = pairs.found[part], pairs.true[part]
        starts = np.flatnonzero(np.diff(a, prepend=-1))
        worth = np.where(free[b], pairs.overlap[part], -1.0)
        best = np.repeat(np.maximum.reduceat(worth, starts), np.diff(np.append(starts, len(a))))
        chosen = np.minimum.reduceat(np.where((worth == best) & free[b], np.arange(len(a)), len(a)), starts)
        has_one = chosen < len(a)
        partner[a[starts[has_one]]] = b[chosen[has_one]]
        free[b[chosen[has_one]]] = False
