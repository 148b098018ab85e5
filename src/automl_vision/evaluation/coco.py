"""COCO's twelve figures, for many weightings of the images at once.

The rules are those of pycocotools (Lin et al. 2014), whose own code takes a quarter of a second for one set of 5,000
images. A bootstrap needs hundreds of sets, so here detections are matched once and only counted again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.weighted import TINY, mean_of_known, ratio

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""Square pixels of all, small, medium and large objects."""

MAX_DETECTIONS = (1, 10, 100)
"""Best detections of a class in an image that count, for the recalls; for all else the last one."""


@dataclass(frozen=True)
class CocoMatches:
    """Which detections are right for each range of areas and each overlap.

    Attributes:
        image, label: (n,), of the detections, best first over all images.
        rank: (n,), of a detection among those of its class in its image, from 0.
        right: (areas, overlaps, n), bool, whether it shows an object of the range.
        counted: (areas, overlaps, n), bool; False for what shows a crowd or an object of another range.
        positives: (areas, images, classes), number of objects to find.
    """

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    rank: NDArray[np.int64]
    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    positives: NDArray[np.int64]

    def take(self, images: NDArray[np.intp]) -> CocoMatches:
        """Those of some images, in ascending order, which become images 0, 1, 2, ..."""
        mine = np.flatnonzero(np.isin(self.image, images))
        return CocoMatches(
            np.searchsorted(images, self.image[mine]),
            self.label[mine],
            self.rank[mine],
            self.right[..., mine],
            self.counted[..., mine],
            self.positives[:, images],
        )


@dataclass(frozen=True)
class Pairs:
    """Detections and objects of the same image and class.

    Attributes:
        found: (pairs,), positions of detections; those of an image and class follow each other, the best ones first.
        true: (pairs,), positions of objects.
        overlap: (pairs,).
    """

    found: NDArray[np.int64]
    true: NDArray[np.int64]
    overlap: Floats


def match_coco(
    found: Detections, true: GroundTruth, classes: int, pairs: Iterable[Pairs], areas: tuple[Floats, Floats]
) -> CocoMatches:
    """Match detections by COCO's rule: each, best first, takes the free object that it overlaps most.

    Objects of the range go before crowds and objects of other ranges, which any number of detections may show (crowds)
    or one (the others), without being counted. COCO has no difficult objects: they count like any other.

    Args:
        found: the detections.
        true: the objects of the same images.
        classes: the number of classes.
        pairs: all pairs of the same image and class; those of an image and class in one part.
        areas: of detections (n,) and of objects (m,), in square pixels.
    """
    rank = _ranks(found, classes)
    outside, ignored = (~_inside(each) for each in areas)  # (areas, n), (areas, m)
    ignored |= true.crowd
    matched = np.full((len(AREAS), len(OVERLAPS), len(found)), -1, np.int64)
    taken = np.zeros((len(AREAS), len(OVERLAPS), len(true)), bool)
    for part in pairs:
        _match(part, rank, ignored, true.crowd, matched, taken)
    is_matched = matched >= 0
    ignored = np.append(ignored, np.zeros((len(AREAS), 1), bool), axis=1)  # nothing, which is at the position -1
    shows_ignored = np.take_along_axis(ignored[:, None], matched, axis=2)
    positives = np.zeros((len(AREAS), true.images, classes), np.int64)
    for area in range(len(AREAS)):
        plain = ~ignored[area, :-1]
        np.add.at(positives[area], (true.image[plain], true.labels[plain]), 1)
    order = np.argsort(-found.scores, kind="stable")
    order = order[rank[order] < MAX_DETECTIONS[-1]]
    return CocoMatches(
        found.image[order],
        found.labels[order],
        rank[order],
        (is_matched & ~shows_ignored)[..., order],
        (np.where(is_matched, ~shows_ignored, ~outside[:, None]))[..., order],
        positives,
    )


def _ranks(found: Detections, classes: int) -> NDArray[np.int64]:
    """The rank of each detection among those of its class in its image, (n,)."""
    keys = found.image * classes + found.labels
    order = np.argsort(keys, kind="stable")  # detections are sorted by score within their image
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys)) - np.searchsorted(keys[order], keys[order])
    return rank


def _inside(areas: Floats) -> NDArray[np.bool_]:
    """(ranges, n), whether each area lies in each range, the ends included."""
    return np.stack([(areas >= low) & (areas <= high) for low, high in AREAS])


def _match(
    pairs: Pairs,
    rank: NDArray[np.int64],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
    matched: NDArray[np.int64],
    taken: NDArray[np.bool_],
) -> None:
    """Match the detections of all images at once: first the best one of each image and class, then the second, ...

    Args:
        pairs: of detections and objects.
        rank: (n,).
        ignored: (areas, m), whether an object is not one to find.
        crowd: (m,).
        matched: (areas, overlaps, n), gets the object of each detection.
        taken: (areas, overlaps, m), gets which objects have one.
    """
    turns = rank[pairs.found]
    order = np.argsort(turns, kind="stable")
    order = order[turns[order] < MAX_DETECTIONS[-1]]
    for turn in np.split(order, np.flatnonzero(np.diff(turns[order])) + 1):
        if not len(turn):
            continue
        a, b, overlap = pairs.found[turn], pairs.true[turn], pairs.overlap[turn]
        starts = np.flatnonzero(np.diff(a, prepend=-1))
        free = (overlap >= OVERLAPS[:, None]) & (~taken[..., b] | crowd[b])
        worth = np.where(free, overlap + 2 * ~ignored[:, None, b], -1.0)  # objects of the range go first
        best = np.repeat(np.maximum.reduceat(worth, starts, axis=2), np.diff(np.append(starts, len(a))), axis=2)
        places = np.where(free & (worth == best), np.arange(len(a)), -1)
        chosen = np.maximum.reduceat(places, starts, axis=2)  # the last one of several, as pycocotools does
        objects = np.where(chosen >= 0, b[chosen], -1)
        matched[..., a[starts]] = objects
        area, level, _ = np.nonzero(objects >= 0)
        taken[area, level, objects[objects >= 0]] = True


