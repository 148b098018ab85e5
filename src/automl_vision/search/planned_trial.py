"""A configuration to try, as a sampler or AutoMode proposes it."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SerializeAsAny

from automl_vision.recipes.checking import with_family
from automl_vision.recipes.hyperparameters import Hyperparameters


class PlannedTrial(BaseModel):
    """One configuration to try."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), serialize_by_alias=True)

    model_name: str
    hyperparameters: SerializeAsAny[Hyperparameters]
    start_from: str | None = Field(default=None, description="weights of an earlier trial to start from")
    head_only: bool = Field(default=False, description="whether nothing is trained but the head, by a linear probe")
    members: tuple[int, ...] = Field(
        default=(), description="numbers of trials whose networks become one that averages theirs; none: one is trained"
    )
    shares: tuple[float, ...] = Field(default=(), description="of each member in the average; they add up to 1")
    mirrored: tuple[bool, ...] = Field(
        default=(), description="whether each member sees mirror images too; none: none does"
    )
    role: str = Field(default="", description='what it is for, such as "the default recipe"')
    sampled: dict[str, Any] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("sampled", "drawn"),
        serialization_alias="drawn",  # the key on disk, which a resumed run reads
        description="the hyperparameters that the sampler chose",
    )
    point: dict[str, float] = Field(default_factory=dict, description="where they lie in the search space")


def planned_trial(task: str, values: dict[str, Any]) -> PlannedTrial:
    """A planned trial back from JSON, its hyperparameters typed by task and algorithm."""
    return PlannedTrial.model_validate(with_family(task, values))
