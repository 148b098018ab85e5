"""Predictions and explanations for images that are sent as a file, a form, or JSON."""

from __future__ import annotations

import asyncio
import base64
import io
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from automl_vision.core.errors import ExplanationError, ImageError
from automl_vision.data.images import open_image
from automl_vision.deployment.online.answers import Body, drawn_jpeg, plain_json, predictions_json
from automl_vision.deployment.online.asking import DEPLOYMENT_HEADER, AnyService, Options
from automl_vision.deployment.online.bodies import (
    BYTES_TYPE,
    EXAMPLE_IMAGE,
    JSON_TYPE,
    MULTIPART_TYPE,
    bad_request,
    images_of,
    read_body,
)
from automl_vision.deployment.online.found_objects import FoundObject
from automl_vision.deployment.online.live import LiveDeployment
from automl_vision.serving.explainer import best
from automl_vision.serving.explanation import Explanation
from automl_vision.serving.predictions import AnyPrediction

router = APIRouter(tags=["scoring"])

_MOST_EXPLAINED = 4  # explanations that wait or run, per worker process
_PICTURE = "image/jpeg"
_PICTURE_SIDE, _ATTRIBUTIONS_SIDE = 1024, 224  # pixels and values; a network sees about as much


class ImageAnswer(BaseModel):
    """The answer for one image: `probs` and `labels`, or `boxes`."""

    probs: list[float] | None = Field(default=None, description="of every class, in the order of `labels`; calibrated")
    labels: list[str] | None = None
    predicted: list[str] | None = Field(
        default=None, description="the answer at the wanted precision; none where the model is not sure enough"
    )
    set: list[str] | None = Field(default=None, description="labels that hold the truth as often as was asked")
    boxes: list[FoundObject] | None = Field(default=None, description="best first, at or above the thresholds")


class ExplanationAnswer(BaseModel):
    """What a prediction depends on."""

    method: str
    label: str
    probability: float = Field(description="of the class, or the score of the object")
    box: list[float] | None = Field(description="of the object in pixels: x1, y1, x2, y2")
    picture: str = Field(description="the image with what counted laid over it, a PNG file as base64")
    attributions: list[list[float]] = Field(description="rows over the image, at most 224 values on its longer side")


class TableBody(BaseModel):
    """Images as base64 texts."""

    columns: list[str] = Field(default=["image"], examples=[["image"]])
    index: list[int] | None = Field(default=None, examples=[[0]])
    data: list[str]


class JsonBody(BaseModel):
    """The JSON of a scoring request."""

    input_data: TableBody


_BINARY = {"schema": {"type": "string", "format": "binary"}}


def body_of(*, form: bool) -> dict[str, Any]:
    """The body of an operation, for its OpenAPI description."""
    content: dict[str, Any] = dict.fromkeys(("image/jpeg", "image/png", BYTES_TYPE), _BINARY)
    if form:
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        content[MULTIPART_TYPE] = {"schema": {"type": "object", "properties": {"image": files}}}
        example = {"input_data": {"columns": ["image"], "index": [0], "data": [EXAMPLE_IMAGE]}}
        content[JSON_TYPE] = {"schema": JsonBody.model_json_schema(ref_template="{model}"), "example": example}
        content[JSON_TYPE]["schema"] = _inlined(content[JSON_TYPE]["schema"])
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of `JsonBody` without references, which an operation's own body cannot make."""
    parts = schema.pop("$defs")
    schema["properties"]["input_data"] = parts["TableBody"]
    return schema


ErrorRate = Annotated[
    float | None, Query(gt=0, lt=1, description="share of the truth that a `set` of labels may miss; makes the sets")
]
ScoreThreshold = Annotated[
    float | None, Query(ge=0, le=1, description="from which objects are reported, in place of the model's thresholds")
]
MinPrecision = Annotated[
    float | None, Query(gt=0, le=1, description="share of the answers that are to be right; fewer are given then")
]
Draw = Annotated[bool, Query(description="answer with a picture of the one image with its objects, as JPEG")]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": list[ImageAnswer],
        "description": "One entry per image, in order.",
        "content": {_PICTURE: _BINARY},
        "headers": {
            "X-Deployment": {"schema": {"type": "string"}, "description": "the deployment that answered"},
            "X-Request-Id": {"schema": {"type": "string"}, "description": "for the log; that of the request, if any"},
        },
    }
}


