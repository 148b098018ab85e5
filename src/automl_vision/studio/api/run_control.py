"""What is done with a run: cancel and resume it, register its model, write its report."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from automl_vision.core.records import RunStatus
from automl_vision.experiment.reports.contents import report_run
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.work import Background, Progress

router = operations("runs", "/runs/{run_id}")

_A_MOMENT = 1.0  # seconds that an answer waits for the end of a canceled run


class RunState(BaseModel):
    """The state of a run after it was asked to do something."""

    status: RunStatus
    is_canceling: bool = Field(description="whether the run was asked to end and has not ended yet")


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
