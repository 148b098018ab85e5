"""Pre- and post-processing around the network, one processor for each kind of model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.data.detections import Detections
from automl_vision.data.images import (
    PixelSize,
    center_crop,
    load_pixels,
    open_image,
    resized,
    seen_by_center_crop,
    to_rgb,
    upright_size,
)
from automl_vision.data.score_map import ScoreMap
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.objects import Postprocessing, placed_size, postprocess, view_pixels, views
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction, Prediction

Floats = NDArray[np.float32]

Source = bytes | Image.Image
"""The bytes of an image file, or an image."""


@dataclass(frozen=True)
class Inputs:
    """The network's input for one image.

    Attributes:
        views: (v, 3, height, width), float32, normalised; one, or one for each view of a tiled image.
        kept: height and width of the image when it was cut into views.
        original: height and width of the image itself.
    """

    views: Floats
    kept: tuple[int, int]
    original: tuple[int, int]


@dataclass(frozen=True)
class Area:
    """The part of an image that a view shows.

    Attributes:
        box: left, top, right and bottom in pixels of the image; they need not be whole numbers.
        size: height and width of the upper left part of the network's input where it is shown.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]


class Processor(ABC):
    """Turns image files into a network's input, and its outputs into predictions.

    Args:
        description: of the model.
    """

    def __init__(self, description: ModelDescription) -> None:
        self.description = description

    @property
    def views_per_image(self) -> int:
        """Number of views that an image is cut into."""
        return 1

    @abstractmethod
    def preprocess(self, data: Source) -> Inputs:
        """The network's input for an image.

        Raises:
            ImageError: the image cannot be read.
        """

    @abstractmethod
    def postprocess(self, outputs: list[NDArray[Any]], inputs: Inputs) -> AnyPrediction:
        """The prediction for one image from the network's outputs for all its views."""

    @abstractmethod
    def areas(self, size: tuple[int, int], inputs: Inputs) -> list[Area]:
        """What each view of an image shows of it.

        Args:
            size: height and width of the image.
            inputs: the network's input for it.
        """

    def pixels(self, data: Source, size: PixelSize | None = None) -> NDArray[np.uint8]:
        """An image as the model sees it, (height, width, 3), before it is cut and normalised.

        Args:
            data: of the image.
            size: as for `load_pixels`.

        Raises:
            ImageError: the image cannot be read, or has values that the model's range says nothing of.
        """
        return self._resized(self._upright(data), size)

    def _upright(self, data: Source) -> Source:
        """Bytes as they are; a Pillow image upright, and in RGB of 8 bits."""
        if isinstance(data, bytes):
            return data
        try:
            return to_rgb(data, self.description.preprocessing.value_range)
        except (OSError, ValueError, SyntaxError) as error:
            raise ImageError(f"the image cannot be read ({error})") from error

    def _resized(self, upright: Source, size: PixelSize | None) -> NDArray[np.uint8]:
        if isinstance(upright, bytes):
            return load_pixels(upright, size=size, value_range=self.description.preprocessing.value_range)
        return np.asarray(resized(upright, size))

    def normalized(self, pixels: NDArray[np.uint8]) -> Floats:
        """Pixels (height, width, 3) as the network takes them, (3, height, width)."""
        settings = self.description.preprocessing
        values = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)  # channels first: 4 times as fast
        values /= np.float32(255)
        values -= np.asarray(settings.mean, np.float32)[:, None, None]
        values /= np.asarray(settings.std, np.float32)[:, None, None]
        return values


