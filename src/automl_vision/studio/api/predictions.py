"""Predictions for a photo: by any registered version or a run's model, with what they depend on."""

from __future__ import annotations

import base64
import io
import threading
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from automl_vision.core.errors import AutoMLVisionError, ImageError
from automl_vision.core.records import MetricInterval
from automl_vision.deployment.online.found_objects import FoundObject
from automl_vision.serving.explainer import Explainer, best
from automl_vision.serving.explanation import Explanation
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import Prediction
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.predictors import MAX_BYTES, Predictors, Timed, checked_size, model_folder
from automl_vision.studio.work import Background, Progress

router = operations("predictions")

_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff", "image/gif", "application/octet-stream")
_BINARY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"the image file itself, at most {MAX_BYTES / 1e6:.0f} MB",
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in _TYPES},
    }
}
_HEAT_SIDE = 256  # pixels: masks of 7 x 7 cells show nothing smaller

Model = Annotated[
    str,
    Query(description="`NAME:VERSION`, `NAME@ALIAS`, or the id of a run", examples=["clothing:2"], max_length=200),
]


class Milliseconds(BaseModel):
    """How long a prediction took."""

    decode: float = Field(description="from the file to the network's input")
    network: float
    total: float = Field(description="with what turns outputs into the answer")


class ImagePrediction(BaseModel):
    """What a model says of an image: `probs` and `labels`, or `boxes`, as batch scoring and endpoints answer."""

    probs: list[float] | None = Field(default=None, description="of every class, in the order of `labels`")
    labels: list[str] | None = None
    set: list[str] | None = Field(default=None, description="labels that hold the truth as often as was asked")
    boxes: list[FoundObject] | None = Field(default=None, description="best first, at or above the thresholds")
    predicted: list[str] = Field(description="the answer; empty where the model abstains or finds nothing")
    answered: bool = Field(default=True, description="false where the model abstains")
    model: str
    task: str
    classes: list[str]
    thresholds: list[float] = Field(description="by class; empty where the most probable class is the answer")
    width: int = Field(description="of the upright image in pixels")
    height: int
    milliseconds: Milliseconds


class TriableModel(BaseModel):
    """A model that can be tried."""

    id: str = Field(description="for `model=`", examples=["clothing:2"])
    title: str
    aliases: list[str]
    task: str
    model_name: str
    metric: str | None
    score: MetricInterval | None
    classes: int
    error_rates: list[float] = Field(description="for which there are prediction sets, rising; empty without any")
    registered: bool


class TriableModels(BaseModel):
    """What can be tried."""

    items: list[TriableModel]
    problem: str | None = Field(description="why registered versions are missing; the models of runs are there")


class ExplanationSummary(BaseModel):
    """What a prediction depends on."""

    method: str
    label: str
    probability: float = Field(description="of the class, or the score of the object")
    box: list[float] | None = Field(description="of the object in pixels: x1, y1, x2, y2")
    width: int
    height: int
    heat: str = Field(description="a small picture with an alpha channel, to be laid over the photo, as a data URL")


def opened_predictors(request: Request) -> Predictors:
    """The open models of the server that answers a request."""
    with _MAKING:
        if not hasattr(request.app.state, "predictors"):
            request.app.state.predictors = Predictors()
        found: Predictors = request.app.state.predictors
        return found


_MAKING = threading.Lock()
OpenModels = Annotated[Predictors, Depends(opened_predictors)]


