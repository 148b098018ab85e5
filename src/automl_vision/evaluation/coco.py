"""COCO's twelve figures, for many weightings of the images at once.

The rules are those of pycocotools (Lin et al. 2014), whose own code takes a quarter of a second for one set of 5,000
images. A bootstrap needs hundreds of sets, so here detections are matched once and only counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.chunks import by_image, for_each, in_chunks
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.precision import envelope, shown_so_far
from automl_vision.evaluation.weighted import mean_of_known, ratio

Positions = NDArray[np.intp]

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""Square pixels of all, small, medium and large objects."""

MAX_DETECTIONS = (1, 10, 100)
"""Best detections of a class in an image that count, for the recalls; for all else the last one."""

_AT_ONCE = 4_000_000  # numbers in a temporary array


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
        mine, image = those_of(self.image, images)
        return CocoMatches(
            image,
            self.label[mine],
            self.rank[mine],
            self.right[..., mine],
            self.counted[..., mine],
            self.positives[:, images],
        )


def those_of(image: Positions, images: Positions) -> tuple[Positions, Positions]:
    """The positions of what is in some images, and in which of them it is.

    Args:
        image: (n,), of each.
        images: ascending.
    """
    place = np.full(max(image.max(initial=-1), images.max(initial=-1)) + 1, -1)
    place[images] = np.arange(len(images))
    mine = np.flatnonzero(place[image] >= 0)
    return mine, place[image[mine]]


