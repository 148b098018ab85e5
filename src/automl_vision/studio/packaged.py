"""The packaged model of a run, and whether it was made of a trial."""

from __future__ import annotations

from pathlib import Path

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.studio.opened import OpenedWorkspace


def packaged_model(opened: OpenedWorkspace, run_id: str, number: int) -> tuple[Path | None, str | None]:
    """The folder of the run's model if it was made of a trial, otherwise None and why."""
    from automl_vision.serving.model_folder import ModelDescription

    folder = opened.run(run_id).run.folder.model
    if not folder.exists():
        return None, f"run {run_id} has no packaged model yet"
    try:
        made_of = ModelDescription.load(folder).provenance
    except AutoMLVisionError as error:
        return None, str(error)
    if made_of.get("trial") != number or made_of.get("run") != run_id:
        return None, f"the model of run {run_id} was made of trial {made_of.get('trial')}, not of trial {number}"
    return folder, None