async def image_body(request: Request) -> bytes:
    """The body of a request as an image file, which is refused as soon as it is too long.

    Raises:
        ImageError: it is empty, too long, or not an image of a known format.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BYTES:
            raise ImageError(f"the file has more than {MAX_BYTES / 1e6:.0f} MB, which is the limit here")
    checked_size(bytes(data))
    return bytes(data)


ImageBody = Annotated[bytes, Depends(image_body)]
ErrorRate = Annotated[
    float | None,
    Query(gt=0, lt=1, description="share of the truth that the set may miss; without it there is no set"),
]


@router.post("/predictions", response_model_exclude_none=True, openapi_extra=_BINARY)
def predict(
    opened: Opened, models: OpenModels, data: ImageBody, model: Model, error_rate: ErrorRate = None
) -> ImagePrediction:
    """Predict one image, which is sent as it is and kept nowhere."""
    found = models.get(model_folder(opened, model))
    return prediction_answer(model, found.description, found.predict(data, error_rate))


@router.get("/triable-models")
def list_triable_models(opened: Opened) -> TriableModels:
    """List what can be tried: registered versions, those in use first, then models of runs."""
    try:
        registered, problem = _registered(opened), None
    except AutoMLVisionError as error:
        registered, problem = [], str(error)
    return TriableModels(items=registered + _of_runs(opened), problem=problem)


@router.post("/explanations", status_code=202, openapi_extra=_BINARY)
def start_explanation(
    opened: Opened,
    background: Background,
    models: OpenModels,
    data: ImageBody,
    model: Model,
    label: Annotated[str | None, Query(description="the class; by default the most probable one")] = None,
) -> WorkDetails:
    """Find out what a prediction depends on, by hiding parts of the image, in the background."""
    found = models.get(model_folder(opened, model))

    def explain(progress: Progress) -> ExplanationSummary:
        def far(done: int, total: int) -> None:
            progress(done, total, "hiding parts of the image")

        return _explained(best(Explainer(found.predictor)(data, label=label, progress=far), label))

    title = f"Explain a photo by {model}"
    return work_details(background.start("explanation", title, explain, light=True, workspace=opened.name))


def prediction_answer(model: str, description: ModelDescription, timed: Timed) -> ImagePrediction:
    """A prediction as an answer."""
    prediction = timed.prediction
    return ImagePrediction(
        **prediction.to_json(),
        predicted=list(prediction.predicted),
        answered=prediction.answered if isinstance(prediction, Prediction) else True,
        model=model,
        task=description.task,
        classes=list(description.classes),
        thresholds=list(description.decision_thresholds),
        width=timed.width,
        height=timed.height,
        milliseconds=Milliseconds(decode=timed.decode_ms, network=timed.network_ms, total=timed.total_ms),
    )


def _explained(found: Explanation) -> ExplanationSummary:
    buffer = io.BytesIO()
    found.heat(_HEAT_SIDE).save(buffer, "PNG")
    height, width = found.image.shape[:2]
    return ExplanationSummary(
        method=found.method,
        label=found.label,
        probability=found.probability,
        box=None if found.box is None else list(found.box),
        width=width,
        height=height,
        heat=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}",
    )


def _registered(opened: Opened) -> list[TriableModel]:
    found = []
    for versions in opened.registry().listing().values():
        for version in reversed(versions):
            try:
                passport = opened.passport(version)
            except (AutoMLVisionError, OSError):
                continue
            found.append(_triable(version.id, version.id, passport, version.aliases, registered=True))
    return sorted(found, key=lambda model: "champion" not in model.aliases)


def _of_runs(opened: Opened) -> list[TriableModel]:
    found = []
    for run in opened.runs():
        folder = run.run.folder
        if folder.model.exists():
            try:
                passport = ModelDescription.load(folder.model)
            except AutoMLVisionError:
                continue
            found.append(_triable(folder.id, f"run {folder.id}", passport, (), registered=False))
    return found


def _triable(
    model: str, title: str, passport: ModelDescription, aliases: tuple[str, ...], *, registered: bool
) -> TriableModel:
    metric, _, score = passport.headline or (None, None, None)
    return TriableModel(
        id=model,
        title=title,
        aliases=list(aliases),
        task=passport.task,
        model_name=passport.model_name,
        metric=metric,
        score=None if score is None else MetricInterval(**score),
        classes=len(passport.classes),
        error_rates=[entry.error_rate for entry in passport.prediction_sets],
        registered=registered,
    )
