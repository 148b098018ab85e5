"""The labelling queue: photos that a person kept from trying, what a model said, and the corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from automl_vision.studio.api.predictions import ImageBody, Model, OpenModels, prediction_answer
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.studio.predictors import model_folder
from automl_vision.studio.zipped import zip_response
from automl_vision.web.problems import NotFoundError
from automl_vision.workspace.label_queue import LINES_FILE, LabelQueue, QueuedPhoto, Which

router = operations("labelling queue", "/queue")

_IMAGE = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


class Correction(BaseModel):
    """A person's label of a photo."""

    correction: Any = Field(
        description="a class; for several labels a list; for objects a list of boxes with labels; null takes it back"
    )
    note: str = Field(default="", max_length=1000)


class QueueDataset(BaseModel):
    """Photos of the queue that are to become a version of a dataset."""

    name: str = Field(examples=["corrected"])
    task: str
    which: Which = "corrected"


class RegisteredDataset(BaseModel):
    """A version of a dataset."""

    id: str
    name: str
    number: int
    images: int


@router.get("")
def list_queue(
    opened: Opened,
    limit: Limit = 50,
    cursor: Cursor = 0,
    which: Annotated[Which, Query(description="corrected ones, or those that wait for a person")] = "all",
) -> Page[QueuedPhoto]:
    """List the photos of the labelling queue, those that were added last first."""
    return page_of(_queue(opened).photos(which), cursor, limit)


@router.post("", status_code=201, openapi_extra={"requestBody": _IMAGE})
def add_to_queue(
    opened: Opened,
    models: OpenModels,
    data: ImageBody,
    model: Model,
    name: Annotated[str, Query(max_length=300, description="that the photo had")] = "",
) -> QueuedPhoto:
    """Keep a photo with what a model says of it, for a person to label."""
    found = models.get(model_folder(opened, model))
    answer = prediction_answer(model, found.description, found.predict(data))
    fields = {"probs", "labels"} if answer.boxes is None else {"boxes"}
    photo = LabelQueue.describe(
        data,
        name=name,
        model=model,
        task=answer.task,
        classes=answer.classes,
        prediction=answer.model_dump(include=fields, exclude_none=True),
        predicted=answer.predicted,
    )
    return _queue(opened).add(data, photo)


@router.patch("/{photo_id}")
def correct_queued(opened: Opened, photo_id: str, wanted: Correction) -> QueuedPhoto:
    """Keep a person's label of a photo."""
    return _queue(opened).correct(photo_id, wanted.correction, note=wanted.note)


@router.delete("/{photo_id}", status_code=204)
def remove_queued(opened: Opened, photo_id: str) -> None:
    """Take a photo out of the queue, and delete it."""
    _queue(opened).remove(photo_id)


@router.get("/{photo_id}/image", response_class=FileResponse)
def get_queued_image(opened: Opened, photo_id: str) -> FileResponse:
    """Return a photo of the queue as it was sent."""
    queue = _queue(opened)
    file = queue.folder / queue.get(photo_id).file
    if not file.is_file():
        raise NotFoundError(f'the file of the photo "{photo_id}" is gone')
    return FileResponse(file, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/export.zip", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}})
def export_queue(
    opened: Opened,
    task: Annotated[str, Query(description="of the photos", max_length=60)],
    which: Which = "corrected",
) -> StreamingResponse:
    """Return photos with their labels as JSON lines in a zip archive, which every command reads as a dataset."""
    queue = _queue(opened)
    text, photos = queue.lines(task, which)
    members: list[tuple[str, Path | bytes]] = [
        (LINES_FILE, text.encode()),
        *((photo.file, queue.folder / photo.file) for photo in photos),
    ]
    return zip_response(members, "labelling-queue")


@router.post("/datasets", status_code=201)
def register_queue(opened: Opened, wanted: QueueDataset) -> RegisteredDataset:
    """Make photos of the queue the next version of a dataset."""
    version = _queue(opened).register(opened.workspace.datasets, wanted.name, wanted.task, wanted.which)
    images = sum(version.summary["images"].values())
    return RegisteredDataset(id=version.id, name=version.name, number=version.number, images=images)


def _queue(opened: OpenedWorkspace) -> LabelQueue:
    return opened.workspace.label_queue
