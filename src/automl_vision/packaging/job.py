"""Packaging as a job's function: what a fork server calls."""

from __future__ import annotations

from typing import Any


def run_package(trial: str, destination: str, provenance: dict[str, Any]) -> None:
    """Package a finished trial."""
    from automl_vision.core.plugins import load_plugins
    from automl_vision.packaging.package import package

    load_plugins()
    package(trial, destination, provenance=provenance)
