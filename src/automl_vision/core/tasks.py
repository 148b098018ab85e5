"""The table of tasks: everything that other rooms need to know of a task stands in its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from automl_vision.core.text import did_you_mean

Kind = Literal["label", "labels", "boxes", "masks"]
"""What annotations are: one class per image, any number of classes per image, boxes, or boxes with masks."""


@dataclass(frozen=True)
class TaskInfo:
    """One task.

    Attributes:
        name: the product's name.
        title: the name in a sentence.
        kind: of the annotations that the task is trained on.
        labels_objects: whether labels belong to objects, not to whole images.
        primary_metric: ranks trials unless the user names another; the first of the METRICS of its scoring.
        default_model: the algorithm when none is named.
        training: `module:class` of its training side, a `tasks.task.Task`.
        scoring: `module:class` of its metrics and reports, an `evaluation.scoring.scoring.Scoring`.
        deployment: `module:class` of its deployed form, a `recipes.deployment.Deployment`.
        aliases: other accepted names.
    """

    name: str
    title: str
    kind: Kind
    labels_objects: bool
    primary_metric: str
    default_model: str
    training: str
    scoring: str
    deployment: str
    aliases: tuple[str, ...] = ()

    @property
    def one_label(self) -> bool:
        """Whether each image has exactly one class."""
        return self.kind == "label"

    @property
    def needs_masks(self) -> bool:
        """Whether objects without a mask are of no use."""
        return self.kind == "masks"

    @property
    def noun(self) -> str:
        """What is labelled, in the singular."""
        return "object" if self.labels_objects else "label"


CLASSIFICATION = "image-classification"
MULTI_LABEL = "image-classification-multi-label"
OBJECT_DETECTION = "image-object-detection"
INSTANCE_SEGMENTATION = "image-instance-segmentation"

TASKS: dict[str, TaskInfo] = {}
"""The tasks by name, in the order in which they are listed."""


def register_task(task: TaskInfo) -> TaskInfo:
    """Add a task to the table."""
    TASKS[task.name] = task
    return task


register_task(
    TaskInfo(
        name=CLASSIFICATION,
        title="image classification",
        kind="label",
        labels_objects=False,
        primary_metric="accuracy",
        default_model="efficientnet_lite0",
        training="automl_vision.tasks.classification:ClassificationTask",
        scoring="automl_vision.evaluation.scoring.classification:ClassificationScoring",
        deployment="automl_vision.recipes.deployment:ClassificationDeployment",
    )
)
register_task(
    TaskInfo(
        name=MULTI_LABEL,
        title="multi-label classification",
        kind="labels",
        labels_objects=False,
        primary_metric="iou",
        default_model="efficientnet_lite0",
        training="automl_vision.tasks.multi_label:MultiLabelTask",
        scoring="automl_vision.evaluation.scoring.multi_label:MultiLabelScoring",
        deployment="automl_vision.recipes.deployment:MultiLabelDeployment",
        aliases=("image-multi-labeling",),
    )
)
register_task(
    TaskInfo(
        name=OBJECT_DETECTION,
        title="object detection",
        kind="boxes",
        labels_objects=True,
        primary_metric="mean_average_precision",
        default_model="fasterrcnn_efficientnet_lite0_fpn",
        training="automl_vision.tasks.detection:DetectionTask",
        scoring="automl_vision.evaluation.scoring.detection:DetectionScoring",
        deployment="automl_vision.recipes.deployment:DetectionDeployment",
    )
)
register_task(
    TaskInfo(
        name=INSTANCE_SEGMENTATION,
        title="instance segmentation",
        kind="masks",
        labels_objects=True,
        primary_metric="mean_average_precision",
        default_model="maskrcnn_efficientnet_lite0_fpn",
        training="automl_vision.tasks.segmentation:SegmentationTask",
        scoring="automl_vision.evaluation.scoring.segmentation:SegmentationScoring",
        deployment="automl_vision.recipes.deployment:SegmentationDeployment",
    )
)


def normalize_task(name: str) -> str:
    """Return the product's name of a task that is given by its name or an alias.

    Raises:
        ValueError: no task has this name; the message names the nearest one.
    """
    for task in TASKS.values():
        if name == task.name or name in task.aliases:
            return task.name
    raise ValueError(f'no task is named "{name}".{did_you_mean(name, TASKS)} Tasks: {", ".join(TASKS)}')


def task_of_kind(kind: Kind) -> TaskInfo:
    """Return the first task that is trained on annotations of a kind."""
    return next(task for task in TASKS.values() if task.kind == kind)


def has_objects(task: str) -> bool:
    """Return whether a task's labels belong to objects, not to whole images."""
    return TASKS[task].labels_objects
