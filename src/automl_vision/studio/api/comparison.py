"""Two trials on the same images: is the difference real, and where is it?"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval
from automl_vision.evaluation.slices import LEVEL
from automl_vision.studio.api.evaluation import (
    Case,
    CaseDetails,
    WorkProgress,
    case_of,
    get_case,
    progress_of,
)
from automl_vision.studio.api.trials import Split
from automl_vision.studio.evaluations import OpenedComparison
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page
from automl_vision.studio.work import Background, Progress
from automl_vision.web.problems import NotFoundError

router = operations("comparison", "/compare")

TrialName = tuple[str, int]
"""Id of a run and number of a trial."""

_NAME = re.compile(r"(?P<run>.+):(?P<trial>\d{1,6})")


def two_trials(
    trials: Annotated[str, Query(description="two trials as RUN:TRIAL,RUN:TRIAL", examples=["chest-1:3,chest-1:7"])],
) -> tuple[TrialName, TrialName]:
    """The two trials that a request is about."""
    found = [_NAME.fullmatch(name) for name in trials.split(",")]
    if len(found) != 2 or None in found:
        sentence = f'two trials are compared, as RUN:TRIAL,RUN:TRIAL, not "{trials}"'
        raise ConfigError([Problem(("query", "trials"), sentence)], subject="The comparison")
    first, second = ((match["run"], int(match["trial"])) for match in found if match is not None)
    return first, second


Trials = Annotated[tuple[TrialName, TrialName], Depends(two_trials)]


def found_comparison(opened: Opened, trials: Trials, split: Split = None) -> OpenedComparison:
    """The comparison that a request is about."""
    return opened.comparison(*trials, split)


Found = Annotated[OpenedComparison, Depends(found_comparison)]


class ComparedTrial(BaseModel):
    """One of two trials."""

    run: str
    trial: int
    model_name: str
    score: MetricInterval | None = Field(description="the compared metric on the images")
    latency_ms: float | None
    size_mb: float | None


class ComparedMetric(BaseModel):
    """A metric of both trials; without a test of its own."""

    name: str
    lower_is_better: bool
    first: MetricInterval | None
    second: MetricInterval | None


class ComparedSetting(BaseModel):
    """A setting that differs."""

    name: str
    first: str
    second: str


class ComparedTrials(BaseModel):
    """Two trials on the same images."""

    first: ComparedTrial
    second: ComparedTrial
    split: str
    images: int
    metric: str
    lower_is_better: bool
    difference: MetricInterval | None = Field(description="second minus first")
    p_value: float | None = Field(description="two-sided, of no difference")
    test: str
    is_different: bool
    sentence: str
    only_first: int = Field(description="images that only the first trial gets right")
    only_second: int
    both: int
    neither: int
    metrics: list[ComparedMetric]
    settings: list[ComparedSetting] = Field(description="that differ")


class ComparedPart(BaseModel):
    """Two trials on a class or slice."""

    name: str
    images: int
    first: float | None
    second: float | None
    difference: MetricInterval | None = Field(description="second minus first")
    p_value: float | None = Field(description="Holm-corrected")


class ComparedClasses(BaseModel):
    """Two trials class by class."""

    figure: str = Field(description="by which classes are compared", examples=["f1"])
    parts: list[ComparedPart]


class ComparedSlices(BaseModel):
    """Two trials slice by slice; the images are read once for it, in the background."""

    progress: WorkProgress
    metric: str
    parts: list[ComparedPart] = Field(description="empty until the work is done")


class FlippedCase(BaseModel):
    """An image with what both trials say."""

    first: Case
    second: Case


class FlippedCaseDetails(BaseModel):
    """One image with all that both trials predict for it."""

    first: CaseDetails
    second: CaseDetails


Side = Annotated[
    Literal["first", "second", "both", "neither"], Query(description="which trial gets the images right, alone or not")
]


@router.get("")
def get_comparison(found: Found, opened: Opened, trials: Trials) -> ComparedTrials:
    """Compare two trials by a paired test, with what only one of them gets right and where their settings differ."""
    from automl_vision.experiment.trial_settings import differing_settings

    compared, first = found.compared, found.first.evaluated
    test, metric = compared.comparison, first.metric(compared.metric)
    p_value = finite(test.p_value)
    folders = [opened.trial(*name).folder for name in trials]
    settings = differing_settings(*folders)
    return ComparedTrials(
        first=_trial(opened, trials[0], found.first.evaluated, compared.metric),
        second=_trial(opened, trials[1], found.second.evaluated, compared.metric),
        split=first.split,
        images=test.images,
        metric=compared.metric,
        lower_is_better=not metric.higher_is_better,
        difference=test.difference.record(),
        p_value=p_value,
        test=test.test,
        is_different=p_value is not None and p_value < LEVEL,
        sentence=comparison_sentence(found, trials),
        only_first=len(compared.only_first),
        only_second=len(compared.only_second),
        both=compared.both,
        neither=compared.neither,
        metrics=_metrics(found),
        settings=[ComparedSetting(name=name, first=_text(one), second=_text(two)) for name, one, two in settings],
    )


@router.get("/classes")
def get_compared_classes(found: Found) -> ComparedClasses:
    """Compare two trials class by class, with p-values that hold for all classes at once."""
    from automl_vision.experiment.compared import compare_classes

    first, second = found.first, found.second
    with first.lock, second.lock:
        parts = compare_classes(first.evaluated, second.evaluated)
        return ComparedClasses(figure=first.evaluated.class_figure, parts=[_part(part) for part in parts])


@router.get("/slices")
def get_compared_slices(found: Found, work: Background, opened: Opened, trials: Trials) -> ComparedSlices:
    """Compare two trials slice by slice; the first request begins the work, later ones say how far it is."""
    from automl_vision.experiment.compared import compare_slices

    first, second = found.first.evaluated, found.second.evaluated

    def do(progress: Progress) -> list[Any]:
        first.pixel_statistics(progress=progress)
        return compare_slices(first, second)

    (run_a, a), (run_b, b) = trials
    piece = work.start(
        "comparison",
        f"Slices of {first.name} and {second.name}",
        do,
        key=(opened.name, trials, first.split),
        workspace=opened.name,
        page=f"/runs/{run_a}/compare?trials={run_a}:{a},{run_b}:{b}",
    )
    parts = piece.result if piece.state == "done" else ()
    return ComparedSlices(
        progress=progress_of(piece), metric=found.compared.metric, parts=[_part(part) for part in parts]
    )


@router.get("/cases")
def list_flipped_cases(found: Found, right: Side, limit: Limit = 50, cursor: Cursor = 0) -> Page[FlippedCase]:
    """List the images that only one trial gets right, or both, or neither, worst first."""
    with found.first.lock, found.second.lock:
        positions = _positions(found, right)
        items = [
            FlippedCase(first=case_of(found.first.cases.case(i)), second=case_of(found.second.cases.case(i)))
            for i in positions[cursor : cursor + limit]
        ]
    end = cursor + limit
    return Page(items=items, total=len(positions), next=end if end < len(positions) else None)


@router.get("/cases/{row}")
def get_flipped_case(found: Found, row: int) -> FlippedCaseDetails:
    """Return one image with what both trials predict for it."""
    return FlippedCaseDetails(first=get_case(found.first, row), second=get_case(found.second, row))


@router.get("/figures/{name}")
def get_compared_figure(opened: Opened, trials: Trials, name: Literal["learning_curves"]) -> dict[str, Any]:  # noqa: ARG001 - there is one
    """Return a figure of two trials as Plotly's JSON, without colours."""
    from automl_vision.charts.marks import CannotDrawError
    from automl_vision.experiment.comparison_figures import compared_curves

    try:
        figure = compared_curves(*(opened.trial(*trial).folder for trial in trials))
    except CannotDrawError as error:
        raise NotFoundError(str(error)) from None
    found: dict[str, Any] = json.loads(figure.to_json())
    return found


