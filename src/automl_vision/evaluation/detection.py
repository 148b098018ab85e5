"""Metrics of detection and segmentation: Pascal VOC's mean average precision and COCO's twelve figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.numbers import finite
from automl_vision.data.boxes import overlaps
from automl_vision.data.detections import Columns, Detections, GroundTruth
from automl_vision.data.ragged import ranges, starts_of
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.coco import CocoMatches, Pairs, coco_figures, match_coco
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.metric import Metric, by_name
from automl_vision.evaluation.overlaps import mask_area, mask_overlaps
from automl_vision.evaluation.weighted import TINY, Remembered, in_chunks

COCO_MEANINGS = {
    "coco_map": "average precision, mean over classes and the overlaps 0.5, 0.55, ..., 0.95",
    "coco_map_50": "average precision at overlap 0.5, mean over classes",
    "coco_map_75": "average precision at overlap 0.75, mean over classes",
    "coco_map_small": "coco_map of objects below 32 x 32 pixels",
    "coco_map_medium": "coco_map of objects from 32 x 32 to 96 x 96 pixels",
    "coco_map_large": "coco_map of objects above 96 x 96 pixels",
    "coco_recall_1": "recall of the best detection of a class in an image, mean over classes and overlaps",
    "coco_recall_10": "recall of the best 10 detections of a class in an image, mean over classes and overlaps",
    "coco_recall_100": "recall of the best 100 detections of a class in an image, mean over classes and overlaps",
    "coco_recall_small": "coco_recall_100 of objects below 32 x 32 pixels",
    "coco_recall_medium": "coco_recall_100 of objects from 32 x 32 to 96 x 96 pixels",
    "coco_recall_large": "coco_recall_100 of objects above 96 x 96 pixels",
}
"""COCO's twelve figures in its own order."""

COCO_NAMES = tuple(COCO_MEANINGS)
CURVE_POINTS = 101
_AT_ONCE = 500_000  # numbers in a temporary array
_PAIRS = 1_000_000  # of detections and objects, whose overlaps are computed at once


@dataclass(frozen=True)
class Thresholds:
    """What counts as found, for all metrics but COCO's.

    Attributes:
        iou: overlap from which an object counts as found.
        score: operating threshold, for precision and recall.
        classes: the number of classes.
    """

    iou: float
    score: float
    classes: int


@dataclass(frozen=True)
class Matches:
    """Which detections are right, by Pascal VOC's rule at one overlap.

    Attributes:
        image, label, score: (n,), of the detections, best first over all images.
        right: (n,), bool; the best detection of an object.
        counted: (n,), bool; False for detections of a difficult object or in a crowd.
        positives: (images, classes), number of objects to find, without difficult ones and crowds.
    """

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    score: Floats
    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    positives: NDArray[np.int64]

    def take(self, images: NDArray[np.intp]) -> Matches:
        """Those of some images, in ascending order, which become images 0, 1, 2, ..."""
        mine = np.flatnonzero(np.isin(self.image, images))
        return Matches(
            np.searchsorted(images, self.image[mine]),
            self.label[mine],
            self.score[mine],
            self.right[mine],
            self.counted[mine],
            self.positives[images],
        )


def match_objects(
    found: Detections, true: GroundTruth, classes: int, *, iou: float, pairs: Iterable[Pairs] | None = None
) -> Matches:
    """Match by Pascal VOC's rule: each detection, best first, belongs to the object that it overlaps most.

    It is right when they overlap by at least `iou` and no better detection has taken that object. A detection that
    would be wrong, and lies in a crowd of its class by at least `iou` of its own area, is not counted.

    Args:
        found: the detections.
        true: the ground truth of the same images.
        classes: the number of classes.
        iou: minimum intersection over union.
        pairs: as `pairs_of` makes them; None makes them here.
    """
    right, counted = np.zeros(len(found), bool), np.ones(len(found), bool)
    for part in pairs_of(found, true, classes) if pairs is None else pairs:
        _match(part, true, iou, right, counted)
    positives = np.zeros((true.images, classes), np.int64)
    plain = ~true.crowd & ~true.difficult
    np.add.at(positives, (true.image[plain], true.labels[plain]), 1)
    order = np.argsort(-found.scores, kind="stable")
    return Matches(
        found.image[order], found.labels[order], found.scores[order], right[order], counted[order], positives
    )


