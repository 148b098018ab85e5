"""`AutoMLVisionConfig`: everything that a user decides, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from automl_vision.compute.targets import check_target
from automl_vision.core.errors import ConfigError, UnknownModelError
from automl_vision.core.tasks import TASKS, normalize_task
from automl_vision.core.text import did_you_mean
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import MAX_BAD_SHARE, SPLIT_RATIO
from automl_vision.recipes.catalog import find_algorithm, missing_package
from automl_vision.recipes.checking import check_hyperparameters, parse_arguments, validation_sentences
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.search.policies import Policy, policy_from_json
from automl_vision.search.samplers import (
    BayesianParameterSampling,
    RandomParameterSampling,
    Sampling,
    sampling_from_json,
    search_space,
)
from automl_vision.search.schema import POLICY_SCHEMA, SAMPLING_SCHEMA
from automl_vision.search.space_check import algorithms, space_problems

SIX_DAYS = 144.0  # hours
MOST_HOURS = 100_000.0  # eleven years

DataSource = Annotated[InstanceOf[Dataset] | str, WithJsonSchema({"type": "string"})]
"""An opened data set, or its path; in a file only a path can stand."""

MOST_ITERATIONS = 1000


class AutoMLVisionConfig(BaseModel):
    """What to learn, from what, how, and for how long.

    Every field is checked when the config is made, all mistakes at once.

    Raises:
        ConfigError: one sentence per mistake.
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
    training_data: DataSource = Field(description="a labelled data set: a path, or an opened `Dataset`")
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
    hyperparameter_sampling: Annotated[Any, WithJsonSchema(SAMPLING_SCHEMA)] = Field(
        None,
        validation_alias=AliasChoices("hyperparameter_sampling", "sampling"),
        description="search space and how it is sampled; none: AutoMode decides when there may be several trials",
    )
    policy: Annotated[Any, WithJsonSchema(POLICY_SCHEMA)] = Field(
        None,
        validation_alias=AliasChoices("policy", "early_termination_policy"),
        description="ends poor trials early; none: every trial runs to its end",
    )
    iterations: int = Field(1, ge=1, le=MOST_ITERATIONS, description="most configurations to try")
    max_concurrent_iterations: int = Field(
        1, ge=1, le=100, description="trials at once; no more than the compute target bears"
    )
    primary_metric: str | None = Field(None, description="ranks the trials; none: the task's own")
    experiment_timeout_hours: float = Field(
        SIX_DAYS, gt=0, le=MOST_HOURS, allow_inf_nan=False, description="wall-clock budget of the whole run, in hours"
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description='fixed hyperparameters, as a mapping or as `["--early_stopping", 1, ...]`',
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of every random choice")
    max_bad_share: float = Field(
        MAX_BAD_SHARE, ge=0, le=1, description="maximum fraction of records that may be unusable"
    )
    threads: int = Field(0, ge=0, description="cores for a trial; 0: all")
    processes_per_trial: int = Field(
        1, ge=1, description="processes that train each trial together, each on a GPU of its own where there are any"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_all_problems(error, values)) from None

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str) -> str:
        return normalize_task(value)

    @field_validator("training_data", "validation_data", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return fspath(value) if isinstance(value, PathLike) else value

    @field_validator("compute_target")
    @classmethod
    def _known_target(cls, value: str) -> str:
        return check_target(value)

    @field_validator("hyperparameter_sampling", mode="before")
    @classmethod
    def _typed_sampling(cls, value: Any) -> Any:
        return value if value is None else _told("hyperparameter_sampling", _sampling, value)

    @field_validator("policy", mode="before")
    @classmethod
    def _typed_policy(cls, value: Any) -> Any:
        return value if value is None or isinstance(value, Policy) else _told("policy", policy_from_json, value)

    @field_validator("arguments", mode="before")
    @classmethod
    def _pairs(cls, value: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            return parse_arguments(value)
        except ConfigError as error:
            raise ValueError("; ".join(error.problems)) from None

    @model_validator(mode="after")
    def _consistent(self) -> AutoMLVisionConfig:
        problems = []
        metrics = TASKS[self.task].primary_metrics
        if self.primary_metric is not None and self.primary_metric not in metrics:
            problems.append(
                f'"{self.primary_metric}" does not rank trials of {self.task}.'
                f"{did_you_mean(self.primary_metric, metrics)} Choose from: {', '.join(metrics)}"
            )
        problems += _settings_problems(self.task, self.settings, self.fixed_algorithm, self.hyperparameter_sampling)
        bounded = {"iterations", "experiment_timeout_hours"} & self.model_fields_set
        if (
            isinstance(self.hyperparameter_sampling, RandomParameterSampling | BayesianParameterSampling)
            and not bounded
        ):
            problems.append("iterations or experiment_timeout_hours is required when sweeping")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The typed hyperparameters, all defaults filled in."""
        checked, mistakes = check_hyperparameters(self.task, self.settings, self.algorithm)
        if checked is None:
            raise ConfigError(mistakes)
        return checked

    @property
    def algorithm(self) -> str:
        """The name of the algorithm: the config's, else the first one of the search space, else the task's default."""
        return _algorithms(self.task, self.fixed_algorithm, self.hyperparameter_sampling)[0]

    @property
    def fixed_algorithm(self) -> str | None:
        """The name of the algorithm that the config gives to every trial, if it does."""
        name = self.model_name or self.arguments.get("model_name")
        return None if name is None else str(name)

    @property
    def metric(self) -> str:
        """The metric that ranks trials."""
        return self.primary_metric or TASKS[self.task].primary_metrics[0]

    @property
    def most_trials(self) -> int:
        """How many trials the run may have at most; without `iterations` the time decides, or the grid's size."""
        if "iterations" in self.model_fields_set or not (self.automode or self.hyperparameter_sampling is not None):
            return self.iterations
        return MOST_ITERATIONS

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
        settings = {name: value for name, value in self.arguments.items() if name != "model_name"}
        if self.validation_data_size is not None:
            settings.setdefault("split_ratio", self.validation_data_size)
        return settings


def _sampling(value: Any) -> Sampling:
    return value if isinstance(value, Sampling) else sampling_from_json(value)


def _told(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    """What a reader makes of a setting's value; its mistakes become pydantic's, which names the setting in front."""
    try:
        return read(value)
    except ConfigError as error:
        raise ValueError(f"\n{name}: ".join(error.problems)) from None


def _algorithms(task: str, fixed: str | None, sampling: Sampling | None) -> list[str]:
    """The algorithms that trials may have."""
    if fixed is not None:
        return [fixed]
    return (
        [TASKS[task].default_model]
        if sampling is None
        else algorithms(search_space(sampling), TASKS[task].default_model)
    )


def _settings_problems(
    task: str, settings: Mapping[str, Any], fixed: str | None, sampling: Sampling | None
) -> list[str]:
    """What is wrong with the algorithm, the fixed hyperparameters and the search space."""
    names = _algorithms(task, fixed, sampling)
    problems = _model_problems(task, names[0]) if fixed is not None or sampling is None else []
    mistakes = list(dict.fromkeys(m for name in names for m in check_hyperparameters(task, settings, name)[1]))
    problems += [f"arguments: {mistake}" for mistake in mistakes]
    if sampling is None:
        return problems
    space = search_space(sampling)
    if fixed is not None and algorithms(space):
        problems.append("model_name is fixed and searched in the space; keep one of them")
    found = space_problems(space, task, model_name=names[0], arguments=settings, model_problems=_model_problems)
    told = tuple(mistakes)  # a configuration of the space has the mistakes of the arguments again
    return problems + [f"hyperparameter_sampling: {problem}" for problem in found if not problem.startswith(told)]


def _model_problems(task: str, name: str) -> list[str]:
    """A sentence when no algorithm of the task has the name; timm is loaded only for names that are not ours."""
    try:
        find_algorithm(name, task)
    except UnknownModelError as error:
        return [f"model_name: {error}"]
    missing = missing_package(name, task)
    return [] if missing is None else [f"model_name: {missing}"]


def _all_problems(error: ValidationError, values: dict[str, Any]) -> list[str]:
    """One sentence per mistake; pydantic skips the cross-checks when a field is wrong, so they come here."""
    known = [*AutoMLVisionConfig.model_fields, "split_ratio"]
    problems = [
        line for text in validation_sentences(error, known, noun="setting") for line in text.split("\n") if line
    ]
    try:
        task = normalize_task(str(values.get("task")))
        settings = parse_arguments(values.get("arguments"))
    except (ValueError, ConfigError):
        return problems
    named = settings.pop("model_name", None)
    fixed = values.get("model_name") or named
    given = values.get("hyperparameter_sampling", values.get("sampling"))
    try:
        sampling = None if given is None else _sampling(given)
    except ConfigError:  # its mistakes are told
        sampling = None
    found = _settings_problems(task, settings, None if fixed is None else str(fixed), sampling)
    return problems + [problem for problem in found if problem not in problems]
