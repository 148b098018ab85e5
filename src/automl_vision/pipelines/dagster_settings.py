"""Dagster's settings for the pipelines of a workspace, which need Dagster itself not to be installed."""

from __future__ import annotations

from pathlib import Path

import yaml

from automl_vision.core.files import write_text

PIPELINE_TAG = "automl-vision/pipeline"
"""Tag of a run with the name of its pipeline; the daemon starts one run of a pipeline at a time."""

_FOLDER = "dagster"
_SETTINGS = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "run_monitoring": {"enabled": True},
    # a run whose process ended begins again where it was; a step that fails resumes its training by itself
    "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
    "concurrency": {
        "runs": {
            "tag_concurrency_limits": [{"key": PIPELINE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}]
        }
    },
    "freshness": {"enabled": True},
}


def dagster_home(workspace: Path) -> Path:
    """The folder of a workspace where Dagster keeps its events; its settings are written there."""
    home = workspace / _FOLDER
    home.mkdir(parents=True, exist_ok=True)
    write_text(home / "dagster.yaml", yaml.safe_dump(_SETTINGS, sort_keys=False))
    return home
