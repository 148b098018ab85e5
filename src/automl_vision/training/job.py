"""The trial as a job's function: what a fork server calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl_vision.compute.multiprocess import launch, was_launched
from automl_vision.core.files import write_json
from automl_vision.core.plugins import load_plugins
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.reporter import FileReporter


def run_trial(spec: dict[str, Any]) -> None:
    """Train the trial that a JSON spec describes, in as many processes as it asks for; it reports into its folder."""
    _together(_train, spec)


def time_trial(spec: dict[str, Any]) -> None:
    """Measure how long the parts of a trial take, by its first steps; writes `timing.json` into its folder."""
    _together(_measure, spec)


def probe_trial(spec: dict[str, Any]) -> None:
    """Score a linear probe on a trial's pretrained features; writes `probe.json` into its folder."""
    _together(_probe, spec)


def _together(function: Callable[..., None], spec: dict[str, Any]) -> None:
    """Call a function in all processes of a trial, of which this one may be the first or one of many."""
    load_plugins()
    processes = TrialSpec.model_validate(spec).processes
    if processes > 1 and not was_launched():
        launch(function, {"spec": spec}, processes=processes)
    else:
        function(spec)


def _train(spec: dict[str, Any]) -> None:
    from automl_vision.training.trial import train

    train(*_trial(spec))


def _measure(spec: dict[str, Any]) -> None:
    from automl_vision.training.trial import measure_trial

    _write(spec, "timing.json", measure_trial(*_trial(spec)))


def _probe(spec: dict[str, Any]) -> None:
    from automl_vision.training.trial import probe_trial

    _write(spec, "probe.json", {"score": probe_trial(*_trial(spec))})


def _trial(spec: dict[str, Any]) -> tuple[TrialSpec, FileReporter]:
    trial = TrialSpec.model_validate(spec)
    return trial, FileReporter(Path(trial.folder))


def _write(spec: dict[str, Any], name: str, value: dict[str, float]) -> None:
    """Write into the trial's folder, from the main process alone."""
    if os.environ.get("RANK", "0") == "0":
        write_json(Path(spec["folder"]) / name, value)
