"""Two trials on the same images: the paired test, and the images that only one of them gets right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.evaluation.mistakes import find_mistakes
from automl_vision.evaluation.paired import Comparison, comparable, compare
from automl_vision.experiment.evaluated import Evaluated


@dataclass(frozen=True)
class Compared:
    """Two trials on the same images.

    Attributes:
        metric: name of the metric that the test is of.
        comparison: second minus first.
        only_first: paths of the images without a mistake of the first trial and with one of the second.
        only_second: likewise, the other way round.
        both: how many images both get right.
        neither: how many both get wrong.
    """

    metric: str
    comparison: Comparison
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    both: int
    neither: int


def compare_trials(first: Evaluated, second: Evaluated, metric: str | None = None) -> Compared:
    """Compare two trials, of the same run or of two.

    Args:
        first, second: of the same split of the same dataset.
        metric: name; None for the primary one of the first trial.

    Raises:
        DataError: the trials were not evaluated on the same images with the same labels.
        ValueError: the task has no such metric.
    """
    same = np.array_equal(first.rows, second.rows) and first.dataset.fingerprint == second.dataset.fingerprint
    if not same:
        raise DataError(
            f"the {first.split} images of the two trials or their labels differ, so they cannot be compared"
        )
    used = first.metric(metric)
    found = compare(comparable(used, first.cases), comparable(used, second.cases))
    assert found is not None, "one metric on the same images can be compared"
    right = [_right(first), _right(second)]
    images = first.dataset.table["image"].take(first.rows).to_pylist()
    return Compared(
        used.name,
        found,
        only_first=tuple(images[i] for i in np.flatnonzero(right[0] & ~right[1]).tolist()),
        only_second=tuple(images[i] for i in np.flatnonzero(right[1] & ~right[0]).tolist()),
        both=int((right[0] & right[1]).sum()),
        neither=int((~right[0] & ~right[1]).sum()),
    )


def _right(evaluated: Evaluated) -> np.ndarray:
    """(images,), bool: whether a trial makes no mistake in each image."""
    right = np.ones(len(evaluated.rows), bool)
    right[[mistake.image for mistake in find_mistakes(evaluated.cases, evaluated.dataset.classes)]] = False
    return right
