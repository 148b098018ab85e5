"""The server of an endpoint as an ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute

from automl_vision.core.version import VERSION
from automl_vision.deployment.online import health_api, inference_protocol, label_studio_api, scoring_api
from automl_vision.deployment.online.allowance import Allowance
from automl_vision.deployment.online.asking import Service
from automl_vision.deployment.online.endpoint import LiveEndpoint
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.deployment.online.gate import Gate, Log
from automl_vision.deployment.online.metrics import Metrics
from automl_vision.deployment.online.shadow import ShadowRecord
from automl_vision.web.headers import SecurityHeaders
from automl_vision.web.problems import RESPONSES, add_problems

_SHADOW = "shadow"


def create_app(folder: Path, *, threads: int = 0, shared: Path | None = None, log: Log | None = None) -> FastAPI:
    """The server of an endpoint; it opens its models before it takes requests.

    Args:
        folder: of the endpoint.
        threads: cores to use; 0 uses all that this process may use.
        shared: a folder in which the worker processes of a server count the uses of keys together; None counts alone.
        log: called with a record of each answer; None writes JSON lines to standard output.
    """
    endpoint = LiveEndpoint(EndpointFolder(folder), threads=threads)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(endpoint.open)
        following = asyncio.create_task(endpoint.follow())
        app.state.explaining = scoring_api.Explaining()
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await asyncio.gather(*app.state.service.mirrored, return_exceptions=True)
            app.state.explaining.close()
            await asyncio.to_thread(endpoint.close)
            allowance.close()

    app = FastAPI(
        title=f"AutoML Vision endpoint {folder.name}",
        version=VERSION,
        summary="Predictions of the endpoint's models.",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
        responses=RESPONSES,
    )
    app.state.service = Service(endpoint, metrics, ShadowRecord(folder / _SHADOW))
    for module in (scoring_api, inference_protocol, health_api, label_studio_api):
        app.include_router(module.router)
    add_problems(app)
    allowance = Allowance(None if shared is None else shared / "allowance")
    app.add_middleware(Gate, endpoint=endpoint, allowance=allowance, metrics=metrics, log=log)
    app.add_middleware(SecurityHeaders)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
