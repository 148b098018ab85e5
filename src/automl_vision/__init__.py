"""AutoML Vision: labelled images in, a proven model out."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from automl_vision.core.version import VERSION

if TYPE_CHECKING:
    from automl_vision.data.annotations import Columns as Columns
    from automl_vision.data.dataset import Dataset as Dataset
    from automl_vision.data.export import export_dataset as export_dataset
    from automl_vision.experiment.config import AutoMLVisionConfig as AutoMLVisionConfig
    from automl_vision.experiment.experiment import Experiment as Experiment
    from automl_vision.experiment.run import Run as Run
    from automl_vision.models.registry import list_models as list_models
    from automl_vision.serving.predictor import Predictor as Predictor
    from automl_vision.sweeps.distributions import choice as choice
    from automl_vision.sweeps.distributions import lognormal as lognormal
    from automl_vision.sweeps.distributions import loguniform as loguniform
    from automl_vision.sweeps.distributions import normal as normal
    from automl_vision.sweeps.distributions import qlognormal as qlognormal
    from automl_vision.sweeps.distributions import qloguniform as qloguniform
    from automl_vision.sweeps.distributions import qnormal as qnormal
    from automl_vision.sweeps.distributions import quniform as quniform
    from automl_vision.sweeps.distributions import randint as randint
    from automl_vision.sweeps.distributions import uniform as uniform
    from automl_vision.sweeps.policies import BanditPolicy as BanditPolicy
    from automl_vision.sweeps.policies import MedianStoppingPolicy as MedianStoppingPolicy
    from automl_vision.sweeps.policies import NoTerminationPolicy as NoTerminationPolicy
    from automl_vision.sweeps.policies import SuccessiveHalvingPolicy as SuccessiveHalvingPolicy
    from automl_vision.sweeps.policies import TruncationSelectionPolicy as TruncationSelectionPolicy
    from automl_vision.sweeps.samplers import BayesianParameterSampling as BayesianParameterSampling
    from automl_vision.sweeps.samplers import GridParameterSampling as GridParameterSampling
    from automl_vision.sweeps.samplers import RandomParameterSampling as RandomParameterSampling
    from automl_vision.workspace.workspace import Workspace as Workspace

__version__ = VERSION

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
    "choice": "sweeps.distributions",
    "lognormal": "sweeps.distributions",
    "loguniform": "sweeps.distributions",
    "normal": "sweeps.distributions",
    "qlognormal": "sweeps.distributions",
    "qloguniform": "sweeps.distributions",
    "qnormal": "sweeps.distributions",
    "quniform": "sweeps.distributions",
    "randint": "sweeps.distributions",
    "uniform": "sweeps.distributions",
    "BanditPolicy": "sweeps.policies",
    "MedianStoppingPolicy": "sweeps.policies",
    "NoTerminationPolicy": "sweeps.policies",
    "SuccessiveHalvingPolicy": "sweeps.policies",
    "TruncationSelectionPolicy": "sweeps.policies",
    "BayesianParameterSampling": "sweeps.samplers",
    "GridParameterSampling": "sweeps.samplers",
    "RandomParameterSampling": "sweeps.samplers",
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
