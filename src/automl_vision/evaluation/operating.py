"""Operating points: from which score an answer is shown, chosen on some images and shown on others.

What precision and recall mean, by task, is the same everywhere: of the answers that are shown the share that is right,
and of what there was to find the share that is answered right.

| task | an answer | below the threshold |
| --- | --- | --- |
| one class per image | the class with the highest probability | there is no answer |
| many labels per image | each label | the label is not predicted |
| objects | each detection, right by Pascal VOC's rule at the trial's overlap | the object is not shown |

With one class per image this is selective prediction (Geifman and El-Yaniv 2017): precision is the accuracy of what is
answered, recall the share of all images that are answered right, and `answered` the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.score_map import ScoreMap
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.goals import NOTHING, Curve, Goal, LeastCost
from automl_vision.evaluation.intervals import (
    Floats,
    Interval,
    clustered_interval,
    percentile_interval,
)
from automl_vision.evaluation.weighted import mean, resample_weights


class _Cases(Protocol):
    """What the cases of each task have."""

    @property
    def candidates(self) -> Candidates: ...

    @property
    def score_thresholds(self) -> Floats: ...


@dataclass(frozen=True)
class OperatingClass:
    """What one class does at its threshold, on images that the threshold was not chosen on.

    Attributes:
        label: its name; "all" for all classes together.
        threshold: an answer is shown at or above it; None for all classes where each has its own.
        precision, recall: with intervals over images; NaN where nothing is shown, or nothing was to find.
        shown: number of answers.
        positives: number that there were to find.
        is_chosen: whether a threshold met what was wanted on the images that it was chosen on.
        sentence: what to know of it; empty if there is nothing.
    """

    label: str
    threshold: float | None
    precision: Interval
    recall: Interval
    shown: int
    positives: int
    is_chosen: bool
    sentence: str


@dataclass(frozen=True)
class OperatingPoints:
    """Thresholds that were chosen on some images, and what they do on others.

    Attributes:
        wanted: in words.
        fitted_on: number of images that the thresholds were chosen on; 0 for a cost matrix, which needs none.
        images: number of images that they are measured on.
        overall: of all classes together.
        classes: of each class, in the model's order.
        answered: share of the images with any answer.
        cost_before, cost_after: mean cost per image of the model's own decisions and of these; None unless wanted.
        costs: (true class, predicted class) when a cost matrix decides, else empty.
        score_map: what the thresholds' scores were mapped by; None for the detector's own scores.
        split: of the images that they are measured on.
    """

    wanted: str
    fitted_on: int
    images: int
    overall: OperatingClass
    classes: tuple[OperatingClass, ...]
    answered: Interval
    cost_before: Interval | None = None
    cost_after: Interval | None = None
    costs: tuple[tuple[float, ...], ...] = ()
    score_map: ScoreMap | None = None
    split: str = ""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """(classes,)."""
        return tuple(float(point.threshold or 0.0) for point in self.classes)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What to know of the whole and of each class."""
        told = [f"{point.label}: {point.sentence}" for point in (self.overall, *self.classes) if point.sentence]
        before, after = self.cost_before, self.cost_after
        if before is not None and after is not None and after.value > before.value:
            told.insert(0, f"on these images the model's own decisions cost less: {before.value:.4f} per image")
        return tuple(told)

    @property
    def text(self) -> str:
        """The whole in a few lines."""
        chosen = f"chosen on {self.fitted_on} images, " if self.fitted_on else ""
        lines = [
            f"wanted is {self.wanted}; {chosen}measured on {self.images} {self.split} images",
            f"precision  {self.overall.precision.text(4)}",
            f"recall     {self.overall.recall.text(4)}",
            f"answered   {self.answered.text(4)} of the images have an answer",
        ]
        if self.cost_before is not None and self.cost_after is not None:
            lines.append(f"cost       {self.cost_after.text(4)} per image, {self.cost_before.text(4)} before")
        if self.score_map is not None:
            lines.append(f"scores     calibrated ({self.score_map.words})")
        return "\n".join(lines)


def choose_operating_points(
    fitted: _Cases,
    measured: _Cases,
    goals: Sequence[Goal],
    classes: tuple[str, ...],
    *,
    per_class: bool = True,
    score_map: ScoreMap | None = None,
) -> OperatingPoints:
    """Choose thresholds on some images and measure them on others.

    A class for which no threshold does what is wanted keeps that of the model, and says so.

    Args:
        fitted: images that thresholds are chosen on.
        measured: images that they are measured on; none of them may be in `fitted`.
        goals: of each class; all the same without `per_class`.
        classes: their names.
        per_class: whether each class has its own threshold.
        score_map: what scores are mapped by before.

    Raises:
        ValueError: the classes' goals differ, and there shall be one threshold for all.
    """
    if not per_class and len(set(goals)) > 1:
        raise ValueError("one threshold for all classes needs the same costs for all of them")
    own, choose_on, measure_on = fitted.score_thresholds, fitted.candidates, measured.candidates
    if score_map is not None:
        own = score_map(own, np.arange(len(classes)))
        choose_on, measure_on = choose_on.mapped(score_map), measure_on.mapped(score_map)
    chosen = _by_class(choose_on, goals) if per_class else [_threshold(choose_on, goals[0])] * len(classes)
    thresholds = np.array([o if c is None else c for o, c in zip(own.tolist(), chosen, strict=True)])
    to_find = choose_on.positives.sum(axis=0, dtype=int).tolist()
    unmet = [
        ""
        if c is not None
        else f"{goal.text} cannot be had on the {len(choose_on)} images that thresholds are chosen "
        f"on, with {count} to find; it keeps {threshold:.3g}"
        for c, goal, count, threshold in zip(chosen, goals, to_find, thresholds.tolist(), strict=True)
    ]
    shown = measure_on.shown(thresholds)
    points = _points(shown, goals, classes, thresholds, unmet)
    overall = _point("all", None if per_class else float(thresholds[0]), shown, goals[0])
    costs = [goal for goal in goals if isinstance(goal, LeastCost)]
    before, after = (
        _mean_cost(_costs_of_images(part, costs)) if costs else None for part in (measure_on.shown(own), shown)
    )
    wanted = goals[0].text if len(set(goals)) == 1 else "the least cost, with costs by class"
    return OperatingPoints(
        wanted=wanted,
        fitted_on=len(choose_on),
        images=len(measure_on),
        overall=overall,
        classes=points,
        answered=_answered(shown),
        cost_before=before,
        cost_after=after,
        score_map=score_map,
    )


