"""Decisions at every threshold: what ROC, precision-recall and threshold curves are drawn from."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.threads import map_in_order
from automl_vision.evaluation.chunks import THREADS
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.coco import OVERLAPS, coco_curves
from automl_vision.evaluation.detection import DetectionCases
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.weighted import mean_of_known, ratio

COCO_OVERLAPS = tuple(OVERLAPS.round(2).tolist())
"""The overlaps over which COCO averages."""

LabelCases = ClassificationCases | MultiLabelCases


@dataclass(frozen=True)
class ThresholdSweep:
    """What is decided when everything with at least a threshold's score is taken, for every distinct score.

    Attributes:
        thresholds: (n,), the distinct scores, highest first.
        right: (n,), number of cases taken that are true.
        taken: (n,), number of cases taken.
        positives: number of cases that are true, also those without a score.
        negatives: number of cases that are not true; 0 where they cannot be counted, as with objects.
    """

    thresholds: Floats
    right: Floats
    taken: Floats
    positives: int
    negatives: int

    @property
    def precision(self) -> Floats:
        """(n,), share of the cases taken that are true."""
        return ratio(self.right, self.taken)

    @property
    def recall(self) -> Floats:
        """(n,), share of the true cases that are taken; 0 if there are none."""
        return ratio(self.right, np.full_like(self.right, self.positives))

    @property
    def f1(self) -> Floats:
        """(n,), harmonic mean of precision and recall."""
        return ratio(2 * self.right, self.taken + self.positives)

    @property
    def false_positive_rate(self) -> Floats:
        """(n,), share of the cases that are not true that are taken."""
        return ratio(self.taken - self.right, np.full_like(self.right, self.negatives))

    @property
    def auc(self) -> float:
        """Area under the ROC curve; equal scores count half. NaN without both values."""
        wrong, found = self.taken - self.right, np.diff(self.right, prepend=0)
        above = wrong - np.diff(wrong, prepend=0) / 2
        pairs = self.positives * self.negatives
        return float((found * (self.negatives - above)).sum() / pairs) if pairs else math.nan

    @property
    def average_precision(self) -> float:
        """Area under the precision-recall curve in steps; NaN without positives."""
        steps = np.diff(self.right, prepend=0) * self.precision
        return float(steps.sum() / self.positives) if self.positives else math.nan

    def thinned(self, most: int) -> ThresholdSweep:
        """At most `most` of the thresholds, spread evenly over what is taken, with the first and the last one.

        Args:
            most: at least 2.
        """
        if len(self.thresholds) <= most:
            return self
        # the places at which the curve has gone a further part of its way, in true and in other cases alike
        others = self.taken - self.right
        way = self.right / max(self.right[-1], 1) + others / max(others[-1], 1)
        kept = np.unique(np.searchsorted(way, np.linspace(way[0], way[-1], most)).clip(0, len(way) - 1))
        return ThresholdSweep(self.thresholds[kept], self.right[kept], self.taken[kept], self.positives, self.negatives)


def sweep(scores: Floats, truth: NDArray[np.bool_], *, positives: int | None = None) -> ThresholdSweep:
    """Count the decisions at every distinct score; scores that are NaN are taken at no threshold.

    Args:
        scores: (cases,).
        truth: (cases,).
        positives: number of true cases, if some of them have no score; None if all have one.
    """
    known = np.isfinite(scores)
    order = np.argsort(-scores[known], kind="stable")
    ranked, right = scores[known][order], truth[known][order].cumsum(dtype=np.float64)
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) if len(ranked) else np.zeros(0, np.intp)
    total = int(truth.sum()) if positives is None else positives
    return ThresholdSweep(
        ranked[ends], right[ends], (ends + 1).astype(np.float64), total, int((~truth).sum()) if positives is None else 0
    )


@dataclass(frozen=True)
class ClassSweep:
    """One class against the others.

    Attributes:
        name: of the class.
        sweep: of its probabilities.
        auc: area under the ROC curve; NaN without both values.
        average_precision: NaN without positives.
    """

    name: str
    sweep: ThresholdSweep
    auc: float
    average_precision: float


def class_sweeps(cases: LabelCases, classes: tuple[str, ...], *, most: int = sys.maxsize) -> list[ClassSweep]:
    """Every class against the others, with the areas of `METRICS`.

    Args:
        cases: predictions beside their truth.
        classes: their names.
        most: thresholds that are kept of each.
    """

    def of_class(label: int) -> ClassSweep:
        whole = sweep(np.ascontiguousarray(cases.probabilities[:, label]), cases.onehot[:, label])
        return ClassSweep(classes[label], whole.thinned(most), whole.auc, whole.average_precision)

    return list(map_in_order(of_class, range(len(classes)), threads=THREADS, window=2 * THREADS))


def decision_sweep(cases: LabelCases | DetectionCases) -> ThresholdSweep:
    """All decisions at once: answers of classifiers, labels of multi-label classifiers, objects of detectors.

    A classifier answers with its most probable class, and recall is the share of the images whose answer is taken and
    right.
    """
    if isinstance(cases, DetectionCases):
        matches = cases.matches
        return sweep(
            matches.score[matches.counted], matches.right[matches.counted], positives=int(matches.positives.sum())
        )
    if isinstance(cases, MultiLabelCases):
        return sweep(cases.probabilities.ravel(), cases.onehot.ravel())
    return sweep(cases.probabilities.max(axis=1), cases.right, positives=len(cases))


def coco_precisions(cases: DetectionCases, levels: Sequence[int] = range(len(OVERLAPS))) -> Floats:
    """Precision at 101 recalls for some overlaps, (levels, 101): mean over the classes with objects, by COCO.

    NaN without objects.

    Args:
        cases: detections beside their truth.
        levels: positions in `COCO_OVERLAPS`; all of them unless some are named.
    """
    return mean_of_known(coco_curves(cases.coco, levels))
