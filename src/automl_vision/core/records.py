"""The records that travel between rooms: typed, frozen, JSON both ways."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
