"""Label Studio's protocol for models: predictions while people label.

Source: label-studio-ml-backend, `api.py`. What Label Studio says of itself, such as its address and a token, is not
used: images are fetched only from the server that the endpoint's definition names under `labeling`, with the token of
the endpoint's environment, and behind links whose host it names.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from automl_vision.core.errors import AutoMLVisionError, ImageError
from automl_vision.deployment.label_studio import labeling_threshold, shown_prediction
from automl_vision.deployment.online.answers import Body, plain_json
from automl_vision.deployment.online.asking import AnyService, Options, Service
from automl_vision.deployment.online.bodies import bad_request, checked_count, read_body
from automl_vision.deployment.online.definition import LabelingSettings
from automl_vision.deployment.online.live import LiveDeployment
from automl_vision.formats.tools.label_studio_results import IMAGE
from automl_vision.serving.predictions import AnyPrediction
from automl_vision.storage.access import read_image_bytes
from automl_vision.web.label_studio import LabelStudio

router = APIRouter(tags=["Label Studio"])


class _Asked(msgspec.Struct):
    tasks: list[dict[str, Any]]


class ModelHealth(BaseModel):
    """That the server lives."""

    status: str = Field(examples=["UP"])
    model_class: str = Field(examples=["AutoML Vision"])


class ModelSetup(BaseModel):
    """What predicts."""

    model_version: str = Field(description="of the deployment that takes most of the traffic", examples=["clothing:3"])


class Noted(BaseModel):
    """That a call was taken note of."""

    status: str = Field(examples=["ignored"])


class Predicted(BaseModel):
    """Predictions, one per task, in order."""

    results: list[dict[str, Any]]
    model_version: str


@router.get("/health")
async def get_model_health(service: AnyService) -> ModelHealth:  # noqa: ARG001 - a server that answers is up
    """Tell Label Studio that the server lives."""
    return ModelHealth(status="UP", model_class="AutoML Vision")


@router.post("/setup")
async def set_up_labeling(service: AnyService) -> ModelSetup:
    """Tell Label Studio which model predicts; what it says of itself is not used."""
    return ModelSetup(model_version=_most_asked(service).definition.model)


@router.get("/versions")
async def get_model_versions(service: AnyService) -> dict[str, list[str]]:
    """Tell Label Studio which models there are."""
    return {"versions": list(dict.fromkeys(each.definition.model for each in _deployments(service).values()))}


@router.post("/webhook")
async def ignore_labeling_event() -> Noted:
    """Answer an event and do nothing; the model learns by `automl-vision label pull` and a training, not from here.

    Label Studio calls without the key that it was given for the rest, so that none is asked for; the body is not read.
    """
    return Noted(status="ignored")


@router.post("/predict", responses={200: {"model": Predicted}}, response_class=Response)
async def predict_tasks(request: Request, service: AnyService) -> Response:
    """Predict the images of Label Studio's tasks, as it shows them to people who label."""
    definition = service.endpoint.serving.definition
    try:
        asked = msgspec.json.decode(await read_body(request, definition.limits), type=_Asked)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f'the JSON must be {{"tasks": [{{"data": {{"image": "..."}}}}]}} ({error})') from None
    tasks = checked_count(asked.tasks, definition.limits)  # before any of them is fetched
    images = await asyncio.to_thread(_images, tasks, definition.labeling)
    deployment = _most_asked(service)
    name, task = deployment.definition.model, deployment.description.task

    def make(found: list[AnyPrediction], _: LiveDeployment) -> Body:
        results = [shown_prediction(each, task, name) for each in found]
        return Body(plain_json({"results": results, "model_version": name}), found)

    options = Options(score_threshold=labeling_threshold(deployment.description), deployment=deployment.name)
    return await service.answer(request, images, make, options)


def _deployments(service: Service) -> dict[str, LiveDeployment]:
    return dict(service.endpoint.serving.deployments)


def _most_asked(service: Service) -> LiveDeployment:
    """The deployment with most of the traffic, so that people do not see now one model and now another."""
    serving = service.endpoint.serving
    return serving.deployments[serving.definition.busiest]


def _images(tasks: list[dict[str, Any]], settings: LabelingSettings) -> list[bytes]:
    """The files of the images of tasks.

    Raises:
        HTTPException: 400 or 502, if one of them may not or cannot be fetched.
    """
    if settings.server is None:
        raise bad_request("name the Label Studio server under labeling in the endpoint's definition, as server: URL")
    try:
        with LabelStudio(settings.server) as server:
            return [_file(task, server, settings) for task in tasks]
    except ImageError as error:
        raise bad_request(str(error)) from None
    except AutoMLVisionError as error:
        raise HTTPException(HTTPStatus.BAD_GATEWAY, str(error)) from None


def _file(task: dict[str, Any], server: LabelStudio, settings: LabelingSettings) -> bytes:
    data = task.get("data")
    address = data.get(IMAGE) if isinstance(data, dict) else None
    if not isinstance(address, str):
        raise bad_request(f'a task\'s data has the address of its image as "{IMAGE}"')
    parts = urlsplit(address)
    if not parts.scheme and not parts.netloc:
        return server.download(address)
    if parts.scheme in ("http", "https") and parts.hostname in settings.image_hosts:
        return read_image_bytes("/", address)
    raise bad_request(f"images of {parts.hostname} are not fetched; name the host under labeling as image_hosts")
