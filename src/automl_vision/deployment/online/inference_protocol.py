"""The Open Inference Protocol V2 over REST, with Triton's binary tensors; an image is one element of BYTES.

Protocol: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol; binary tensors:
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import msgspec
import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from automl_vision.core.version import VERSION
from automl_vision.deployment.online.answers import Body, NoAnswerError, plain_json
from automl_vision.deployment.online.asking import AnyService, Options, Service
from automl_vision.deployment.online.bodies import (
    BYTES_TYPE,
    EXAMPLE_IMAGE,
    bad_request,
    checked_count,
    image_of_base64,
    read_body,
)
from automl_vision.deployment.online.live import LiveDeployment
from automl_vision.serving.predictions import AnyPrediction, Prediction
from automl_vision.web.problems import problem

IMAGE, PREDICTIONS, PROBABILITIES, LABEL = "image", "predictions", "probabilities", "label"
"""Names of the tensors."""

_HEADER_LENGTH = "inference-header-content-length"
_LENGTH = struct.Struct("<I")
_PLATFORM = "automl_vision"


class _Errors(APIRoute):
    """Adds `error`, as the protocol has it, to the problem details of what fails."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                phrase = HTTPStatus(error.status_code).phrase
                answer = problem(error.status_code, phrase, str(error.detail), error=str(error.detail))
                answer.headers.update(error.headers or {})
                return answer

        return answering


router = APIRouter(prefix="/v2", tags=["Open Inference Protocol V2"], route_class=_Errors)


class Tensor(BaseModel):
    """A tensor that a model takes or returns; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class ModelMetadata(BaseModel):
    """What a model takes and returns."""

    name: str
    versions: list[str] = Field(description="the deployments; without one the shares of traffic decide")
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class Readiness(BaseModel):
    """An answer without content of its own."""


class InferenceInput(BaseModel):
    """Images: base64 texts, or binary data behind the JSON."""

    name: str = Field(default=IMAGE, examples=[IMAGE])
    datatype: str = Field(default="BYTES", examples=["BYTES"])
    shape: list[int] = Field(examples=[[1]])
    data: list[str] | None = None
    parameters: dict[str, Any] | None = None


class InferenceRequest(BaseModel):
    """A request of the protocol."""

    id: str | None = None
    inputs: list[InferenceInput]
    outputs: list[dict[str, Any]] | None = None
    parameters: dict[str, Any] | None = None


class InferenceAnswer(BaseModel):
    """An answer of the protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[dict[str, Any]]


class _Input(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Inference(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: dict[str, Any] = {}


_DECODER = msgspec.json.Decoder(_Inference)


@router.get("")
async def get_server_metadata(service: AnyService) -> ServerMetadata:
    """Return what the server is."""
    return ServerMetadata(name=service.endpoint.folder.name, version=VERSION, extensions=["binary_tensor_data"])


@router.get("/health/live")
async def v2_is_live() -> Readiness:
    """Tell that the server runs."""
    return Readiness()


@router.get("/health/ready")
async def v2_is_ready() -> Readiness:
    """Tell that requests are answered."""
    return Readiness()


@router.get("/models/{model}")
@router.get("/models/{model}/versions/{version}", name="get_version_metadata")
async def get_model_metadata(service: AnyService, model: str, version: str | None = None) -> ModelMetadata:
    """Return what a model takes and returns; the model is the endpoint, and its versions are the deployments."""
    deployment = _deployment(service, model, version)
    labels = [Tensor(name=PREDICTIONS, datatype="BYTES", shape=[-1])]
    if deployment.description.objects is None:
        labels += [
            Tensor(name=PROBABILITIES, datatype="FP64", shape=[-1, len(deployment.description.classes)]),
            Tensor(name=LABEL, datatype="BYTES", shape=[-1]),
        ]
    return ModelMetadata(
        name=model,
        versions=list(service.endpoint.serving.deployments),
        platform=_PLATFORM,
        inputs=[Tensor(name=IMAGE, datatype="BYTES", shape=[-1])],
        outputs=labels,
    )


@router.get("/models/{model}/ready")
@router.get("/models/{model}/versions/{version}/ready", name="is_version_ready")
async def is_model_ready(service: AnyService, model: str, version: str | None = None) -> Readiness:
    """Tell whether a model can be asked."""
    _deployment(service, model, version)
    return Readiness()


_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["inputs"]},
                "example": {"inputs": [{"name": IMAGE, "datatype": "BYTES", "shape": [1], "data": [EXAMPLE_IMAGE]}]},
            }
        },
    }
}


@router.post("/models/{model}/infer", response_model=InferenceAnswer, openapi_extra=_REQUEST)
@router.post(
    "/models/{model}/versions/{version}/infer",
    response_model=InferenceAnswer,
    openapi_extra=_REQUEST,
    name="infer_version",
)
async def infer(request: Request, service: AnyService, model: str, version: str | None = None) -> Response:
    """Predict images.

    Each element of `image` is an image file, as base64 text in JSON or as it is in a binary tensor. `predictions` has a
    JSON text for each image, as `/score` answers; classifiers also return `probabilities` and `label`.
    """
    _deployment(service, model, version)
    limits = service.endpoint.serving.definition.limits
    asked, rest = _parsed(await read_body(request, limits), request.headers.get(_HEADER_LENGTH))
    images = checked_count(_images(asked, rest), limits)

    def make(found: list[AnyPrediction], deployment: LiveDeployment) -> Body:
        return _body(asked, model, deployment, found)

    return await service.answer(request, images, make, Options(deployment=version))


