"""AutoML Vision: labelled images in, a proven model out."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from automl_vision.core.version import VERSION

if TYPE_CHECKING:
    from automl_vision.data.annotations import Columns as Columns
    from automl_vision.data.dataset import Dataset as Dataset
    from automl_vision.experiment.config import AutoMLVisionConfig as AutoMLVisionConfig
    from automl_vision.experiment.experiment import Experiment as Experiment
    from automl_vision.experiment.run import Run as Run
    from automl_vision.experiment.trial import Trial as Trial
    from automl_vision.formats.export import export_dataset as export_dataset
    from automl_vision.models.networks import load_torch as load_torch
    from automl_vision.recipes.catalog import list_models as list_models
    from automl_vision.search.distributions import choice as choice
    from automl_vision.search.distributions import lognormal as lognormal
    from automl_vision.search.distributions import loguniform as loguniform
    from automl_vision.search.distributions import normal as normal
    from automl_vision.search.distributions import qlognormal as qlognormal
    from automl_vision.search.distributions import qloguniform as qloguniform
    from automl_vision.search.distributions import qnormal as qnormal
    from automl_vision.search.distributions import quniform as quniform
    from automl_vision.search.distributions import randint as randint
    from automl_vision.search.distributions import uniform as uniform
    from automl_vision.search.policies import BanditPolicy as BanditPolicy
    from automl_vision.search.policies import MedianStoppingPolicy as MedianStoppingPolicy
    from automl_vision.search.policies import NoTerminationPolicy as NoTerminationPolicy
    from automl_vision.search.policies import SuccessiveHalvingPolicy as SuccessiveHalvingPolicy
    from automl_vision.search.policies import TruncationSelectionPolicy as TruncationSelectionPolicy
    from automl_vision.search.samplers import BayesianParameterSampling as BayesianParameterSampling
    from automl_vision.search.samplers import GridParameterSampling as GridParameterSampling
    from automl_vision.search.samplers import RandomParameterSampling as RandomParameterSampling
    from automl_vision.serving.predictor import Predictor as Predictor
    from automl_vision.workspace.workspace import Workspace as Workspace

__version__ = VERSION

_EXPORTS = {
    "AutoMLVisionConfig": "experiment.config",
    "Columns": "data.annotations",
    "Dataset": "data.dataset",
    "Experiment": "experiment.experiment",
    "Predictor": "serving.predictor",
    "Run": "experiment.run",
    "Trial": "experiment.trial",
    "Workspace": "workspace.workspace",
    "export_dataset": "formats.export",
    "list_models": "recipes.catalog",
    "load_torch": "models.networks",
    "choice": "search.distributions",
    "lognormal": "search.distributions",
    "loguniform": "search.distributions",
    "normal": "search.distributions",
    "qlognormal": "search.distributions",
    "qloguniform": "search.distributions",
    "qnormal": "search.distributions",
    "quniform": "search.distributions",
    "randint": "search.distributions",
    "uniform": "search.distributions",
    "BanditPolicy": "search.policies",
    "MedianStoppingPolicy": "search.policies",
    "NoTerminationPolicy": "search.policies",
    "SuccessiveHalvingPolicy": "search.policies",
    "TruncationSelectionPolicy": "search.policies",
    "BayesianParameterSampling": "search.samplers",
    "GridParameterSampling": "search.samplers",
    "RandomParameterSampling": "search.samplers",
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
