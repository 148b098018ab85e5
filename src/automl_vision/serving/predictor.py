"""The predictor: a model folder and images in, calibrated probabilities out; NumPy, Pillow and ONNX Runtime only."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError, ModelFolderError
from automl_vision.data.images import center_crop, load_pixels
from automl_vision.serving.model_folder import ONNX_FILE, ModelDescription

ImageSource = str | Path | bytes | Image.Image | NDArray[np.uint8]

_BATCH = 16  # ONNX Runtime gains nothing on a CPU beyond this


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    Attributes:
        labels: class names, in the order of the model's outputs.
        probs: (classes,), calibrated; they sum to 1 for one-class models.
        predicted: the class with the highest probability, or all labels at or above their thresholds.
    """

    labels: tuple[str, ...]
    probs: NDArray[np.float64]
    predicted: tuple[str, ...]

    @property
    def label(self) -> str:
        """The predicted class; for multi-label models all of them, joined by commas."""
        return ", ".join(self.predicted)

    @property
    def confidence(self) -> float:
        """The highest probability."""
        return float(self.probs.max())

    def to_json(self) -> dict[str, Any]:
        """`{"probs": [...], "labels": [...]}`."""
        return {"probs": self.probs.tolist(), "labels": list(self.labels)}


class Predictor:
    """A packaged model, ready to predict.

    Args:
        folder: the model folder.
        threads: cores to use; 0 uses all.

    Raises:
        ModelFolderError: the folder is no usable model folder.
    """

    def __init__(self, folder: str | Path, *, threads: int = 0) -> None:
        self.folder = Path(folder)
        self.description = ModelDescription.load(self.folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.folder / ONNX_FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelFolderError(f"{self.folder / ONNX_FILE} cannot be loaded ({error})") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: ImageSource | Sequence[ImageSource]) -> list[Prediction]:
        """Predict one image or several.

        Args:
            images: paths, file contents as bytes, Pillow images, or RGB arrays (height, width, 3) of uint8.

        Returns:
            One prediction an image, in order.

        Raises:
            ImageError: an image cannot be read.
        """
        if isinstance(images, str | Path | bytes | Image.Image | np.ndarray):
            return list(self.stream([images]))
        return list(self.stream(images))

    def stream(self, images: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Predict images as they come, a batch at a time."""
        batch: list[NDArray[np.float32]] = []
        for image in images:
            batch.append(self.preprocess(image))
            if len(batch) == _BATCH:
                yield from self.predict_inputs(np.stack(batch))
                batch = []
        if batch:
            yield from self.predict_inputs(np.stack(batch))

    def preprocess(self, image: ImageSource) -> NDArray[np.float32]:
        """The network's input for one image, (3, crop, crop), float32, normalised."""
        settings = self.description.preprocessing
        pixels = center_crop(load_pixels(_image_bytes(image), size=settings.short_side), settings.crop)
        scaled = pixels.astype(np.float32) / np.float32(255)
        normalized = (scaled - np.asarray(settings.mean, np.float32)) / np.asarray(settings.std, np.float32)
        return np.ascontiguousarray(normalized.transpose(2, 0, 1), np.float32)

    def predict_inputs(self, inputs: NDArray[np.float32]) -> list[Prediction]:
        """Predict normalised inputs (n, 3, crop, crop)."""
        (logits,) = self._session.run(None, {self._input: inputs})
        return self.decode(np.asarray(logits))

    def decode(self, logits: NDArray[np.float32]) -> list[Prediction]:
        """Predictions from the network's outputs (n, classes)."""
        description = self.description
        scaled = logits.astype(np.float64) / description.temperature
        labels = description.classes
        if description.thresholds:
            probs = 0.5 * (1 + np.tanh(0.5 * scaled))
            chosen = probs >= np.asarray(description.thresholds)
            return [
                Prediction(labels, row, tuple(label for label, on in zip(labels, flags, strict=True) if on))
                for row, flags in zip(probs, chosen, strict=True)
            ]
        exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probs = exponents / exponents.sum(axis=1, keepdims=True)
        return [Prediction(labels, row, (labels[int(row.argmax())],)) for row in probs]


def _image_bytes(image: ImageSource) -> bytes:
    """The bytes of an image file, whatever the image came as.

    Raises:
        ImageError: a path cannot be read, or an array has the wrong shape or type.
    """
    if isinstance(image, bytes):
        return image
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
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