def _deployment(service: Service, model: str, version: str | None) -> LiveDeployment:
    """The deployment that a path names; of a path without a version the one with the largest share.

    Raises:
        HTTPException: 404.
    """
    name, serving = service.endpoint.folder.name, service.endpoint.serving
    if model != name:
        raise HTTPException(HTTPStatus.NOT_FOUND, f'no model is named "{model}"; this endpoint is "{name}"')
    shares = serving.definition.traffic
    largest = max(shares, key=lambda each: shares[each], default=None)
    return service.deployment(serving, version if version is not None else largest)


def _parsed(body: bytes, header_length: str | None) -> tuple[_Inference, memoryview]:
    """The JSON of a request, and the binary tensors behind it."""
    length = len(body)
    if header_length is not None:
        if not header_length.isdigit() or int(header_length) > len(body):
            raise bad_request(f"{_HEADER_LENGTH} must be the bytes of the JSON, at most those of the body")
        length = int(header_length)
    try:
        return _DECODER.decode(body[:length]), memoryview(body)[length:]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise bad_request(f"the JSON is not a request of the Open Inference Protocol V2 ({error})") from None


def _images(asked: _Inference, rest: memoryview) -> list[bytes]:
    """The images of the one input.

    Raises:
        HTTPException: 400.
    """
    if len(asked.inputs) != 1 or asked.inputs[0].name != IMAGE or asked.inputs[0].datatype != "BYTES":
        raise bad_request(f'the request must have one input, "{IMAGE}", of datatype BYTES')
    given = asked.inputs[0]
    if "binary_data_size" in given.parameters:
        images = _elements(rest, given.parameters["binary_data_size"])
    else:
        values = given.data or []
        images = [image_of_base64(value, f"{IMAGE}.data[{number}]") for number, value in enumerate(values)]
    count = math.prod(given.shape)
    if any(size < 0 for size in given.shape) or count != len(images):
        raise bad_request(f"{IMAGE}.shape {given.shape} has {count} elements, and its data {len(images)}")
    return images


def _elements(data: memoryview, size: Any) -> list[bytes]:
    """The elements of a binary tensor: each has its length in front, in 4 bytes, little-endian."""
    if size != len(data):
        raise bad_request(f"{IMAGE}.binary_data_size is {size}, and {len(data)} bytes follow the JSON")
    found, start = [], 0
    while start < len(data):
        if start + _LENGTH.size > len(data):
            raise bad_request(f"the binary data of {IMAGE} end within the length of an element")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if start + length > len(data):
            raise bad_request(f"an element of {IMAGE} has {length} bytes, and {len(data) - start} are left")
        found.append(bytes(data[start : start + length]))
        start += length
    return found


def _body(asked: _Inference, model: str, deployment: LiveDeployment, found: list[AnyPrediction]) -> Body:
    """The answer with the tensors that were asked for, as JSON or binary."""
    tensors = _tensors(found)
    wanted = asked.outputs or [_Output(name) for name in tensors]
    if unknown := [each.name for each in wanted if each.name not in tensors]:
        raise NoAnswerError(f'no output is named "{unknown[0]}"; outputs: {", ".join(tensors)}')
    all_binary = asked.parameters.get("binary_data_output", False)
    outputs, tail = [], b""
    for each in wanted:
        datatype, values = tensors[each.name]
        entry: dict[str, Any] = {"name": each.name, "datatype": datatype, "shape": list(values.shape)}
        if each.parameters.get("binary_data", all_binary):
            data = _packed(values)
            entry["parameters"] = {"binary_data_size": len(data)}
            tail += data
        else:
            entry["data"] = values.ravel()
        outputs.append(entry)
    head = plain_json({"model_name": model, "model_version": deployment.name, "id": asked.id, "outputs": outputs})
    if not tail:
        return Body(head, found)
    return Body(head + tail, found, BYTES_TYPE, {_HEADER_LENGTH: str(len(head))})


def _tensors(found: list[AnyPrediction]) -> dict[str, tuple[str, NDArray[Any]]]:
    """Every output by name, with its datatype and values."""
    texts = [plain_json(each.to_json()).decode() for each in found]
    tensors: dict[str, tuple[str, NDArray[Any]]] = {PREDICTIONS: ("BYTES", np.array(texts, object))}
    labelled = [each for each in found if isinstance(each, Prediction)]
    if labelled:
        tensors[PROBABILITIES] = ("FP64", np.stack([each.probs for each in labelled]))
        tensors[LABEL] = ("BYTES", np.array([each.label for each in labelled], object))
    return tensors


def _packed(values: NDArray[Any]) -> bytes:
    """A tensor's binary data."""
    if values.dtype != object:
        return values.astype("<f8").tobytes()
    texts = [str(value).encode() for value in values.ravel()]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