@dataclass(frozen=True)
class Pairs:
    """Detections and objects of the same image.

    Attributes:
        found: (pairs,), positions of detections; for matching, those of an image and class follow each other, the best
            ones first.
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
    members = _members(matches)
    width = max(map(len, members), default=0)
    return in_chunks(partial(_figures, matches, members), weights, width, size=_AT_ONCE, threads=1)


def _figures(matches: CocoMatches, members: list[Positions], weights: Floats) -> Floats:
    """(resamples, 12), for few resamples."""
    limits = MAX_DETECTIONS[:-1]
    shape = (len(members), len(AREAS), len(OVERLAPS), len(weights))
    precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    first = np.full((shape[0], len(limits), *shape[2:]), np.nan)  # recalls of the best detections
    of_image = by_image(weights, len(matches.image))

    def fill(label: int) -> None:
        totals = weights @ matches.positives[:, :, label].T  # (resamples, areas)
        for area in np.flatnonzero(totals.any(axis=0)).tolist():
            curves = _curves(matches, members[label], area, of_image, totals[:, area])
            for level, curve in enumerate(curves):
                precision[label, area, level] = curve.mean_precision()
                recall[label, area, level] = curve.recall()
        if totals[:, 0].any():
            first[label] = _first_recalls(matches, members[label], of_image, totals[:, 0])

    for_each(fill, range(len(members)), max(map(len, members), default=0) * len(weights))
    everywhere = precision[:, 0]
    averages = [_mean(everywhere), _mean(everywhere[:, :1]), _mean(everywhere[:, 5:6])]
    averages += [_mean(precision[:, area]) for area in range(1, len(AREAS))]
    recalls = [_mean(first[:, limit]) for limit in range(len(limits))]
    recalls += [_mean(recall[:, area]) for area in range(len(AREAS))]
    return np.stack([*averages, *recalls], axis=1)


def coco_curves(matches: CocoMatches, levels: Sequence[int] = range(len(OVERLAPS))) -> Floats:
    """Precision at 101 recalls of all objects, (levels, 101, classes); NaN for classes without objects.

    Args:
        matches: of all images.
        levels: positions of the overlaps in `OVERLAPS`.
    """
    weights = np.ones((1, matches.positives.shape[1]))
    curves = np.full((len(levels), len(RECALLS), matches.positives.shape[2]), np.nan)
    of_image = by_image(weights, len(matches.image))
    for label, mine in enumerate(_members(matches)):
        total = weights @ matches.positives[0, :, label]
        if total.any():
            found = _curves(matches, mine, 0, of_image, total, levels)
            curves[:, :, label] = np.stack([curve.precisions()[0] for curve in found])
    return curves


def _members(matches: CocoMatches) -> list[Positions]:
    """The positions of the detections of each class, best first."""
    order = np.argsort(matches.label, kind="stable")
    return np.split(order, np.searchsorted(matches.label[order], np.arange(1, matches.positives.shape[2])))


def _mean(values: Floats) -> Floats:
    """Mean over overlaps and classes of what is known, (resamples,).

    Args:
        values: (classes, overlaps, resamples).
    """
    return mean_of_known(values.swapaxes(0, 1).reshape(-1, values.shape[-1]).T)


class _Recalls:
    """How many objects of a class must be found for each recall, in each resample.

    Attributes:
        total: (resamples,), number of objects.
        offset: (resamples, 1), by which counts of the resamples are put one above the other in a single rising line.
        sought: (resamples, counts), numbers to find, on that line: those of the recalls, or all of them if they are
            fewer.
        of_recall: (resamples, 101), the place in `sought` of each recall.
    """

    def __init__(self, total: Floats) -> None:
        needed = np.ceil(RECALLS * total[:, None] - 0.5)
        needed += needed / np.maximum(total[:, None], 1) < RECALLS
        self.total = total
        self.offset = (total.max() + 2) * np.arange(len(total))[:, None]
        self.of_recall = needed.astype(np.intp)
        counts = np.arange(total.max() + 1)
        if len(counts) >= len(RECALLS):
            counts, self.of_recall = needed, np.broadcast_to(np.arange(len(RECALLS)), needed.shape)
        self.sought = counts + self.offset


@dataclass(frozen=True)
class _Curve:
    """The right detections of a class, best first, for one range of areas and one overlap.

    Attributes:
        found: (n, resamples), how many are right up to each of them.
        precision: (n, resamples), the highest one at each of them or at a worse one.
        recalls: of the objects to find.
    """

    found: NDArray[Any]
    precision: Floats
    recalls: _Recalls

    def recall(self) -> Floats:
        """Of all detections, (resamples,)."""
        found = self.found[-1:].sum(axis=0, dtype=np.float64)  # nothing shown finds nothing
        return ratio(found, self.recalls.total, otherwise=np.nan)

    def precisions(self) -> Floats:
        """Highest precision at each recall or beyond, (resamples, 101); 0 beyond the last one."""
        points, rows = self.found.shape
        line = np.add(self.found.T, self.recalls.offset, dtype=np.float64).ravel()
        row = np.arange(rows)[:, None]
        place = np.searchsorted(line, self.recalls.sought.ravel()).reshape(rows, -1) - points * row
        values, reached = np.zeros(place.shape), place < points
        values[reached] = self.precision.ravel()[(place * rows + row)[reached]]
        return np.take_along_axis(values, self.recalls.of_recall, axis=1)

    def mean_precision(self) -> Floats:
        """Average precision, (resamples,); NaN without objects."""
        return np.where(self.recalls.total > 0, self.precisions().mean(axis=1), np.nan)


def _curves(
    matches: CocoMatches,
    mine: Positions,
    area: int,
    weights: NDArray[Any],
    total: Floats,
    levels: Sequence[int] = range(len(OVERLAPS)),
) -> Iterator[_Curve]:
    """The curves of a class and a range of areas, one for each overlap.

    Args:
        matches: of all images.
        mine: positions of the detections of the class, best first.
        area: position of the range in `AREAS`.
        weights: (images, resamples).
        total: (resamples,), number of objects.
        levels: positions of the overlaps in `OVERLAPS`.
    """
    images, recalls = matches.image[mine], _Recalls(total)
    last, shown = np.zeros(0, bool), weights[:0]
    for level in levels:
        counted = matches.counted[area, level][mine]
        if not np.array_equal(counted, last):  # without crowds and other ranges they are the same at all overlaps
            last, shown = counted, shown_so_far(images[counted], weights)
        right = np.flatnonzero(matches.right[area, level][mine][counted])
        found = shown_so_far(images[counted][right], weights)
        yield _Curve(found, envelope(found, shown[right]), recalls)


def _first_recalls(matches: CocoMatches, mine: Positions, weights: NDArray[Any], total: Floats) -> Floats:
    """Recalls of the best detections of each image, (limits, overlaps, resamples)."""
    recalls = []
    for limit in MAX_DETECTIONS[:-1]:
        best = mine[matches.rank[mine] < limit]
        found = (matches.right[0][:, best].astype(weights.dtype) @ weights[matches.image[best]]).astype(np.float64)
        recalls.append(ratio(found, np.broadcast_to(total, found.shape), otherwise=np.nan))
    return np.stack(recalls)
