"""Metrics of detection and segmentation: Pascal VOC's mean average precision, COCO's twelve figures, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.boxes import overlaps
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.intervals import Interval, bootstrap_interval, bootstrap_weights
from automl_vision.evaluation.overlaps import Floats, coco_code, mask_overlaps

COCO_NAMES = (
    "coco_map", "coco_map_50", "coco_map_75", "coco_map_small", "coco_map_medium", "coco_map_large",
    "coco_recall_1", "coco_recall_10", "coco_recall_100",
    "coco_recall_small", "coco_recall_medium", "coco_recall_large",
)  # fmt: skip
"""COCO's twelve figures in its own order."""

CURVE_POINTS = 101
_TINY = 1e-12


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


def match_objects(found: Detections, true: GroundTruth, classes: int, *, iou: float) -> Matches:
    """Match by Pascal VOC's rule: each detection, best first, belongs to the object that it overlaps most.

    It is right when they overlap by at least `iou` and no better detection has taken that object. A detection that
    would be wrong, and lies in a crowd of its class by at least `iou` of its own area, is not counted.

    Args:
        found: the detections.
        true: the ground truth of the same images.
        classes: the number of classes.
        iou: minimum intersection over union.
    """
    order = np.argsort(-found.scores, kind="stable")
    right, counted = np.zeros(len(order), bool), np.ones(len(order), bool)
    for image in range(true.images):
        mine = np.arange(*np.searchsorted(found.image, [image, image + 1]))
        theirs = np.arange(*np.searchsorted(true.image, [image, image + 1]))
        for label in np.unique(found.labels[mine]).tolist():
            a, b = mine[found.labels[mine] == label], theirs[true.labels[theirs] == label]
            a = a[np.argsort(-found.scores[a], kind="stable")]
            if len(b):
                right[a], counted[a] = _match_one(_overlaps(found, true, a, b), true, b, iou)
    positives = np.zeros((true.images, classes), np.int64)
    plain = ~true.crowd & ~true.difficult
    np.add.at(positives, (true.image[plain], true.labels[plain]), 1)
    return Matches(
        found.image[order], found.labels[order], found.scores[order], right[order], counted[order], positives
    )


def _overlaps(found: Detections, true: GroundTruth, a: NDArray[np.intp], b: NDArray[np.intp]) -> Floats:
    if found.masks is None or true.masks is None:
        return overlaps(found.boxes[a][:, None], true.boxes[b], true.crowd[b])
    return mask_overlaps([found.masks[i] for i in a.tolist()], [true.masks[i] for i in b.tolist()], true.crowd[b])


