"""Whether a server lives and is ready, what it serves, and what it counted."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from automl_vision.deployment.online.asking import AnyService
from automl_vision.deployment.online.metrics import CONTENT_TYPE

router = APIRouter(tags=["endpoint"])


class State(BaseModel):
    """How a server is."""

    status: str = Field(examples=["ready"])
    problem: str | None = Field(default=None, description="why the newest definition is not served")


class ServedDeployment(BaseModel):
    """A deployment as it is served."""

    name: str
    model: str
    task: str
    classes: list[str]
    traffic: int = Field(description="percent")
    mirror_traffic: int = Field(description="percent")
    plan: str = Field(description="how it runs on this machine, as measured")
    waiting: int = Field(description="images that wait in this worker process")


class ServedEndpoint(BaseModel):
    """What an endpoint serves."""

    name: str
    deployments: list[ServedDeployment]
    problem: str | None = Field(description="why the newest definition is not served")


@router.get("/health/live")
async def is_live() -> State:
    """Tell that the server runs; it needs no key."""
    return State(status="live")


@router.get("/health/ready")
async def is_ready(service: AnyService) -> State:
    """Tell that requests are answered: the models are open before the first request is taken; it needs no key."""
    return State(status="ready", problem=service.endpoint.problem and "the newest definition cannot be used")


@router.get("/")
async def get_endpoint(service: AnyService) -> ServedEndpoint:
    """Return what the endpoint serves."""
    serving = service.endpoint.serving
    return ServedEndpoint(
        name=service.endpoint.folder.name,
        problem=service.endpoint.problem,
        deployments=[
            ServedDeployment(
                name=name,
                model=each.definition.model,
                task=each.description.task,
                classes=list(each.description.classes),
                traffic=serving.definition.traffic.get(name, 0),
                mirror_traffic=serving.definition.mirror_traffic.get(name, 0),
                plan=each.plan.sentence,
                waiting=each.waiting,
            )
            for name, each in serving.deployments.items()
        ],
    )


@router.get("/metrics", response_class=Response)
async def get_metrics(service: AnyService) -> Response:
    """Return what was counted, for Prometheus, over all worker processes."""
    for name, deployment in service.endpoint.serving.deployments.items():
        service.metrics.waiting.labels(name).set(deployment.waiting)
    service.metrics.definition.set(service.endpoint.problem is None)
    return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})
