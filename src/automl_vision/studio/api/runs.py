"""Runs: their list, their board with what paired tests say of it, and their figures."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.records import MetricInterval, RunStatus
from automl_vision.experiment.run_list import ExperimentSummary, RunOrder, RunQuery, RunSummary
from automl_vision.runs.leaderboard import Leaderboard, Row
from automl_vision.runs.verdict import Verdict
from automl_vision.studio.opened import Opened, OpenedRun, Recent
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.web.problems import NotFoundError
from automl_vision.workspace.run_folder import RunFolder

if TYPE_CHECKING:
    from automl_vision.experiment.figures import Figures

router = operations("runs")

FigureName = Literal["board", "latency", "size", "parallel_coordinates", "importance"]

_MOST_FIGURES = 64

Metrics = Annotated[list[str] | None, Query(description="further metrics of the task that get columns")]
MaxLatency = Annotated[float | None, Query(gt=0, le=1e9, description="most milliseconds per image")]
MaxSize = Annotated[float | None, Query(gt=0, le=1e9, description="largest exported file, in units of 10^6 bytes")]


class BoardRow(Row):
    """A trial on the board."""

    metrics: dict[str, dict[str, MetricInterval]] = Field(
        default_factory=dict,
        exclude_if=lambda metrics: not metrics,
        description="the further metrics that were asked for, by name and split; absent if none was",
    )


class TrialComparison(BaseModel):
    """The paired test of a trial with the best one."""

    trial: int
    difference: MetricInterval = Field(description="the trial's metric minus that of the best")
    p_value: float = Field(description="Holm-corrected")
    is_different: bool


class RunVerdict(BaseModel):
    """Which trials cannot be told from the best one."""

    best: int
    recommended: int = Field(description="the fastest or smallest of those that cannot be told from the best")
    reason: str = Field(description="why it is recommended, in a few words")
    sentence: str = Field(description="empty if no other trial has a result")
    not_distinguishable: list[int]
    tests: list[TrialComparison]


class RunDetails(RunSummary):
    """A run with its board."""

    rows: list[BoardRow] = Field(description="the trials, best first")
    note: str = Field(description="what the limits leave, in a sentence; empty without limits")
    metric_names: list[str] = Field(description="metrics that can be asked for, the primary one first")
    differing: list[str] = Field(description="sampled settings that differ between the trials")
    verdict: RunVerdict | None = Field(description="null before a trial has a result, or where none keeps the limits")
    decision: str | None = Field(description="what AutoMode kept, and why")
    model_trial: int | None = Field(description="the trial that became the model of the run")
    model_notes: list[str] = Field(description="what else is to be known of the model, in sentences")
    measured_on: str = Field(description="how latency was measured")
    has_model: bool = Field(description="whether a model was packaged")
    has_predictions: bool = Field(description="whether the mistakes of the recommended trial can be looked at")
    is_canceling: bool = Field(description="whether the run was asked to end and has not ended yet")
    workspace_path: str = Field(description="folder of the workspace")


class RunFigures(BaseModel):
    """Figures of a run, as far as they can be drawn."""

    figures: dict[str, dict[str, Any]] = Field(description="by name, as Plotly's JSON without colours")
    missing: dict[str, str] = Field(description="why the others cannot be drawn, by name")


def _query(
    status: Annotated[list[RunStatus] | None, Query(description="one of these")] = None,
    experiment: Annotated[str | None, Query(description="its name")] = None,
    task: Annotated[str | None, Query(description="its name", examples=["image-classification"])] = None,
    text: Annotated[str, Query(max_length=200, description="words in id, experiment, task or reason")] = "",
    order: Annotated[RunOrder, Query(description="by what they are sorted")] = "created",
    descending: Annotated[bool, Query(description="whether the greatest come first")] = True,
) -> RunQuery:
    return RunQuery(frozenset(status or ()), experiment, task, text, order, descending)


@router.get("/runs")
def list_runs(
    opened: Opened, query: Annotated[RunQuery, Depends(_query)], limit: Limit = 50, cursor: Cursor = 0
) -> Page[RunSummary]:
    """List the runs of a workspace, by default the newest first."""
    return page_of(opened.run_list.select(query), cursor, limit)


@router.get("/experiments")
def list_experiments(opened: Opened, limit: Limit = 50, cursor: Cursor = 0) -> Page[ExperimentSummary]:
    """List the experiments with their numbers of runs, the one with the newest run first."""
    return page_of(opened.run_list.experiments(), cursor, limit)


@router.get("/runs/{run_id}")
def get_run(
    opened: Opened,
    run_id: str,
    metric: Metrics = None,
    max_latency_ms: MaxLatency = None,
    max_size_mb: MaxSize = None,
) -> RunDetails:
    """Return a run with its board, and what paired tests say of it; with limits, of the trials that keep them."""
    run = opened.run(run_id)
    try:
        board = run.board(metric or (), max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)
    except ValueError as error:
        raise ConfigError([Problem(("query", "metric"), str(error))], subject="The request") from None
    folder = run.run.folder
    record = folder.record()
    verdict = run.verdict(max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)
    return RunDetails(
        **dict(run.summary()),
        rows=_rows(board),
        note=board.note,
        metric_names=run.board().known_metrics,
        differing=board.differing,
        verdict=_verdict(verdict),
        decision=None if record.decision is None else record.decision.reason,
        model_trial=record.best_trial,
        model_notes=record.model_notes,
        measured_on=board.measured_on,
        has_model=folder.model.exists(),
        has_predictions=verdict is not None and _has_predictions(folder, verdict.recommended),
        is_canceling=not record.status.is_at_rest and folder.cancel_request.is_set(),
        workspace_path=str(opened.workspace.path),
    )


@router.get("/runs/{run_id}/figures")
def get_run_figures(
    opened: Opened, run_id: str, name: Annotated[list[FigureName], Query(description="which figures")]
) -> RunFigures:
    """Return figures of a run's trials, and why others cannot be drawn."""
    run = opened.run(run_id)
    found: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    for each in name:
        figure = _figure(run, each)
        if isinstance(figure, str):
            missing[each] = figure
        else:
            found[each] = figure
    return RunFigures(figures=found, missing=missing)


