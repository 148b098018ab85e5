"""Models that are ready to predict: a few are kept, each is opened once, and every prediction is timed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError, ModelFolderError
from automl_vision.data.images import open_image, upright_size
from automl_vision.serving.model_folder import DESCRIPTION_FILE, ModelDescription
from automl_vision.serving.predictions import AnyPrediction, Prediction
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.processors import LabelProcessor, create_processor
from automl_vision.studio.opened import Recent

if TYPE_CHECKING:
    from automl_vision.studio.opened import OpenedWorkspace

MAX_BYTES = 32_000_000  # of an image file
MAX_PIXELS = 64_000_000  # decoded they take 192 MB
_MOST_OPEN = 4  # of efficientnet_lite0 about 40 MB each
_DECODED_AT_ONCE = 2


@dataclass(frozen=True)
class Timed:
    """A prediction, and how long it took.

    Attributes:
        prediction: of the model.
        width, height: of the upright image in pixels.
        decode_ms: until the network had its input.
        network_ms: of the network.
        total_ms: of everything, decoding of the answer included.
    """

    prediction: AnyPrediction
    width: int
    height: int
    decode_ms: float
    network_ms: float
    total_ms: float


class OpenModel:
    """A model that is ready to predict; any number of threads may ask."""

    def __init__(self, folder: Path) -> None:
        inner = Predictor(folder)
        self._marks = threading.local()
        self._network = inner.run
        self.predictor = Predictor.of(folder, inner.description, self._timed_network)

    @property
    def description(self) -> ModelDescription:
        """Its `model.json`."""
        return self.predictor.description

    def predict(self, data: bytes, error_rate: float | None = None) -> Timed:
        """Predict one image.

        Args:
            data: of the image file.
            error_rate: share of the truth that the label set may miss; None makes no set.

        Raises:
            ImageError: the bytes are not an image, or it is too large.
            ModelFolderError: the model makes no sets as strict as that.
        """
        width, height = checked_size(data)
        with _DECODING:
            begun = time.perf_counter()
            (prediction,) = self.predictor(data)
            ended = time.perf_counter()
        if error_rate is not None and isinstance(prediction, Prediction):
            prediction = self._with_set(prediction, error_rate)
        started, ran = self._marks.network
        return Timed(
            prediction, width, height, 1000 * (started - begun), 1000 * (ran - started), 1000 * (ended - begun)
        )

    def _with_set(self, prediction: Prediction, error_rate: float) -> Prediction:
        processor = create_processor(self.description, error_rate=error_rate)
        assert isinstance(processor, LabelProcessor)
        return processor.predictions(prediction.logits[None])[0]

    def _timed_network(self, inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        begun = time.perf_counter()
        outputs = self._network(inputs)
        self._marks.network = (begun, time.perf_counter())
        return outputs


_DECODING = threading.BoundedSemaphore(_DECODED_AT_ONCE)


class Predictors:
    """The open models of a server, of which the ones used last are kept; a changed folder is opened anew."""

    def __init__(self) -> None:
        self._open: Recent[tuple[str, int], OpenModel] = Recent(_MOST_OPEN)

    def get(self, folder: Path) -> OpenModel:
        """A model by its folder.

        Raises:
            ModelFolderError: the folder is not a usable model folder.
        """
        try:
            changed = (folder / DESCRIPTION_FILE).stat().st_mtime_ns
        except OSError:
            raise ModelFolderError(f"{folder} is not a model folder: it has no {DESCRIPTION_FILE}") from None
        return self._open.get((str(folder), changed), lambda: OpenModel(folder))


def checked_size(data: bytes) -> tuple[int, int]:
    """Width and height of an upright image, read from its header alone.

    Raises:
        ImageError: the bytes are not an image, or have too many bytes or pixels.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file has more than {MAX_BYTES / 1e6:.0f} MB, which is the limit here")
    return upright_size(open_image(data, max_pixels=MAX_PIXELS))


def model_folder(opened: OpenedWorkspace, model: str) -> Path:
    """The folder of a registered version, or of a run's model.

    Args:
        opened: workspace.
        model: `NAME:VERSION`, `NAME@ALIAS`, or the id of a run.

    Raises:
        ModelNotFoundError, RunNotFoundError: there is no such version or run.
        RunFailedError: the run has no model.
    """
    if ":" in model or "@" in model:
        registry = opened.registry()
        return registry.download(registry.get(model))
    return opened.run(model).run.model_path
