"""The module that Dagster loads: the pipeline and the workspace that its environment names."""

from __future__ import annotations

import os
from pathlib import Path

from automl_vision.pipelines.dagster_assets import pipeline_definitions
from automl_vision.pipelines.dagster_server import FILE_VARIABLE
from automl_vision.pipelines.definition import read_pipeline
from automl_vision.workspace.workspace import Workspace

defs = pipeline_definitions(read_pipeline(Path(os.environ[FILE_VARIABLE])), Workspace())
