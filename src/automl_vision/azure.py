"""The names that scripts for Azure's AutoML for images have, over `AutoMLVisionConfig`; nothing of Azure's is needed.

    from automl_vision import azure as automl
    from automl_vision.azure import BanditPolicy, Choice, SearchSpace, Uniform

    job = automl.image_object_detection(training_data="data/training", target_column_name="label")
    job.set_limits(timeout_minutes=60, max_trials=10)
    job.extend_search_space([SearchSpace(model_name=Choice(["yolov5"]), learning_rate=Uniform(0.0001, 0.01))])
    job.set_sweep(sampling_algorithm="random", early_termination=BanditPolicy(evaluation_interval=2, slack_factor=0.2))
    run = job.submit()

`AutoMLImageConfig` is the class of the first SDK. What of a job has no meaning here is in its `notes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from automl_vision.core.errors import ConfigError
from automl_vision.core.validation import names_of
from automl_vision.data.dataset import Dataset
from automl_vision.experiment.azure_job import TASK_NAMES
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.experiment import Experiment
from automl_vision.experiment.job_file import Job, job_of_azure
from automl_vision.experiment.run import Run
from automl_vision.search.distributions import (
    Distribution,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from automl_vision.search.policies import (
    POLICIES,
    BanditPolicy,
    MedianStoppingPolicy,
    Policy,
    TruncationSelectionPolicy,
)
from automl_vision.search.samplers import (
    BayesianParameterSampling,
    GridParameterSampling,
    RandomParameterSampling,
)
from automl_vision.workspace.workspace import Workspace, as_workspace

__all__ = [
    "AutoMLImageConfig",
    "BanditPolicy",
    "BayesianParameterSampling",
    "Choice",
    "GridParameterSampling",
    "ImageJob",
    "LogNormal",
    "LogUniform",
    "MedianStoppingPolicy",
    "Normal",
    "QLogNormal",
    "QLogUniform",
    "QNormal",
    "QUniform",
    "Randint",
    "RandomParameterSampling",
    "SearchSpace",
    "TruncationSelectionPolicy",
    "Uniform",
    "image_classification",
    "image_classification_multilabel",
    "image_instance_segmentation",
    "image_object_detection",
]  # fmt: skip

Data = str | PathLike[str] | Dataset | Mapping[str, Any]
"""A path or an address, an opened dataset, or `{"path": ...}`; objects with an attribute `path` are taken too."""

_OLD_TASKS = {"image-classification-multilabel": "image-classification-multi-label"}


class SearchSpace(dict[str, Any]):
    """What is tried: names of hyperparameters with what each may be.

    Args:
        **entries: distributions, or constants.
    """

    def __init__(self, **entries: Any) -> None:
        super().__init__(entries)


class ImageJob:
    """A job as scripts for the second SDK build it: by calls, one after the other.

    Args:
        task: Azure's name, such as `image_classification`.
        settings: fields of the job, by the names that its file would have.
    """

    def __init__(self, task: str, settings: dict[str, Any]) -> None:
        self._values: dict[str, Any] = {"type": "automl", "task": task, **settings}

    def set_data(
        self,
        *,
        training_data: Data,
        target_column_name: str = "label",
        validation_data: Data | None = None,
        validation_data_size: float | None = None,
    ) -> None:
        """Set what is learned from.

        Args:
            training_data: labelled images.
            target_column_name: the column of the labels, of tables.
            validation_data: other ones.
            validation_data_size: share of the training data that is held out otherwise.
        """
        given = {"training_data": training_data, "validation_data": validation_data}
        self._values |= {name: value for name, value in given.items() if value is not None}
        self._values["target_column_name"] = target_column_name
        if validation_data_size is not None:
            self._values["validation_data_size"] = validation_data_size

    def set_limits(self, **limits: Any) -> None:
        """Set `timeout_minutes`, `max_trials`, `max_concurrent_trials`; others are noted."""
        self._values["limits"] = {**self._values.get("limits", {}), **_given(limits)}

    def set_training_parameters(self, **parameters: Any) -> None:
        """Set hyperparameters of all trials, `model_name` included."""
        self._values["training_parameters"] = {**self._values.get("training_parameters", {}), **_given(parameters)}

    def extend_search_space(self, value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Add search spaces, of which each trial takes one."""
        more = [value] if isinstance(value, Mapping) else list(value)
        self._values["search_space"] = [*self._values.get("search_space", []), *map(dict, more)]

    def set_sweep(self, *, sampling_algorithm: str, early_termination: Policy | None = None) -> None:
        """Set how the search space is sampled: `random`, `grid` or `bayesian`; and what ends poor trials."""
        self._values["sweep"] = {"sampling_algorithm": sampling_algorithm}
        if early_termination is not None:
            self._values["sweep"]["early_termination"] = POLICIES.to_json(early_termination)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the job has no meaning here, and what happens instead."""
        return self._job().notes

    def to_config(self) -> AutoMLVisionConfig:
        """The job as a config.

        Raises:
            ConfigError: the job breaks the config's rules; all mistakes at once.
            DataError: data that the job names has no copy here.
        """
        return self._job().config

    def submit(self, workspace: Workspace | str | PathLike[str] | None = None) -> Run:
        """Start a run of the job and return at once; see `Experiment.submit`.

        Args:
            workspace: where; None for the default one.

        Raises:
            ConfigError, DataError: as of `to_config`.
        """
        job = self._job()
        return Experiment(as_workspace(workspace), job.experiment).submit(job.config)

    def _job(self) -> Job:
        return job_of_azure(self._values, Path.cwd())


def image_classification(**settings: Any) -> ImageJob:
    """A job for images with one class each.

    Args:
        **settings: `training_data`, `target_column_name`, `validation_data`, `primary_metric`, `experiment_name` and
            others, as a job file has them.
    """
    return ImageJob("image_classification", _given(settings))


def image_classification_multilabel(**settings: Any) -> ImageJob:
    """A job for images with any number of labels each; settings as of `image_classification`."""
    return ImageJob("image_classification_multilabel", _given(settings))


def image_object_detection(**settings: Any) -> ImageJob:
    """A job for boxes; settings as of `image_classification`."""
    return ImageJob("image_object_detection", _given(settings))


def image_instance_segmentation(**settings: Any) -> ImageJob:
    """A job for masks; settings as of `image_classification`."""
    return ImageJob("image_instance_segmentation", _given(settings))


def AutoMLImageConfig(**settings: Any) -> AutoMLVisionConfig:  # noqa: N802 - the name of a class there
    """The config of the first SDK as ours, whose fields have the same names.

    Args:
        **settings: of `AutoMLVisionConfig`; a `compute_target` that is no target here is this machine.

    Raises:
        ConfigError: the settings break the config's rules; all mistakes at once.
    """
    values = _given(settings)
    task = str(values.get("task", ""))
    values["task"] = _OLD_TASKS.get(task, TASK_NAMES.get(task, task))
    known = names_of(AutoMLVisionConfig)
    unknown = [name for name in values if name not in known]
    if "compute_target" in values and not _is_target(values["compute_target"]):
        values["compute_target"] = "local"
    if unknown:
        raise ConfigError([f'"{name}" has no meaning here; leave it out' for name in unknown])
    return AutoMLVisionConfig(**values)


def _is_target(value: Any) -> bool:
    from automl_vision.compute.targets import check_target

    try:
        return bool(check_target(value))
    except (ValueError, TypeError, AttributeError):
        return False


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not None, data by its path."""
    return {
        name: getattr(value, "path", value) if name.endswith("_data") and not isinstance(value, Dataset) else value
        for name, value in settings.items()
        if value is not None
    }


