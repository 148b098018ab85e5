"""What is done with a run: cancel and resume it, register its model, write its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from automl_vision.core.records import RunStatus
from automl_vision.experiment.registration import register
from automl_vision.experiment.reports.contents import report_run
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import Opened
from automl_vision.studio.work import Background, Progress

router = APIRouter(tags=["runs"], prefix="/runs/{run_id}")

_A_MOMENT = 1.0  # seconds that an answer waits for the end of a canceled run


class RunState(BaseModel):
    """The state of a run after it was asked to do something."""

    status: RunStatus
    is_canceling: bool = Field(description="whether the run was asked to end and has not ended yet")


class NewVersion(BaseModel):
    """A model that was registered."""

    name: str
    version: int


class Registration(BaseModel):
    """Under which name a model is registered."""

    name: str = Field(description="letters, digits, `-`, `_` and `.`, at most 60", examples=["helmets"])
    tags: dict[str, str] = Field(default_factory=dict, description="kept with the version")


@router.post("/cancel")
def cancel_run(opened: Opened, run_id: str) -> RunState:
    """End a run and its trials; what has a result is kept, and the run can be resumed."""
    run = opened.run(run_id).run
    run.cancel(timeout=_A_MOMENT)
    return _state(run.get_status(), run.folder.cancel_request.is_set())


@router.post("/resume")
def resume_run(opened: Opened, run_id: str) -> RunState:
    """Continue a run whose process is gone, or that was canceled or failed; finished trials are kept."""
    run = opened.run(run_id).run
    run.resume()
    return _state(run.get_status(), run.folder.cancel_request.is_set())


@router.post("/register")
def register_run_model(opened: Opened, run_id: str, registration: Annotated[Registration, Body()]) -> NewVersion:
    """Register the model of a run as the next version of a name."""
    version = register(opened.run(run_id).run, registration.name, tags=registration.tags)
    return NewVersion(name=version.name, version=version.number)


@router.post("/report", status_code=202)
def write_run_report(opened: Opened, background: Background, run_id: str) -> WorkDetails:
    """Begin to write the report of a run, one HTML page; once the work is done, the page is its file."""
    run = opened.run(run_id)
    file = opened.workspace.cache_path / "reports" / run_id / "report.html"

    def write(progress: Progress) -> Path:
        progress(0, phase="images are read")
        report = report_run(run.run, progress=progress)
        progress(0, phase="the page is written")
        file.parent.mkdir(parents=True, exist_ok=True)
        return report.save(file)

    work = background.start(
        "report",
        f"Write the report of {run_id}",
        write,
        key=(str(run.run.folder.path), run.state()),
        workspace=opened.name,
        page=f"/runs/{run_id}",
    )
    return work_details(work)


def _state(status: RunStatus, is_asked_to_end: bool) -> RunState:
    return RunState(status=status, is_canceling=is_asked_to_end and not status.is_at_rest)
