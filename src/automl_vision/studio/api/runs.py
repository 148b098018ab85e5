"""Runs: their list, their board with what paired tests say of it, and their figures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from automl_vision.core.records import MetricInterval, RunStatus
from automl_vision.runs.leaderboard import Row
from automl_vision.studio.opened import Opened, OpenedRun
from automl_vision.studio.paging import Cursor, Limit, Page, page_of

router = APIRouter(tags=["runs"])


class RunSummary(BaseModel):
    """A run in a list."""

    id: str
    experiment: str
    task: str
    status: RunStatus
    created: float | None = Field(description="seconds since 1970, as are the other times")
    started: float | None
    ended: float | None
    budget_seconds: float
    seconds: float = Field(description="spent on the run")
    metric: str = Field(description="that ranks its trials")
    trials: int
    best: MetricInterval | None = Field(description="of the best trial")
    best_trial: int | None
    reason: str | None = Field(description="why it failed or was canceled")


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
    sentence: str
    not_distinguishable: list[int]
    tests: list[TrialComparison]


class RunDetails(RunSummary):
    """A run with its board."""

    lower_is_better: bool = Field(description="direction of the metric")
    rows: list[Row] = Field(description="the trials, best first")
    verdict: RunVerdict | None = Field(description="null before a trial has a result")
    decision: str | None = Field(description="what AutoMode kept, and why")
    measured_on: str = Field(description="how latency was measured")
    has_model: bool = Field(description="whether a model was packaged")


@router.get("/runs")
def list_runs(opened: Opened, limit: Limit = 50, cursor: Cursor = 0) -> Page[RunSummary]:
    """List the runs of a workspace, the newest first."""
    page = page_of(list(reversed(opened.workspace.run_ids())), cursor, limit)
    items = [RunSummary(**_summary(opened.run(run_id))) for run_id in page.items]
    return Page(items=items, total=page.total, next=page.next)


@router.get("/runs/{run_id}")
def get_run(opened: Opened, run_id: str) -> RunDetails:
    """Return a run with its board, and what paired tests say of it."""
    run = opened.run(run_id)
    board, decision = run.board(), run.run.folder.record().decision
    return RunDetails(
        **_summary(run),
        lower_is_better=run.run.folder.outline().lower_is_better,
        rows=list(board),
        verdict=_verdict(run),
        decision=None if decision is None else decision.reason,
        measured_on=board.measured_on,
        has_model=run.run.folder.model.exists(),
    )


@router.get("/runs/{run_id}/figures/{name}")
def get_run_figure(opened: Opened, run_id: str, name: str) -> dict[str, Any]:
    """Return a figure of a run's trials as Plotly's JSON, without colours."""
    return figure_json(opened.run(run_id).run.figures(), name)


def figure_json(figures: Any, name: str) -> dict[str, Any]:
    """A figure as Plotly's JSON, or the reason why there is none."""
    import json

    from automl_vision.studio.problems import NotFoundError

    bare = figures.in_mode(None)
    try:
        found: dict[str, Any] = json.loads(bare[name].to_json())
    except KeyError as error:
        raise NotFoundError(str(error.args[0])) from None
    return found


def _summary(opened: OpenedRun) -> dict[str, Any]:
    folder = opened.run.folder
    record, outline, board = folder.record(), folder.outline(), opened.board()
    best = next((row for row in board if row.score is not None), None)
    return {
        "id": folder.id,
        "task": outline.task,
        "budget_seconds": outline.budget_seconds,
        "metric": outline.primary_metric,
        "trials": len(board),
        "best": best.score if best else None,
        "best_trial": best.trial if best else None,
        **{
            name: getattr(record, name)
            for name in ("experiment", "status", "created", "started", "ended", "seconds", "reason")
        },
    }


def _verdict(run: OpenedRun) -> RunVerdict | None:
    found = run.verdict()
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
        sentence=found.sentence,
        not_distinguishable=list(found.not_distinguishable),
        tests=tests,
    )


def _interval(found: Any) -> MetricInterval:
    return MetricInterval(value=found.value, low=found.low, high=found.high)
