"""The functions that a fork server calls to train, refit, time or probe a trial."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from automl_vision.compute.multiprocess import launch, was_launched
from automl_vision.core.files import write_json
from automl_vision.core.plugins import load_plugins
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.reporter import FileReporter


def in_all_processes(work: Callable[[TrialSpec, FileReporter], None]) -> Callable[[dict[str, Any]], None]:
    """Make a job's function: it takes a JSON spec and runs in as many processes as the spec asks for."""

    @wraps(work)
    def run(spec: dict[str, Any]) -> None:
        load_plugins()
        trial = TrialSpec.model_validate(spec)
        if trial.processes > 1 and not was_launched():
            launch(run, {"spec": spec}, processes=trial.processes)
        else:
            work(trial, FileReporter(Path(trial.folder)))

    return run


@in_all_processes
def run_trial(spec: TrialSpec, reporter: FileReporter) -> None:
    """Train a trial, or average the networks of others; it reports into its folder."""
    from automl_vision.training.combination import combine
    from automl_vision.training.trial import train

    (combine if spec.members else train)(spec, reporter)


@in_all_processes
def refit_trial(spec: TrialSpec, reporter: FileReporter) -> None:
    """Train the network of a finished trial on the validation images too."""
    from automl_vision.training.refit import refit

    refit(spec, reporter)


@in_all_processes
def time_trial(spec: TrialSpec, reporter: FileReporter) -> None:
    """Measure how long the parts of a trial take, by its first steps; writes `timing.json` into its folder."""
    from automl_vision.training.trial import open_trial

    with open_trial(spec, reporter) as trial:
        _write(spec, "timing.json", trial.measure())


@in_all_processes
def probe_trial(spec: TrialSpec, reporter: FileReporter) -> None:
    """Score a linear probe on a trial's pretrained features; writes `probe.json` into its folder."""
    from automl_vision.training.trial import open_trial

    with open_trial(spec, reporter) as trial:
        _write(spec, "probe.json", {"score": trial.probe()})


def _write(spec: TrialSpec, name: str, value: dict[str, float]) -> None:
    """Write into the trial's folder, from the main process alone."""
    if os.environ.get("RANK", "0") == "0":
        write_json(Path(spec.folder) / name, value)
