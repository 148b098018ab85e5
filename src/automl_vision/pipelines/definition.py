"""`pipeline.yaml`: data, training, gates and endpoint of a pipeline, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.names import NAME_RULE, is_usable_name
from automl_vision.core.tasks import normalize_task
from automl_vision.core.text import did_you_mean
from automl_vision.core.validation import CrossCheckError, names_of, problems_of
from automl_vision.data.defaults import MAX_BAD_SHARE
from automl_vision.deployment.monitoring.comparison import LEVEL
from automl_vision.deployment.online.definition import EndpointError, check_name
from automl_vision.evaluation.metric import find_metric
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.job_file import data_beside, job_schema
from automl_vision.experiment.promotion import PromotionRule, require_suited
from automl_vision.experiment.yaml_lines import read_mapping, read_settings, with_line

OF_THE_PIPELINE = ("task", "training_data", "validation_data")
"""Settings of a run that a pipeline decides itself."""


_CRON = re.compile(r"[\d*/,-]+\s+[\d*/,-]+\s+[\d*/,L-]+\s+[\w*/,-]+\s+[\w*/,#-]+")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataGate(_Part):
    """What a version of the data must fulfil before anything is trained on it."""

    max_errors: int = Field(default=0, ge=0, description="findings of the severity `error` that are allowed")
    max_warnings: int | None = Field(default=None, ge=0, description="findings of the severity `warning`; null: any")
    ignore: tuple[str, ...] = Field(default=(), description="names of checks whose findings do not count")
    features: bool = Field(
        default=False, description="also run the checks that need a network's features, which take long"
    )
    max_bad_share: float = Field(
        default=MAX_BAD_SHARE, ge=0, le=1, description="share of images, and of objects, that may be unusable"
    )


class Gates(_Part):
    """What stops a pipeline."""

    data: DataGate = Field(default_factory=DataGate, description="what the doctor may find")
    evaluation: dict[str, float] = Field(
        default_factory=dict,
        description="metric and the value that a model must reach on the frozen test images, at least, or at most "
        "where lower is better",
    )
    promotion: PromotionRule | None = Field(
        default=None, description="rule of the champion; null: the one that the workspace keeps for the model"
    )


class LabelTrigger(_Part):
    """Starts the pipeline when people have labelled enough."""

    at_least: int = Field(default=50, ge=1, description="new labels")
    project: str | None = Field(
        default=None, description="labelling project in Label Studio; null: the labelling queue of the studio"
    )


class DriftTrigger(_Part):
    """Asks for labels when what the endpoint sees has changed."""

    level: float = Field(default=LEVEL, gt=0, lt=1, description="share of checks that may raise a false alarm")
    every_minutes: float = Field(default=60, gt=0, description="between two checks")
    to_label: int = Field(default=50, ge=1, description="photos that are put into the labelling queue")


class Triggers(_Part):
    """What starts the pipeline by itself while `automl-vision pipeline dev` runs."""

    new_version_minutes: float | None = Field(
        default=5, gt=0, description="between two looks for a new version of the data; null: never"
    )
    labels: LabelTrigger | None = Field(default=None, description="labels that people gave")
    drift: DriftTrigger | None = Field(default=None, description="a change of what the endpoint sees")
    schedule: str | None = Field(default=None, description='five fields of cron, such as "0 3 * * 1"')
    fresh_days: float | None = Field(
        default=None,
        ge=0.001,
        description="age in days beyond which what is served counts as out of date; Dagster asks for a minute or more",
    )

    @field_validator("schedule")
    @classmethod
    def _has_five_fields(cls, value: str | None) -> str | None:
        if value is not None and not _CRON.fullmatch(value.strip()):
            raise ValueError(f'five fields of cron are expected (minute, hour, day, month, weekday), not "{value}"')
        return value

    @property
    def labels_or_default(self) -> LabelTrigger:
        """How labels are waited for, also where nothing is said of it."""
        return self.labels or LabelTrigger(at_least=1)

    @property
    def drift_or_default(self) -> DriftTrigger:
        """How drift is watched for, also where nothing is said of it."""
        return self.drift or DriftTrigger()


class PipelineDefinition(_Part):
    """From data to an endpoint.

    Raises:
        ConfigError: the mistakes, all at once.
    """

    name: str = Field(description="of the pipeline, its datasets and its registered model: letters, digits, -, _ and .")
    task: str = Field(description="as in a job")
    data: str = Field(
        description="labelled images: a path, a URL, or a registered dataset, whose newest version is taken"
    )
    test_data: str | None = Field(
        default=None, description="images that judge and are never trained on; null: the test images of the data"
    )
    test_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the images to hold out for that, where the data has no test images",
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        validate_default=True,
        description="settings of the run, as in a job, without task and data",
    )
    retraining: Literal["both", "champion", "start"] = Field(
        default="both",
        description="where a retraining starts: from the champion's weights, from the start weights, or both under one "
        "budget",
    )
    gates: Gates = Field(default_factory=Gates, description="what stops it")
    endpoint: str | None = Field(default=None, description="that serves the champion; null: none")
    retries: int = Field(default=2, ge=0, le=10, description="times that an interrupted or failed run is resumed")
    triggers: Triggers = Field(default_factory=Triggers, description="what starts it by itself")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = problems_of(error, list(type(self).model_fields), noun="setting")
            raise ConfigError(problems, subject="The pipeline") from None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not is_usable_name(value) or len(value) > _MAX_NAME:
            raise ValueError(f"a name has {NAME_RULE}, at most {_MAX_NAME}, not {value!r}")
        return value

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str) -> str:
        return normalize_task(value)

    @field_validator("endpoint")
    @classmethod
    def _names_an_endpoint(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                check_name(value, "endpoint")
        except EndpointError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> PipelineDefinition:
        problems = [*_training_problems(self), *_gate_problems(self)]
        if problems:
            raise CrossCheckError(problems)
        return self

    def config(self, **changes: Any) -> AutoMLVisionConfig:
        """The configuration of a run.

        Args:
            **changes: settings that replace those of `training`.
        """
        return AutoMLVisionConfig(**{"task": self.task, "training_data": self.data, **self.training, **changes})

    @property
    def test_name(self) -> str:
        """The registered dataset that keeps the frozen test images."""
        return f"{self.name}-test"


_MAX_NAME = 55  # a dataset's has 60, and that of the test images ends in "-test"


def _training_problems(definition: PipelineDefinition) -> list[Problem]:
    taken = [name for name in OF_THE_PIPELINE if name in definition.training]
    if taken:
        sentence = f"{taken[0]} belongs to the pipeline, not to its training; validation images have the split val"
        return [Problem(("training", taken[0]), f"training.{sentence}")]
    try:
        definition.config()
    except ConfigError as error:
        return [problem.within("training") for problem in error.problems]
    return []


def _gate_problems(definition: PipelineDefinition) -> list[Problem]:
    found = []
    for name in definition.gates.evaluation:
        try:
            find_metric(definition.task, name)
        except ValueError as error:
            found.append(Problem((name,), str(error)).within("gates", "evaluation"))
    unknown = [name for name in definition.gates.data.ignore if name not in _checks()]
    for name in unknown:
        sentence = f'no check is named "{name}".{did_you_mean(name, _checks())}'
        found.append(Problem(("ignore",), sentence).within("gates", "data"))
    if definition.gates.promotion is not None:
        try:
            require_suited(definition.gates.promotion, definition.task)
        except ConfigError as error:
            found += [problem.within("gates", "promotion") for problem in error.problems]
    return found


def _checks() -> list[str]:
    from automl_vision.doctor import check  # noqa: F401 - registers them
    from automl_vision.doctor.listing import CHECKS

    return list(CHECKS)


def read_pipeline(path: str | Path) -> PipelineDefinition:
    """Read a pipeline from its YAML file; relative paths of data are taken from the file's folder.

    Raises:
        ConfigError: the file cannot be read, or breaks the rules; each mistake with its line.
    """
    path = Path(path)
    subject = f"The pipeline {path}"
    values, root = read_mapping(read_settings(path, subject), subject)
    folder = path.parent.resolve()
    for name in ("data", "test_data"):
        if isinstance(values.get(name), str):
            values[name] = data_beside(values[name], folder)
    try:
        return PipelineDefinition(**values)
    except ConfigError as error:
        names = names_of(AutoMLVisionConfig)
        raise ConfigError([with_line(problem, root, names) for problem in error.problems], subject=subject) from None


def pipeline_schema() -> dict[str, Any]:
    """JSON Schema of `pipeline.yaml`; what is trained follows the schema of a job."""
    schema = PipelineDefinition.model_json_schema()
    job: Mapping[str, Any] = job_schema()["properties"]
    training = {name: value for name, value in job.items() if name not in (*OF_THE_PIPELINE, "experiment")}
    schema["properties"]["training"] = {
        "type": "object",
        "description": schema["properties"]["training"]["description"],
        "default": {},
        "properties": training,
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "AutoML Vision pipeline",
        "description": "From data to an endpoint: what is trained, what must hold, and what starts it.",
    }
