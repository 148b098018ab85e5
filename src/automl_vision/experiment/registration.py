"""Registers the model of a run, or any model folder."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from automl_vision.experiment.run import Run
from automl_vision.workspace.model_version import ModelVersion
from automl_vision.workspace.workspace import Workspace, as_workspace


def register(
    model: Run | str | PathLike[str],
    name: str,
    *,
    workspace: Workspace | str | PathLike[str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Register a model as the next version of a name; the alias `candidate` moves to it.

    Args:
        model: a run with a model, or a model folder.
        name: letters, digits, `-`, `_` and `.`, at most 60.
        workspace: whose registry is used; None for the run's own, or the default one.
        tags: kept with the version.

    Raises:
        RunFailedError: the run has no model.
        ModelFolderError: the folder is not a usable model folder.
        WorkspaceError: the name has other characters, or too many, or the registry cannot be written.
    """
    if isinstance(model, Run):
        workspace, model = workspace or model.workspace, model.model_path
    return as_workspace(workspace).models.register(model, name, tags=tags)
