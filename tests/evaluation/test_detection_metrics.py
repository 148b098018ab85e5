"""Detection metrics against pycocotools and an independent Pascal VOC implementation, on the same predictions."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.data.masks import MaskCode, encode_mask
from automl_vision.evaluation.detection import (
    COCO_NAMES,
    METRICS,
    DetectionCases,
    Matches,
    Thresholds,
    average_precisions,
    match_objects,
    mean_average_precision,
    per_class,
    precision_recall,
    precision_recall_curves,
)
from automl_vision.evaluation.metric import values_of

SIZE = (240, 320)
CLASSES = 4  # of the last one there is no object


def _mask_of(box: NDArray[np.float64]) -> str:
    """An ellipse in a box."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    centre, radius = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, 1)
    inside = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 <= 1
    return encode_mask(inside).to_text()


def _scene(seed: int, *, masks: bool = False, flags: bool = True) -> tuple[Detections, GroundTruth]:
    """True objects of several sizes, and found ones near them, elsewhere, and of other classes; image 3 is empty."""
    random = np.random.default_rng(seed)
    true: list[tuple[int, int, NDArray[np.float64]]] = []
    found: list[tuple[int, int, NDArray[np.float64], float]] = []
    for image in range(8):
        for _ in range(0 if image == 3 else int(random.integers(1, 8))):
            side = random.choice([14.0, 50.0, 110.0], 2) * random.uniform(0.8, 1.2, 2)
            corner = random.uniform(0, 1, 2) * (np.array(SIZE[::-1]) - side)
            box = np.concatenate([corner, corner + side])
            label = int(random.integers(3))
            true.append((image, label, box))
            for _ in range(int(random.integers(0, 4))):
                moved = box + random.normal(0, 0.12, 4) * np.tile(side, 2)
                moved = np.concatenate([np.minimum(moved[:2], moved[2:] - 2), moved[2:]]).clip(
                    0, np.tile(SIZE[::-1], 2)
                )
                found.append((image, label if random.random() < 0.85 else int(random.integers(CLASSES)), moved,
                              float(random.random())))  # fmt: skip
    found += [(3, 0, np.array([5.0, 5, 60, 60]), 0.4)]
    found.sort(key=lambda f: (f[0], -f[3]))
    crowd = random.random(len(true)) < (0.15 if flags else 0)
    difficult = (random.random(len(true)) < (0.2 if flags else 0)) & ~crowd
    true_boxes, found_boxes = np.array([t[2] for t in true]), np.array([f[2] for f in found])
    return (
        Detections(
            images=8,
            image=np.array([f[0] for f in found]),
            labels=np.array([f[1] for f in found]),
            boxes=found_boxes,
            scores=np.array([f[3] for f in found]),
            masks=tuple(_mask_of(box) for box in found_boxes) if masks else None,
        ),
        GroundTruth(
            sizes=np.tile(SIZE, (8, 1)),
            image=np.array([t[0] for t in true]),
            labels=np.array([t[1] for t in true]),
            boxes=true_boxes,
            crowd=crowd,
            difficult=difficult,
            masks=tuple(_mask_of(box) for box in true_boxes) if masks else None,
        ),
    )


def _pycocotools(found: Detections, true: GroundTruth) -> NDArray[np.float64]:
    """The twelve figures of the original tool."""

    def box(values: Any) -> list[float]:
        x1, y1, x2, y2 = map(float, values)
        return [x1, y1, x2 - x1, y2 - y1]

    def code(text: str) -> dict[str, Any]:
        parsed = MaskCode.from_text(text)
        return {"size": [parsed.height, parsed.width], "counts": parsed.counts.encode()}

    kind = "bbox" if found.masks is None else "segm"
    annotations, results = [], []
    for i in range(len(true)):
        b = box(true.boxes[i])
        row = {"id": i + 1, "image_id": int(true.image[i]), "category_id": int(true.labels[i]), "bbox": b,
               "area": b[2] * b[3], "iscrowd": int(true.crowd[i])}  # fmt: skip
        if true.masks is not None:
            row |= {"segmentation": code(true.masks[i])}
            row |= {"area": float(coco_mask.area(row["segmentation"]))}
        annotations.append(row)
    for i in range(len(found)):
        row = {"image_id": int(found.image[i]), "category_id": int(found.labels[i]), "score": float(found.scores[i])}
        row |= {"bbox": box(found.boxes[i])} if found.masks is None else {"segmentation": code(found.masks[i])}
        results.append(row)
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in range(true.images)],
        "categories": [{"id": i} for i in range(CLASSES)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats)


