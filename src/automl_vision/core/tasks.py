"""The tasks and their primary metrics."""

from __future__ import annotations

from automl_vision.core.text import did_you_mean

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
