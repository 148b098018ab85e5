"""Saving decisions into a packaged model: thresholds, a cost matrix, calibrated scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from automl_vision.core.errors import ModelFolderError
from automl_vision.evaluation.operating import OperatingPoints
from automl_vision.experiment.trial import Trial
from automl_vision.serving.card import write_card
from automl_vision.serving.model_folder import ModelDescription, OperatingPoint
from automl_vision.workspace.run_folder import RunFolder


def set_operating_point(trial: Trial, points: OperatingPoints | None, model_folder: str | Path | None = None) -> Path:
    """Save operating points of a trial into its packaged model; the predictor then decides by them.

    `model.json` and `card.md` are each replaced as a whole. Copies of the folder, such as a registered model, stay as
    they are.

    Args:
        trial: that the points were chosen for.
        points: of `Evaluated.operating_points`; None returns to the model's own thresholds.
        model_folder: of the model; None for that of the trial's run.

    Returns:
        The model folder.

    Raises:
        ModelFolderError: the folder is not a usable model folder, or the model of another trial.
    """
    run = RunFolder(trial.path.parents[1])
    folder = run.model if model_folder is None else Path(model_folder)
    description = ModelDescription.load(folder)
    made_of = (description.provenance.get("run"), description.provenance.get("trial"))
    if made_of != (run.id, trial.number):
        raise ModelFolderError(
            f"{folder} is not the model of trial {trial.number} of run {run.id}, whose thresholds these are; "
            + (
                f"it is that of trial {made_of[1]} of run {made_of[0]}"
                if None not in made_of
                else "it does not say which trial it was made of"
            )
        )
    if points is not None and len(points.classes) != len(description.classes):
        raise ModelFolderError(
            f"{folder} has {len(description.classes)} classes, and {len(points.classes)} have thresholds here"
        )
    description = replace(description, operating_point=None if points is None else _saved(points))
    description.save(folder)
    write_card(description, folder)
    return folder


def _saved(points: OperatingPoints) -> OperatingPoint:
    """The operating point as a model folder keeps it."""
    return OperatingPoint(
        wanted=points.wanted,
        thresholds=points.thresholds,
        costs=points.costs,
        score_map=points.score_map,
        fitted_on=points.fitted_on,
        measured=_measured(points),
    )


def _measured(points: OperatingPoints) -> dict[str, Any]:
    """What was measured, as JSON values; a figure that is not known is left out."""

    def figures(**intervals: Any) -> dict[str, Any]:
        return {name: interval.to_json() for name, interval in intervals.items() if interval.low == interval.low}

    return {
        "split": points.split,
        "images": points.images,
        **figures(precision=points.overall.precision, recall=points.overall.recall, answered=points.answered),
        "classes": {
            point.label: {
                **figures(precision=point.precision, recall=point.recall),
                "shown": point.shown,
                "positives": point.positives,
            }
            for point in points.classes
        },
        "sentences": list(points.sentences),
    }
