"""A configuration to try, as a sampler or AutoMode proposes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from automl_vision.recipes.checking import with_family
from automl_vision.recipes.hyperparameters import Hyperparameters


class PlannedTrial(BaseModel):
    """One configuration to try."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_name: str
    hyperparameters: SerializeAsAny[Hyperparameters]
    start_from: str | None = Field(default=None, description="weights of an earlier trial to start from")
    role: str = Field(default="", description='what it is for, such as "the default recipe"')
    drawn: dict[str, Any] = Field(default_factory=dict, description="the hyperparameters that the sampler drew")
    point: dict[str, float] = Field(default_factory=dict, description="where they lie in the search space")


def planned_trial(task: str, values: dict[str, Any]) -> PlannedTrial:
    """A planned trial back from JSON, its hyperparameters typed by task and algorithm."""
    return PlannedTrial.model_validate(with_family(task, values))
