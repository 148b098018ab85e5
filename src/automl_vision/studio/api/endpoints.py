"""Endpoints: what each serves, how its traffic is divided, and whether what it sees has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path as PathParameter
from fastapi import Query
from pydantic import BaseModel, Field

from automl_vision.core.numbers import finite
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.web.problems import NotFoundError

router = operations("endpoints")

_CHANGES = 10  # the last ones

Name = Annotated[str, PathParameter(description="of an endpoint", examples=["helmets"])]


class EndpointDeployment(BaseModel):
    """One model that an endpoint serves."""

    name: str
    model: str = Field(description="what was deployed", examples=["helmets:3"])
    traffic: int = Field(description="percent of requests that it answers")
    mirror: int = Field(description="percent of requests that it answers for the record only")
    backend: str | None = Field(description="a Triton server that runs its network")
    samples: int = Field(description="images that were kept of what it saw")


class EndpointKey(BaseModel):
    """A key without its text."""

    name: str
    created: float = Field(description="seconds since 1970")
    per_second: float | None = Field(description="requests that it allows; null for any number")
    per_day: int | None


class EndpointChange(BaseModel):
    """A line of the audit log."""

    time: float = Field(description="seconds since 1970")
    user: str
    what: str


class EndpointDetails(BaseModel):
    """An endpoint as its folder says it."""

    name: str
    folder: str
    needs_key: bool
    deployments: list[EndpointDeployment]
    keys: list[EndpointKey]
    changes: list[EndpointChange] = Field(description="the newest first")
    samples_per_minute: float = Field(description="0 keeps nothing of what is seen")
    keeps_images: bool
    problem: str | None = Field(description="why its definition cannot be used")


class Endpoints(BaseModel):
    """The endpoints of a workspace."""

    endpoints: list[EndpointDetails]


class DriftInterval(BaseModel):
    """A value with its 95 % interval; null where it is not known."""

    value: float | None
    low: float | None
    high: float | None


class DriftChange(BaseModel):
    """One respect in which images were compared."""

    name: str
    words: str
    p_value: float
    before: float | None
    now: float | None
    has_changed: bool


class DriftShare(BaseModel):
    """A class with its share of probability, or its objects per image."""

    label: str
    before: float
    now: float


class DriftDetails(BaseModel):
    """Whether what a deployment sees has changed since its model was validated."""

    deployment: str
    model: str
    samples: int
    since: str | None = Field(description="when the first of them came, in ISO 8601")
    until: str | None
    sentence: str
    is_alarm: bool
    level: float | None = Field(description="share of checks that raise an alarm though nothing changed")
    changes: list[DriftChange] = Field(description="the most certain first; empty where too few images were seen")
    shares: list[DriftShare]
    right_before: DriftInterval | None
    right_now: DriftInterval | None
    is_estimate_trusted: bool = Field(description="whether the images are like those that it was calibrated on")


@router.get("/endpoints")
def get_endpoints(opened: Opened) -> Endpoints:
    """Return the endpoints of the workspace."""
    from automl_vision.deployment.online.endpoint_folder import Endpoints as Folders

    folders = Folders(opened.workspace.path)
    return Endpoints(endpoints=[_details(folders.folder(name)) for name in folders.names()])


@router.get("/endpoints/{name}/drift")
def get_drift(
    opened: Opened,
    name: Name,
    deployment: Annotated[str | None, Query(description="by default that with most traffic")] = None,
    newest: Annotated[int, Query(ge=20, le=2000, description="how many samples are compared")] = 200,
) -> DriftDetails:
    """Compare what a deployment saw lately with its validation images; takes about a second."""
    from automl_vision.deployment.drift import check_drift
    from automl_vision.deployment.online.definition import EndpointError
    from automl_vision.deployment.online.endpoint_folder import Endpoints as Folders

    try:
        folder = Folders(opened.workspace.path).get(name)
        folder.definition().deployment(deployment) if deployment is not None else None
    except EndpointError as error:
        raise NotFoundError(str(error)) from None
    return _drift(check_drift(folder, deployment, newest=newest))


def _details(folder: Any) -> EndpointDetails:
    from automl_vision.deployment.online.definition import EndpointDefinition, EndpointError

    problem: str | None = None
    keys: Sequence[Any] = ()
    try:
        definition = folder.definition()
        keys = folder.keys().keys
    except EndpointError as error:
        definition, problem = EndpointDefinition(), str(error)
    settings = definition.monitoring
    deployments = [
        EndpointDeployment(
            name=name,
            model=each.model,
            traffic=definition.traffic.get(name, 0),
            mirror=definition.mirror_traffic.get(name, 0),
            backend=each.backend,
            samples=folder.samples(name, settings).count(model=each.folder),
        )
        for name, each in definition.deployments.items()
    ]
    changes = folder.changes(_CHANGES)
    return EndpointDetails(
        name=folder.name,
        folder=str(folder.path),
        needs_key=definition.auth_mode == "key",
        deployments=deployments,
        keys=[
            EndpointKey(name=key.name, created=key.created, per_second=key.per_second, per_day=key.per_day)
            for key in keys
        ],
        changes=[EndpointChange(**{name: each[name] for name in ("time", "user", "what")}) for each in changes[::-1]],
        samples_per_minute=settings.samples_per_minute,
        keeps_images=settings.image_side > 0,
        problem=problem,
    )


def _drift(report: Any) -> DriftDetails:
    found = report.comparison
    return DriftDetails(
        deployment=report.deployment,
        model=report.model,
        samples=report.samples,
        since=report.since,
        until=report.until,
        sentence=report.sentence,
        is_alarm=report.is_alarm,
        level=None if found is None else found.level,
        changes=[] if found is None else [
            DriftChange(
                name=each.name, words=each.words, p_value=each.p_value, before=each.before, now=each.now,
                has_changed=bool(each.sentence),
            )
            for each in found.changes
        ],
        shares=[] if found is None else [
            DriftShare(label=label, before=before, now=now) for label, (before, now) in found.class_shares.items()
        ],
        right_before=None if found is None else _interval(found.right_before),
        right_now=None if found is None else _interval(found.right_now),
        is_estimate_trusted=found is not None and found.is_estimate_trusted,
    )  # fmt: skip


def _interval(found: Any) -> DriftInterval:
    return DriftInterval(value=finite(found.value), low=finite(found.low), high=finite(found.high))