def pairs_of(found: Detections, true: GroundTruth, classes: int) -> Iterator[Pairs]:
    """Detections and objects of the same image and class with their overlaps; all of an object are in one part.

    They are sorted by image and class, then by detection, best first.
    """
    keys, others = found.image * classes + found.labels, true.image * classes + true.labels
    ours, theirs = np.argsort(keys, kind="stable"), np.argsort(others, kind="stable")
    first, end = (np.searchsorted(others[theirs], keys[ours], side=side) for side in ("left", "right"))
    groups = np.searchsorted(keys[ours], keys[ours])  # where the pairs of an image and class begin
    part = starts_of(end - first)[groups] // _PAIRS
    for chosen in np.split(np.arange(len(ours)), np.flatnonzero(np.diff(part)) + 1):
        counts = end[chosen] - first[chosen]
        a, b = np.repeat(ours[chosen], counts), theirs[ranges(first[chosen], counts)]
        yield Pairs(a, b, _overlaps(found, true, a, b))


def _match(pairs: Pairs, true: GroundTruth, iou: float, right: NDArray[np.bool_], counted: NDArray[np.bool_]) -> None:
    """Mark which detections are right or do not count.

    An object belongs to the first detection whose nearest object it is, so no loop over detections is needed.
    """
    a, b, overlap = pairs.found, pairs.true, pairs.overlap
    crowd = true.crowd[b]
    order = np.lexsort((np.arange(len(a)), -overlap, crowd, a))  # of a detection, the nearest single object first
    nearest = order[np.flatnonzero(np.diff(a[order], prepend=-1))]
    nearest = nearest[~crowd[nearest] & (overlap[nearest] >= iou)]
    is_difficult = true.difficult[b[nearest]]
    counted[a[nearest[is_difficult]]] = False
    plain = np.sort(nearest[~is_difficult])  # best detections first
    right[a[plain[np.unique(b[plain], return_index=True)[1]]]] = True
    in_crowd = a[crowd & (overlap >= iou)]
    counted[in_crowd[~right[in_crowd]]] = False


def _overlaps(found: Detections, true: GroundTruth, a: NDArray[np.int64], b: NDArray[np.int64]) -> Floats:
    """(pairs,), of the masks where both have some, else of the boxes."""
    if found.masks is None or true.masks is None:
        return overlaps(found.boxes[a], true.boxes[b], true.crowd[b])
    overlap = np.zeros(len(a))
    key = true.image[b] * (true.labels.max(initial=0) + 1) + true.labels[b]
    for group in np.split(np.arange(len(a)), np.flatnonzero(np.diff(key)) + 1) if len(a) else ():
        ours, theirs = np.unique(a[group]), np.unique(b[group])
        table = overlap_table(found, true, ours, theirs)
        overlap[group] = table[np.searchsorted(ours, a[group]), np.searchsorted(theirs, b[group])]
    return overlap


def overlap_table(found: Detections, true: GroundTruth, a: NDArray[np.intp], b: NDArray[np.intp]) -> Floats:
    """Intersection over union of some detections with some objects, (a, b): of masks where both have them."""
    if found.masks is None or true.masks is None:
        return overlaps(found.boxes[a][:, None], true.boxes[b], true.crowd[b])
    return mask_overlaps([found.masks[i] for i in a.tolist()], [true.masks[i] for i in b.tolist()], true.crowd[b])


def average_precisions(matches: Matches, weights: Floats | None = None) -> Floats:
    """Average precision of each class, (resamples, classes): the area under precision's upper envelope (VOC 2010).

    NaN for a class without objects; 0 for a class without detections.

    Args:
        matches: of detections and ground truth.
        weights: how often each image counts, (resamples, images); None counts each once.
    """
    weights = np.ones((1, len(matches.positives))) if weights is None else weights
    width = int(matches.right.sum())
    return in_chunks(partial(_average_precisions, matches), weights, width, size=_AT_ONCE)


