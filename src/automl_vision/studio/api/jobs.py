"""Jobs before they are runs: what a form offers, a look at the data, mistakes by field, the plan, and the start."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from automl_vision.compute.turns import WaitingLine
from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.tasks import TASKS
from automl_vision.experiment.data_check import DataCheck, check_data, recent_data
from automl_vision.experiment.job_check import JobCheck, JobProblem, check_job, needs_timm, submit_job
from automl_vision.experiment.job_file import read_job_values
from automl_vision.experiment.job_form import AlgorithmFacts, JobForm, job_form
from automl_vision.experiment.job_texts import job_of_run
from automl_vision.runs.spec import read_run_spec
from automl_vision.storage.urls import is_url
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.child import call_in_child
from automl_vision.studio.opened import Opened, OpenedWorkspace, Recent
from automl_vision.studio.operations import operations
from automl_vision.studio.places import AllowedPlaces, OutsideError, Places
from automl_vision.studio.work import Background, Progress, Work
from automl_vision.web.problems import NotFoundError

router = operations("jobs")

_facts: Recent[str, list[AlgorithmFacts]] = Recent(len(TASKS) + 4)
_children = threading.BoundedSemaphore(2)  # processes that check or start jobs

Values = Annotated[
    dict[str, Any],
    Field(
        description="as a job file holds them: the config's fields, and the experiment's name",
        examples=[{"task": "image-classification", "training_data": "clothes:1", "experiment_timeout_hours": 0.33}],
    ),
]


class Job(BaseModel):
    """A job that may have mistakes."""

    values: Values
    images: int | None = Field(default=None, ge=1, description="of its data, for the plan")


class PlannedJob(JobCheck):
    """What can be said of a job before it is started."""

    sentence: str = Field(description="the plan; empty while there is none")
    ready: str = Field(description="when the model is ready, in words; empty while there is no plan")
    waits_for: list[str] = Field(description="runs that a run submitted now would wait for")


class JobStart(BaseModel):
    """A job to start."""

    values: Values
    queue: bool = Field(default=True, description="wait until the runs before it on this machine have ended")


class StartedJob(BaseModel):
    """The run of a job that was started."""

    run: str = Field(description="its id")


class JobText(BaseModel):
    """The text of a job file."""

    text: str = Field(max_length=1_000_000, examples=["task: image-classification\ntraining_data: clothes:1\n"])


class JobValues(BaseModel):
    """A job's values."""

    values: Values


class DataQuestion(BaseModel):
    """Data to look at."""

    data: str = Field(min_length=1, max_length=4096, description="path, URL or registered name")
    task: str | None = Field(default=None, description="by default as the labels suggest")
    again: bool = Field(default=False, description="also if it was looked at before")


class DataLook(BaseModel):
    """A look at data."""

    work: WorkDetails
    found: DataCheck | None = Field(description="once the work is done")


class RegisteredData(BaseModel):
    """A registered version of a dataset."""

    id: str = Field(examples=["clothes:1"])
    images: int
    classes: int
    task: str
    created: float = Field(description="seconds since 1970")


class DataSources(BaseModel):
    """Data that a job can be about."""

    versions: list[RegisteredData] = Field(description="the newest version of each name, the newest first")
    recent: list[str] = Field(description="folders and files of the last runs")
    start: str = Field(description="folder from which to choose another one")


class LineEntry(BaseModel):
    """A run that works or waits on this machine."""

    run: str
    workspace: str = Field(description="its folder")
    is_here: bool = Field(description="whether it belongs to the workspace of the request")
    place: int = Field(description="in line; 0 works now")


@router.get("/jobs/form")
def get_job_form() -> JobForm:
    """Return what a form for a job offers, derived from the product's own tables."""
    return job_form()


@router.get("/jobs/algorithms")
def list_algorithms(task: str) -> list[AlgorithmFacts]:
    """List a task's algorithms with size and licence; the first call for a task takes some seconds."""
    if task not in TASKS:
        raise NotFoundError(f'no task is named "{task}"; choose from: {", ".join(TASKS)}')
    function = "automl_vision.experiment.job_form:algorithm_facts"
    return _facts.get(task, lambda: [AlgorithmFacts(**found) for found in call_in_child(function, {"task": task})])


@router.get("/jobs/sources")
def list_data_sources(opened: Opened, allowed: AllowedPlaces) -> DataSources:
    """List the data that a job can be about: registered versions, and what the last runs were about."""
    versions = [opened.workspace.datasets.versions(name)[-1] for name in opened.workspace.datasets.names()]
    found = [
        RegisteredData(
            id=version.id,
            images=sum(version.summary["images"].values()),
            classes=len(version.summary["classes"]),
            task=version.summary["task"],
            created=version.created,
        )
        for version in sorted(versions, key=lambda version: -version.created)
    ]
    recent = [data for data in recent_data(opened.workspace) if is_url(data) or allowed.holds(data)]
    return DataSources(versions=found, recent=recent, start=str(allowed.roots[0]))


