"""Work of the server in the background: how far it is, what came of it, and its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.studio.work import Background, Work, WorkState
from automl_vision.web.problems import NotFoundError

router = operations("work", "/work")


class WorkDetails(BaseModel):
    """A piece of work of the server."""

    id: str
    kind: str = Field(description="what is done", examples=["doctor"])
    title: str = Field(description="in words", examples=["Check helmets:2"])
    state: WorkState
    created: float = Field(description="seconds since 1970, as are the other times")
    started: float | None
    ended: float | None
    done: int = Field(description="steps, such as images")
    total: int | None = Field(description="null while it is not known")
    phase: str = Field(description="what it is doing, in a few words")
    seconds_left: float | None = Field(description="if it goes on at this pace; null while that is not known")
    result: Any = Field(description="of work that is done; null if it is a file")
    has_file: bool = Field(description="whether `/work/{id}/file` returns its result")
    reason: str | None = Field(description="why it failed")
    workspace: str | None
    page: str | None = Field(description="path of the page that shows the result")


@router.get("")
def list_work(background: Background, limit: Limit = 50, cursor: Cursor = 0) -> Page[WorkDetails]:
    """List the work of this server, the newest first, without results."""
    page = page_of(background.all(), cursor, limit)
    items = [work_details(work).model_copy(update={"result": None}) for work in page.items]
    return Page(items=items, total=page.total, next=page.next)


@router.get("/{work_id}")
def get_work(background: Background, work_id: str) -> WorkDetails:
    """Return a piece of work as it is now, with its result once it is done."""
    return work_details(background.get(work_id))


@router.get("/{work_id}/file", response_class=FileResponse)
def get_work_file(background: Background, work_id: str) -> FileResponse:
    """Return the file that a piece of work has made."""
    result = background.get(work_id).result
    if not isinstance(result, Path) or not result.is_file():
        raise NotFoundError(f'work "{work_id}" has made no file, or it is not done')
    return FileResponse(result, filename=result.name)


@router.delete("/{work_id}")
def cancel_work(background: Background, work_id: str) -> WorkDetails:
    """Cancel a piece of work; one that has ended stays as it is."""
    return work_details(background.cancel(work_id))


def work_details(work: Work) -> WorkDetails:
    """A piece of work as an answer."""
    is_file = isinstance(work.result, Path)
    result = work.result.model_dump(mode="json") if isinstance(work.result, BaseModel) else work.result
    fields = {name: getattr(work, name) for name in WorkDetails.model_fields if name not in ("result", "has_file")}
    return WorkDetails(**fields, result=None if is_file else result, has_file=is_file)
