"""Packaging as a job's function: what a fork server calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def run_package(trial: str, destination: str, provenance: dict[str, Any]) -> None:
    """Package a finished trial."""
    from automl_vision.core.plugins import load_plugins
    from automl_vision.packaging.package import package

    load_plugins()
    package(trial, destination, provenance=provenance)


def run_measure(trial: str, scratch: str) -> None:
    """Measure latency and size of a finished trial's exported network."""
    from automl_vision.core.plugins import load_plugins
    from automl_vision.packaging.measuring import measure_trial

    load_plugins()
    measure_trial(trial, Path(scratch))


def run_measure_planned(spec: dict[str, Any], scratch: str) -> None:
    """Measure latency and size of the network that a trial would train."""
    from automl_vision.core.plugins import load_plugins
    from automl_vision.packaging.measuring import measure_planned
    from automl_vision.recipes.trial_spec import TrialSpec

    load_plugins()
    measure_planned(TrialSpec.model_validate(spec), Path(scratch))
