"""The studio's server as an ASGI app."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.version import VERSION
from automl_vision.studio import pages
from automl_vision.studio.access import Access, Gate
from automl_vision.studio.api import ROUTERS
from automl_vision.studio.events import LiveReaders
from automl_vision.studio.headers import SECURITY, EntityTags
from automl_vision.studio.opened import opened_workspaces
from automl_vision.studio.operations import API
from automl_vision.studio.places import NewData, Places
from automl_vision.studio.work import BackgroundWork
from automl_vision.web.headers import SecurityHeaders
from automl_vision.web.problems import add_problems

if TYPE_CHECKING:
    from automl_vision.workspace.workspace import Workspace


def create_app(
    workspaces: Sequence[Workspace],
    *,
    access: Access | None = None,
    root_path: str = "",
    new_data: NewData | None = None,
) -> FastAPI:
    """The studio of one or several workspaces.

    Args:
        workspaces: at least one; requests that name none are about the first.
        access: who may ask; by default this machine alone.
        root_path: the path under which a reverse proxy shows the studio, such as "/studio".
        new_data: where it may come from.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_read_registries, args=(app,), name="registries", daemon=True).start()
        yield
        app.state.work.close()
        for opened in app.state.workspaces.values():
            opened.child.close()

    app = FastAPI(
        title="AutoML Vision",
        version=VERSION,
        summary="Runs, data, models and predictions of AutoML Vision's workspaces.",
        root_path=root_path,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        lifespan=lifespan,
        routes=[route for router in ROUTERS for route in router.routes],
    )
    app.state.access = access or Access()
    app.state.workspaces = opened_workspaces(workspaces)
    app.state.work = BackgroundWork()
    new_data = new_data or NewData()
    app.state.places = Places([Path.cwd(), Path.home(), *(space.path for space in workspaces), *new_data.roots])
    app.state.uploads = {}  # by name of the workspace, made when they are first asked for
    app.state.most_upload_bytes = int(new_data.max_upload_gb * 2**30)
    app.state.live = LiveReaders()
    app.include_router(pages.router)
    add_problems(app)
    app.add_middleware(EntityTags)
    app.add_middleware(Gate, access=app.state.access)
    app.add_middleware(SecurityHeaders, headers=SECURITY)
    return app


def _read_registries(app: FastAPI) -> None:
    """Load MLflow in a process of its own, which takes seconds, before a page asks for models."""
    for opened in app.state.workspaces.values():
        with suppress(AutoMLVisionError):  # the page of models says it, and tries again
            opened.registry().listing()
