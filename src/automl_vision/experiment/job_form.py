"""Everything that a form for a job offers, derived from the config, the hyperparameters and the tables."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from automl_vision.compute.targets import TARGETS
from automl_vision.core.records import Record
from automl_vision.core.tasks import TASKS
from automl_vision.evaluation.metric import metrics_of
from automl_vision.experiment.job_file import job_schema
from automl_vision.recipes.catalog import describe_model, families, family_of, own_models
from automl_vision.search.distributions import DISTRIBUTIONS
from automl_vision.search.policies import POLICIES
from automl_vision.search.samplers import SAMPLINGS


class FormTask(Record):
    """A task that a job can be for."""

    name: str
    title: str
    primary_metric: str = Field(description="that ranks the trials unless another one is named")
    metrics: list[str]
    default_model: str
    algorithms: dict[str, str] = Field(description="names with the family of their hyperparameters")


class JobForm(Record):
    """What a form for a job offers."""

    job: dict[str, Any] = Field(description="JSON Schema of a job file")
    tasks: list[FormTask]
    families: dict[str, dict[str, Any]] = Field(
        description="hyperparameters of each family: JSON Schema properties by name"
    )
    distributions: dict[str, dict[str, Any]] = Field(description="JSON Schema of each distribution")
    samplings: dict[str, dict[str, Any]] = Field(description="JSON Schema of each sampling")
    policies: dict[str, dict[str, Any]] = Field(description="JSON Schema of each early termination policy")
    targets: list[str] = Field(description="compute targets that need no address")


class AlgorithmFacts(Record):
    """An algorithm in a list to choose from."""

    name: str
    parameters: int = Field(description="number of weights, with a head of 1000 classes")
    licence: str | None = Field(description="of the pretrained weights, as their source states it")
    weights: str = Field(description='"package" when they are installed, "hub" when they are fetched, "none"')


def job_form() -> JobForm:
    """Everything that a form for a job offers."""
    return JobForm(
        job=job_schema(),
        tasks=[
            FormTask(
                name=task.name,
                title=task.title,
                primary_metric=task.primary_metric,
                metrics=list(metrics_of(task.name)),
                default_model=task.default_model,
                algorithms={name: family_of(task.name, name).__name__ for name in own_models(task.name)},
            )
            for task in TASKS.values()
        ],
        families={family.__name__: family.model_json_schema(by_alias=False)["properties"] for family in families()},
        distributions=_by_type(DISTRIBUTIONS.json_schema()),
        samplings=_by_type(SAMPLINGS.json_schema()),
        policies=_by_type(POLICIES.json_schema()),
        targets=list(TARGETS),
    )


def _by_type(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {option["properties"]["type"]["const"]: option for option in schema["anyOf"]}


def algorithm_facts(task: str) -> list[dict[str, Any]]:
    """Size and licence of a task's algorithms as JSON values; loads torch."""
    found = []
    for name in own_models(task):
        known = describe_model(name)
        facts = AlgorithmFacts(name=name, parameters=known.parameters, licence=known.licence, weights=known.weights)
        found.append(facts.model_dump(mode="json"))
    return found
