"""What the folder of a run records of the run and of its trials."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field

from automl_vision.core.records.record import Record
from automl_vision.core.records.results import MetricInterval
from automl_vision.core.records.status import RunStatus, TrialStatus

# what a later version recorded is kept when this one updates the file
_KEEPS_UNKNOWN = ConfigDict(extra="allow")


class PairedTest(Record):
    """A paired test of two trials on the same validation images."""

    difference: MetricInterval = Field(description="second minus first")
    p_value: float = Field(description="two-sided")
    test: str = Field(description="its name")
    images: int


class Decision(Record):
    """Which trial AutoMode keeps, and why."""

    trial: int
    reason: str = Field(description="one sentence")
    comparison: PairedTest | None = Field(default=None, description="of the best candidate with the default recipe")


Gate = Literal["probable", "strict"]
"""When AutoMode replaces the default recipe."""


@dataclass(frozen=True)
class Ranking:
    """How the trials of a run are ranked.

    Attributes:
        metric: name of the primary metric.
        lower_is_better: its direction.
    """

    metric: str
    lower_is_better: bool = False

    def score(self, value: float) -> float:
        """A value of the metric as a score, of which higher is better; the score of a score is the value."""
        return -value if self.lower_is_better else value

    def best_of(self, values: Iterable[float | None]) -> float | None:
        """The best of some values of the metric; None if none is a finite number."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        return max(known, key=self.score, default=None)


class PlaceInLine(Record):
    """What a queued run waits for."""

    place: int = Field(description="in line: the run with place 1 starts next")
    run: str = Field(description="id of the run at the head of the line, which works now")
    workspace: str = Field(description="folder of that run's workspace")

    @property
    def sentence(self) -> str:
        """What the run waits for, such as "waits for chest-1; 1 more run is before it"."""
        others = self.place - 1
        more = f"; {others} more {'run is' if others == 1 else 'runs are'} before it" if others else ""
        return f"waits for {self.run}{more}"


class RunOutline(Record):
    """The part of a run's specification, `spec.json`, that is shown with the run."""

    task: str = ""
    primary_metric: str = ""
    lower_is_better: bool = Field(default=False, description="direction of the primary metric")
    budget_seconds: float = 0.0
    max_latency_ms: float | None = Field(default=None, description="most milliseconds per image of the kept network")
    max_size_mb: float | None = Field(default=None, description="most megabytes of the kept network's exported file")

    @property
    def ranking(self) -> Ranking:
        """How its trials are ranked."""
        return Ranking(self.primary_metric, self.lower_is_better)


class RunRecord(Record):
    """The state of a run, `status.json` in its folder."""

    model_config = _KEEPS_UNKNOWN

    status: RunStatus = RunStatus.NOT_STARTED
    experiment: str = ""
    created: float | None = Field(default=None, description="seconds since 1970, as are the other times")
    started: float | None = None
    ended: float | None = None
    reason: str | None = Field(default=None, description="why the run failed, was canceled or waits")
    in_line: PlaceInLine | None = Field(default=None, description="of a queued run")
    pid: int | None = Field(default=None, description="of the process that works on the run")
    seconds: float = Field(default=0.0, description="spent on the run, over all interruptions")
    seconds_at: float | None = Field(default=None, description="when `seconds` was recorded")
    mlflow: dict[str, str] = Field(default_factory=dict, description='MLflow run ids of "run", "trial 0", ...')
    probes: dict[str, float] = Field(default_factory=dict, description="score of each candidate that was probed")
    decision: Decision | None = None
    best_trial: int | None = Field(default=None, description="the trial that became the model")
    model_notes: list[str] = Field(
        default_factory=list, description="what else is to be known of the model, in sentences"
    )


class TrialRecord(Record):
    """The state of a trial, `status.json` in its folder."""

    model_config = _KEEPS_UNKNOWN

    status: TrialStatus = TrialStatus.NOT_STARTED
    started: float | None = Field(default=None, description="seconds since 1970, as are the other times")
    ended: float | None = None
    reason: str | None = Field(default=None, description="why the trial failed or ended early")
    log: str | None = Field(default=None, description="last lines of a failed trial")


class TrialPlan(Record):
    """The configuration that a trial tries, `planned.json` in its folder."""

    model_config = _KEEPS_UNKNOWN

    model_name: str = ""
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    head_only: bool = Field(default=False, description="whether nothing is trained but the head")
    members: tuple[int, ...] = Field(default=(), description="the trials whose networks it averages")
    role: str = ""
    sampled: dict[str, Any] = Field(default_factory=dict, alias="drawn", description="the sampler's choices")


class Published(Record):
    """What the MLflow store is known to hold of a trial, `published.json` in its folder."""

    offset: int = Field(default=0, description="events up to this byte of the trial's `events.jsonl`")
    ended: bool = False
