"""The table of scorings by task."""

from __future__ import annotations

from typing import Any

from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.scoring.classification import ClassificationScoring
from automl_vision.evaluation.scoring.detection import DetectionScoring
from automl_vision.evaluation.scoring.multi_label import MultiLabelScoring
from automl_vision.evaluation.scoring.scoring import Scoring, ScoringSettings
from automl_vision.evaluation.scoring.segmentation import SegmentationScoring

SCORINGS: dict[str, type[Scoring[Any]]] = {
    CLASSIFICATION: ClassificationScoring,
    MULTI_LABEL: MultiLabelScoring,
    OBJECT_DETECTION: DetectionScoring,
    INSTANCE_SEGMENTATION: SegmentationScoring,
}


def create_scoring(task: str, dataset: Dataset, settings: ScoringSettings | None = None) -> Scoring[Any]:
    """The scoring of a task on a dataset.

    Args:
        task: the product's name of the task.
        dataset: with labels.
        settings: for detectors; None for the defaults.
    """
    return SCORINGS[task](dataset, settings or ScoringSettings())
