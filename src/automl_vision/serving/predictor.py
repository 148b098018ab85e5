"""The predictor: a model folder and images in, predictions out; NumPy, Pillow and a runtime only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError, ModelFolderError
from automl_vision.core.threads import map_in_order
from automl_vision.serving.choice import MEASURED_FROM, Choice, Selection, handed_over
from automl_vision.serving.device import usable_cores
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import AnyPrediction, Prediction
from automl_vision.serving.processors import Inputs, LabelProcessor, Source, create_processor
from automl_vision.serving.runtimes import REFERENCE, Network
from automl_vision.serving.video import RECONNECT_FOR

if TYPE_CHECKING:
    from automl_vision.serving.video_stream import VideoStream
    from automl_vision.serving.watching import FoundFile, Version

ImageSource = str | Path | bytes | Image.Image | NDArray[np.uint8] | Callable[[], bytes]
"""A path, a file's bytes, decoded pixels, or a function that reads the bytes, which is called in a decoding thread."""

_AHEAD = 2  # batches that are decoded while a batch is predicted; with that batch, 3 batches are in memory
_MOST_DECODERS = 8
_MEASURED_ON = 4  # images


class Predictor:
    """A packaged model, ready to predict.

    Where no runtime is asked for, the predictor uses the one that was fastest when this model was measured on this
    machine. If it never was, it uses ONNX Runtime in single precision, and measures as soon as 16 images come at once;
    `choose` measures at once. Only runtimes that are proven to answer as the trained network does take part.

    Args:
        folder: the model folder.
        threads: cores to use; 0 uses all that this process may use, or fewer where that is faster.
        score_threshold: score from which objects are shown; it replaces the model's own and a saved operating point,
            so the scores are the detector's own.
        error_rate: share of the truth that the `label_set` of a classifier's prediction may miss; None makes no sets.
            Between the error rates that the folder has, the next stricter one is taken.
        runtime: name of a runtime in `serving.runtimes`, which fixes its precision: "onnx" is single precision; or of a
            family of them beside `precision`. None chooses.
        precision: "fp32", "bf16", "fp16" or "int8"; None chooses, or takes that of the runtime.
        decoders: threads that decode images beside inference; 0 takes one per core that inference uses, at most 8.

    Raises:
        ModelFolderError: the folder is not a usable model folder, makes no prediction sets as strict as that, or the
            runtime or precision cannot be used here; the message names the way out.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        threads: int = 0,
        score_threshold: float | None = None,
        error_rate: float | None = None,
        runtime: str | None = None,
        precision: str | None = None,
        decoders: int = 0,
    ) -> None:
        folder = Path(folder)
        description = ModelDescription.load(folder)
        selection = Selection(folder, description, runtime=runtime, precision=precision, threads=threads)
        if score_threshold is not None and description.objects is not None:
            description = description.with_threshold(score_threshold)
        self._set(folder, description, selection, error_rate)
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

    def __repr__(self) -> str:
        choice = self.choice
        return f"Predictor({str(self.folder)!r}, runtime={choice.runtime!r}, precision={choice.precision!r})"

    @property
    def choice(self) -> Choice:
        """The runtime that is used, and why; printed, it shows how fast each one was and why others were left out."""
        return self._selection.choice if self._selection is not None else handed_over()

    def choose(self, images: Sequence[ImageSource] = ()) -> Choice:
        """Measure the runtimes now, unless that is done, such as when a server starts.

        Args:
            images: to measure with, the first four; without any it is noise.

        Raises:
            ImageError: an image cannot be read.
        """
        if self._selection is not None and self._selection.is_open:
            views = [self.preprocess(image) for image in images[:_MEASURED_ON]]
            self._selection.measure(np.concatenate(views) if views else self._noise())
        return self.choice

    def _noise(self) -> NDArray[np.float32]:
        size = self.description.preprocessing.input_size
        return np.random.default_rng(0).normal(size=(_MEASURED_ON, 3, *size)).astype(np.float32)

    def _set(
        self,
        folder: Path,
        description: ModelDescription,
        network: Network | Selection,
        error_rate: float | None = None,
    ) -> None:
        self.folder = folder
        self.description = description
        self._processor = create_processor(description, error_rate=error_rate)
        self._selection = network if isinstance(network, Selection) else None
        self._given = network if not isinstance(network, Selection) else None
        self._decoders = _decoders(0)

    def __call__(
        self, images: ImageSource | Sequence[ImageSource], *, unreadable: Literal["raise", "return"] = "raise"
    ) -> list[Any]:
        """Predict one image or several.

        Args:
            images: paths, file contents as bytes, functions that read them, Pillow images, or arrays (height, width, 3)
                of RGB in uint8.
            unreadable: "return" puts the error of an image that cannot be read in the place of its prediction.

        Returns:
            One `Prediction` per image, in order; for a detector one `ObjectPrediction`.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        if unreadable not in ("raise", "return"):
            raise ValueError(f'unreadable is "raise" or "return", not "{unreadable}"')
        if isinstance(images, str | Path | bytes | Image.Image | np.ndarray) or callable(images):
            images = [images]
        return list(self.stream(images) if unreadable == "raise" else self.stream_all(images))

    def stream(self, images: Iterable[ImageSource], *, skip_unreadable: bool = False) -> Iterator[AnyPrediction]:
        """Predict images as they come; see `stream_all`, which also reports images that cannot be read.

        Args:
            images: may be endless.
            skip_unreadable: whether to go on silently after an image that cannot be read.

        Raises:
            ImageError: an image cannot be read and is not to be skipped; the message names it.
        """
        ahead: deque[str] = deque()  # names of the images that are being decoded

        def named() -> Iterator[ImageSource]:
            for image in images:
                ahead.append(str(image) if isinstance(image, str | Path) else "")
                yield image

        for number, prediction in enumerate(self.stream_all(named()), start=1):
            name = ahead.popleft()
            if not isinstance(prediction, ImageError):
                yield prediction
            elif not skip_unreadable:
                raise ImageError(f"image {number}{f' ({name})' if name else ''}: {prediction}") from prediction

    def stream_video(
        self,
        source: str | Path,
        *,
        fps: float | None = None,
        reconnect_for: float = RECONNECT_FOR,
        say: Callable[[str], None] | None = None,
    ) -> VideoStream:
        """Predict the frames of a video file or of a camera; needs the extra `video`.

        Of a file no frame is lost; of a live stream, frames that come while one is predicted are dropped but for the
        newest, and counted. Iterate over the result, and close it; it is a context manager.

        Args:
            source: a video file, or an address that begins with `rtsp://` or `rtsps://`.
            fps: frames per second that are predicted; None asks for all.
            reconnect_for: seconds for which a live stream that broke off is tried again; 0 takes its end for the end.
            say: told, perhaps in another thread, what broke off or is damaged; None prints to standard error.

        Raises:
            StreamError: the source cannot be opened; while iterating, it broke off and did not come back.
            MissingPackageError: PyAV is not installed.
        """
        from automl_vision.serving.video_stream import VideoStream

        stream = VideoStream(self.stream_all, str(source), fps=fps, reconnect_for=reconnect_for, say=say)
        self.choose()  # single frames of a camera would never do it
        return stream

    def watch_folder(
        self, folder: str | Path, known: Mapping[str, Version] | None = None, *, every: float = 0.5
    ) -> Iterator[tuple[FoundFile, AnyPrediction | ImageError]]:
        """Predict the images of a folder and its subfolders, and then those that come, without an end.

        A file is predicted when it is complete, and again when its content changes; see `watching.FolderWatch`. Closing
        the generator ends it.

        Args:
            folder: to watch.
            known: versions of files that are not predicted, by their paths.
            every: seconds between two looks at the folder.

        Raises:
            StreamError: the folder does not exist.
        """
        from automl_vision.serving.watching import FolderWatch

        watch = FolderWatch(folder, known or {})
        while True:
            files = watch.complete_files()
            for file, prediction in zip(files, self.stream_all([file.path for file in files]), strict=True):
                if watch.accepts(file, is_readable=not isinstance(prediction, ImageError)):
                    yield file, prediction
            time.sleep(every)

    def stream_all(
        self, images: Iterable[ImageSource], *, most: int | None = None
    ) -> Iterator[AnyPrediction | ImageError]:
        """Predict images as they come, in their order; for one that cannot be read its error.

        Threads read and decode the next images while a batch is predicted. At most 3 batches of 16 views are in memory,
        however many images come; a tiled image has several views. Closing the generator ends the threads.

        Where the runtime is still to be chosen and 16 images come, runtimes are measured on the first of them, so that
        one runtime predicts the whole stream.

        Args:
            images: may be endless.
            most: images in memory, at least 2; None leaves it at 3 batches.
        """
        images = iter(images)
        if self._selection is not None and self._selection.is_open:
            images = self._measured_on(images)
        batch = self.choice.batch if most is None else max(1, min(self.choice.batch, most // (_AHEAD + 1)))
        ahead = _AHEAD * batch
        window = max(self._decoders, ahead // self._processor.views_per_image)
        window = window if most is None else max(1, min(window, most - batch))
        waiting: list[Inputs | ImageError] = []
        views = 0
        for inputs in map_in_order(self._inputs, images, threads=self._decoders, window=window):
            waiting.append(inputs)
            views += 0 if isinstance(inputs, ImageError) else len(inputs.views)
            if views >= batch or len(waiting) >= ahead:
                yield from self._predict(waiting)
                waiting, views = [], 0
        yield from self._predict(waiting)

    def _measured_on(self, images: Iterator[ImageSource]) -> Iterator[ImageSource]:
        """The images again, after runtimes were measured on the first ones, if there are enough."""
        first = list(islice(images, MEASURED_FROM))
        if len(first) == MEASURED_FROM:
            inputs = (self._inputs(image) for image in first)
            views = [each.views for each in islice((i for i in inputs if isinstance(i, Inputs)), _MEASURED_ON)]
            if views and self._selection is not None:
                self._selection.measure(np.concatenate(views))
        return chain(first, images)

    def _inputs(self, image: ImageSource) -> Inputs | ImageError:
        try:
            return self._processor.preprocess(image_source(image))
        except ImageError as error:
            return error

    def preprocess(self, image: ImageSource) -> NDArray[np.float32]:
        """The network's input (views, 3, height, width) for an image, normalised; a tiled image has several views.

        Raises:
            ImageError: the image cannot be read.
        """
        return self._processor.preprocess(image_source(image)).views

    def pixels(self, image: ImageSource) -> NDArray[np.uint8]:
        """An image as the model sees it, upright and in RGB, (height, width, 3), at its own size.

        Raises:
            ImageError: the image cannot be read.
        """
        return self._processor.pixels(image_source(image))

    def run(self, inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The network's outputs for normalised inputs (n, 3, height, width).

        Raises:
            ModelFolderError: the runtime returned another number of rows.
        """
        network = self._given if self._selection is None else self._selection.network
        assert network is not None
        outputs = network(inputs)
        if any(len(each) != len(inputs) for each in outputs):  # seen of OpenVINO with 8-bit integers
            name, shapes = self.choice.runtime, ", ".join(str(each.shape) for each in outputs)
            raise ModelFolderError(
                f"the runtime {name} returned {shapes} for {len(inputs)} inputs, which are wrong; use {REFERENCE}"
            )
        return outputs

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
    return min(_MOST_DECODERS, threads or usable_cores())


def image_source(image: ImageSource) -> Source:
    """What a processor takes: the bytes of a file, or the pixels of an image that is decoded already.

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
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ImageError(f"an array must be (height, width, 3) of uint8, not {image.shape} of {image.dtype}")
        return Image.fromarray(image)
    return image
