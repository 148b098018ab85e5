"""Where a training begins: from the champion's weights, from the start weights, or from both under one budget."""

from __future__ import annotations

from typing import Any, Literal

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.experiment.trial_settings import trial_settings
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.definition import PipelineDefinition
from automl_vision.workspace.model_version import ModelVersion

Start = Literal["champion", "start"]

_OF_THE_START = ("checkpoint_run_id", "checkpoint_filename", "split_ratio")
_SEARCHES = ("hyperparameter_sampling", "sampling", "policy", "early_termination_policy")


def planned_starts(context: PipelineContext) -> tuple[list[Start], str]:
    """With which weights to begin, and a sentence where the champion's cannot be had.

    Without a champion there are only the start weights.
    """
    champion, wanted = context.champion(), context.definition.retraining
    if champion is None or wanted == "start":
        return ["start"], ""
    problem = _not_continued(context, champion)
    if problem is not None:
        return ["start"], f"training begins with the start weights only: {problem}"
    return (["champion"] if wanted == "champion" else ["champion", "start"]), ""


def _not_continued(context: PipelineContext, champion: ModelVersion) -> str | None:
    """Why a run cannot begin with the champion's weights, or None."""
    run = champion.lineage.run
    if not run:
        return f"it is not known which run made {champion}"
    try:
        folder = context.workspace.run_folder(run)
    except AutoMLVisionError:
        return f"run {run} of {champion} is not in this workspace"
    return None if folder.model.exists() else f"run {run} of {champion} has no model any more"


def plan_start(context: PipelineContext, start: Start, champion: str, spent: float, left: int) -> dict[str, Any]:
    """The settings of a run that the pipeline's training does not have.

    A run from the champion's weights has the champion's algorithm and settings, and is one trial. Each of the runs that
    are left gets the same part of what is left of the budget.

    Args:
        context: of the pipeline.
        start: whose weights it begins with.
        champion: version that was the champion when the training began.
        spent: seconds that the runs before it took.
        left: how many runs are to come, this one included.
    """
    definition = context.definition
    settings: dict[str, Any] = {}
    if "experiment_timeout_hours" in definition.training:
        hours = float(definition.training["experiment_timeout_hours"]) - spent / 3600
        settings["experiment_timeout_hours"] = max(hours, _LEAST_HOURS) / left
    if start == "champion":
        settings |= _continued(context, champion)
    return settings


_LEAST_HOURS = 1 / 60


def _continued(context: PipelineContext, champion: str) -> dict[str, Any]:
    """The settings of a run that goes on with the champion's weights.

    `pretrained` and `weights` stay: without them the network would first load those of a hub, which may not answer.
    """
    version = context.workspace.models.get(champion)
    folder = context.workspace.run_folder(version.lineage.run)
    trial = folder.trial(int(version.lineage.trial or folder.record().best_trial or 0))
    members = trial.plan().members
    trial = folder.trial(members[0]) if members else trial  # of an average, its first network is trained on
    own = {each.name: each.value for each in trial_settings(trial) if not each.is_default}
    given = _given(context.definition)
    arguments = {name: value for name, value in {**own, **given}.items() if name not in _OF_THE_START}
    cleared = {name: None for name in _SEARCHES if name in context.definition.training}
    return {
        **cleared,
        "model_name": trial.plan().model_name,
        "iterations": 1,
        "arguments": {**arguments, "checkpoint_run_id": folder.id},
    }


def _given(definition: PipelineDefinition) -> dict[str, Any]:
    """The hyperparameters that the pipeline fixes, without the algorithm."""
    return {name: value for name, value in definition.config().arguments.items() if name != "model_name"}