class LabelProcessor(Processor):
    """Labels of whole images.

    Args:
        description: of the model.
        set_threshold: probability from which a label belongs to the prediction set; None makes no sets.
    """

    def __init__(self, description: ModelDescription, set_threshold: float | None = None) -> None:
        super().__init__(description)
        self.set_threshold = set_threshold

    def preprocess(self, data: Source) -> Inputs:
        """The middle of the image."""
        settings = self.description.preprocessing
        pixels = self.pixels(data, settings.short_side)
        size = (pixels.shape[0], pixels.shape[1])
        return Inputs(self.normalized(center_crop(pixels, settings.input_size[0]))[None], size, size)

    def postprocess(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Prediction:  # noqa: ARG002 - one view is all
        """Calibrated probabilities."""
        return self.predictions(outputs[0])[0]

    def areas(self, size: tuple[int, int], inputs: Inputs) -> list[Area]:
        """The middle of the image."""
        crop = self.description.preprocessing.input_size
        return [Area(seen_by_center_crop(size, inputs.kept, crop[0]), crop)]

    def predictions(self, logits: Floats) -> list[Prediction]:
        """Predictions from logits (n, classes)."""
        description = self.description
        scaled = logits.astype(np.float64) / description.temperature
        if description.thresholds:  # one sigmoid per label
            probs = 0.5 * (1 + np.tanh(0.5 * scaled))
            chosen = probs >= np.asarray(description.decision_thresholds)
            answered = np.ones(len(probs), bool)
        else:
            exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            probs = exponents / exponents.sum(axis=1, keepdims=True)
            decided, answered = self._decided(probs)
            chosen = (np.arange(probs.shape[1]) == decided[:, None]) & answered[:, None]
        return [
            Prediction(description.classes, row, self._names(flags), outputs, bool(is_answered), self._label_set(row))
            for row, flags, outputs, is_answered in zip(probs, chosen, logits, answered, strict=True)
        ]

    def _decided(self, probs: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The class of each image, (n,), and whether it is certain enough to be answered, (n,)."""
        point = self.description.operating_point
        if point is None:
            return probs.argmax(axis=1), np.ones(len(probs), bool)
        decided = (probs @ np.asarray(point.costs)).argmin(axis=1) if point.costs else probs.argmax(axis=1)
        return decided, probs[np.arange(len(probs)), decided] >= np.asarray(point.thresholds)[decided]

    def _names(self, flags: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(self.description.classes[i] for i in np.flatnonzero(flags).tolist())

    def _label_set(self, probs: NDArray[np.float64]) -> tuple[str, ...] | None:
        if self.set_threshold is None:
            return None
        order = np.argsort(-probs, kind="stable")
        return tuple(self.description.classes[i] for i in order[probs[order] >= self.set_threshold].tolist())


class ObjectProcessor(Processor):
    """Objects in images."""

    @property
    def views_per_image(self) -> int:
        """The whole image, and its tiles."""
        grid = self._settings.grid
        return 1 if grid is None else grid.views

    def preprocess(self, data: Source) -> Inputs:
        """The image on its canvas, and its tiles."""
        canvas, grid = self._settings.canvas, self._settings.grid
        data = self._upright(data)
        width, height = data.size if isinstance(data, Image.Image) else upright_size(open_image(data))
        pixels = self._resized(data, canvas if grid is None else grid.whole_size(canvas))
        kept = (pixels.shape[0], pixels.shape[1])
        parts = [self.normalized(view_pixels(pixels, view, canvas)) for view in views(*kept, grid)]
        return Inputs(np.stack(parts), kept, (height, width))

    def postprocess(self, outputs: list[NDArray[Any]], inputs: Inputs) -> ObjectPrediction:
        """The objects whose scores reach the threshold of their class."""
        each = [[output[i] for output in outputs] for i in range(len(inputs.views))]
        objects = postprocess(each, inputs.kept, inputs.original, self._settings)
        return ObjectPrediction(self.description.classes, *inputs.original, decided(objects, self.description))

    def areas(self, size: tuple[int, int], inputs: Inputs) -> list[Area]:
        """The whole image, and its tiles."""
        settings = self._settings
        down, across = size[0] / inputs.kept[0], size[1] / inputs.kept[1]
        found = []
        for left, top, right, bottom in views(*inputs.kept, settings.grid):
            width, height = placed_size(right - left, bottom - top, settings.canvas)
            found.append(Area((left * across, top * down, right * across, bottom * down), (height, width)))
        return found

    @cached_property
    def _settings(self) -> Postprocessing:
        settings = self.description.objects
        assert settings is not None
        thresholds = np.asarray(self.description.decision_thresholds)
        score_map = _score_map(self.description)
        scores = thresholds if score_map is None else score_map.scores_of(thresholds)
        min_score = float(scores.min(initial=1.0))
        return settings.postprocessing(self.description.preprocessing.input_size, min_score=min_score)


def decided(found: Detections, description: ModelDescription) -> Detections:
    """The objects that a model reports, of all that its detector finds: calibrated, and at or above the thresholds."""
    score_map = _score_map(description)
    if score_map is not None:
        scores = score_map(found.scores, found.labels)
        found = Detections.from_unsorted(found.images, found.image, found.labels, found.boxes, scores, found.masks)
    return found.take(found.scores >= np.asarray(description.decision_thresholds)[found.labels])


def _score_map(description: ModelDescription) -> ScoreMap | None:
    point = description.operating_point
    return None if point is None else point.score_map


def create_processor(description: ModelDescription, *, error_rate: float | None = None) -> Processor:
    """The processor for a model.

    Args:
        description: of the model.
        error_rate: share of the truth that prediction sets may miss; None makes no sets.

    Raises:
        ModelFolderError: the model makes no prediction sets as strict as that.
    """
    set_threshold = None if error_rate is None else description.set_threshold(error_rate)
    if description.objects is None:
        return LabelProcessor(description, set_threshold)
    return ObjectProcessor(description)
