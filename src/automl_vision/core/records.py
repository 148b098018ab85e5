"""The records that travel between rooms: typed, frozen, JSON both ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True)
class Calibration:
    """What turns outputs into decisions, fitted on validation images.

    Attributes:
        temperature: the logits are divided by it.
        thresholds: (classes,), a label is predicted at or above its threshold; empty where the largest wins.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return {"temperature": self.temperature, "thresholds": list(self.thresholds)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Calibration:
        """The calibration back from JSON values."""
        return Calibration(value["temperature"], tuple(value["thresholds"]))


@dataclass(frozen=True)
class Report:
    """How good a model is on one split.

    Attributes:
        metrics: value by name.
        intervals: {"value", "low", "high"} by name, for the metrics that stand on the leaderboard.
        per_class: one row per class.
        charts: data of charts by name, such as the confusion matrix.
    """

    metrics: dict[str, float]
    intervals: dict[str, dict[str, float]]
    per_class: list[dict[str, Any]]
    charts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return vars(self)
