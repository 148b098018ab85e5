"""What each step of a pipeline found: a value that is kept, and that the next steps take."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from pydantic import Field

from automl_vision.core.errors import PipelineError
from automl_vision.core.records import MetricInterval
from automl_vision.core.records.record import Record
from automl_vision.experiment.gate import Answer, GateSentence


class StepResult(Record):
    """What a step found.

    Attributes:
        step: name of the step that finds results of this kind.
    """

    step: ClassVar[str] = ""

    key: str = Field(default="", description="digest of what the result depends on")
    passed: bool = Field(default=True, description="whether the next step may begin")
    sentence: str = Field(description="the result for people")
    notes: list[str] = Field(default=[], description="further sentences")
    made: float = Field(default=0.0, description="seconds since 1970")
    seconds: float = Field(default=0.0, description="that it took")
    by: str = Field(default="", description="account that it ran for")


class DataTaken(StepResult):
    """A version of the data, and the frozen images that judge."""

    step: ClassVar[str] = "data"

    version: str = Field(description="registered dataset, such as `leaves:3`")
    fingerprint: str
    images: dict[str, int] = Field(description="by split")
    previous: str = Field(default="", description="version before it; empty for the first")
    added: int = Field(default=0, description="images that the previous version lacks, and likewise the next ones")
    removed: int = 0
    relabelled: int = 0
    classes_added: list[str] = Field(default=[])
    classes_removed: list[str] = Field(default=[])
    test: str = Field(description="registered dataset of the frozen test images")
    test_fingerprint: str
    test_images: int


class DataChecked(StepResult):
    """What the doctor found in the data."""

    step: ClassVar[str] = "check"

    errors: list[str] = Field(default=[], description="names of the checks that found errors which count")
    warnings: list[str] = Field(default=[])
    report: str = Field(default="", description="path of the report as a page")


class TrainedRun(Record):
    """A run of the training step."""

    run: str
    start: str = Field(description='"champion" or "start": whose weights it began with')
    score: float | None = Field(description="primary metric on the validation images; null if it has no model")
    status: str


class Trained(StepResult):
    """The runs that were trained, and the better of them by its validation images."""

    step: ClassVar[str] = "train"

    runs: list[TrainedRun]
    chosen: str = Field(description="id of the run whose model goes on; empty if no run has one")
    metric: str = Field(description="primary metric")
    champion: str = Field(default="", description="version that was the champion then; empty if there was none")


class Judged(StepResult):
    """The model on the frozen test images."""

    step: ClassVar[str] = "evaluate"

    run: str
    images: int
    metrics: dict[str, MetricInterval | None]
    folder: str = Field(description="with the predictions, for `automl-vision report`")


class Candidate(StepResult):
    """The model as a registered version."""

    step: ClassVar[str] = "register"

    version: str = Field(description="such as `leaves:3`")


class Challenged(StepResult):
    """The candidate beside the champion, by the rule of promotion."""

    step: ClassVar[str] = "compare"

    version: str
    champion: str = Field(description="empty if there was none")
    answer: Answer
    sentences: list[GateSentence] = Field(default=[])


class Promoted(StepResult):
    """The candidate as the champion."""

    step: ClassVar[str] = "promote"

    version: str
    previous: str = Field(default="", description="champion before it")
    changed: float = Field(default=0.0, description="when the alias moved, seconds since 1970")


class Deployed(StepResult):
    """The champion on its endpoint."""

    step: ClassVar[str] = "deploy"

    version: str
    endpoint: str = Field(default="", description="empty if the pipeline has none")
    deployment: str = ""


Found = TypeVar("Found", bound=StepResult)


class Results(dict[str, StepResult]):
    """The results of the steps before, by name."""

    def of(self, kind: type[Found]) -> Found:
        """The result of a kind.

        Raises:
            PipelineError: its step has not been done.
        """
        found = self.get(kind.step)
        if not isinstance(found, kind):
            raise PipelineError(f"the step {kind.step} has not been done")
        return found

    def add(self, result: StepResult) -> None:
        """Keep a result for the steps that follow."""
        self[result.step] = result
