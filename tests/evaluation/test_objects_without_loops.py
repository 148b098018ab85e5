"""Confusion, kinds of errors and contradictions of detectors, against loops over images and detections."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from automl_vision.data.box_pairs import overlapping, pairs_within
from automl_vision.data.boxes import overlaps
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.data.masks import encode_mask
from automl_vision.doctor.prediction_checks import APART, FAIR, SAME, SURE, TOUCHING, contradicted_images
from automl_vision.evaluation.confusion import object_confusion
from automl_vision.evaluation.detection import DetectionCases, Thresholds
from automl_vision.evaluation.mistakes import BACKGROUND_IOU, object_errors
from automl_vision.evaluation.overlaps import mask_areas, mask_overlaps

IMAGES, CLASSES, SIDE = 12, 3, 40
NAMES = ("a", "b", "c")


def mask_of(box: NDArray[np.float64]) -> str:
    """The pixels of a box without its last column, so that masks and boxes overlap differently."""
    mask = np.zeros((SIDE, SIDE), bool)
    x1, y1, x2, y2 = box.astype(int)
    mask[y1:y2, x1 : max(x1, x2 - 1)] = True
    return encode_mask(mask).to_text()


def scene(seed: int, *, masks: bool = False, iou: float = 0.5) -> DetectionCases:
    """Boxes on a coarse grid, so that scores and overlaps are often equal; some images hold no object or detection."""
    random = np.random.default_rng(seed)

    def boxes(count: int) -> NDArray[np.float64]:
        corner = random.integers(0, 4, (count, 2)) * 6.0
        return np.concatenate([corner, corner + random.integers(1, 4, (count, 2)) * 5.0], axis=1)

    image, other = (np.sort(random.integers(0, IMAGES - 1, count)) for count in (50, 40))
    ours, theirs = boxes(len(image)), boxes(len(other))
    copied = random.random(len(image)) < 0.5  # these lie near an object
    for i in np.flatnonzero(copied):
        near = np.flatnonzero(other == image[i])
        if len(near):
            ours[i] = theirs[random.choice(near)] + random.choice([0.0, 0.0, 1.0, 3.0])
    flags = random.random(len(other))
    true = GroundTruth(
        sizes=np.full((IMAGES, 2), SIDE), image=other, labels=random.integers(0, CLASSES, len(other)), boxes=theirs,
        crowd=flags < 0.1, difficult=flags > 0.9, masks=[mask_of(box) for box in theirs] if masks else None,
    )  # fmt: skip
    found = Detections.from_unsorted(
        IMAGES, image, random.integers(0, CLASSES, len(image)), ours, random.integers(1, 10, len(image)) / 10,
        [mask_of(box) for box in ours] if masks else None,
    )  # fmt: skip
    return DetectionCases(found, true, Thresholds(iou, 0.3, CLASSES))


def table_of(cases: DetectionCases, mine: NDArray[np.intp], theirs: NDArray[np.intp]) -> NDArray[np.float64]:
    found, true = cases.found, cases.true
    if found.masks is None or true.masks is None:
        return overlaps(found.boxes[mine][:, None], true.boxes[theirs], true.crowd[theirs])
    return mask_overlaps([found.masks[i] for i in mine], [true.masks[i] for i in theirs], true.crowd[theirs])


def plain_confusion(cases: DetectionCases) -> NDArray[np.intp]:
    """One image and one detection after another."""
    found, true, iou = cases.found, cases.true, cases.thresholds.iou
    matrix = np.zeros((CLASSES + 1, CLASSES + 1), np.intp)
    for image in range(IMAGES):
        mine = np.flatnonzero((found.image == image) & (found.scores >= cases.thresholds.score))
        theirs = np.flatnonzero(true.image == image)
        overlap = table_of(cases, mine, theirs)
        plain = ~(true.crowd | true.difficult)[theirs]
        partner: dict[int, int] = {}
        for own_class in (True, False):
            for i in range(len(mine)):
                possible = [
                    j
                    for j in range(len(theirs))
                    if plain[j] and j not in partner.values() and overlap[i, j] >= iou
                    and (found.labels[mine[i]] == true.labels[theirs[j]]) == own_class
                ]  # fmt: skip
                if i not in partner and possible:
                    partner[i] = max(possible, key=lambda j: overlap[i, j])
        for i in range(len(mine)):
            label = found.labels[mine[i]]
            excused = [
                j for j in range(len(theirs))
                if not plain[j] and true.labels[theirs[j]] == label and overlap[i, j] >= iou
            ]  # fmt: skip
            if i in partner or not excused:
                matrix[true.labels[theirs[partner[i]]] if i in partner else CLASSES, label] += 1
        for j in range(len(theirs)):
            if plain[j] and j not in partner.values():
                matrix[true.labels[theirs[j]], CLASSES] += 1
    return matrix


def plain_errors(cases: DetectionCases) -> tuple[list[str], list[bool]]:
    """The kind of each detection and whether each object is missed, one detection after another."""
    found, true, iou = cases.found, cases.true, cases.thresholds.iou
    kind, missed = [""] * len(found), (~(true.crowd | true.difficult)).tolist()
    taken: set[int] = set()
    for i in range(len(found)):
        if found.scores[i] < cases.thresholds.score:
            continue
        here = np.flatnonzero(true.image == found.image[i]).tolist()
        overlap = {j: float(overlaps(found.boxes[i], true.boxes[j], true.crowd[j])) for j in here}
        own = {j: overlap[j] for j in here if true.labels[j] == found.labels[i] and not true.crowd[j]}
        other = {j: overlap[j] for j in here if true.labels[j] != found.labels[i]}
        nearest = max(own, key=lambda j: own[j], default=-1)
        stranger = max(other, key=lambda j: other[j], default=-1)
        name, covered = "background", -1
        if own.get(nearest, -1) >= iou:
            name, covered = "duplicate" if nearest in taken else "", nearest
        elif other.get(stranger, -1) >= iou:
            name, covered = "class", stranger
        elif own.get(nearest, -1) >= BACKGROUND_IOU:
            name, covered = "place", nearest
        elif other.get(stranger, -1) >= BACKGROUND_IOU:
            name, covered = "both", stranger
        excused = any(
            (true.crowd[j] or true.difficult[j]) and true.labels[j] == found.labels[i] and overlap[j] >= iou
            for j in here
        )
        kind[i] = "" if excused else name
        if covered >= 0:
            missed[covered] = False
            taken |= {covered} if not name else set()
    return kind, missed


def plain_contradictions(found: Detections, true: GroundTruth) -> dict[int, str]:
    """What speaks against each image, one image after another."""
    notes = {}
    for image in range(found.images):
        mine, theirs = np.flatnonzero(found.image == image), np.flatnonzero(true.image == image)
        overlap = {(i, j): float(overlaps(found.boxes[i], true.boxes[j])) for i in mine for j in theirs}
        score, label = found.scores, found.labels

        def alike(i: int, j: int) -> bool:
            return bool(found.labels[i] == true.labels[j])

        confirmed = {i for i in mine if any(alike(i, j) and overlap[i, j] >= SAME for j in theirs)}
        parts: tuple[list[int], ...] = ([], [], [])
        for i in mine:
            crowds = [j for j in theirs if true.crowd[j]]
            hidden = any(float(overlaps(found.boxes[i], true.boxes[j], True)) > SAME for j in crowds)
            if score[i] >= SURE and all(overlap[i, j] < APART for j in theirs) and not hidden:
                parts[0].append(label[i])
        for j in theirs:
            held = any(alike(i, j) and overlap[i, j] >= SAME and score[i] >= FAIR for i in mine)
            free = [i for i in mine if i not in confirmed]
            other = [i for i in free if not alike(i, j) and overlap[i, j] >= SAME and score[i] >= SURE]
            near = [i for i in free if alike(i, j) and TOUCHING <= overlap[i, j] < SAME and score[i] >= FAIR]
            if held or true.crowd[j] or not (other or near):
                continue
            best = max(other or near, key=lambda i: overlap[i, j])
            parts[2 if other else 1].append(label[best])
        said = ("nobody labelled {}", "boxes in the wrong place: {}", "boxes look like another class: {}")
        texts = [
            text.format(name if times == 1 else f"{name} {times} times")
            for text, labels in zip(said, parts, strict=True)
            for name, times in Counter(NAMES[each] for each in labels).items()
        ]
        if texts:
            notes[image] = ", ".join(texts)
    return notes


def emptied(cases: DetectionCases) -> list[DetectionCases]:
    """Without detections, without objects, and without either."""
    found, true = cases.found.above(2.0), cases.true.take(np.zeros(0, int))
    return [replace(cases, found=found), replace(cases, true=true), replace(cases, found=found, true=true)]


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("iou", [0.0, 0.05, 0.5, 0.8])
def test_confusion_and_errors_are_those_of_loops(iou: float, masks: bool):
    for seed in range(6):
        whole = scene(seed, masks=masks, iou=iou)
        for cases in (whole, *(emptied(whole) if seed == 0 else ())):
            assert object_confusion(cases).tolist() == plain_confusion(cases).tolist()
            errors = object_errors(cases)
            assert (errors.kind.tolist(), errors.missed.tolist()) == plain_errors(cases)


def test_contradictions_are_those_of_loops():
    seen: set[str] = set()
    for seed in range(30):
        whole = scene(seed)
        for cases in (whole, *(emptied(whole) if seed == 0 else ())):
            notes = contradicted_images(cases.true, cases.found, NAMES)
            assert notes == plain_contradictions(cases.found, cases.true)
            seen |= {word for note in notes.values() for word in ("nobody", "place", "another") if word in note}
    assert seen == {"nobody", "place", "another"}


@pytest.mark.parametrize("every", [False, True])
def test_pairs_of_boxes_are_those_of_loops(every: bool):
    cases = scene(3)
    found, true = cases.found, cases.true
    expected = [
        (i, j, float(overlaps(found.boxes[i], true.boxes[j], true.crowd[j])))
        for i in range(len(found))
        for j in range(len(true))
        if found.image[i] == true.image[j]
    ]
    a, b, overlap = overlapping(found.image, found.boxes, true.image, true.boxes, true.crowd, every=every)
    kept = [triple for triple in expected if every or triple[2] > 0]
    assert list(zip(a.tolist(), b.tolist(), overlap.tolist(), strict=True)) == kept
    assert [(i, j) for part in pairs_within(found.image, true.image) for i, j in zip(*part, strict=True)] == [
        triple[:2] for triple in expected
    ]


def test_areas_of_masks_are_their_pixels():
    boxes = np.array([[0, 0, 3, 4], [1, 1, 2, 2], [5, 5, 11, 9]], float)
    assert mask_areas([mask_of(box) for box in boxes]).tolist() == [8, 0, 20]
    assert mask_areas([]).tolist() == []
