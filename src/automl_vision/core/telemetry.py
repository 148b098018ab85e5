"""Nothing phones home: components that report usage by default are told not to."""

from __future__ import annotations

import os

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "HF_HUB_DISABLE_TELEMETRY": "true"}
"""Environment of every process that we start; MLflow and the Hugging Face Hub read it when they are imported."""


def switch_off_telemetry() -> None:
    """Set the environment of this process; call it right before MLflow or a hub's client is imported."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)
