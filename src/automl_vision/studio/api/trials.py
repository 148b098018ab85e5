"""One trial of a run: its facts, metrics and figures, and the images it was scored on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from automl_vision.core.errors import RunFailedError
from automl_vision.core.records import MetricInterval, TrialResult, TrialStatus
from automl_vision.experiment.downloads import file_names
from automl_vision.experiment.trial_settings import trial_settings
from automl_vision.runs.leaderboard import Row
from automl_vision.studio.api.runs import figure_json
from automl_vision.studio.images import Side, image_response
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.packaged import packaged_model
from automl_vision.web.problems import NotFoundError

if TYPE_CHECKING:
    from automl_vision.experiment.figures import Figures

router = operations("trials", "/runs/{run_id}")

Split = Annotated[str | None, Query(description='"val" or "test"; by default the test images if there are any')]


_LOG_LINES = 500
_LOG_BYTES = 200_000


class TrialSetting(BaseModel):
    """A hyperparameter of a trial."""

    name: str
    value: Any
    default: Any = Field(description="of the algorithm")
    meaning: str
    is_default: bool
    is_sampled: bool = Field(description="whether the sampler chose it")


class DataVersion(BaseModel):
    """A registered version of a dataset."""

    name: str
    number: int


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
    row: Row | None = Field(description="of the run's board: rank, latency, size; null before the trial started")
    measured_on: str = Field(description="how latency was measured")
    primary_metric: str
    settings: list[TrialSetting] = Field(description="those that the sampler chose first, then those that differ")
    is_packaged: bool = Field(description="whether the run's model was made of this trial")
    data_version: DataVersion | None = Field(description="that the run was trained on, if it is registered")


class TrialLog(BaseModel):
    """What a trial's process wrote."""

    text: str
    is_cut: bool = Field(description="whether only the last lines are here")


class TrialFile(BaseModel):
    """A file of a trial."""

    name: str
    bytes: int


class FigureList(BaseModel):
    """The figures that can be drawn, and why others cannot."""

    names: list[str]
    missing: dict[str, str] = Field(description="the reason by name")


@router.get("/trials/{number}")
def get_trial(opened: Opened, run_id: str, number: int) -> TrialDetails:
    """Return a trial with its settings and metrics."""
    trial = opened.trial(run_id, number)
    plan, record = trial.folder.plan(), trial.folder.record()
    board, folder = opened.run(run_id).board(), opened.run(run_id).run.folder
    row = next((row for row in board if row.trial == number), None)
    return TrialDetails(
        run=run_id,
        trial=number,
        task=folder.outline().task,
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
        row=row,
        measured_on=board.measured_on,
        primary_metric=folder.outline().primary_metric,
        settings=[TrialSetting(**vars(setting)) for setting in trial_settings(trial.folder)],
        is_packaged=packaged_model(opened, run_id, number)[0] is not None,
        data_version=_data_version(folder.spec().get("data_version")),
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


@router.get("/trials/{number}/log")
def get_trial_log(opened: Opened, run_id: str, number: int) -> TrialLog:
    """Return the last lines that a trial's process wrote."""
    file = opened.trial(run_id, number).path / "log.txt"
    if not file.exists():
        return TrialLog(text="", is_cut=False)
    text, is_cut = _last_lines(file)
    return TrialLog(text=text, is_cut=is_cut)


@router.get("/trials/{number}/files")
def list_trial_files(opened: Opened, run_id: str, number: int) -> list[TrialFile]:
    """List a trial's files."""
    path = opened.trial(run_id, number).path
    return [TrialFile(name=name, bytes=(path / name).stat().st_size) for name in file_names(path)]


@router.get("/trials/{number}/files/{name:path}", response_class=Response)
def get_trial_file(opened: Opened, run_id: str, number: int, name: str) -> Response:
    """Download one of a trial's files."""
    path = opened.trial(run_id, number).path
    if name not in file_names(path):
        raise NotFoundError(f'trial {number} has no file "{name}"')
    file = path / name
    return FileResponse(file, filename=file.name, content_disposition_type="attachment")


@router.get("/images/{row}", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
def get_run_image(opened: Opened, run_id: str, row: int, side: Side = 256) -> Response:
    """Return an image of the run's dataset as WebP, upright."""
    return image_response(opened.run_dataset(run_id), row, side, opened.workspace.cache_path)


def _figures(opened: Opened, run_id: str, number: int, split: str | None) -> Figures:
    from automl_vision.experiment.figures import no_figures, training_figures

    trial = opened.trial(run_id, number)
    try:
        predicted = opened.evaluation(run_id, number, split).figures
    except RunFailedError as error:  # it has not finished
        predicted = no_figures(str(error))
    return training_figures(trial.folder) | predicted


def _data_version(found: Any) -> DataVersion | None:
    """The version that a run's specification names."""
    name, _, number = str(found or "").rpartition(":")
    return DataVersion(name=name, number=int(number)) if name and number.isdigit() else None


def _last_lines(file: Path) -> tuple[str, bool]:
    """The end of a log, and whether it begins earlier."""
    with file.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - _LOG_BYTES))
        lines = log.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:]), size > _LOG_BYTES or len(lines) > _LOG_LINES
