"""AutoML Vision: labelled images in, a proven model out."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_vision.data.annotations import Columns as Columns
    from automl_vision.data.dataset import Dataset as Dataset
    from automl_vision.data.export import export_dataset as export_dataset
    from automl_vision.experiment.config import AutoMLVisionConfig as AutoMLVisionConfig
    from automl_vision.experiment.experiment import Experiment as Experiment
    from automl_vision.experiment.run import Run as Run
    from automl_vision.models.registry import list_models as list_models
    from automl_vision.serving.predictor import Predictor as Predictor
    from automl_vision.workspace.workspace import Workspace as Workspace

__version__ = "0.1.0"

_EXPORTS = {
    "AutoMLVisionConfig": "experiment.config",
    "Columns": "data.annotations",
    "Dataset": "data.dataset",
    "Experiment": "experiment.experiment",
    "Predictor": "serving.predictor",
    "Run": "experiment.run",
    "Workspace": "workspace.workspace",
    "export_dataset": "data.export",
    "list_models": "models.registry",
}

__all__ = [*_EXPORTS, "__version__"]  # noqa: PLE0604 - the names of the lazily loaded exports

# Nothing phones home: components that report usage by default are told not to before they are imported.
for _switch in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_switch, "true")


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