@router.post("/jobs/data", status_code=202)
def check_job_data(opened: Opened, allowed: AllowedPlaces, background: Background, question: DataQuestion) -> DataLook:
    """Begin to look at data, or return what was found before; ask again with its id until it has ended."""
    workspace = opened.workspace

    def look(progress: Progress) -> DataCheck:
        allowed.require(question.data, workspace)
        return check_data(question.data, workspace, task=question.task, progress=progress)

    work = background.start(
        "data-check",
        f"Look at {question.data}",
        look,
        key=None if question.again else (opened.name, question.data, question.task, _changed(question.data)),
        light=True,
        workspace=opened.name,
    )
    return _look(work)


@router.get("/jobs/data/{work_id}")
def get_job_data(background: Background, work_id: str) -> DataLook:
    """Return how far a look at data is, and what it found."""
    return _look(background.get(work_id))


@router.post("/jobs/check")
def check(opened: Opened, allowed: AllowedPlaces, job: Job) -> PlannedJob:
    """Return all mistakes of a job by field, the ranges of its search space, its texts and its plan."""
    found = _checked(opened, allowed, job)
    plan = found.plan
    waits_for = [holder.run for holder in WaitingLine().holders()]
    return PlannedJob(
        **dict(found),
        sentence="" if plan is None else plan.sentence,
        ready="" if plan is None or waits_for else plan.ready(time.time()),
        waits_for=waits_for,
    )


@router.post("/jobs", status_code=201)
def start_job(opened: Opened, allowed: AllowedPlaces, job: JobStart) -> StartedJob:
    """Start the run of a job; mistakes are answered by field."""
    mistakes = _checked(opened, allowed, Job(values=job.values)).problems
    if mistakes:
        raise ConfigError([Problem(mistake.path, mistake.sentence) for mistake in mistakes], subject="The job")
    arguments = {"values": job.values, "workspace": str(opened.workspace.path), "queue": job.queue}
    with _children:
        return StartedJob(run=call_in_child(_SUBMIT, arguments))


@router.post("/jobs/read")
def read_job_file(opened: Opened, text: JobText) -> JobValues:
    """Return the values of a job file's text; relative data paths are taken from the workspace's folder."""
    return JobValues(values=read_job_values(text.text, opened.workspace.path.parent))


@router.get("/runs/{run_id}/job")
def get_job_of_run(opened: Opened, run_id: str) -> JobValues:
    """Return the job that a run was started with, to start it again or to change it."""
    folder = opened.run(run_id).run.folder
    return JobValues(values=job_of_run(read_run_spec(run_id, folder.spec())))


@router.get("/jobs/line")
def list_line_of_runs(opened: Opened) -> list[LineEntry]:
    """List the runs that work or wait on this machine, in the order in which they were submitted."""
    here = str(opened.workspace.path)
    return [
        LineEntry(run=holder.run, workspace=holder.workspace, is_here=holder.workspace == here, place=place)
        for place, holder in enumerate(WaitingLine().holders())
    ]


_SUBMIT = f"{submit_job.__module__}:{submit_job.__name__}"
_CHECK = f"{check_job.__module__}:check_job_here"


def _checked(opened: OpenedWorkspace, allowed: Places, job: Job) -> JobCheck:
    """The check of a job, in another process if it names an algorithm that only timm knows."""
    if needs_timm(job.values):
        arguments = {"values": job.values, "workspace": str(opened.workspace.path), "images": job.images}
        with _children:
            found = JobCheck.model_validate(call_in_child(_CHECK, arguments))
    else:
        found = check_job(job.values, opened.workspace, images=job.images)
    outside = list(_outside(opened, allowed, job.values))
    return found.model_copy(update={"problems": [*found.problems, *outside]}) if outside else found


def _outside(opened: OpenedWorkspace, allowed: Places, values: dict[str, Any]) -> Iterator[JobProblem]:
    """The data of a job that the studio must not read."""
    if values.get("allow_outside"):
        sentence = "the studio reads nothing outside of its folders; start such a job with: automl-vision train"
        yield JobProblem(path=("allow_outside",), sentence=sentence)
    for name in ("training_data", "validation_data"):
        value = values.get(name)
        if isinstance(value, str):
            try:
                allowed.require(value, opened.workspace)
            except OutsideError as error:
                yield JobProblem(path=(name,), sentence=str(error))


def _look(work: Work) -> DataLook:
    found = work.result if isinstance(work.result, DataCheck) else None
    return DataLook(work=work_details(work).model_copy(update={"result": None}), found=found)


def _changed(data: str) -> float | None:
    """When data was changed, as far as that shows at its path."""
    try:
        return Path(data).expanduser().stat().st_mtime
    except (OSError, ValueError):
        return None