def _match_one(
    overlap: Floats, true: GroundTruth, b: NDArray[np.intp], iou: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Right and counted for the detections of one class in one image, best first."""
    crowd, difficult = true.crowd[b], true.difficult[b]
    single = np.where(crowd, -1.0, overlap)
    nearest, reached = single.argmax(axis=1), single.max(axis=1) >= iou
    in_crowd = np.where(crowd, overlap, -1.0).max(axis=1) >= iou
    right, counted = np.zeros(len(overlap), bool), np.ones(len(overlap), bool)
    taken = np.zeros(len(b), bool)
    for i, (object_, is_reached) in enumerate(zip(nearest.tolist(), reached.tolist(), strict=True)):
        if is_reached and difficult[object_]:
            counted[i] = False
        elif is_reached and not taken[object_]:
            right[i] = taken[object_] = True
        elif in_crowd[i]:
            counted[i] = False
    return right, counted


def average_precisions(matches: Matches, weights: Floats | None = None) -> Floats:
    """Average precision of each class, (resamples, classes): the area under precision's upper envelope (VOC 2010).

    NaN for a class without objects; 0 for a class without detections.

    Args:
        matches: of detections and ground truth.
        weights: how often each image counts, (resamples, images); None counts each once.
    """
    weights = np.ones((1, len(matches.positives))) if weights is None else weights
    totals = weights @ matches.positives
    values = np.full(totals.shape, np.nan)
    for label in range(totals.shape[1]):
        mine = np.flatnonzero((matches.label == label) & matches.counted)
        weight = weights[:, matches.image[mine]]
        right = (weight * matches.right[mine]).cumsum(axis=1)
        precision = right / np.maximum(weight.cumsum(axis=1), _TINY)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        gains = np.diff(right, axis=1, prepend=0)
        total = totals[:, label]
        values[:, label] = (gains * envelope).sum(axis=1) / np.where(total > 0, total, np.nan)
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
    weight = weights[:, matches.image[shown]]
    right = weight @ matches.right[shown].astype(np.float64)
    total = weights @ matches.positives.sum(axis=1)
    return right / np.maximum(weight.sum(axis=1), _TINY), right / np.maximum(total, _TINY)


def coco_metrics(found: Detections, true: GroundTruth, classes: int) -> dict[str, float]:
    """COCO's twelve figures without the undefined ones, such as those of small objects where there are none.

    COCO has no difficult objects: they count like any other.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    def silent(*_: Any) -> None:
        pass

    with_masks = found.masks is not None and true.masks is not None
    categories = [{"id": i + 1, "name": str(i)} for i in range(classes)]
    images = [{"id": i + 1, "height": int(h), "width": int(w)} for i, (h, w) in enumerate(true.sizes.tolist())]
    truth = COCO(
        {"info": {}, "images": images, "categories": categories, "annotations": _true_annotations(true)},
        print_function=silent,
    )
    results = truth.loadRes(_found_annotations(found))
    evaluation = COCOeval_faster(truth, results, "segm" if with_masks else "bbox", print_function=silent)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {name: float(value) for name, value in zip(COCO_NAMES, evaluation.stats, strict=False) if value >= 0}


def _true_annotations(true: GroundTruth) -> list[dict[str, Any]]:
    rows = []
    for i in range(len(true)):
        x1, y1, x2, y2 = true.boxes[i].tolist()
        row: dict[str, Any] = {
            "id": i + 1,
            "image_id": int(true.image[i]) + 1,
            "category_id": int(true.labels[i]) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": int(true.crowd[i]),
        }
        if true.masks is not None:
            row["segmentation"] = coco_code(true.masks[i])
            row["area"] = _area(true.masks[i])
        rows.append(row)
    return rows


def _found_annotations(found: Detections) -> list[dict[str, Any]]:
    rows = []
    for i in range(len(found)):
        row: dict[str, Any] = {
            "image_id": int(found.image[i]) + 1,
            "category_id": int(found.labels[i]) + 1,
            "score": float(found.scores[i]),
        }
        if found.masks is None:
            x1, y1, x2, y2 = found.boxes[i].tolist()
            row["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        else:
            row["segmentation"] = coco_code(found.masks[i])
        rows.append(row)
    return rows


def _area(text: str) -> float:
    from automl_vision.data.masks import MaskCode

    return float(MaskCode.from_text(text).area())


def detection_metrics(
    found: Detections, true: GroundTruth, thresholds: Thresholds, *, kinds: str = "coco_voc"
) -> dict[str, float]:
    """The metrics by name.

    Args:
        found: the detections.
        true: the ground truth of the same images.
        thresholds: what counts.
        kinds: "none" returns the mean average precision alone, "voc" also precision and recall, "coco" also COCO's
            twelve figures, "coco_voc" all.
    """
    matches = match_objects(found, true, thresholds.classes, iou=thresholds.iou)
    metrics = {"mean_average_precision": float(mean_average_precision(matches)[0])}
    if "voc" in kinds:
        precision, recall = precision_recall(matches, thresholds.score)
        metrics |= {"precision": float(precision[0]), "recall": float(recall[0])}
    if "coco" in kinds:
        metrics |= coco_metrics(found, true, thresholds.classes)
    return metrics


def detection_intervals(found: Detections, true: GroundTruth, thresholds: Thresholds) -> dict[str, Interval]:
    """Intervals over images of mean average precision, precision and recall."""
    matches = match_objects(found, true, thresholds.classes, iou=thresholds.iou)
    score = thresholds.score
    return {
        "mean_average_precision": bootstrap_interval(lambda w: mean_average_precision(matches, w), true.images),
        "precision": bootstrap_interval(lambda w: precision_recall(matches, score, w)[0], true.images),
        "recall": bootstrap_interval(lambda w: precision_recall(matches, score, w)[1], true.images),
    }


def resampled_precision(found: Detections, true: GroundTruth, thresholds: Thresholds) -> Floats:
    """Mean average precision on all images, then on each resample of them, (1 + resamples,); for paired tests."""
    matches = match_objects(found, true, thresholds.classes, iou=thresholds.iou)
    weights = np.concatenate([np.ones((1, true.images)), bootstrap_weights(true.images)])
    return mean_average_precision(matches, weights)


def per_class(
    found: Detections, true: GroundTruth, classes: tuple[str, ...], thresholds: Thresholds
) -> list[dict[str, Any]]:
    """Average precision, precision, recall and number of objects of each class; None where undefined."""
    matches = match_objects(found, true, len(classes), iou=thresholds.iou)
    values = average_precisions(matches)[0]
    rows = []
    for label, name in enumerate(classes):
        shown = matches.counted & (matches.score >= thresholds.score) & (matches.label == label)
        right, total = int(matches.right[shown].sum()), int(matches.positives[:, label].sum())
        rows.append(
            {
                "class": name,
                "average_precision": float(values[label]) if np.isfinite(values[label]) else None,
                "precision": right / int(shown.sum()) if shown.any() else None,
                "recall": right / total if total else None,
                "objects": total,
            }
        )
    return rows


def precision_recall_curves(
    found: Detections, true: GroundTruth, classes: tuple[str, ...], thresholds: Thresholds
) -> list[dict[str, Any]]:
    """For each class with objects, precision's envelope at 101 recalls, for a chart."""
    matches = match_objects(found, true, len(classes), iou=thresholds.iou)
    recalls = np.linspace(0, 1, CURVE_POINTS)
    curves = []
    for label, name in enumerate(classes):
        total = int(matches.positives[:, label].sum())
        if not total:
            continue
        mine = (matches.label == label) & matches.counted
        right = matches.right[mine].cumsum()
        precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
        position = np.searchsorted(right / total, recalls - _TINY)
        values = np.append(precision, 0.0)[np.minimum(position, len(precision))]
        curves.append({"class": name, "recall": recalls.tolist(), "precision": values.tolist()})
    return curves