def _average_precisions(matches: Matches, weights: Floats) -> Floats:
    """(resamples, classes), for few resamples."""
    from scipy.sparse import csr_array

    totals = weights @ matches.positives
    values = np.full(totals.shape, np.nan)
    of_image = np.ascontiguousarray(weights.T)  # (images, resamples)
    order = np.argsort(matches.label, kind="stable")
    order = order[matches.counted[order]]
    right, image, label = matches.right[order], matches.image[order], matches.label[order]
    # precision only falls between one right detection and the next: its envelope follows from these alone
    step = right.cumsum() - right  # the right detection that comes next, of whatever class
    before = np.append(label[right], -1)[step] == label  # not those below the last right one of their class
    shape = (int(right.sum()), len(of_image))
    seen = csr_array((np.ones(before.sum()), (step[before], image[before])), shape=shape) @ of_image
    gains = of_image[image[right]]
    bounds = np.searchsorted(label[right], np.arange(totals.shape[1] + 1))
    for each in np.flatnonzero(matches.positives.any(axis=0)).tolist():
        mine = slice(bounds[each], bounds[each + 1])
        gained = gains[mine]
        precision = gained.cumsum(axis=0) / np.maximum(seen[mine].cumsum(axis=0), TINY)
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        total = totals[:, each]
        values[:, each] = (gained * envelope).sum(axis=0) / np.where(total > 0, total, np.nan)
    return values