def Choice(values: Sequence[Any]) -> Distribution:  # noqa: N802 - the names of classes there
    """One of the values."""
    return choice(list(values))


def Uniform(min_value: float, max_value: float) -> Distribution:  # noqa: N802
    """Any number from the first to the second."""
    return uniform(min_value, max_value)


def LogUniform(min_value: float, max_value: float) -> Distribution:  # noqa: N802
    """exp of a number from the first to the second."""
    return loguniform(min_value, max_value)


def QUniform(min_value: float, max_value: float, q: float) -> Distribution:  # noqa: N802
    """Multiples of q, nearest to a number from the first to the second."""
    return quniform(min_value, max_value, q)


def QLogUniform(min_value: float, max_value: float, q: float) -> Distribution:  # noqa: N802
    """Multiples of q, nearest to exp of a number from the first to the second."""
    return qloguniform(min_value, max_value, q)


def Normal(mu: float, sigma: float) -> Distribution:  # noqa: N802
    """Normally distributed numbers."""
    return normal(mu, sigma)


def QNormal(mu: float, sigma: float, q: float) -> Distribution:  # noqa: N802
    """Multiples of q, nearest to normally distributed numbers."""
    return qnormal(mu, sigma, q)


def LogNormal(mu: float, sigma: float) -> Distribution:  # noqa: N802
    """exp of normally distributed numbers."""
    return lognormal(mu, sigma)


def QLogNormal(mu: float, sigma: float, q: float) -> Distribution:  # noqa: N802
    """Multiples of q, nearest to exp of normally distributed numbers."""
    return qlognormal(mu, sigma, q)


def Randint(upper: int) -> Distribution:  # noqa: N802
    """Whole numbers from 0 to below upper."""
    return randint(upper)