def comparison_sentence(found: OpenedComparison, trials: tuple[TrialName, TrialName]) -> str:
    """Whether the difference is real, in a sentence."""
    from automl_vision.experiment.compared_sentence import compared_sentence

    same_run = trials[0][0] == trials[1][0]
    names = [f"trial {number}" if same_run else f"trial {number} of {run}" for run, number in trials]
    return compared_sentence(found.compared, found.first.evaluated, (names[0], names[1]))


def _positions(found: OpenedComparison, right: str) -> list[int]:
    first, second = found.first.cases.mistakes, found.second.cases.mistakes
    count = len(found.first.cases)
    if right == "first":
        return [i for i in second if i not in first]
    if right == "second":
        return [i for i in first if i not in second]
    if right == "neither":
        return [i for i in first if i in second]
    return [i for i in range(count) if i not in first and i not in second]


def _trial(opened: Opened, trial: TrialName, evaluated: Any, metric: str) -> ComparedTrial:
    run_id, number = trial
    row = next((row for row in opened.run(run_id).board() if row.trial == number), None)
    return ComparedTrial(
        run=run_id,
        trial=number,
        model_name=opened.trial(run_id, number).model_name,
        score=evaluated.interval(metric).record(),
        latency_ms=row.latency_ms if row else None,
        size_mb=row.size_mb if row else None,
    )


def _metrics(found: OpenedComparison) -> list[ComparedMetric]:
    with found.first.lock, found.second.lock:
        first, second, evaluated = found.first.metrics, found.second.metrics, found.first.evaluated
        return [
            ComparedMetric(
                name=name,
                lower_is_better=not evaluated.metric(name).higher_is_better,
                first=first[name].record(),
                second=second[name].record(),
            )
            for name in first
        ]


def _part(part: Any) -> ComparedPart:
    return ComparedPart(
        name=part.name,
        images=part.images,
        first=finite(part.first),
        second=finite(part.second),
        difference=part.comparison.difference.record(),
        p_value=finite(part.comparison.p_value),
    )


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
