"""Whether enough of a dataset can be used to train on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import MAX_BAD_SHARE
from automl_vision.data.report import Problem
from automl_vision.data.split_names import LEFT_OUT

MIN_IMAGES = 10
_EXAMPLES = 5  # problems that an error message lists, each kind of sentence once
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def require_usable(dataset: Dataset, *, max_bad_share: float = MAX_BAD_SHARE) -> None:
    """Raise unless a dataset has enough images, enough classes and few enough bad records.

    Args:
        dataset: to look at.
        max_bad_share: maximum fraction of images, and of objects, that may have been left out, 0 to 1.

    Raises:
        DataError: fewer than 10 usable images, fewer than 2 classes to choose from, no label at all, or more than
            `max_bad_share` of the images or of the objects left out.
    """
    report = dataset.report
    examples = _examples(report.problems)
    for noun, (bad, total) in report.left_out.items():
        if total and bad / total > max_bad_share:
            raise DataError(
                f"{bad:,} of {total:,} {noun} cannot be used ({bad / total:.0%}); at most {max_bad_share:.0%} are "
                f"allowed (max_bad_share):{examples}"
            )
    usable = dataset.splits != LEFT_OUT
    if usable.sum() < MIN_IMAGES:
        raise DataError(f"at least {MIN_IMAGES} usable labelled images are needed, {int(usable.sum())} found{examples}")
    counts = dataset.labelled.rows(usable).counts.tolist()
    classes = [name for name, count in zip(dataset.classes, counts, strict=True) if count]
    if TASKS[dataset.task].one_label and len(classes) < 2:
        raise DataError(f"at least 2 classes are needed, found only: {', '.join(classes) or 'none'}")
    if not classes:
        noun = TASKS[dataset.task].noun
        raise DataError(f"at least 1 {noun} is needed, but no image has any{examples}")


def _examples(problems: Sequence[Problem]) -> str:
    """The first problems of different sentences, each with the number of those that differ only in a number."""
    alike: dict[str, list[Problem]] = {}
    for problem in problems:
        alike.setdefault(_NUMBER.sub("#", problem.reason), []).append(problem)
    shown = [(found[0], len(found) - 1) for found in list(alike.values())[:_EXAMPLES]]
    return "".join(
        f"\n  - {problem.place}: {problem.reason}{f' (and {more:,} more like this)' if more else ''}"
        for problem, more in shown
    )
