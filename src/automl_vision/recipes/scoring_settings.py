"""Which of a trial's hyperparameters decide how it is scored."""

from __future__ import annotations

from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.recipes.hyperparameters import DetectorHyperparameters, Hyperparameters


def scoring_settings(hyperparameters: Hyperparameters) -> ScoringSettings:
    """The scoring settings of a trial; the defaults for labels of whole images, which need none."""
    if not isinstance(hyperparameters, DetectorHyperparameters):
        return ScoringSettings()
    return ScoringSettings(
        iou=hyperparameters.validation_iou_threshold,
        score=hyperparameters.box_score_threshold,
        metrics=hyperparameters.validation_metric_type,
    )
