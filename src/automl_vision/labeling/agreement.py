"""How far people agree who labelled the same images.

Of classes it is Cohen's kappa (Cohen 1960), agreement beyond chance: the mean over all pairs of people who labelled the
same images, weighted by their number (Light 1971). With several classes per image it is the mean over the classes. Of
objects it is the mean intersection over union of those that two people drew as one, and the share of all drawn objects
that both drew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.tasks import Kind
from automl_vision.labeling.merging import SAME_FROM, Answer, by_person
from automl_vision.labeling.object_overlaps import overlaps


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    Attributes:
        people: who labelled any of the images, by name.
        images: that at least two of them labelled.
        kappa: of classes, from -1 to 1; None for objects, or where it is undefined.
        mean_iou: of the objects that two people drew as one, from 0 to 1; None for classes, or without any.
        share_found: of all drawn objects those that both of two people drew, from 0 to 1; None as for `mean_iou`.
    """

    people: tuple[str, ...]
    images: int
    kappa: float | None = None
    mean_iou: float | None = None
    share_found: float | None = None

    @property
    def sentence(self) -> str:
        """The agreement, for people; empty where nobody labelled what another one did."""
        if not self.images:
            return ""
        both = f"{self.images} images were labelled by several of {len(self.people)} people"
        if self.kappa is not None:
            return f"{both}; kappa {self.kappa:.2f}"
        if self.mean_iou is not None and self.share_found is not None:
            found = f"{self.share_found:.0%} of the objects were drawn by both"
            return f"{both}; {found}, with a mean IoU of {self.mean_iou:.2f}"
        return both

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**vars(self), "people": list(self.people)}


def agreement(
    answers: Mapping[str, Sequence[Answer]], sizes: Mapping[str, tuple[int, int]], kind: Kind, classes: Sequence[str]
) -> Agreement:
    """How far people agree.

    Args:
        answers: by image.
        sizes: width and height of the images in pixels.
        kind: of the labels.
        classes: that can be chosen.
    """
    newest = {image: by_person(each) for image, each in answers.items()}
    people = tuple(sorted({answer.annotator for each in newest.values() for answer in each}))
    shared = {image: each for image, each in newest.items() if len(each) > 1}
    if kind in ("boxes", "masks"):
        return Agreement(people, len(shared), None, *_of_objects(shared, sizes, kind))
    return Agreement(people, len(shared), _kappa(shared, kind, classes))


def _kappa(shared: Mapping[str, Sequence[Answer]], kind: Kind, classes: Sequence[str]) -> float | None:
    """The mean kappa of all pairs of people."""
    pairs: dict[tuple[str, str], list[tuple[Answer, Answer]]] = defaultdict(list)
    for each in shared.values():
        for one, other in combinations(sorted(each, key=lambda answer: answer.annotator), 2):
            pairs[one.annotator, other.annotator].append((one, other))
    found = []
    for both in pairs.values():
        sides = [
            np.array([[name in answer.labels for name in classes] for answer in side])
            for side in zip(*both, strict=True)
        ]
        if kind == "label":
            values = [cohens_kappa(*(side.argmax(axis=1) for side in sides))]
        else:
            values = [
                cohens_kappa(*(side[:, label].astype(np.intp) for side in sides)) for label in range(len(classes))
            ]
        known = [value for value in values if value is not None]
        if known:
            found.append((float(np.mean(known)), len(both)))
    if not found:
        return None
    kappas, images = np.array(found).T
    return float(np.average(kappas, weights=images))


def cohens_kappa(one: NDArray[np.intp], other: NDArray[np.intp]) -> float | None:
    """Cohen's kappa of two people's classes, (images,); None where both always chose the same single class."""
    count = int(max(one.max(), other.max())) + 1
    table = np.bincount(one * count + other, minlength=count * count).reshape(count, count) / len(one)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return None if chance >= 1 else (float(np.trace(table)) - chance) / (1 - chance)


def _of_objects(
    shared: Mapping[str, Sequence[Answer]], sizes: Mapping[str, tuple[int, int]], kind: Kind
) -> tuple[float | None, float | None]:
    """Mean overlap of what two people drew as one, and the share that both drew."""
    found: list[float] = []
    drawn = 0
    for image, each in shared.items():
        for one, other in combinations(each, 2):
            drawn += len(one.objects) + len(other.objects)
            found += _matched(one, other, kind, sizes[image])
    return (float(np.mean(found)) if found else None), (2 * len(found) / drawn if drawn else None)


def _matched(one: Answer, other: Answer, kind: Kind, size: tuple[int, int]) -> list[float]:
    """Overlaps of the objects that both drew, the largest first."""
    matrix = overlaps(one.objects, other.objects, kind, size)
    same = np.array([[a.label == b.label for b in other.objects] for a in one.objects], bool).reshape(matrix.shape)
    matrix = np.where(same, matrix, 0.0)
    found = []
    while matrix.size and matrix.max() >= SAME_FROM:
        i, j = np.unravel_index(matrix.argmax(), matrix.shape)
        found.append(float(matrix[i, j]))
        matrix[i, :] = matrix[:, j] = 0.0
    return found
