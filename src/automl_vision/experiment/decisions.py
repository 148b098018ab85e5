"""What a threshold on the scores decides, image by image: the tables behind the choice of an operating point.

The studio's page gets these tables once and computes from them what each position of its slider does; the functions
here define what it has to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.goals import Curve, Goal
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.operating import OperatingPoints, choose_operating_points
from automl_vision.experiment.evaluated import Evaluated

RIGHT, MISSED, WRONG = 0, 1, 2
"""States of an image: everything is found and nothing else is shown; something is missed, but nothing wrong is shown
(with one class per image: there is no answer); something wrong is shown."""


@dataclass(frozen=True)
class DecisionTable:
    """The answers of a model for some images, image by image, and what there was to find.

    Attributes:
        rows: (images,), of the dataset.
        candidates: answers with scores, ordered by image; its images are positions in `rows`.
    """

    rows: NDArray[np.intp]
    candidates: Candidates

    def states(self, thresholds: Floats) -> NDArray[np.int8]:
        """(images,), `RIGHT`, `MISSED` or `WRONG` at thresholds (classes,)."""
        images, shown = len(self.rows), self.candidates.shown(thresholds)
        right = np.bincount(shown.image[shown.right], minlength=images)
        wrong = np.bincount(shown.image[~shown.right], minlength=images)
        to_find = self.candidates.positives.sum(axis=1)
        return np.where(wrong > 0, WRONG, np.where(right < to_find, MISSED, RIGHT)).astype(np.int8)

    def confusion(self, thresholds: Floats) -> NDArray[np.intp]:
        """Counts (true class, answered class) at thresholds (classes,); the last column counts images without answer.

        Only for tables of one class per image.
        """
        classes = self.candidates.classes
        answered = np.full(len(self.rows), classes)
        shown = self.candidates.shown(thresholds)
        answered[shown.image] = shown.label
        truth = self.candidates.positives.argmax(axis=1)
        cells = np.bincount(truth * (classes + 1) + answered, minlength=classes * (classes + 1))
        return np.asarray(cells.reshape(classes, classes + 1))

    def outcomes(self, thresholds: Floats) -> NDArray[np.intp]:
        """(classes, 3): how many of each class are found, missed, and shown wrongly at thresholds (classes,)."""
        shown, classes = self.candidates.shown(thresholds), self.candidates.classes
        found = np.bincount(shown.label[shown.right], minlength=classes)
        wrong = np.bincount(shown.label[~shown.right], minlength=classes)
        return np.stack([found, self.candidates.positives.sum(axis=0) - found, wrong], axis=1)


@dataclass(frozen=True)
class DecisionTables:
    """Images to choose thresholds on, and others to show them on.

    Attributes:
        choose, show: of the images.
        chosen_on, shown_on: what these images are, in words.
        own: (classes,), the thresholds of the model itself.
    """

    choose: DecisionTable
    show: DecisionTable
    chosen_on: str
    shown_on: str
    own: Floats


def decision_tables(evaluated: Evaluated) -> DecisionTables:
    """The tables from which `Evaluated.operating_points` chooses and measures.

    Thresholds are chosen on the validation images and shown on the split; for the validation split itself, and where no
    validation images were predicted, one half of the split serves for the one and the other half for the other.
    """
    if evaluated.fitting is not evaluated.cases:
        rows = evaluated.predictions.of_split("val").rows
        choose = _table(rows, evaluated.fitting)
        show = _table(evaluated.rows, evaluated.cases)
        return DecisionTables(choose, show, "validation images", _images(evaluated), evaluated.fitting.score_thresholds)
    order = np.random.default_rng(0).permutation(len(evaluated.cases))  # the halves of `operating_points`
    middle = len(order) // 2
    parts = [np.sort(order[:middle]), np.sort(order[middle:])]
    tables = [_table(evaluated.rows[part], evaluated.cases.take(part)) for part in parts]
    words = _images(evaluated)
    return DecisionTables(
        tables[0], tables[1], f"half of the {words}", f"the other half of the {words}", evaluated.cases.score_thresholds
    )


def fixed_operating_points(evaluated: Evaluated, thresholds: Sequence[float], wanted: str = "") -> OperatingPoints:
    """What given thresholds do, in the form in which `set_operating_point` saves them.

    Args:
        evaluated: the predictions; the thresholds are measured on its split.
        thresholds: (classes,), in [0, 1]; an answer is shown at or above that of its class.
        wanted: why these, in words.

    Raises:
        ValueError: there are as many thresholds as classes, or one is not between 0 and 1.
    """
    classes = evaluated.dataset.classes
    if len(thresholds) != len(classes) or not all(0 <= value <= 1 for value in thresholds):
        raise ValueError(f"{len(classes)} thresholds between 0 and 1 are needed, one for each class")
    tables = decision_tables(evaluated)
    goals = [FixedThreshold(float(value)) for value in thresholds]
    parts = [AnswersWithThresholds(table.candidates, tables.own) for table in (tables.choose, tables.show)]
    found = choose_operating_points(parts[0], parts[1], goals, classes)
    return replace(found, split=evaluated.split, wanted=wanted or _words(thresholds))


@dataclass(frozen=True)
class FixedThreshold(Goal):
    """A threshold that was chosen by hand."""

    threshold: float

    @property
    def text(self) -> str:
        """In words."""
        return f"the threshold {self.threshold:g}"

    def choose(self, curve: Curve) -> float | None:  # noqa: ARG002 - nothing is to be chosen
        """The threshold."""
        return self.threshold


@dataclass(frozen=True)
class AnswersWithThresholds:
    """Candidates with the thresholds of the model."""

    candidates: Candidates
    score_thresholds: Floats


def _words(thresholds: Sequence[float]) -> str:
    if len(set(thresholds)) == 1:
        return f"the threshold {thresholds[0]:.4g}"
    return "thresholds that were chosen by class"


def _images(evaluated: Evaluated) -> str:
    return {"val": "validation images", "test": "test images"}.get(evaluated.split, f"{evaluated.split} images")


def _table(rows: NDArray[np.intp], cases: object) -> DecisionTable:
    candidates: Candidates = cases.candidates  # type: ignore[attr-defined]
    order = np.argsort(candidates.image, kind="stable")
    return DecisionTable(
        rows,
        Candidates(
            candidates.image[order],
            candidates.label[order],
            candidates.score[order],
            candidates.right[order],
            candidates.positives,
        ),
    )
