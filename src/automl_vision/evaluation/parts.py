"""A metric on parts of the images: on the images of a part in each resample of all images.

Everything that looks at parts, of one model or of two, is resampled by this one rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import Floats, Interval
from automl_vision.evaluation.metric import Metric
from automl_vision.evaluation.weighted import ratio, resample_weights, sums_by_class


@dataclass(frozen=True)
class Part:
    """A metric on a part of the images.

    Attributes:
        resampled: (1 + resamples,), on the part of all images, then of each resample; NaN where that has none of it.
        interval: of the metric on the part.
    """

    resampled: Floats
    interval: Interval


def on_parts(
    cases: Any, metric: Metric, part: NDArray[np.intp], chosen: Sequence[int], *, outside: bool = False
) -> list[Part]:
    """A metric on some of the parts that images are divided into.

    Args:
        cases: predictions beside their truth; with `take`.
        metric: of the task.
        part: (images,), the number of each image's part, from 0.
        chosen: the numbers of parts, none of which is empty or holds all images.
        outside: whether the metric is that of all images that are not in the part.
    """
    weights = resample_weights(len(cases), metric.resamples)
    values = None if metric.of_image is None else metric.of_image(cases)
    if values is None or not np.isfinite(values).all():
        masks = ((part == number) ^ outside for number in chosen)
        return [_of_cases(cases.take(np.flatnonzero(mine)), metric, weights[:, mine]) for mine in masks]
    parts = int(part.max(initial=-1)) + 1
    sums, counts = (sums_by_class(each, part, parts) for each in (weights * values, weights))
    if outside:
        sums, counts = (each.sum(axis=1, keepdims=True) - each for each in (sums, counts))
    means = ratio(sums, counts, otherwise=np.nan)
    found = []
    for number in chosen:
        resampled = np.ascontiguousarray(means[:, number])
        if metric.closed_interval is None:
            interval = metric.interval_of(resampled)
        else:
            interval = metric.closed_interval(values[(part == number) ^ outside])
        found.append(Part(resampled, interval))
    return found


def _of_cases(cases: Any, metric: Metric, weights: Floats) -> Part:
    """The metric on the images of one part, with their weights in each resample of all images."""
    some = weights.any(axis=1)
    resampled = np.full(len(weights), np.nan)
    resampled[some] = metric.compute(cases, weights[some])
    return Part(resampled, metric.interval(cases, resampled))
