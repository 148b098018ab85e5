"""Which of a trial's hyperparameters decide how it is scored."""

from __future__ import annotations

from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.recipes.hyperparameters import DetectorHyperparameters, Hyperparameters


def scoring_settings(hyperparameters: Hyperparameters, primary_metric: str | None = None) -> ScoringSettings:
    """The scoring settings of a trial.

    Args:
        hyperparameters: of the trial; only those of detectors decide anything.
        primary_metric: ranks epochs and trials; None for the task's own.
    """
    if not isinstance(hyperparameters, DetectorHyperparameters):
        return ScoringSettings(primary_metric)
    return ScoringSettings(
        primary_metric,
        iou=hyperparameters.validation_iou_threshold,
        score=hyperparameters.box_score_threshold,
        metrics=hyperparameters.validation_metric_type,
    )
