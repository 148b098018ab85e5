"""What a run has written: its messages, its log, its files, its model and the job that submits it again."""

from __future__ import annotations

from typing import Annotated, Any

import yaml
from fastapi import Query
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from automl_vision.core.errors import ConfigError, RunFailedError
from automl_vision.core.records import Message
from automl_vision.experiment.downloads import FolderEntry
from automl_vision.experiment.job_texts import job_of_run
from automl_vision.runs.spec import read_run_spec
from automl_vision.storage.zip_stream import folder_members
from automl_vision.studio.events import RunMessage
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.studio.zipped import zip_response
from automl_vision.web.problems import NotFoundError

router = operations("runs", "/runs/{run_id}")


class RunLog(BaseModel):
    """The log of the process that works on a run."""

    text: str = Field(description="its last lines; empty if it wrote none")


class RunSettings(BaseModel):
    """What a run was asked to do."""

    job: str | None = Field(description="job file that submits it again, as YAML; null if another version made the run")
    job_problem: str | None = Field(description="why there is no job file")
    specification: str = Field(description="everything that the run depends on, as YAML")


@router.get("/messages")
def list_run_messages(opened: Opened, run_id: str, limit: Limit = 200, cursor: Cursor = 0) -> Page[RunMessage]:
    """List what a run and its trials said, the newest first."""
    found = [
        RunMessage(time=event.time, text=event.text, trial=trial)
        for event, trial in reversed(opened.run(run_id).run.get_messages())
        if isinstance(event, Message)
    ]
    return page_of(found, cursor, limit)


@router.get("/log")
def get_run_log(opened: Opened, run_id: str) -> RunLog:
    """Return the last lines of the log of the process that works on a run."""
    return RunLog(text=opened.run(run_id).run.get_log())


@router.get("/settings")
def get_run_settings(opened: Opened, run_id: str) -> RunSettings:
    """Return what a run was asked to do."""
    folder = opened.run(run_id).run.folder
    values, job, problem = folder.spec(), None, None
    try:
        job = _yaml(job_of_run(read_run_spec(run_id, values)))
    except ConfigError as error:
        problem = str(error)
    return RunSettings(job=job, job_problem=problem, specification=_yaml(values))


def _yaml(values: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    return text


@router.get("/files")
def list_run_files(
    opened: Opened,
    run_id: str,
    folder: Annotated[str, Query(max_length=500, description="relative to that of the run")] = "",
    limit: Limit = 200,
    cursor: Cursor = 0,
) -> Page[FolderEntry]:
    """List the files and folders directly in a folder of a run, folders first."""
    try:
        return page_of(opened.run(run_id).run.list_files(folder), cursor, limit)
    except RunFailedError as error:
        raise NotFoundError(str(error)) from None


@router.get("/files/{name:path}", response_class=FileResponse)
def get_run_file(opened: Opened, run_id: str, name: str) -> FileResponse:
    """Download a file of a run."""
    try:
        file = opened.run(run_id).run.get_file(name)
    except RunFailedError as error:
        raise NotFoundError(str(error)) from None
    return FileResponse(file, filename=file.name, media_type="application/octet-stream")


@router.get("/model.zip", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def get_run_model(opened: Opened, run_id: str) -> StreamingResponse:
    """Download the model folder of a run as a zip file."""
    try:
        folder = opened.run(run_id).run.model_path
    except RunFailedError as error:
        raise NotFoundError(str(error)) from None
    return zip_response(folder_members(folder, folder.name), run_id)
