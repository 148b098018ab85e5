"""What a workspace remembers of a finished trial: counts, settings, scores and seconds; no image, class or name."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from automl_vision.core.records.record import Record
from automl_vision.core.records.runs import Ranking


class DataFacts(Record):
    """A dataset in a few numbers."""

    images: int
    classes: int
    largest_share: float = Field(description="of the most frequent class among all labels")
    side: float = Field(description="median of the images' shorter sides, pixels")
    objects: float = Field(default=0.0, description="mean per image; 0 where whole images are labelled")
    small_side: float | None = Field(
        default=None, description="side of a small object, the 10 % quantile, as a share of its image's shorter side"
    )


class PastTrial(Record):
    """A trial of a completed run."""

    run: str = Field(description="digest of the run's id; trials of one run are compared with each other")
    trial: int = Field(description="its number in the run")
    ended: float = Field(description="seconds since 1970")
    task: str
    data: str = Field(description="digest of the dataset's fingerprint")
    facts: DataFacts
    model_name: str
    role: str = Field(default="", description="what AutoMode tried it as; empty for other trials")
    sampled: dict[str, float] = Field(default_factory=dict, description="numbers that a sampler or AutoMode chose")
    sizes: dict[str, Any] = Field(default_factory=dict, description="of the input, as hyperparameters")
    metric: str = Field(description="the run's primary metric")
    lower_is_better: bool = False
    scores: dict[int, float] = Field(
        default_factory=dict, description="the metric by epoch; 0 is the probe, or the start"
    )
    score: float | None = Field(description="the metric of the weights that were kept")
    ended_early: bool = Field(default=False, description="by a policy, before its last planned epoch")
    epochs: float = Field(description="passes over the training images")
    seconds: float
    epoch_seconds: float | None = Field(default=None, description="of an epoch with its validation; null: not known")
    cores: int
    gpus: int = 0

    @property
    def ranking(self) -> Ranking:
        """How the trials of its run are ranked."""
        return Ranking(self.metric, self.lower_is_better)