def mean_average_precision(matches: Matches, weights: Floats | None = None) -> Floats:
    """Mean over the classes that have objects, (resamples,); 0 when none has.

    A resample of the images may have none of a rare class. Leaving that class out would move the mean towards the
    others, so there it counts with its value over all images.

    Args:
        matches: of detections and ground truth.
        weights: how often each image counts, (resamples, images); None counts each once.
    """
    values = average_precisions(matches, weights)
    if weights is not None:
        values = np.where(np.isfinite(values), values, average_precisions(matches))
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def precision_recall(matches: Matches, score: float, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Precision and recall over all classes of the detections with at least this score, each (resamples,).

    Precision is 0 without detections, recall 0 without objects to find.
    """
    weights = np.ones((1, len(matches.positives))) if weights is None else weights
    shown = matches.counted & (matches.score >= score)
    images = len(matches.positives)
    right = weights @ np.bincount(matches.image[shown & matches.right], minlength=images)
    predicted = weights @ np.bincount(matches.image[shown], minlength=images)
    total = weights @ matches.positives.sum(axis=1)
    return right / np.maximum(predicted, TINY), right / np.maximum(total, TINY)


def _areas(objects: Columns, by_mask: bool) -> Floats:
    """(n,), square pixels of masks or of boxes."""
    if not by_mask or objects.masks is None:
        width, height = (objects.boxes[:, 2:] - objects.boxes[:, :2]).T
        return np.asarray(width * height)
    return np.array([mask_area(mask) for mask in objects.masks], np.float64)


@dataclass(frozen=True)
class DetectionCases:
    """Detections beside their truth.

    Attributes:
        found: the detections.
        true: the ground truth of the same images.
        thresholds: what counts.
    """

    found: Detections
    true: GroundTruth
    thresholds: Thresholds

    def __len__(self) -> int:
        return self.true.images

    def take(self, images: NDArray[np.intp]) -> DetectionCases:
        """Some of the images, in ascending order; they are not matched again."""
        part = DetectionCases(_of_images(self.found, images), _of_images(self.true, images), self.thresholds)
        known = {"matches": self.matches, **vars(self)}
        vars(part).update({name: known[name].take(images) for name in ("matches", "coco", "boxes") if name in known})
        return part

    @cached_property
    def matches(self) -> Matches:
        """By Pascal VOC's rule."""
        return match_objects(self.found, self.true, self.thresholds.classes, iou=self.thresholds.iou, pairs=self._pairs)

    @cached_property
    def candidates(self) -> Candidates:
        """The detections that count; none of them depends on which worse ones are shown."""
        matches = self.matches
        every = Candidates(matches.image, matches.label, matches.score, matches.right, matches.positives)
        return every.take(matches.counted)

    @property
    def score_thresholds(self) -> Floats:
        """(classes,), the score from which objects are shown."""
        return np.full(self.thresholds.classes, self.thresholds.score)

    @cached_property
    def boxes(self) -> DetectionCases:
        """The same without masks."""
        found, true = replace(self.found, masks=None), replace(self.true, masks=None)
        return DetectionCases(found, true, self.thresholds)

    @cached_property
    def coco(self) -> CocoMatches:
        """By COCO's rule."""
        areas = _areas(self.found, self._by_mask), _areas(self.true, self._by_mask)
        return match_coco(self.found, self.true, self.thresholds.classes, self._pairs, areas)

    @property
    def _by_mask(self) -> bool:
        return self.found.masks is not None and self.true.masks is not None

    @cached_property
    def _pairs(self) -> tuple[Pairs, ...]:
        return tuple(pairs_of(self.found, self.true, self.thresholds.classes))

    @cached_property
    def coco_figures(self) -> Remembered[Floats]:
        """Takes whole weights, returns COCO's twelve figures, (resamples, 12)."""
        return Remembered(partial(coco_figures, self.coco))


def _of_images(objects: Columns, images: NDArray[np.intp]) -> Columns:
    """The objects of some images, which become images 0, 1, 2, ..."""
    mine = np.isin(objects.image, images)
    part = objects.take(mine)
    position = np.searchsorted(images, part.image)
    if isinstance(part, Detections):
        return replace(part, images=len(images), image=position)
    return replace(part, sizes=part.sizes[images], image=position)


def _operating_point(index: int, cases: DetectionCases, weights: Floats) -> Floats:
    return precision_recall(cases.matches, cases.thresholds.score, weights)[index]


def _coco_figure(index: int, cases: DetectionCases, weights: Floats) -> Floats:
    return cases.coco_figures(weights)[:, index]


_COCO_RESAMPLES = 200  # each takes as long as COCO's own summary

METRICS = by_name(
    Metric(
        "mean_average_precision", "mean over the classes of the area under the precision-recall curve",
        "Pascal VOC 2010", lambda cases, weights: mean_average_precision(cases.matches, weights),
    ),
    Metric(
        "precision", "share of the shown objects that are right", "Pascal VOC's rule", partial(_operating_point, 0)
    ),
    Metric("recall", "share of the objects that are found", "Pascal VOC's rule", partial(_operating_point, 1)),
    *(
        Metric(name, COCO_MEANINGS[name], "pycocotools", partial(_coco_figure, index), resamples=_COCO_RESAMPLES)
        for index, name in enumerate(COCO_NAMES)
    ),
)  # fmt: skip
"""By name; of segmentation, by the overlap of masks."""


def _of_boxes(metric: Metric) -> Metric:
    """The same metric by the overlap of boxes, where objects have masks too."""
    return replace(
        metric,
        name=f"{BOX_PREFIX}{metric.name}",
        meaning=f"{metric.meaning}, by the overlap of boxes",
        compute=lambda cases, weights: metric.compute(cases.boxes, weights),
    )


BOX_PREFIX = "box_"
MASK_METRICS = by_name(*METRICS.values(), *map(_of_boxes, METRICS.values()))
"""Metrics of segmentation by name; those that begin with `box_` are by the overlap of boxes."""


def per_class(cases: DetectionCases, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Average precision, precision, recall and number of objects of each class; None where undefined."""
    matches = cases.matches
    values = average_precisions(matches)[0]
    rows = []
    for label, name in enumerate(classes):
        shown = matches.counted & (matches.score >= cases.thresholds.score) & (matches.label == label)
        right, total = int(matches.right[shown].sum()), int(matches.positives[:, label].sum())
        rows.append(
            {
                "class": name,
                "average_precision": finite(float(values[label])),
                "precision": right / int(shown.sum()) if shown.any() else None,
                "recall": right / total if total else None,
                "objects": total,
            }
        )
    return rows


def precision_recall_curves(cases: DetectionCases, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """For each class with objects, precision's envelope at 101 recalls, for a chart."""
    matches = cases.matches
    recalls = np.linspace(0, 1, CURVE_POINTS)
    curves = []
    for label, name in enumerate(classes):
        total = int(matches.positives[:, label].sum())
        if not total:
            continue
        mine = (matches.label == label) & matches.counted
        right = matches.right[mine].cumsum()
        precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
        position = np.searchsorted(right / total, recalls - TINY)
        values = np.append(precision, 0.0)[np.minimum(position, len(precision))]
        curves.append({"class": name, "recall": recalls.tolist(), "precision": values.tolist()})
    return curves
