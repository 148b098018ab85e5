"""One trial of a run: its facts, metrics and figures, and the images it was scored on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from automl_vision.core.records import MetricInterval, TrialResult, TrialStatus
from automl_vision.experiment.figures import Figures
from automl_vision.studio.api.runs import figure_json
from automl_vision.studio.images import Side, image_response
from automl_vision.studio.opened import Opened

router = APIRouter(tags=["trials"], prefix="/runs/{run_id}")

Split = Annotated[str | None, Query(description='"val" or "test"; by default the test images if there are any')]


class TrialDetails(BaseModel):
    """A trial with its settings and metrics."""

    run: str
    trial: int
    task: str
    model_name: str
    status: TrialStatus
    reason: str | None = Field(description="why it failed or ended early")
    log: str | None = Field(description="last lines of a failed trial")
    hyperparameters: dict[str, Any] = Field(description="all of them, defaults included")
    sampled: dict[str, Any] = Field(description="those that the sampler chose")
    role: str
    result: TrialResult | None
    metrics: dict[str, dict[str, MetricInterval]] = Field(description="by split and name; intervals where known")
    splits: list[str] = Field(description="that were predicted")
    classes: list[str]


class FigureList(BaseModel):
    """The figures that can be drawn, and why others cannot."""

    names: list[str]
    missing: dict[str, str] = Field(description="the reason by name")


@router.get("/trials/{number}")
def get_trial(opened: Opened, run_id: str, number: int) -> TrialDetails:
    """Return a trial with its settings and metrics."""
    trial = opened.trial(run_id, number)
    plan, record = trial.folder.plan(), trial.folder.record()
    row = next((row for row in opened.run(run_id).board() if row.trial == number), None)
    return TrialDetails(
        run=run_id,
        trial=number,
        task=opened.run(run_id).run.folder.outline().task,
        model_name=plan.model_name,
        status=record.status,
        reason=record.reason,
        log=record.log,
        hyperparameters=plan.hyperparameters,
        sampled=plan.sampled,
        role=plan.role,
        result=trial.folder.result(),
        metrics=row.metrics if row else {},
        splits=list(row.metrics) if row else [],
        classes=list(opened.run_dataset(run_id).classes),
    )


@router.get("/trials/{number}/figures")
def list_trial_figures(opened: Opened, run_id: str, number: int, split: Split = None) -> FigureList:
    """List a trial's figures; each is drawn when it is asked for first."""
    figures = _figures(opened, run_id, number, split)
    return FigureList(names=list(figures), missing=figures.missing)


@router.get("/trials/{number}/figures/{name}")
def get_trial_figure(opened: Opened, run_id: str, number: int, name: str, split: Split = None) -> dict[str, Any]:
    """Return a figure of a trial as Plotly's JSON, without colours."""
    return figure_json(_figures(opened, run_id, number, split), name)


@router.get("/images/{row}", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
def get_run_image(opened: Opened, run_id: str, row: int, side: Side = 256) -> Response:
    """Return an image of the run's dataset as WebP, upright."""
    return image_response(opened.run_dataset(run_id), row, side, opened.workspace.cache_path)


def _figures(opened: Opened, run_id: str, number: int, split: str | None) -> Figures:
    return opened.trial(run_id, number).figures(split)