def decide_by_cost(measured: ClassificationCases, matrix: Floats, classes: tuple[str, ...]) -> OperatingPoints:
    """Answer the class of the least expected cost under the calibrated probabilities (Bayes' decision).

    Args:
        measured: the images that it is measured on.
        matrix: (true class, predicted class), costs.
        classes: their names.
    """
    decided = (measured.probabilities @ matrix).argmin(axis=1)
    shown = measured.decided(np.asarray(decided))
    goals = [LeastCost()] * len(classes)
    return OperatingPoints(
        wanted="the least expected cost by a cost matrix",
        fitted_on=0,
        images=len(measured),
        overall=_point("all", None, shown, goals[0]),
        classes=_points(shown, goals, classes, np.zeros(len(classes)), [""] * len(classes)),
        answered=_answered(shown),
        cost_before=_mean_cost(matrix[measured.truth, measured.predicted]),
        cost_after=_mean_cost(matrix[measured.truth, decided]),
        costs=tuple(map(tuple, matrix.tolist())),
    )


def _threshold(candidates: Candidates, goal: Goal) -> float | None:
    """One threshold for all classes."""
    return goal.choose(Curve.of(candidates.score, candidates.right, int(candidates.positives.sum())))


def _by_class(candidates: Candidates, goals: Sequence[Goal]) -> list[float | None]:
    """A threshold for each class."""
    positives = candidates.positives.sum(axis=0, dtype=int).tolist()
    return [
        goal.choose(Curve.of(candidates.score[mine], candidates.right[mine], count))
        for goal, mine, count in zip(goals, _members(candidates), positives, strict=True)
    ]


def _members(candidates: Candidates) -> list[NDArray[np.intp]]:
    """The positions of each class's answers."""
    order = np.argsort(candidates.label, kind="stable")
    return np.split(order, np.searchsorted(candidates.label[order], np.arange(1, candidates.classes)))


def _points(
    shown: Candidates, goals: Sequence[Goal], classes: tuple[str, ...], thresholds: Floats, unmet: Sequence[str]
) -> tuple[OperatingClass, ...]:
    members = _members(shown)
    points = []
    for label, name in enumerate(classes):
        mine = members[label]
        part = Candidates(
            shown.image[mine], shown.label[mine], shown.score[mine], shown.right[mine],
            shown.positives[:, label : label + 1],
        )  # fmt: skip
        points.append(_point(name, float(thresholds[label]), part, goals[label], unmet[label]))
    return tuple(points)


def _point(label: str, threshold: float | None, shown: Candidates, goal: Goal, unmet: str = "") -> OperatingClass:
    images = len(shown)
    right = np.bincount(shown.image[shown.right], minlength=images).astype(float)
    answers = np.bincount(shown.image, minlength=images).astype(float)
    precision = clustered_interval(right, answers)
    recall = clustered_interval(right, shown.positives.sum(axis=1).astype(float))
    return OperatingClass(
        label=label,
        threshold=threshold,
        precision=precision,
        recall=recall,
        shown=len(shown.score),
        positives=int(shown.positives.sum()),
        is_chosen=not unmet,
        sentence=unmet or _verdict(goal, {"precision": precision, "recall": recall}, threshold, len(shown.score)),
    )


def _verdict(goal: Goal, figures: dict[str, Interval], threshold: float | None, shown: int) -> str:
    """Whether the images that the threshold was not chosen on bear out what was wanted; empty if nothing is to say."""
    if isinstance(goal, LeastCost) and threshold == NOTHING:
        return "to show nothing of it costs least"
    if goal.figure not in figures:
        return ""
    found, wanted = figures[goal.figure], f"the wanted {goal.figure} of {goal.value:g}"
    if np.isnan(found.value):
        return f"{wanted} cannot be checked: " + ("nothing is shown" if not shown else "there was nothing to find")
    if found.low >= goal.value:
        return ""
    if found.high < goal.value:
        return f"{wanted} is missed: {found.text(3)}"
    return f"{wanted} is not proven: {found.text(3)}"


def _answered(shown: Candidates) -> Interval:
    images = len(shown)
    return clustered_interval(np.bincount(np.unique(shown.image), minlength=images).astype(float), np.ones(images))


def _costs_of_images(shown: Candidates, goals: Sequence[LeastCost]) -> Floats:
    """(images,), the cost of what is wrongly shown and of what is missed."""
    false, missed = (np.array([getattr(goal, name) for goal in goals]) for name in ("false", "missed"))
    change = np.where(shown.right, -missed[shown.label], false[shown.label])
    return np.asarray(shown.positives @ missed + np.bincount(shown.image, change, minlength=len(shown)))


def _mean_cost(costs: Floats) -> Interval:
    if not len(costs):
        return Interval(float("nan"), float("nan"), float("nan"))
    return percentile_interval(mean(costs, resample_weights(len(costs))))