def coco_figures(matches: CocoMatches, weights: Floats) -> Floats:
    """The twelve figures in COCO's order, (resamples, 12); NaN where undefined, such as where there are no objects.

    Args:
        matches: of all images.
        weights: how often each image counts, whole numbers (resamples, images).
    """
    classes = matches.positives.shape[2]
    shape = (len(AREAS), len(OVERLAPS), classes, len(weights))
    precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    first = np.full((len(MAX_DETECTIONS) - 1, *shape[1:]), np.nan)  # recalls of the best detections
    for label in range(classes):
        mine = np.flatnonzero(matches.label == label)
        for area in range(len(AREAS)):
            total = weights @ matches.positives[area, :, label]
            if not total.any():
                continue
            for level in range(len(OVERLAPS)):
                curve = _curve(matches, weights, mine, (area, level), total)
                precision[area, level, label] = curve.mean_precision()
                recall[area, level, label] = curve.recall()
            if area == 0:
                first[:, :, label] = _first_recalls(matches, weights, mine, total)
    averages = [_mean(precision[0]), _mean(precision[0, :1]), _mean(precision[0, 5:6]), *map(_mean, precision[1:])]
    recalls = [*map(_mean, first), *map(_mean, recall)]
    return np.stack([*averages, *recalls], axis=1)


def coco_curves(matches: CocoMatches) -> Floats:
    """Precision at 101 recalls of all objects, (overlaps, 101, classes); NaN for classes without objects."""
    weights = np.ones((1, matches.positives.shape[1]))
    curves = np.full((len(OVERLAPS), len(RECALLS), matches.positives.shape[2]), np.nan)
    for label in range(curves.shape[2]):
        total = weights @ matches.positives[0, :, label]
        mine = np.flatnonzero(matches.label == label)
        for level in range(len(OVERLAPS)) if total.any() else ():
            curves[level, :, label] = _curve(matches, weights, mine, (0, level), total).precisions()[0]
    return curves


def _mean(values: Floats) -> Floats:
    """Mean over overlaps and classes of what is known, (resamples,)."""
    return mean_of_known(values.reshape(-1, values.shape[-1]).T)


@dataclass(frozen=True)
class _Curve:
    """The detections of a class, best first, for one range of areas and one overlap.

    Attributes:
        right, shown: (resamples, n), how many are right among the first ones, and how many there are.
        total: (resamples,), number of objects.
    """

    right: NDArray[np.int64]
    shown: NDArray[np.int64]
    total: Floats

    def recall(self) -> Floats:
        """Of all detections, (resamples,)."""
        right = self.right[:, -1:].sum(axis=1).astype(np.float64)  # nothing shown finds nothing
        return ratio(right, self.total, otherwise=np.nan)

    def precisions(self) -> Floats:
        """Highest precision at each recall or beyond, (resamples, 101); 0 beyond the last one."""
        rows, points = self.right.shape
        precision = np.zeros((rows, points + 1))
        precision[:, :points] = self.right / np.maximum(self.shown, TINY)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        needed = np.ceil(RECALLS * self.total[:, None] - 0.5)  # objects found, from which a recall is reached
        needed += needed / np.maximum(self.total[:, None], 1) < RECALLS
        step = int(self.total.max()) + 2  # one line of all rows, each above the one before
        offset = step * np.arange(rows)[:, None]
        line, sought = (self.right + offset).ravel(), (needed.astype(np.int64) + offset).ravel()
        place = np.searchsorted(line, sought).reshape(rows, -1) - points * np.arange(rows)[:, None]
        return np.take_along_axis(envelope, place.clip(0, points), axis=1)

    def mean_precision(self) -> Floats:
        """Average precision, (resamples,); NaN without objects."""
        return np.where(self.total > 0, self.precisions().mean(axis=1), np.nan)


def _curve(matches: CocoMatches, weights: Floats, mine: NDArray[np.intp], of: tuple[int, int], total: Floats) -> _Curve:
    counted = mine[matches.counted[of][mine]]
    weight = weights[:, matches.image[counted]].astype(np.int32)
    right = (weight * matches.right[of][counted]).cumsum(axis=1, dtype=np.int64)
    return _Curve(right, weight.cumsum(axis=1, dtype=np.int64), total)


def _first_recalls(matches: CocoMatches, weights: Floats, mine: NDArray[np.intp], total: Floats) -> Floats:
    """Recalls of the best detections of each image, (limits, overlaps, resamples)."""
    found = []
    for limit in MAX_DETECTIONS[:-1]:
        best = mine[matches.rank[mine] < limit]
        right = matches.right[0][:, best] @ weights[:, matches.image[best]].T
        found.append(ratio(right, np.broadcast_to(total, right.shape), otherwise=np.nan))
    return np.stack(found)
