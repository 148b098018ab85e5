"""The predictor: a model folder and images in, predictions out; NumPy, Pillow and ONNX Runtime only."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.core.threads import map_in_order
from automl_vision.data.images import to_rgb
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import AnyPrediction, Prediction
from automl_vision.serving.processors import Inputs, LabelProcessor, create_processor
from automl_vision.serving.runtimes import Network, find_runtime

ImageSource = str | Path | bytes | Image.Image | NDArray[np.uint8] | Callable[[], bytes]
"""A path, a file's bytes, decoded pixels, or a function that reads the bytes, which is called in a decoding thread."""

_BATCH = 16  # views; ONNX Runtime gains nothing on a CPU beyond this
_AHEAD = 2 * _BATCH  # views that are decoded while a batch is predicted; with that batch, 3 batches are in memory
_MOST_DECODERS = 8


class Predictor:
    """A packaged model, ready to predict.

    Args:
        folder: the model folder.
        threads: cores to use; 0 uses all.
        score_threshold: score from which objects are shown; it replaces the model's own and a saved operating point,
            so the scores are the detector's own.
        error_rate: share of the truth that the `label_set` of a classifier's prediction may miss; None makes no sets.
            Between the error rates that the folder has, the next stricter one is taken.
        runtime: name of the runtime in `serving.runtimes`; None takes the first one that reads the folder.
        decoders: threads that decode images beside inference; 0 takes one per core that inference uses, at most 8.

    Raises:
        ModelFolderError: the folder is not a usable model folder, or makes no prediction sets as strict as that.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        threads: int = 0,
        score_threshold: float | None = None,
        error_rate: float | None = None,
        runtime: str | None = None,
        decoders: int = 0,
    ) -> None:
        folder = Path(folder)
        description = ModelDescription.load(folder)
        if score_threshold is not None and description.objects is not None:
            thresholds = (score_threshold,) * len(description.classes)
            description = replace(description, thresholds=thresholds, operating_point=None)
        network = find_runtime(folder, runtime).open(folder, threads=threads)
        self._set(folder, description, network, error_rate)
        self._decoders = decoders or _decoders(threads)

    @classmethod
    def of(cls, folder: str | Path, description: ModelDescription, network: Network) -> Predictor:
        """A predictor for a network that is open already, such as that of a trial which was not packaged.

        Args:
            folder: with the network's weights.
            description: as a model folder would have it.
            network: maps inputs (n, 3, height, width) to the outputs that an exported network would have.
        """
        predictor = cls.__new__(cls)
        predictor._set(Path(folder), description, network)
        return predictor

    def _set(
        self, folder: Path, description: ModelDescription, network: Network, error_rate: float | None = None
    ) -> None:
        self.folder = folder
        self.description = description
        self._processor = create_processor(description, error_rate=error_rate)
        self._network = network
        self._decoders = _decoders(0)

    def __call__(self, images: ImageSource | Sequence[ImageSource]) -> list[Any]:
        """Predict one image or several.

        Args:
            images: paths, file contents as bytes, functions that read them, Pillow images, or arrays (height, width, 3)
                of RGB in uint8.

        Returns:
            One `Prediction` per image, in order; for a detector one `ObjectPrediction`.

        Raises:
            ImageError: an image cannot be read.
        """
        if isinstance(images, str | Path | bytes | Image.Image | np.ndarray) or callable(images):
            images = [images]
        return list(self.stream(images))

    def stream(self, images: Iterable[ImageSource], *, skip_unreadable: bool = False) -> Iterator[AnyPrediction]:
        """Predict images as they come; see `stream_all`, which also reports images that cannot be read.

        Args:
            images: may be endless.
            skip_unreadable: whether to go on silently after an image that cannot be read.

        Raises:
            ImageError: an image cannot be read and is not to be skipped.
        """
        for prediction in self.stream_all(images):
            if not isinstance(prediction, ImageError):
                yield prediction
            elif not skip_unreadable:
                raise prediction

    def stream_all(self, images: Iterable[ImageSource]) -> Iterator[AnyPrediction | ImageError]:
        """Predict images as they come, in their order; for one that cannot be read its error.

        Threads read and decode the next images while a batch is predicted. At most 3 batches of 16 views are in memory,
        however many images come; a tiled image has several views. Closing the generator ends the threads.

        Args:
            images: may be endless.
        """
        window = max(self._decoders, _AHEAD // self._processor.views_per_image)
        waiting: list[Inputs | ImageError] = []
        views = 0
        for inputs in map_in_order(self._inputs, images, threads=self._decoders, window=window):
            waiting.append(inputs)
            views += 0 if isinstance(inputs, ImageError) else len(inputs.views)
            if views >= _BATCH or len(waiting) >= _AHEAD:
                yield from self._predict(waiting)
                waiting, views = [], 0
        yield from self._predict(waiting)

    def _inputs(self, image: ImageSource) -> Inputs | ImageError:
        try:
            return self._processor.preprocess(image_bytes(image))
        except ImageError as error:
            return error

    def preprocess(self, image: ImageSource) -> NDArray[np.float32]:
        """The network's input (views, 3, height, width) for an image, normalised; a tiled image has several views.

        Raises:
            ImageError: the image cannot be read.
        """
        return self._processor.preprocess(image_bytes(image)).views

    def run(self, inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The network's outputs for normalised inputs (n, 3, height, width)."""
        return self._network(inputs)

    def decode(self, logits: NDArray[np.float32]) -> list[Prediction]:
        """A classifier's predictions from its logits (n, classes)."""
        if not isinstance(self._processor, LabelProcessor):
            raise TypeError(f"a model for {self.description.task} has no logits to decode")
        return self._processor.predictions(logits)

    def _predict(self, images: Sequence[Inputs | ImageError]) -> Iterator[AnyPrediction | ImageError]:
        views = [inputs.views for inputs in images if isinstance(inputs, Inputs)]
        outputs = self.run(np.concatenate(views)) if views else []
        start = 0
        for inputs in images:
            if isinstance(inputs, ImageError):
                yield inputs
                continue
            end = start + len(inputs.views)
            yield self._processor.postprocess([output[start:end] for output in outputs], inputs)
            start = end


def _decoders(threads: int) -> int:
    """Threads that decode beside inference on a number of cores; 0 for all."""
    return min(_MOST_DECODERS, threads or os.cpu_count() or 1)


def image_bytes(image: ImageSource) -> bytes:
    """The bytes of an image file, whatever the image came as.

    Raises:
        ImageError: a path cannot be read, or an array has the wrong shape or type.
    """
    if isinstance(image, bytes):
        return image
    if callable(image):
        return image()
    if isinstance(image, str | Path):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageError(f"{image} cannot be read ({error.strerror})") from error
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ImageError(f"an array must be (height, width, 3) of uint8, not {image.shape} of {image.dtype}")
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    try:
        to_rgb(image).save(buffer, "PNG", compress_level=1)  # upright, for a PNG says nothing of orientation
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"the image cannot be read ({error})") from error
    return buffer.getvalue()