@router.post("/score", responses=_ANSWERS, openapi_extra=body_of(form=True), response_class=Response)
async def score(
    request: Request,
    service: AnyService,
    error_rate: ErrorRate = None,
    score_threshold: ScoreThreshold = None,
    min_precision: MinPrecision = None,
    draw: Draw = False,
) -> Response:
    """Predict images: one as the body itself, several as a form with files or as JSON with base64 texts.

    The header `X-Deployment` names a deployment; by default the shares of traffic decide.
    """
    limits = service.endpoint.serving.definition.limits
    images = await images_of(await read_body(request, limits), request.headers, limits)
    if draw and len(images) != 1:
        raise bad_request(f"draw is for one image, not for {len(images)}")

    if min_precision is not None and score_threshold is not None:
        raise bad_request("min_precision and score_threshold both set the threshold; leave one out")

    def make(found: list[AnyPrediction], deployment: LiveDeployment) -> Body:
        if draw:
            value_range = deployment.description.preprocessing.value_range
            return Body(drawn_jpeg(images[0], found[0], value_range), found, _PICTURE)
        return Body(predictions_json(found, with_answers=min_precision is not None), found)

    return await service.answer(request, images, make, Options(error_rate, score_threshold, min_precision))


@router.post("/explain", responses={200: {"model": ExplanationAnswer}}, openapi_extra=body_of(form=False))
async def explain(
    request: Request,
    service: AnyService,
    label: Annotated[str | None, Query(description="the class; by default the most probable one")] = None,
    method: Annotated[str, Query(description="occlusion needs no more than the model folder")] = "occlusion",
) -> Response:
    """Find out what a prediction depends on; by hiding parts of the image, which takes hundreds of passes."""
    limits = service.endpoint.serving.definition.limits
    images = await images_of(await read_body(request, limits), request.headers, limits)
    if len(images) != 1:
        raise bad_request(f"one image is explained at a time, not {len(images)}")
    deployment = service.deployment(service.endpoint.serving, request.headers.get(DEPLOYMENT_HEADER))
    explaining = request.app.state.explaining
    if explaining.waiting >= _MOST_EXPLAINED:
        raise HTTPException(
            HTTPStatus.TOO_MANY_REQUESTS, "too many explanations are being made; try again", {"Retry-After": "5"}
        )
    most = int(limits.max_image_megapixels * 1e6)
    body = await explaining.explain(deployment, images[0], method, label, most)
    return Response(body, media_type=JSON_TYPE, headers={"X-Deployment": deployment.name})


class Explaining:
    """Makes explanations one after the other, in a thread of its own, so that predictions do not wait for them."""

    def __init__(self) -> None:
        self.waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")

    async def explain(
        self, deployment: LiveDeployment, image: bytes, method: str, label: str | None, most_pixels: int
    ) -> bytes:
        """The explanation of one image as JSON.

        Raises:
            HTTPException: 400, if the image, the method or the label do not suit.
        """
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, _explained, deployment, image, method, label, most_pixels)
        except (ExplanationError, ImageError) as error:
            raise bad_request(str(error)) from None
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)


def _explained(deployment: LiveDeployment, image: bytes, method: str, label: str | None, most_pixels: int) -> bytes:
    open_image(image, max_pixels=most_pixels)
    found = best(deployment.explainer(image, method, label), label)
    return plain_json({**found.to_json(), "picture": _png(found), "attributions": _small(found.attributions)})


def _small(attributions: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map of at most so many values on its longer side."""
    picture = Image.fromarray(attributions)
    picture.thumbnail((_ATTRIBUTIONS_SIDE, _ATTRIBUTIONS_SIDE), Image.Resampling.BOX)
    return np.asarray(picture)


def _png(found: Explanation) -> str:
    buffer = io.BytesIO()
    picture = found.overlay()
    picture.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
