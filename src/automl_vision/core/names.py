"""Messages for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give ` Did you mean "x"?` for the nearest known name, or an empty string when none is near."""
    by_lower = {other.lower(): other for other in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f' Did you mean "{by_lower[matches[0]]}"?' if matches else ""


CLASSIFICATION = "image-classification"
MULTI_LABEL = "image-classification-multi-label"
OBJECT_DETECTION = "image-object-detection"
INSTANCE_SEGMENTATION = "image-instance-segmentation"

TASKS = (CLASSIFICATION, MULTI_LABEL, OBJECT_DETECTION, INSTANCE_SEGMENTATION)
PRIMARY_METRICS = {
    CLASSIFICATION: ("accuracy",),
    MULTI_LABEL: ("iou",),
    OBJECT_DETECTION: ("mean_average_precision",),
    INSTANCE_SEGMENTATION: ("mean_average_precision",),
}
"""The metrics that can rank trials of a task, the default first; for all of them more is better."""

_TASK_ALIASES = {"image-multi-labeling": MULTI_LABEL}


def normalize_task(name: str) -> str:
    """The product's name of a task.

    Raises:
        ValueError: no task has this name; the message names the nearest one.
    """
    name = _TASK_ALIASES.get(name, name)
    if name not in TASKS:
        raise ValueError(f'no task is named "{name}".{did_you_mean(name, TASKS)} Tasks: {", ".join(TASKS)}')
    return name
