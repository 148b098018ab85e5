"""A deployment at work: images of requests are decoded, run in batches and answered, in threads of this process."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import AutoMLVisionError, ImageError
from automl_vision.data.images import open_image
from automl_vision.deployment.monitoring.monitor import Monitor
from automl_vision.deployment.online.batching import Batcher
from automl_vision.deployment.online.definition import DeploymentDefinition, RequestLimits
from automl_vision.deployment.online.plan import Plan, open_planned, open_remote
from automl_vision.deployment.online.triton_backend import TritonNetwork
from automl_vision.deployment.triton import NETWORK
from automl_vision.serving.device import usable_cores
from automl_vision.serving.explainer import Explainer
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import AnyPrediction
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.processors import Inputs, Processor, create_processor

Answer = TypeVar("Answer")

_SMOOTHING = 0.1  # weight of the newest batch in the seconds per image
_MOST_DECODERS = 16


class ClosedDeploymentError(AutoMLVisionError):
    """A deployment was asked after it had been replaced or removed."""


class QueueFullError(AutoMLVisionError):
    """More images wait than a deployment takes.

    Attributes:
        retry_after: seconds until there is probably room.
    """

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(f"{name} has no room for more images now; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass
class Stages:
    """How long the parts of a request took, in seconds.

    Attributes:
        decode: of all its images, one after the other.
        queue: from the last decoded image to the beginning of its batch.
        network: of the last image's batch.
        answer: from outputs to the body of the answer.
        batch: views of the last image's batch.
    """

    decode: float = 0.0
    queue: float = 0.0
    network: float = 0.0
    answer: float = 0.0
    batch: int = 0


@dataclass(frozen=True)
class Answered(Generic[Answer]):
    """The answer to a request, and how long its parts took."""

    answer: Answer
    stages: Stages


@dataclass(frozen=True)
class Outputs:
    """The outputs for the images of a request, for the function that makes the answer.

    Attributes:
        inputs: by image, what the network saw, or why it could not be decoded.
        outputs: by image, of the network; empty where it could not be decoded.
    """

    inputs: Sequence[Inputs | ImageError]
    outputs: Sequence[list[NDArray[Any]]]

    def predictions(self, processor: Processor) -> list[AnyPrediction | ImageError]:
        """One prediction per image, or why there is none.

        Args:
            processor: of the deployment, as the request wants it.
        """
        return [
            found if isinstance(found, ImageError) else processor.postprocess(outputs, found)
            for found, outputs in zip(self.inputs, self.outputs, strict=True)
        ]


class LiveDeployment:
    """A deployment that answers; opening it measures how its model runs fastest here, which takes about a second.

    Args:
        name: of the deployment.
        definition: what it serves.
        folder: its model folder.
        limits: of requests.
        monitor: is offered every image; None watches nothing.
        threads: cores to use; 0 uses all that this process may use.

    Raises:
        ModelFolderError: the folder is not a usable model folder, or the runtime cannot be used here.
        BackendError: the server that is to run its network does not.
    """

    def __init__(
        self,
        name: str,
        definition: DeploymentDefinition,
        folder: Path,
        limits: RequestLimits,
        *,
        monitor: Monitor | None = None,
        threads: int = 0,
    ) -> None:
        self.name, self.definition, self.folder, self._monitor = name, definition, folder, monitor
        self.predictor, self.plan = _opened(definition, folder, threads)
        self._processor = create_processor(self.description)
        self._most_waiting, self._most_pixels = limits.max_queue, int(limits.max_image_megapixels * 1e6)
        self._lock = threading.Lock()
        self._waiting = self._decoding = 0
        self._closed = False
        self._seconds_per_image = 1 / self.plan.images_per_second
        cores = usable_cores() if threads == 0 else threads
        self._pool = ThreadPoolExecutor(min(_MOST_DECODERS, max(2, cores)), thread_name_prefix=f"images-{name}")
        self._batcher = Batcher(
            self._run,
            batch=self.plan.batch,
            coming=lambda: self._decoding,
            delay=self.plan.delay,
            runners=self.plan.runners,
        )

    @property
    def description(self) -> ModelDescription:
        """Its `model.json`."""
        return self.predictor.description

    @cached_property
    def explainer(self) -> Explainer:
        """Explains its predictions; it may load the trained network, which ends with the deployment."""
        return Explainer(self.predictor)

    @property
    def waiting(self) -> int:
        """Images that wait for their answer."""
        return self._waiting

    def submit(
        self, images: Sequence[bytes], answer: Callable[[Outputs], Answer], *, request_id: str = ""
    ) -> Future[Answered[Answer]]:
        """Predict the images of a request.

        Args:
            images: contents of image files, at least one.
            answer: makes the answer in a thread of the deployment; what it raises becomes the future's exception.
            request_id: for the record.

        Returns:
            A future, which can be canceled until the answer is being made.

        Raises:
            QueueFullError: too many images wait already.
            ClosedDeploymentError: it takes no more; what is served now does.
        """
        with self._lock:
            if self._closed:
                raise ClosedDeploymentError(f"{self.name} has ended")
            if self._waiting + len(images) > self._most_waiting and self._waiting:
                cores = self.plan.runners
                raise QueueFullError(self.name, max(1.0, math.ceil(self._waiting * self._seconds_per_image / cores)))
            self._waiting += len(images)
            self._decoding += len(images)
        request: _Request[Answer] = _Request(answer, [None] * len(images), request_id)
        request.future.add_done_callback(lambda _: self._left(len(images)))
        for number, data in enumerate(images):
            self._pool.submit(self._decode, request, number, data)
        return request.future

    def processor(
        self,
        *,
        error_rate: float | None = None,
        score_threshold: float | None = None,
        min_precision: float | None = None,
    ) -> Processor:
        """What turns outputs into predictions, as a request wants it.

        Args:
            error_rate: share of the truth that prediction sets may miss; None makes none.
            score_threshold: from which objects are reported, in place of the model's own thresholds.
            min_precision: share of the answers that are to be right, in place of the model's own thresholds.

        Raises:
            ModelFolderError: the model makes no prediction sets as strict as that, finds no objects, or has no
                threshold for such a precision.
        """
        if all(each is None for each in (error_rate, score_threshold, min_precision)):
            return self._processor
        description = self.description
        if min_precision is not None:
            description = description.with_precision(min_precision)
        if score_threshold is not None:
            description = description.with_threshold(score_threshold)
        return create_processor(description, error_rate=error_rate)

    def close(self) -> None:
        """Finish what was accepted, and end the threads."""
        while not self._ended():
            time.sleep(0.01)
        self._batcher.close()
        self._pool.shutdown()
        if self._monitor is not None:
            self._monitor.close()

    def _decode(self, request: _Request[Any], number: int, data: bytes) -> None:
        found: Inputs | ImageError | None = None
        begun = time.perf_counter()
        try:
            if not request.future.cancelled():
                found = self._inputs(data)
        except Exception as error:  # nobody else hears of it: the thread belongs to the pool
            request.fail(error)
        finally:
            with self._lock:
                self._decoding -= 1
        if found is None:
            return
        seconds = time.perf_counter() - begun
        if isinstance(found, ImageError):
            if request.unreadable(number, found, seconds):
                self._finish(request)
        else:
            request.decoded(number, found, seconds)
            if self._monitor is not None:
                self._monitor.offer(request.id, found, data)
            self._batcher.put(_Image(request, number, self._finish))

    def _inputs(self, data: bytes) -> Inputs | ImageError:
        try:
            open_image(data, max_pixels=self._most_pixels)  # reads the header
            return self._processor.preprocess(data)
        except ImageError as error:
            return error

    def _run(self, inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        begun = time.perf_counter()
        outputs = self.predictor.run(inputs)
        seconds = (time.perf_counter() - begun) / len(inputs)
        self._seconds_per_image += _SMOOTHING * (seconds - self._seconds_per_image)
        return outputs

    def _finish(self, request: _Request[Any]) -> None:
        self._pool.submit(request.finish)

    def _ended(self) -> bool:
        """Take no more, once nothing waits."""
        with self._lock:
            self._closed = self._waiting == 0
            return self._closed

    def _left(self, images: int) -> None:
        with self._lock:
            self._waiting -= images


def _opened(definition: DeploymentDefinition, folder: Path, threads: int) -> tuple[Predictor, Plan]:
    """The predictor of a deployment, and how it is run."""
    if definition.backend is None:
        return open_planned(folder, threads=threads, runtime=definition.runtime)
    name = definition.model.partition(":")[0]
    network = TritonNetwork(definition.backend, ModelDescription.load(folder), model=f"{name}{NETWORK}")
    return open_remote(folder, definition.backend, network)


@dataclass
class _Request(Generic[Answer]):
    """A request on its way; its images come to the network in any order."""

    answer: Callable[[Outputs], Answer]
    inputs: list[Inputs | ImageError | None]
    id: str
    future: Future[Answered[Answer]] = field(default_factory=Future)
    stages: Stages = field(default_factory=Stages)

    def __post_init__(self) -> None:
        self._outputs: list[list[NDArray[Any]]] = [[] for _ in self.inputs]
        self._left = len(self.inputs)
        self._lock = threading.Lock()
        self._decoded_at = 0.0

    def decoded(self, number: int, found: Inputs, seconds: float) -> None:
        """Note an image that goes to the network."""
        with self._lock:
            self.inputs[number] = found
            self.stages.decode += seconds
            self._decoded_at = time.perf_counter()

    def unreadable(self, number: int, error: ImageError, seconds: float) -> bool:
        """Note an image that does not; whether no other one is under way."""
        with self._lock:
            self.inputs[number] = error
            self.stages.decode += seconds
            self._left -= 1
            return self._left == 0

    def came_back(self, number: int, outputs: list[NDArray[Any]], begun: float, batch: int) -> bool:
        """Note the outputs of an image; whether they were the last ones."""
        with self._lock:
            self._outputs[number] = outputs
            self.stages.queue = max(0.0, begun - self._decoded_at)
            self.stages.network = time.perf_counter() - begun
            self.stages.batch = batch
            self._left -= 1
            return self._left == 0

    def fail(self, error: Exception) -> None:
        """End the request with an error, unless it has ended."""
        with self._lock:
            if not self.future.done():
                self.future.set_exception(error)

    def finish(self) -> None:
        """Make the answer."""
        with self._lock:
            if self.future.done() or not self.future.set_running_or_notify_cancel():
                return
        begun = time.perf_counter()
        inputs = [found for found in self.inputs if found is not None]
        try:
            answer = self.answer(Outputs(inputs, self._outputs))
        except Exception as error:  # it is the future's
            self.future.set_exception(error)
            return
        self.stages.answer = time.perf_counter() - begun
        self.future.set_result(Answered(answer, self.stages))


@dataclass(frozen=True)
class _Image:
    """An image of a request, as the batcher sees it."""

    request: _Request[Any]
    number: int
    finish: Callable[[_Request[Any]], None]

    @property
    def views(self) -> NDArray[np.float32]:
        found = self.request.inputs[self.number]
        assert isinstance(found, Inputs)
        return found.views

    @property
    def is_wanted(self) -> bool:
        return not self.request.future.done()

    def done(self, outputs: list[NDArray[Any]], begun: float, batch: int) -> None:
        if self.request.came_back(self.number, outputs, begun, batch):
            self.finish(self.request)

    def failed(self, error: Exception) -> None:
        self.request.fail(error)
