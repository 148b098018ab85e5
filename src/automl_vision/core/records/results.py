"""What a trial reports while it runs, and what it leaves when it ends."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from automl_vision.core.records.record import Record

SPEC_FILE, RESULT_FILE, METRICS_FILE = "spec.json", "result.json", "metrics.json"
COMPARISON_FILE = "comparison.npz"  # the arrays by which trials are compared
STOP_FILE = "stop"  # asks the trial to stop


class Evaluation(Record):
    """What a trial reports each time it validates; epoch 0 is the linear probe."""

    epoch: int
    passes: float = Field(default=0.0, description="over the training images so far, partial ones counted in part")
    metrics: dict[str, float] = Field(description="on the validation images")
    validation_loss: float | None = None
    train_loss: float | None = None
    train_metrics: dict[str, float] = Field(default_factory=dict)
    learning_rate: float = 0.0
    images_per_second: float | None = Field(default=None, description="training speed of this epoch")
    seconds: float = Field(default=0.0, description="since the trial began")


class TrialResult(Record):
    """The result of a finished trial, `result.json` in its folder."""

    best_epoch: int = Field(description="epoch whose weights were kept; 0 is the probe")
    fine_tuned_share: float = Field(description="of the kept weights: 0 is the start, 1 that epoch")
    epochs: int = Field(description="epochs trained")
    primary_metric: str
    score: float = Field(description="the primary metric on the validation images")
    stopped: str | None = Field(default=None, description="why the trial ended before its last planned epoch")
    seconds: float
    final_seconds: float = Field(default=0.0, description="of these, for the last predictions")
    weights_source: str = Field(description="origin of the initial weights")
    weights_licence: str | None = None
    parameters: int = 0
    precision: str = ""
    batch_size: int = 0
    processes: int = 1
    learning_rate: float = Field(default=0.0, description="highest of the schedule")
    refit_epochs: float | None = Field(
        default=None,
        description="further epochs on training and validation images together, 0 for a head alone; null: none",
    )


def _is_unknown(value: object) -> bool:
    return value is None


class MetricInterval(Record):
    """A metric with its 95 % confidence interval; without one, `low` and `high` are None and left out of the JSON."""

    value: float
    low: float | None = Field(default=None, exclude_if=_is_unknown)
    high: float | None = Field(default=None, exclude_if=_is_unknown)


class Calibration(Record):
    """Turns outputs into decisions; fitted on the validation images."""

    temperature: float = Field(default=1.0, description="the logits are divided by it")
    thresholds: tuple[float, ...] = Field(
        default=(),
        description="(classes,), a label is predicted at or above its threshold; empty if the largest output wins",
    )


class Report(Record):
    """How good a model is on one split."""

    metrics: dict[str, float]
    intervals: dict[str, MetricInterval] = Field(description="of the metrics that the leaderboard shows")
    per_class: list[dict[str, Any]] = Field(description="one row per class")
    charts: dict[str, Any] = Field(default_factory=dict, description="data of charts, such as the confusion matrix")

    def interval(self, metric: str) -> MetricInterval:
        """A metric with its interval, where it has one."""
        return self.intervals.get(metric) or MetricInterval(value=self.metrics[metric])


class TrialMetrics(Record):
    """The final evaluation of a trial, `metrics.json` in its folder."""

    calibration: Calibration
    splits: dict[str, Report] = Field(description='by split: "val", and "test" where there are test images')
