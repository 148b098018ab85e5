"""Metrics of detection and segmentation: Pascal VOC's mean average precision and COCO's twelve figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.numbers import finite
from automl_vision.data.box_pairs import overlapping
from automl_vision.data.boxes import overlaps
from automl_vision.data.detections import Columns, Detections, GroundTruth
from automl_vision.data.ragged import ranges, starts_of
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.chunks import by_image, for_each, in_chunks, running
from automl_vision.evaluation.coco import CocoMatches, Pairs, coco_figures, match_coco, those_of
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.metric import Metric, by_name
from automl_vision.evaluation.overlaps import mask_areas, overlapping_masks
from automl_vision.evaluation.precision import envelope, shown_so_far
from automl_vision.evaluation.weighted import TINY, Remembered

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
_AT_ONCE = 800_000  # numbers in a temporary array
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
        mine, image = those_of(self.image, images)
        return Matches(
            image,
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

    They are sorted by image and class, then by detection, best first. Those of masks are only pairs that overlap.
    """
    if found.masks is not None and true.masks is not None:
        yield _of_a_class(Pairs(*overlapping_masks(found, true)), found, true, classes)
        return
    keys, others = found.image * classes + found.labels, true.image * classes + true.labels
    ours, theirs = np.argsort(keys, kind="stable"), np.argsort(others, kind="stable")
    first, end = (np.searchsorted(others[theirs], keys[ours], side=side) for side in ("left", "right"))
    groups = np.searchsorted(keys[ours], keys[ours])  # where the pairs of an image and class begin
    part = starts_of(end - first)[groups] // _PAIRS
    for chosen in np.split(np.arange(len(ours)), np.flatnonzero(np.diff(part)) + 1):
        counts = end[chosen] - first[chosen]
        a, b = np.repeat(ours[chosen], counts), theirs[ranges(first[chosen], counts)]
        yield Pairs(a, b, overlaps(found.boxes[a], true.boxes[b], true.crowd[b]))


def _of_a_class(pairs: Pairs, found: Detections, true: GroundTruth, classes: int) -> Pairs:
    """The pairs of the same class, sorted as by `pairs_of`."""
    same = np.flatnonzero(found.labels[pairs.found] == true.labels[pairs.true])
    key = found.image[pairs.found[same]] * classes + found.labels[pairs.found[same]]
    order = same[np.argsort(key, kind="stable")]
    return Pairs(pairs.found[order], pairs.true[order], pairs.overlap[order])


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


def average_precisions(matches: Matches, weights: Floats | None = None) -> Floats:
    """Average precision of each class, (resamples, classes): the area under precision's upper envelope (VOC 2010).

    NaN for a class without objects; 0 for a class without detections.

    Args:
        matches: of detections and ground truth.
        weights: how often each image counts, (resamples, images); None counts each once.
    """
    weights = np.ones((1, len(matches.positives))) if weights is None else weights
    counted = np.flatnonzero(matches.counted)
    order = counted[np.argsort(matches.label[counted], kind="stable")]
    members = np.split(order, np.searchsorted(matches.label[order], np.arange(1, matches.positives.shape[1])))
    width = max(map(len, members), default=0)
    return in_chunks(partial(_average_precisions, matches, members), weights, width, size=_AT_ONCE, threads=1)


def _average_precisions(matches: Matches, members: list[NDArray[np.intp]], weights: Floats) -> Floats:
    """(resamples, classes), for few resamples.

    Args:
        matches: of detections and ground truth.
        members: positions of the detections of each class that count, best first.
        weights: how often each image counts, (resamples, images).
    """
    totals = weights @ matches.positives
    values = np.full(totals.shape, np.nan)
    of_image = by_image(weights, len(matches.image))

    def fill(label: int) -> None:
        mine, total = members[label], totals[:, label]
        images, right = matches.image[mine], np.flatnonzero(matches.right[mine])
        gained = of_image[images[right]]
        shown = shown_so_far(images, of_image)[right]
        precision = envelope(running(np.add, gained.copy()), shown)
        precision *= gained
        values[:, label] = precision.sum(axis=0) / np.where(total > 0, total, np.nan)

    known = np.flatnonzero(matches.positives.any(axis=0)).tolist()
    for_each(fill, known, max(map(len, members), default=0) * len(weights))
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
    return mask_areas(objects.masks)


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
    def box_pairs(self) -> Pairs:
        """Detections and objects of an image whose boxes overlap, of whatever classes; sorted by detection."""
        found, true, every = self.found, self.true, self.thresholds.iou <= 0
        return Pairs(*overlapping(found.image, found.boxes, true.image, true.boxes, true.crowd, every=every))

    @cached_property
    def pairs(self) -> Pairs:
        """The same by masks, where there are some."""
        if not self._by_mask:
            return self.box_pairs
        return Pairs(*overlapping_masks(self.found, self.true, every=self.thresholds.iou <= 0))

    @cached_property
    def _pairs(self) -> tuple[Pairs, ...]:
        """As `pairs_of` makes them."""
        classes = self.thresholds.classes
        if self._by_mask:
            return (_of_a_class(self.pairs, self.found, self.true, classes),)
        return tuple(pairs_of(self.found, self.true, classes))

    @cached_property
    def coco_figures(self) -> Remembered[Floats]:
        """Takes whole weights, returns COCO's twelve figures, (resamples, 12)."""
        return Remembered(partial(coco_figures, self.coco))


def _of_images(objects: Columns, images: NDArray[np.intp]) -> Columns:
    """The objects of some images, which become images 0, 1, 2, ..."""
    mine, position = those_of(objects.image, images)
    part = objects.take(mine)
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
    """For each class with objects, precision's envelope at 101 recalls, for a chart, and the scores that reach them.

    A recall that no score reaches has none.
    """
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
        scores = [*matches.score[mine].tolist(), None]
        reached = [scores[at] for at in np.minimum(position, len(precision)).tolist()]
        curves.append({"class": name, "recall": recalls.tolist(), "precision": values.tolist(), "threshold": reached})
    return curves