@router.get("/runs/{run_id}/figures/{name}")
def get_run_figure(opened: Opened, run_id: str, name: str) -> dict[str, Any]:
    """Return a figure of a run's trials as Plotly's JSON, without colours."""
    found = _figure(opened.run(run_id), name)
    if isinstance(found, str):
        raise NotFoundError(found)
    return found


def figure_json(figures: Figures, name: str) -> dict[str, Any]:
    """A figure as Plotly's JSON, without colours.

    Raises:
        NotFoundError: there is none; the message says why.
    """
    try:
        found: dict[str, Any] = json.loads(str(figures.in_mode(None)[name].to_json()))
    except KeyError as error:
        raise NotFoundError(str(error.args[0])) from None
    return found


_drawn: Recent[Hashable, dict[str, Any] | str] = Recent(_MOST_FIGURES)


def _figure(run: OpenedRun, name: str) -> dict[str, Any] | str:
    """A figure of the board as it is now, which is drawn once; or why it cannot be drawn."""

    def draw() -> dict[str, Any] | str:
        try:
            return figure_json(run.figures(), name)
        except NotFoundError as error:
            return str(error).removeprefix(f'there is no figure "{name}": ')

    return _drawn.get((str(run.run.folder.path), name, run.state()), draw)


def _rows(board: Leaderboard) -> list[BoardRow]:
    """The rows with the metrics that have columns."""
    return [BoardRow.model_construct(**{**dict(row), "metrics": _shown(row, board.shown)}) for row in board]


def _shown(row: Row, names: Sequence[str]) -> dict[str, dict[str, MetricInterval]]:
    return {name: {split: report[name] for split, report in row.metrics.items() if name in report} for name in names}


def _has_predictions(folder: RunFolder, trial: int) -> bool:
    from automl_vision.evaluation.predictions import PREDICTIONS_FILE

    return folder.manifest.exists() and (folder.trial(trial).path / PREDICTIONS_FILE).exists()


def _verdict(found: Verdict | None) -> RunVerdict | None:
    if found is None:
        return None
    tests = [
        TrialComparison(
            trial=test.trial,
            difference=_interval(test.comparison.difference),
            p_value=test.p_value,
            is_different=test.is_different,
        )
        for test in found.tests
    ]
    return RunVerdict(
        best=found.best,
        recommended=found.recommended,
        reason=found.reason,
        sentence=found.sentence,
        not_distinguishable=list(found.not_distinguishable),
        tests=tests,
    )


def _interval(found: Any) -> MetricInterval:
    return MetricInterval(value=found.value, low=found.low, high=found.high)