def _pixels(text: str) -> NDArray[np.bool_]:
    return MaskCode.from_text(text).decode()


def _plain_voc(found: Detections, true: GroundTruth, iou: float) -> list[float | None]:
    """Pascal VOC's development kit in plain loops, with COCO's crowds; one average precision a class."""

    def overlap(i: int, j: int, *, alone: bool) -> float:
        if found.masks is not None and true.masks is not None:
            a, b = _pixels(found.masks[i]), _pixels(true.masks[j])
            both, mine, theirs = (a & b).sum(), a.sum(), b.sum()
        else:
            a, b = found.boxes[i], true.boxes[j]
            width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            both = max(width, 0) * max(height, 0)
            mine, theirs = ((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
        total = mine if alone else mine + theirs - both
        return float(both / total) if total else 0.0

    values: list[float | None] = []
    for label in range(CLASSES):
        objects = [j for j in range(len(true)) if true.labels[j] == label]
        total = sum(not true.crowd[j] and not true.difficult[j] for j in objects)
        if not total:
            values.append(None)
            continue
        taken: set[int] = set()
        outcomes = []
        for i in sorted((i for i in range(len(found)) if found.labels[i] == label), key=lambda i: -found.scores[i]):
            here = [j for j in objects if true.image[j] == found.image[i]]
            single = [(overlap(i, j, alone=False), j) for j in here if not true.crowd[j]]
            best, j = max(single, key=lambda pair: pair[0], default=(-1.0, -1))
            if best >= iou and true.difficult[j]:
                continue
            if best >= iou and j not in taken:
                taken.add(j)
                outcomes.append(True)
            elif not any(overlap(i, j, alone=True) >= iou for j in here if true.crowd[j]):
                outcomes.append(False)
        right, points = 0, []
        for number, outcome in enumerate(outcomes, start=1):
            right += outcome
            points.append((right / total, right / number))
        area, last = 0.0, 0.0
        for position, (recall, _) in enumerate(points):
            area += (recall - last) * max(precision for _, precision in points[position:])
            last = recall
        values.append(area)
    return values


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_coco_figures_are_those_of_pycocotools(seed: int, masks: bool):
    found, true = _scene(seed, masks=masks)
    assert true.crowd.any()
    expected = _pycocotools(found, true)
    cases = DetectionCases(found, true, Thresholds(0.5, 0.3, CLASSES))
    values = [METRICS[name].value(cases) for name in COCO_NAMES]
    assert values == pytest.approx(np.where(expected >= 0, expected, np.nan).tolist(), abs=1e-6, nan_ok=True)


def _many(scenes: int) -> tuple[Detections, GroundTruth]:
    """Several scenes one after another, whose objects are all of the first class."""
    parts = [_scene(seed) for seed in range(scenes)]
    true = [part for _, part in parts]
    columns = {
        name: np.concatenate([getattr(part, name) for part in true])
        for name in ("sizes", "labels", "boxes", "crowd", "difficult")
    }
    image = np.concatenate([part.image + 8 * i for i, part in enumerate(true)])
    found = Detections.join([part for part, _ in parts])
    return replace(found, labels=found.labels * 0), GroundTruth(**{**columns, "labels": image * 0, "image": image})


def test_coco_figures_of_more_objects_than_recalls_are_those_of_pycocotools():
    found, true = _many(6)
    assert len(true) > 150  # more than there are recalls
    cases = DetectionCases(found, true, Thresholds(0.5, 0.3, CLASSES))
    expected = _pycocotools(found, true)
    values = [METRICS[name].value(cases) for name in COCO_NAMES]
    assert values == pytest.approx(np.where(expected >= 0, expected, np.nan).tolist(), abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("masks", [False, True])
def test_coco_figures_of_a_resample_are_those_of_the_repeated_images(masks: bool):
    found, true = _scene(1, masks=masks)
    counts = np.array([2, 0, 1, 1, 0, 3, 1, 0])
    places = np.repeat(np.arange(8), counts)
    parts = [(found.of_image(int(place)), true.image == place) for place in places]
    repeated_true = replace(
        true.take(np.concatenate([np.flatnonzero(mine) for _, mine in parts])),
        image=np.repeat(np.arange(len(places)), [mine.sum() for _, mine in parts]),
        sizes=true.sizes[places],
    )
    thresholds = Thresholds(0.5, 0.3, CLASSES)
    repeated = DetectionCases(Detections.join([part for part, _ in parts]), repeated_true, thresholds)
    figures = DetectionCases(found, true, thresholds).coco_figures(counts[None].astype(float))
    np.testing.assert_allclose(figures, repeated.coco_figures(np.ones((1, len(places)))), atol=1e-12)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("seed", [0, 1])
def test_voc_figures_are_those_of_plain_loops(seed: int, iou: float, masks: bool):
    found, true = _scene(seed, masks=masks)
    assert true.difficult.any()
    expected = _plain_voc(found, true, iou)
    matches = match_objects(found, true, CLASSES, iou=iou)
    values = average_precisions(matches)[0]
    assert [None if np.isnan(v) else pytest.approx(v, abs=1e-6) for v in values] == expected
    known = [value for value in expected if value is not None]
    assert mean_average_precision(matches)[0] == pytest.approx(np.mean(known), abs=1e-6)


def test_difficult_and_crowds_change_what_they_should():
    found, true = _scene(5, flags=False)
    one = np.eye(len(true), dtype=bool)[0]
    plain = match_objects(found, true, CLASSES, iou=0.5)
    for changed in (replace(true, difficult=one), replace(true, crowd=one)):
        flagged = match_objects(found, changed, CLASSES, iou=0.5)
        assert flagged.positives.sum() == plain.positives.sum() - 1
        assert flagged.counted.sum() <= plain.counted.sum()


def test_weights_of_images_are_repetitions():
    found, true = _scene(3)
    matches = match_objects(found, true, CLASSES, iou=0.5)
    weights = np.zeros((1, 8))
    weights[0, [0, 1, 2, 4]] = 1
    kept = np.isin(found.image, [0, 1, 2, 4])
    part = found.take(kept)
    kept = np.isin(true.image, [0, 1, 2, 4])
    half = true.take(kept)
    of_part = match_objects(part, half, CLASSES, iou=0.5)
    assert mean_average_precision(matches, weights)[0] == pytest.approx(mean_average_precision(of_part)[0])
    assert precision_recall(matches, 0.3, weights)[0][0] == pytest.approx(precision_recall(of_part, 0.3)[0][0])


def test_precision_and_recall_at_the_threshold():
    true = GroundTruth(
        sizes=np.array([[10, 10]]), image=np.zeros(2, int), labels=np.zeros(2, int),
        boxes=np.array([[0.0, 0, 4, 4], [5, 5, 9, 9]]), crowd=np.zeros(2, bool), difficult=np.zeros(2, bool),
    )  # fmt: skip
    found = Detections(
        images=1, image=np.zeros(3, int), labels=np.zeros(3, int), scores=np.array([0.9, 0.6, 0.2]),
        boxes=np.array([[0.0, 0, 4, 4], [0, 0, 4, 3.5], [5, 5, 9, 9]]),
    )  # fmt: skip
    for score, precision, recall in ((0.1, 2 / 3, 1.0), (0.5, 0.5, 0.5), (0.8, 1.0, 0.5), (0.95, 0.0, 0.0)):
        metrics = values_of(METRICS.values(), DetectionCases(found, true, Thresholds(0.5, score, 1)))
        assert (metrics["precision"], metrics["recall"]) == pytest.approx((precision, recall))
    rows = per_class(DetectionCases(found, true, Thresholds(0.5, 0.5, 1)), ("a",))
    assert rows == [{"class": "a", "average_precision": pytest.approx(0.5 + 0.5 * 2 / 3), "precision": 0.5,
                     "recall": 0.5, "objects": 2}]  # fmt: skip


def _nothing_found(found: Detections, true: GroundTruth) -> tuple[Detections, GroundTruth]:
    return found.above(2.0), true


def _nothing_there(found: Detections, true: GroundTruth) -> tuple[Detections, GroundTruth]:
    return found, true.take(np.zeros(0, int))


def _neither(found: Detections, true: GroundTruth) -> tuple[Detections, GroundTruth]:
    return _nothing_found(*_nothing_there(found, true))


@pytest.mark.parametrize("change", [_nothing_found, _nothing_there, _neither])
def test_nothing_is_defined(change: Callable[..., tuple[Detections, GroundTruth]]):
    found, true = change(*_scene(0))
    cases = DetectionCases(found, true, Thresholds(0.5, 0.3, CLASSES))
    for name in ("mean_average_precision", "precision", "recall"):
        interval = METRICS[name].interval(cases)
        assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 0.0)
    assert METRICS["coco_map"].value(cases) == 0 if len(true) else np.isnan(METRICS["coco_map"].value(cases))
    rows = per_class(cases, ("a", "b", "c", "d"))
    assert rows[3]["average_precision"] is None
    assert rows[3]["objects"] == 0
    precision_recall_curves(cases, ("a", "b", "c", "d"))


def test_a_class_without_objects_does_not_count():
    found, true = _scene(2)
    with_absent = match_objects(found, true, CLASSES, iou=0.5)
    kept = found.labels < 3
    part = found.take(kept)
    without = match_objects(part, true, 3, iou=0.5)
    assert mean_average_precision(with_absent)[0] == pytest.approx(mean_average_precision(without)[0])


def test_a_resample_without_a_rare_class_does_not_forget_it():
    """Three images have an object of the first class, which is found; one has the only one of the second, missed."""
    matches = Matches(
        image=np.array([1, 2, 3]),
        label=np.zeros(3, np.int64),
        score=np.array([0.9, 0.8, 0.7]),
        right=np.ones(3, bool),
        counted=np.ones(3, bool),
        positives=np.array([[0, 1], [1, 0], [1, 0], [1, 0]]),
    )
    weights = np.array([[1.0, 1, 1, 1], [0, 2, 1, 1], [4, 0, 0, 0]])
    assert mean_average_precision(matches)[0] == 0.5
    assert mean_average_precision(matches, weights).tolist() == [0.5, 0.5, 0.5]


def test_intervals_hold_their_value():
    found, true = _scene(1)
    cases = DetectionCases(found, true, Thresholds(0.5, 0.3, CLASSES))
    for name in ("mean_average_precision", "precision", "recall", "coco_map", "coco_map_50"):
        interval = METRICS[name].interval(cases)
        assert interval.value == METRICS[name].value(cases)
        assert interval.low <= interval.value <= interval.high, name
        assert interval.low < interval.high


def test_a_curve_ends_where_nothing_more_is_found():
    found, true = _scene(4)
    cases = DetectionCases(found, true, Thresholds(0.5, 0.3, CLASSES))
    for curve in precision_recall_curves(cases, ("a", "b", "c", "d")):
        precision = np.array(curve["precision"])
        assert (np.diff(precision) <= 1e-12).all()
        assert len(precision) == len(curve["recall"]) == 101
