"""What one trial is, in a form that travels as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from automl_vision.recipes.checking import with_family
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters


class TrialSpec(BaseModel):
    """Everything that a trial depends on; the same spec gives the same trial."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    task: str = Field(description="the product's name of the task")
    primary_metric: str | None = Field(None, description="ranks epochs; none: the task's own")
    manifest: str = Field(description="Parquet file of the dataset, with a split for every image")
    fingerprint: str = Field(description="of that dataset")
    model_name: str = Field(description="the algorithm")
    hyperparameters: SerializeAsAny[Hyperparameters] = Field(description="typed, all defaults filled in")
    folder: str = Field(description="where the trial keeps its state and leaves its results")
    cache: str = Field(description="folder of pixel caches and device measurements, shared by trials")
    seed: int = Field(0, description="of every random choice")
    budget_seconds: float | None = Field(None, gt=0, description="time for the whole trial; none: no limit")
    packaged_images: int = Field(
        default=0, ge=0, description="that are predicted to package the network, for which time is left in the budget"
    )
    device: str = Field("auto", description='"auto", "cpu" or "cuda"')
    geometry: Geometry | None = Field(
        default=None, description="of a detector's input; none: the trial decides it from its manifest"
    )
    threads: int = Field(0, ge=0, description="cores to use; 0: all")
    processes: int = Field(
        default=1, ge=1, description="that train it together, each on a GPU of its own where there are any"
    )
    start_from: str | None = Field(None, description="weights of an earlier trial to start from")
    head_only: bool = Field(default=False, description="whether nothing is trained but the head, by a linear probe")
    members: tuple[str, ...] = Field(
        default=(), description="folders of trials whose networks become one that averages theirs; none: one is trained"
    )
    shares: tuple[float, ...] = Field(default=(), description="of each member in the average; they add up to 1")
    mirrored: tuple[bool, ...] = Field(
        default=(), description="whether each member sees mirror images too; none: none does"
    )
    refit_of: str | None = Field(
        default=None, description="folder of a finished trial whose network is trained on the validation images too"
    )

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, values: Any) -> Any:
        """Hyperparameters read from JSON become those of task and algorithm."""
        return with_family(values["task"], values) if isinstance(values, dict) and "task" in values else values
