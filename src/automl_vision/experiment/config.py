"""`AutoMLVisionConfig`: everything that a user decides, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from automl_vision.compute.targets import check_target
from automl_vision.core.errors import ConfigError, DataError, Problem, UnknownModelError
from automl_vision.core.plugins import load_plugins
from automl_vision.core.records import Gate
from automl_vision.core.tasks import TASKS, normalize_task
from automl_vision.core.validation import CrossCheckError, names_of, problems_of
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import MAX_BAD_SHARE, SPLIT_RATIO
from automl_vision.data.exif_readings import Reading
from automl_vision.data.value_range import AUTO, parse_range
from automl_vision.evaluation.metric import find_metric
from automl_vision.recipes.catalog import usable_algorithm
from automl_vision.recipes.checking import check_hyperparameters, parse_arguments
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.search.policies import POLICIES
from automl_vision.search.samplers import SAMPLINGS, Sampling
from automl_vision.search.space_check import algorithms, space_problems

SIX_DAYS = 144.0  # hours
MAX_HOURS = 100_000.0  # eleven years

DataSource = Annotated[InstanceOf[Dataset] | str, WithJsonSchema({"type": "string"})]
"""An opened dataset, or its path; a file can only hold a path."""

MAX_ITERATIONS = 1000


class AutoMLVisionConfig(BaseModel):
    """What to learn, from what, how, and for how long.

    Every field is checked when the config is made, all mistakes at once.

    Raises:
        ConfigError: the mistakes, with paths such as `("arguments", "optimizer")`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        populate_by_name=True,
    )

    task: str = Field(
        description="`image-classification`, `image-classification-multi-label`, `image-object-detection` or "
        "`image-instance-segmentation`"
    )
    training_data: DataSource = Field(description="a labelled dataset: a path, or an opened `Dataset`")
    validation_data: DataSource | None = Field(
        None, description="another one; without it `validation_data_size` of the training data is held out"
    )
    validation_data_size: float | None = Field(
        None,
        gt=0,
        lt=1,
        validation_alias=AliasChoices("validation_data_size", "split_ratio"),
        description=f"fraction of the training data to hold out when there is no validation data; none: {SPLIT_RATIO}",
    )
    compute_target: str = Field(
        "local",
        description="where trials run: `local`, `cpu` or `cuda` of this machine, or a Ray cluster: `ray`, "
        "`ray://HOST:PORT`, `ray:HOST:PORT`",
    )
    model_name: str | None = Field(None, description="the algorithm; none: the default for the machine")
    hyperparameter_sampling: Annotated[Any, SAMPLINGS] | None = Field(
        None,
        validation_alias=AliasChoices("hyperparameter_sampling", "sampling"),
        description="search space and how it is sampled; none: AutoMode decides when there may be several trials",
    )
    policy: Annotated[Any, POLICIES] | None = Field(
        None,
        validation_alias=AliasChoices("policy", "early_termination_policy"),
        description="ends poor trials early; none: every trial runs to its end",
    )
    iterations: int = Field(1, ge=1, le=MAX_ITERATIONS, description="maximum number of configurations to try")
    max_concurrent_iterations: int = Field(
        1, ge=1, le=100, description="trials at once; no more than the compute target bears"
    )
    primary_metric: str | None = Field(
        None, description="ranks the trials, any metric of the task; none: the task's own"
    )
    experiment_timeout_hours: float = Field(
        SIX_DAYS, gt=0, le=MAX_HOURS, allow_inf_nan=False, description="wall-clock budget of the whole run, in hours"
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        validate_default=True,
        description='fixed hyperparameters, as a mapping or as `["--early_stopping", 1, ...]`',
    )
    enable_voting_ensemble: bool = Field(
        True, description="whether AutoMode may end with an average of networks, which takes as long as all of them"
    )
    refit_full: bool = Field(
        False,
        description="whether the kept network is trained on the validation images too, at the end; their figures are "
        "those from before, and the test images alone judge the model",
    )
    automode_gate: Gate = Field(
        "probable",
        description="when AutoMode replaces the default recipe: `probable`, where another trial is probably better, or "
        "`strict`, only where a paired test proves it",
    )
    max_latency_ms: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="most milliseconds that the kept network may take for an image, one image at a time in one thread "
        "of this machine; what would take longer is not trained",
    )
    max_size_mb: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="most megabytes (10^6 bytes) of the kept network's `model.onnx`"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of every random choice")
    max_bad_share: float = Field(
        MAX_BAD_SHARE, ge=0, le=1, description="maximum fraction of images, and of objects, that may be unusable"
    )
    exif: Reading = Field(
        "auto",
        description="how photos with an EXIF rotation were annotated: `annotated-raw` before it, `annotated-upright` "
        "after it, `auto` as the annotations state",
    )
    value_range: str = Field(
        AUTO,
        description="values of black and white in images of more than 8 bits: `LOW:HIGH`, `file` for what the files "
        "state, `auto` for those of the training images",
    )
    allow_outside: bool = Field(False, description="follow links and paths that lead out of the data's folder")
    threads: int = Field(0, ge=0, description="cores for a trial; 0: all")
    processes_per_trial: int = Field(
        1, ge=1, description="processes that train each trial together, each on a GPU of its own where there are any"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(problems_of(error, list(names_of(type(self))), noun="setting")) from None

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str) -> str:
        return normalize_task(value)

    @field_validator("training_data", "validation_data", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any, info: ValidationInfo) -> Any:
        value = fspath(value) if isinstance(value, PathLike) else value
        is_missing = value is None and info.field_name == "validation_data"
        if not isinstance(value, str | Dataset) and not is_missing:
            raise ValueError(f"a path, a registered name or an opened Dataset is expected, not {value!r}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _know_plugins(cls, values: Any) -> Any:
        """What other packages add may be named in any field."""
        load_plugins()
        return values

    @field_validator("value_range", mode="before")
    @classmethod
    def _known_range(cls, value: Any) -> str:
        try:
            found = parse_range(value)
        except DataError as error:
            raise ValueError(str(error)) from None
        return found if isinstance(found, str) else found.option

    @field_validator("compute_target")
    @classmethod
    def _known_target(cls, value: str) -> str:
        return check_target(value)

    @field_validator("primary_metric")
    @classmethod
    def _known_metric(cls, value: str | None, info: ValidationInfo) -> str | None:
        return find_metric(info.data["task"], value).name if value is not None and "task" in info.data else value

    @field_validator("arguments", mode="before")
    @classmethod
    def _pairs(cls, value: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        return parse_arguments(value)

    @field_validator("arguments")
    @classmethod
    def _consistent(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Check what depends on several fields, with those before this one that are right."""
        if "task" in info.data:
            problems = _settings_problems(
                info.data["task"],
                _settings(value, info.data.get("validation_data_size")),
                info.data.get("model_name") or value.get("model_name"),
                info.data.get("hyperparameter_sampling"),
            )
            if problems:
                raise CrossCheckError(problems)
        return value

    @model_validator(mode="after")
    def _bounded(self) -> AutoMLVisionConfig:
        sampled = self.hyperparameter_sampling is not None and not self.hyperparameter_sampling.is_bounded
        if sampled and not {"iterations", "experiment_timeout_hours"} & self.model_fields_set:
            raise ValueError("iterations or experiment_timeout_hours is required when sweeping")
        return self

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The typed hyperparameters, all defaults filled in."""
        return self.hyperparameters_of(self.algorithm)

    def hyperparameters_of(self, algorithm: str) -> Hyperparameters:
        """The hyperparameters for an algorithm, all defaults filled in.

        Raises:
            ConfigError: the algorithm does not have those of the config.
        """
        checked, mistakes = check_hyperparameters(self.task, self.settings, algorithm)
        if checked is None:
            raise ConfigError(mistakes)
        return checked

    @property
    def epochs_by_time(self) -> bool:
        """Whether time decides how many epochs a trial has: it is given, the number is not, and there is no sweep."""
        is_given = "experiment_timeout_hours" in self.model_fields_set and self.hyperparameter_sampling is None
        return is_given and "number_of_epochs" not in self.settings

    @property
    def algorithm(self) -> str:
        """The name of the algorithm: the config's, else the first one of the search space, else the task's default."""
        return _algorithms(self.task, self.fixed_algorithm, self.hyperparameter_sampling)[0]

    @property
    def names_algorithm(self) -> bool:
        """Whether the config or its search space names the algorithm."""
        sampling = self.hyperparameter_sampling
        return self.fixed_algorithm is not None or (sampling is not None and bool(algorithms(sampling.search_space)))

    @property
    def fixed_algorithm(self) -> str | None:
        """The name of the algorithm that the config gives to every trial, if it does."""
        name = self.model_name or self.arguments.get("model_name")
        return None if name is None else str(name)

    @property
    def metric(self) -> str:
        """The metric that ranks trials."""
        return self.primary_metric or TASKS[self.task].primary_metric

    @property
    def most_trials(self) -> int:
        """How many trials the run may have at most; without `iterations` the time decides, or the grid's size."""
        if "iterations" in self.model_fields_set or not (self.automode or self.hyperparameter_sampling is not None):
            return self.iterations
        return MAX_ITERATIONS

    @property
    def automode(self) -> bool:
        """Whether AutoMode searches: several trials or a time are given, and no search space.

        A time with an algorithm is for one trial of that algorithm.
        """
        if self.hyperparameter_sampling is not None:
            return False
        if "iterations" in self.model_fields_set:
            return self.iterations > 1
        return "experiment_timeout_hours" in self.model_fields_set and self.fixed_algorithm is None

    @property
    def settings(self) -> dict[str, Any]:
        """The fixed hyperparameters: the arguments, with the fields of the config that are hyperparameters too."""
        return _settings(self.arguments, self.validation_data_size)


def _settings(arguments: Mapping[str, Any], validation_data_size: float | None) -> dict[str, Any]:
    settings = {name: value for name, value in arguments.items() if name != "model_name"}
    if validation_data_size is not None:
        settings.setdefault("split_ratio", validation_data_size)
    return settings


def _algorithms(task: str, fixed: str | None, sampling: Sampling | None) -> list[str]:
    """The algorithms that trials may have."""
    if fixed is not None:
        return [fixed]
    default = TASKS[task].default_model
    return [default] if sampling is None else algorithms(sampling.search_space, default)


def _settings_problems(task: str, settings: Mapping[str, Any], fixed: Any, sampling: Sampling | None) -> list[Problem]:
    """What is wrong with the algorithm, the fixed hyperparameters and the search space; paths from the config on."""
    fixed = None if fixed is None else str(fixed)
    names = _algorithms(task, fixed, sampling)
    problems = []
    if fixed is not None or sampling is None:
        problems += [Problem((), sentence).within("model_name") for sentence in _model_problems(task, names[0])]
    mistakes = list(dict.fromkeys(m for name in names for m in check_hyperparameters(task, settings, name)[1]))
    problems += [mistake.within("arguments") for mistake in mistakes]
    if sampling is None:
        return problems
    if fixed is not None and algorithms(sampling.search_space):
        sentence = "model_name is fixed and searched in the space; keep one of them"
        problems.append(Problem(("model_name",), sentence))
    found = space_problems(
        sampling.search_space,
        task,
        model_name=names[0],
        arguments=settings,
        model_problems=_model_problems,
        known=mistakes,
    )
    path = ("hyperparameter_sampling", "space")
    return problems + [Problem((*path, *p.path), f"hyperparameter_sampling: {p}") for p in found]


def _model_problems(task: str, name: str) -> list[str]:
    """A sentence when no algorithm of the task has the name, or a package for it is missing."""
    try:
        usable_algorithm(name, task)
    except UnknownModelError as error:
        return [str(error)]
    return []
