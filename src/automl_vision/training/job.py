"""The trial as a job's function: what a fork server calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_vision.training.reporter import FileReporter
from automl_vision.training.spec import TrialSpec


def run_trial(spec: dict[str, Any]) -> None:
    """Train the trial that a JSON spec describes; it reports into its folder."""
    from automl_vision.training.trial import train

    trial = TrialSpec.model_validate(spec)
    train(trial, FileReporter(Path(trial.folder)))


def time_trial(spec: dict[str, Any]) -> None:
    """Measure how long the parts of a trial take, by its first steps; writes `timing.json` into its folder."""
    from automl_vision.core.files import write_json
    from automl_vision.training.trial import measure_trial

    trial = TrialSpec.model_validate(spec)
    write_json(Path(trial.folder) / "timing.json", measure_trial(trial, FileReporter(Path(trial.folder))))


def probe_trial(spec: dict[str, Any]) -> None:
    """Score a linear probe on a trial's pretrained features; writes `probe.json` into its folder."""
    from automl_vision.core.files import write_json
    from automl_vision.training.trial import probe_trial

    trial = TrialSpec.model_validate(spec)
    write_json(Path(trial.folder) / "probe.json", {"score": probe_trial(trial, FileReporter(Path(trial.folder)))})
