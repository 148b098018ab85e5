"""What one trial is, in a form that travels as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from automl_vision.tasks.hyperparameters import Hyperparameters, with_family


class TrialSpec(BaseModel):
    """Everything that a trial depends on; the same spec gives the same trial."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    task: str = Field(description="the product's name of the task")
    manifest: str = Field(description="Parquet file of the data set, with a split for every image")
    fingerprint: str = Field(description="of that data set")
    model_name: str = Field(description="the algorithm")
    hyperparameters: SerializeAsAny[Hyperparameters] = Field(description="typed, all defaults filled in")
    folder: str = Field(description="where the trial keeps its state and leaves its results")
    cache: str = Field(description="folder of pixel caches and device measurements, shared by trials")
    seed: int = Field(0, description="of every random choice")
    budget_seconds: float | None = Field(None, gt=0, description="time for the whole trial; none: no limit")
    device: str = Field("auto", description='"auto", "cpu" or "cuda"')
    threads: int = Field(0, ge=0, description="cores to use; 0: all")
    processes: int = Field(
        default=1, ge=1, description="that train it together, each on a GPU of its own where there are any"
    )
    start_from: str | None = Field(None, description="weights of an earlier trial to start from")

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, values: Any) -> Any:
        """Hyperparameters read from JSON become those of task and algorithm."""
        return with_family(values["task"], values) if isinstance(values, dict) and "task" in values else values


class Evaluation(BaseModel):
    """What a trial reports each time it validates; epoch 0 is the probe."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    metrics: dict[str, float] = Field(description="on the validation images")
    validation_loss: float | None = None
    train_loss: float | None = None
    train_metrics: dict[str, float] = Field(default_factory=dict)
    learning_rate: float = 0.0
    images_per_second: float | None = Field(None, description="in training, of this epoch")
    seconds: float = Field(0.0, description="since the trial began")


class TrialResult(BaseModel):
    """What a trial gives when it ends."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    best_epoch: int = Field(description="0 is the probe")
    fine_tuned_share: float = Field(description="of the kept weights: 0 are the start's, 1 the best epoch's")
    epochs: int = Field(description="epochs trained")
    primary_metric: str
    score: float = Field(description="the primary metric on the validation images")
    stopped: str | None = Field(None, description="why the trial ended before its last planned epoch")
    seconds: float
    weights_source: str = Field(description="where the first weights come from")
    weights_licence: str | None = None
    parameters: int = 0
    precision: str = ""
    batch_size: int = 0
    processes: int = 1
    learning_rate: float = Field(0.0, description="highest of the schedule")
