"""The trial as a job's function: what a fork server calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_vision.compute.launch import launch, was_launched
from automl_vision.training.reporter import FileReporter
from automl_vision.training.spec import TrialSpec


def run_trial(spec: dict[str, Any]) -> None:
    """Train the trial that a JSON spec describes, in as many processes as it asks for; it reports into its folder."""
    trial = TrialSpec.model_validate(spec)
    if trial.processes > 1 and not was_launched():
        launch(run_trial, {"spec": spec}, processes=trial.processes)
        return
    from automl_vision.training.trial import train

    train(trial, FileReporter(Path(trial.folder)))
