"""What a metric is: its name, its direction and range, and one definition that holds for any weighting of the images.

Because a metric takes the images' weights, its value, its bootstrap interval and the paired test of two models all come
from the same definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_vision.core.late import load
from automl_vision.core.tasks import TASKS
from automl_vision.core.text import did_you_mean
from automl_vision.evaluation.intervals import RESAMPLES, Floats, Interval, percentile_interval
from automl_vision.evaluation.weighted import mean, mean_of_known, resample_weights, unit_weights


@dataclass(frozen=True)
class Metric:
    """One metric of a task.

    Attributes:
        name: as in reports and on the leaderboard.
        meaning: in a sentence.
        source: the library or paper that defines it.
        compute: takes the cases of a split, such as `ClassificationCases`, and weights (resamples, images) that say
            how often each image counts. Returns values (resamples,), NaN where the labels of the images leave it
            undefined, whatever finite numbers are predicted: a trial then ends at once.
        low, high: its range.
        higher_is_better: its direction.
        of_image: takes the cases and returns one value an image, (images,), where the metric is their mean.
        resamples: of its bootstrap; fewer for metrics that take long.
        closed_interval: takes one value an image and returns the interval of their mean by a formula, where one is
            better than the bootstrap.
        is_biased: whether resamples lie to one side of the value, as those of calibration errors do; its interval then
            comes from resamples that are shifted by their mean distance from the value.
    """

    name: str
    meaning: str
    source: str
    compute: Callable[[Any, Floats], Floats]
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True
    of_image: Callable[[Any], Floats] | None = None
    resamples: int = RESAMPLES
    closed_interval: Callable[[Floats], Interval] | None = None
    is_biased: bool = False

    @property
    def words(self) -> str:
        """The name as words, for sentences."""
        return self.name.replace("_", " ")

    @property
    def best(self) -> float:
        """The best value that it can have."""
        return self.high if self.higher_is_better else self.low

    def value(self, cases: Any) -> float:
        """Its value when each image counts once; NaN without images."""
        if not len(cases):
            return math.nan
        return float(self.compute(cases, unit_weights(len(cases)))[0])

    def resampled(self, cases: Any) -> Floats:
        """Its value on all images, then on each resample of them, (1 + resamples,); for intervals and paired tests."""
        return self.compute(cases, resample_weights(len(cases), self.resamples))

    def interval(self, cases: Any, resampled: Floats | None = None) -> Interval:
        """Its value with a 95 % interval, from resamples that are made here unless they are given."""
        if not len(cases):
            return Interval(math.nan, math.nan, math.nan)
        if self.closed_interval is not None and self.of_image is not None:
            return self.closed_interval(self.of_image(cases))
        return self.interval_of(self.resampled(cases) if resampled is None else resampled)

    def interval_of(self, values: Floats) -> Interval:
        """The interval of its values on all images, then on each resample of them, (1 + resamples,)."""
        if self.is_biased:
            shifted = np.clip(values[1:] - (mean_of_known(values[1:]) - values[0]), self.low, self.high)
            values = np.append(values[0], shifted)
        return percentile_interval(values)

    def score(self, value: float) -> float:
        """A value as a score, of which higher is better; the score of a score is the value."""
        return value if self.higher_is_better else -value


def mean_metric(name: str, meaning: str, source: str, of_image: Callable[[Any], Floats], **fields: Any) -> Metric:
    """A metric that is the mean of one value an image; the arguments are the fields of `Metric`."""

    def compute(cases: Any, weights: Floats) -> Floats:
        return mean(of_image(cases), weights)

    return Metric(name, meaning, source, compute, of_image=of_image, **fields)


def values_of(metrics: Iterable[Metric], cases: Any) -> dict[str, float]:
    """The values of some metrics by name, when each image counts once; NaN where one is undefined."""
    return {metric.name: metric.value(cases) for metric in metrics}


def by_name(*metrics: Metric) -> dict[str, Metric]:
    """A table of metrics."""
    return {metric.name: metric for metric in metrics}


def metrics_of(task: str) -> Mapping[str, Metric]:
    """The metrics of a task by name, in the order in which reports list them.

    Args:
        task: the product's name of the task.
    """
    table: Mapping[str, Metric] = load(TASKS[task].scoring).METRICS
    return table


def find_metric(task: str, name: str) -> Metric:
    """A metric of a task.

    Raises:
        ValueError: the task has no such metric; the message names the nearest one.
    """
    metrics = metrics_of(task)
    if name not in metrics:
        raise ValueError(
            f'"{name}" is no metric of {task}.{did_you_mean(name, metrics)} Choose from: {", ".join(metrics)}'
        )
    return metrics[name]
