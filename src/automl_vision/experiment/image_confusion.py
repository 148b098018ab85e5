"""What a model takes for what, as a table: of classes, of objects with the background, or of labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.classification import ClassificationCases, confusion_matrix
from automl_vision.evaluation.confusion import object_confusion
from automl_vision.evaluation.detection import DetectionCases
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.image_cases import NO_OBJECT, NOT_FOUND


@dataclass(frozen=True)
class Pair:
    """How often one class is taken for another, and how often the true one occurs."""

    true: str
    predicted: str
    count: int
    of: int


@dataclass(frozen=True)
class LabelCounts:
    """In how many images a label is found, missed, and predicted wrongly."""

    label: str
    found: int
    missed: int
    wrong: int


@dataclass(frozen=True)
class ConfusionTable:
    """What is taken for what.

    Attributes:
        rows, columns: names of true and of predicted classes.
        matrix: counts (true, predicted); None with many labels per image.
        outcomes: with many labels per image, those of each label.
        noun: what is counted, in the singular.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: NDArray[np.intp] | None
    outcomes: tuple[LabelCounts, ...] = ()
    noun: str = "image"

    def pairs(self, most: int) -> list[Pair]:
        """The cells beside the diagonal that count most, the fullest first.

        Args:
            most: how many.
        """
        if self.matrix is None:
            return []
        beside = self.matrix - np.diag(np.diag(self.matrix))
        order = np.argsort(-beside, axis=None, kind="stable")[: min(most, int((beside > 0).sum()))]
        cells = zip(*(axis.tolist() for axis in np.unravel_index(order, beside.shape)), strict=True)
        totals = self.matrix.sum(axis=1).tolist()
        return [Pair(self.rows[a], self.columns[b], int(beside[a, b]), totals[a]) for a, b in cells]


def confusion_of(evaluated: Evaluated) -> ConfusionTable:
    """The confusion of a split; objects are matched at the operating threshold."""
    cases, classes = evaluated.cases, evaluated.dataset.classes
    if isinstance(cases, ClassificationCases):
        return ConfusionTable(classes, classes, confusion_matrix(cases))
    if isinstance(cases, DetectionCases):
        return ConfusionTable((*classes, NO_OBJECT), (*classes, NOT_FOUND), object_confusion(cases), noun="object")
    right, predicted, true = (
        table.sum(axis=0).tolist() for table in (cases.predicted & cases.onehot, cases.predicted, cases.onehot)
    )
    outcomes = [
        LabelCounts(name, found, there - found, said - found)
        for name, found, said, there in zip(classes, right, predicted, true, strict=True)
    ]
    return ConfusionTable(classes, classes, None, tuple(outcomes))
