"""From a request to the deployment that answers it, and back: what every kind of request shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.exceptions import HTTPException

from automl_vision.core.errors import ModelFolderError
from automl_vision.deployment.online.answers import Body, NoAnswerError, all_predicted
from automl_vision.deployment.online.definition import EndpointError
from automl_vision.deployment.online.endpoint import LiveEndpoint, Serving
from automl_vision.deployment.online.gate import Visit, visit_of
from automl_vision.deployment.online.live import (
    Answered,
    ClosedDeploymentError,
    LiveDeployment,
    Outputs,
    QueueFullError,
)
from automl_vision.deployment.online.metrics import Metrics
from automl_vision.deployment.online.shadow import ShadowRecord
from automl_vision.deployment.online.triton_backend import BackendError
from automl_vision.serving.predictions import AnyPrediction

DEPLOYMENT_HEADER = "x-deployment"
_MOST_MIRRORED = 32  # mirrored requests at once, beyond which they are dropped
_MIRRORED_SECONDS = 60.0

MakeBody = Callable[[list[AnyPrediction], LiveDeployment], Body]


@dataclass(frozen=True)
class Options:
    """What a request wants.

    Attributes:
        error_rate: share of the truth that prediction sets may miss; None makes none.
        score_threshold: from which objects are reported; None takes the model's own.
        min_precision: share of the answers that are to be right; None takes the model's own thresholds.
        deployment: that is to answer; None takes that of the header, or decides by the shares of traffic.
    """

    error_rate: float | None = None
    score_threshold: float | None = None
    min_precision: float | None = None
    deployment: str | None = None


@dataclass
class Service:
    """What the operations of a server share.

    Attributes:
        endpoint: that is served.
        metrics: of the server.
        shadow: where mirrored answers are recorded.
    """

    endpoint: LiveEndpoint
    metrics: Metrics
    shadow: ShadowRecord
    mirrored: set[asyncio.Task[None]] = field(default_factory=set)

    def deployment(self, serving: Serving, name: str | None) -> LiveDeployment:
        """The deployment that a request names, or else one by the shares of traffic.

        Raises:
            HTTPException: 404 or 503.
        """
        try:
            return serving.pick() if name is None else serving.named(name)
        except EndpointError as error:
            status = HTTPStatus.SERVICE_UNAVAILABLE if name is None else HTTPStatus.NOT_FOUND
            raise HTTPException(status, str(error)) from None

    async def answer(
        self, request: Request, images: list[bytes], make: MakeBody, options: Options = Options()
    ) -> Response:
        """Answer a request, by the deployment that it names or by the shares of traffic.

        Args:
            request: whose body was read.
            images: contents of image files.
            make: makes the body of the answer, in a thread of the deployment.
            options: what the request wants.

        Raises:
            HTTPException: with the status and the sentence of what went wrong.
        """
        visit = visit_of(request.scope)
        read = time.perf_counter() - visit.begun
        serving = self.endpoint.serving
        deployment = self.deployment(serving, options.deployment or request.headers.get(DEPLOYMENT_HEADER))
        visit.facts |= {"deployment": deployment.name, "model": deployment.definition.model, "images": len(images)}
        try:
            seconds = serving.definition.limits.request_timeout_s
            answered = await self._asked(deployment, images, make, options, seconds, visit.id)
        except ClosedDeploymentError:  # replaced at this very moment
            return await self.answer(request, images, make, options)
        except HTTPException as error:
            self.metrics.requests.labels(deployment.name, str(error.status_code)).inc()
            raise
        stages, body = answered.stages, answered.answer
        self.metrics.requests.labels(deployment.name, "200").inc()
        self.metrics.count(deployment.name, len(images), read, time.perf_counter() - visit.begun, stages)
        milliseconds = {"read": read, "decode": stages.decode, "queue": stages.queue, "network": stages.network}
        visit.facts |= {f"{name}_ms": round(1000 * seconds, 2) for name, seconds in milliseconds.items()}
        for mirror in serving.mirrors(deployment.name):
            self._mirror(visit, images, (deployment.name, body), mirror)
        headers = {"X-Deployment": deployment.name, "X-Model": deployment.definition.model, **body.headers}
        return Response(body.content, media_type=body.media_type, headers=headers)

    async def _asked(
        self,
        deployment: LiveDeployment,
        images: list[bytes],
        make: MakeBody,
        options: Options,
        timeout: float,
        request_id: str,
    ) -> Answered[Body]:
        try:
            processor = deployment.processor(
                error_rate=options.error_rate,
                score_threshold=options.score_threshold,
                min_precision=options.min_precision,
            )

            def body(outputs: Outputs) -> Body:
                return make(all_predicted(outputs.predictions(processor)), deployment)

            return await _within(deployment.submit(images, body, request_id=request_id), timeout)
        except QueueFullError as error:
            seconds = str(int(error.retry_after))
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, str(error), {"Retry-After": seconds}) from None
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.GATEWAY_TIMEOUT, f"there was no answer within {timeout:g} s; send fewer images at once"
            ) from None
        except BackendError as error:
            raise HTTPException(HTTPStatus.BAD_GATEWAY, str(error)) from None
        except (NoAnswerError, ModelFolderError) as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from None

    def _mirror(self, visit: Visit, images: list[bytes], answered: tuple[str, Body], mirror: LiveDeployment) -> None:
        """Ask another deployment too, unless it is busy; nobody waits for it."""
        if len(self.mirrored) >= _MOST_MIRRORED:
            self.metrics.mirrored.labels(mirror.name, "dropped").inc()
            return

        async def ask() -> None:
            outcome, found = "failed", None
            try:
                asked = await self._asked(mirror, images, _only_predictions, Options(), _MIRRORED_SECONDS, visit.id)
                outcome, found = "answered", asked.answer.predictions
            except ClosedDeploymentError:
                outcome = "dropped"
            except HTTPException as error:
                outcome = "dropped" if error.status_code == HTTPStatus.TOO_MANY_REQUESTS else "failed"
            self.metrics.mirrored.labels(mirror.name, outcome).inc()
            if outcome != "dropped":
                name, body = answered
                await asyncio.to_thread(self.shadow.add, visit.id, (name, body.predictions), (mirror.name, found))

        task = asyncio.create_task(ask())
        self.mirrored.add(task)
        task.add_done_callback(self.mirrored.discard)


def _only_predictions(found: list[AnyPrediction], _deployment: LiveDeployment) -> Body:
    return Body(b"", found)


async def _within(future: Future[Answered[Body]], seconds: float) -> Answered[Body]:
    """The answer, if it comes in time; otherwise what is left of the work is not done."""
    async with asyncio.timeout(seconds):
        return await asyncio.wrap_future(future)


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


AnyService = Annotated[Service, Depends(_service)]
"""The service of the server that answers a request."""
