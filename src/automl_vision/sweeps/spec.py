"""What a run is, in a form that travels as JSON: written when it is submitted, read by the process that works on it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from automl_vision.tasks.hyperparameters import Hyperparameters, with_family


class PlannedTrial(BaseModel):
    """One configuration to try."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_name: str
    hyperparameters: SerializeAsAny[Hyperparameters]
    start_from: str | None = Field(None, description="weights of an earlier trial to start from")


class SweepSpec(BaseModel):
    """A run: a data set, the trials to run on it, and the budget."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    experiment: str
    task: str
    manifest: str = Field(description="Parquet file of the data set as it was opened")
    max_bad_share: float = Field(description="largest share of unusable records")
    primary_metric: str
    trials: list[PlannedTrial]
    budget_seconds: float
    seed: int
    device: str
    threads: int
    workspace: str

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, values: Any) -> Any:
        """Trials read from JSON get the hyperparameters of their task and algorithm."""
        if not isinstance(values, dict) or not isinstance(values.get("trials"), list) or "task" not in values:
            return values
        return {**values, "trials": [with_family(values["task"], trial) for trial in values["trials"]]}
