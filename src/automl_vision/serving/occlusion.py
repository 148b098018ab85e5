"""What a prediction depends on, found by hiding parts of the image; any model folder, without torch.

Random masks hide about half of the image at a time (RISE, Petsiuk et al. 2018; for objects D-RISE, Petsiuk et al.
2021). A pixel's attribution is the mean response to the masks that show it minus that to the masks that hide it. RISE
takes the first of the two alone, which adds to every pixel a constant that a few hundred masks estimate badly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from automl_vision.core.errors import ExplanationError
from automl_vision.core.text import did_you_mean
from automl_vision.serving.explanation import Box, Explanation, Map, onto_image
from automl_vision.serving.model_folder import Preprocessing
from automl_vision.serving.objects import MIN_SCORE, interpolation
from automl_vision.serving.predictions import ObjectPrediction, Prediction
from automl_vision.serving.predictor import ImageSource, Predictor, image_source
from automl_vision.serving.processors import Area, Inputs, Processor, create_processor

Progress = Callable[[int, int], None]
"""Called with the number of masks that are done, and that of all."""

MASKS = 250
"""Passes of the network per image."""

_LABEL_GRID = 7  # cells across and down; as published
_OBJECT_GRID = 8  # 16 are published, with 5000 masks; with 400 the maps of 8 lie more within the boxes (bccd)
_SHOWN = 0.5  # share of the cells that a mask shows; as published
_BATCH = 16
_BLUR = 1 / 10  # of the longer side: what hides a pixel; a hole in one colour is something that no model has seen


@dataclass(frozen=True)
class Looked:
    """An image as a predictor sees it.

    Attributes:
        pixels: (height, width, 3), uint8, of the whole image.
        inputs: of the network.
        areas: of the image, one for each view.
    """

    pixels: NDArray[np.uint8]
    inputs: Inputs
    areas: list[Area]

    @staticmethod
    def at(image: ImageSource, processor: Processor) -> Looked:
        """Read an image for a processor.

        Raises:
            ImageError: the image cannot be read.
        """
        data = image_source(image)
        pixels, inputs = processor.pixels(data), processor.preprocess(data)
        return Looked(pixels, inputs, processor.areas(pixels.shape[:2], inputs))

    def explanation(
        self, method: str, label: str, probability: float, values: Map, box: Box | None = None
    ) -> Explanation:
        """An explanation from a map of the first view."""
        size = (self.pixels.shape[0], self.pixels.shape[1])
        return Explanation(method, label, probability, onto_image(values, self.areas[0], size), self.pixels, box)


def explain_occlusion(
    predictor: Predictor,
    image: ImageSource,
    label: str | None = None,
    *,
    masks: int = MASKS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Explanation:
    """What a class of a whole image depends on.

    Args:
        predictor: of labels of whole images.
        image: path, file content, Pillow image or RGB array.
        label: the class; None for the most probable one.
        masks: passes of the network.
        seed: of the masks; the same seed returns the same attributions.
        progress: called after each batch of masks.

    Raises:
        ExplanationError: the model has no such class, or finds objects, or there are too few masks.
        ImageError: the image cannot be read.
    """
    processor = create_processor(predictor.description)
    looked = Looked.at(image, processor)
    prediction = processor.postprocess(predictor.run(looked.inputs.views), looked.inputs)
    if not isinstance(prediction, Prediction):
        raise ExplanationError("the model finds objects; explain them with explain_objects")
    chosen = class_index(prediction, label)

    def respond(views: NDArray[np.float32]) -> NDArray[np.float64]:
        probs = [found.probs[chosen] for found in predictor.decode(predictor.run(views)[0])]
        return np.array(probs)[:, None]

    values = _attribute(looked, predictor.description.preprocessing, respond, _LABEL_GRID, (masks, seed), progress)
    probability = float(prediction.probs[chosen])
    return looked.explanation("occlusion", prediction.labels[chosen], probability, values[0])


def explain_objects(
    predictor: Predictor,
    image: ImageSource,
    label: str | None = None,
    *,
    most: int = 1,
    masks: int = MASKS,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Explanation]:
    """What the best objects that a detector finds depend on; masks are shared by all objects.

    The response to a mask is the highest product of overlap (intersection over union) and score of all detections of
    the object's class, also of those below the model's threshold.

    Args:
        predictor: of objects.
        image: path, file content, Pillow image or RGB array.
        label: only objects of this class.
        most: how many objects are explained, best first.
        masks: passes of the network; tiles multiply them.
        seed: of the masks; the same seed returns the same attributions.
        progress: called after each batch of masks.

    Returns:
        One explanation per object; none if nothing is found.

    Raises:
        ExplanationError: the model has no such class, or is of labels, or there are too few masks.
        ImageError: the image cannot be read.
    """
    description = predictor.description
    if description.objects is None:
        raise ExplanationError("the model labels whole images; explain them with explain_occlusion")
    _known(label, description.classes)
    processor = create_processor(description)
    looked = Looked.at(image, processor)
    prediction = processor.postprocess(predictor.run(looked.inputs.views), looked.inputs)
    assert isinstance(prediction, ObjectPrediction)
    wanted = [place for place, name in enumerate(prediction.predicted) if label in (None, name)][:most]
    if not wanted:
        return []
    found = prediction.objects
    boxes, labels = found.boxes[wanted], found.labels[wanted]
    everything = create_processor(replace(description, thresholds=(MIN_SCORE,) * len(description.classes)))

    def respond(views: NDArray[np.float32]) -> NDArray[np.float64]:
        outputs = predictor.run(views)[:3]  # not the masks: a response is of boxes
        count = len(looked.inputs.views)
        parts = [[output[i : i + count] for output in outputs] for i in range(0, len(views), count)]
        return np.stack([_similarity(boxes, labels, everything.postprocess(part, looked.inputs)) for part in parts])

    values = _attribute(looked, description.preprocessing, respond, _OBJECT_GRID, (masks, seed), progress)
    return [
        looked.explanation(
            "occlusion", prediction.predicted[place], float(found.scores[place]), values[i], _box(boxes[i])
        )
        for i, place in enumerate(wanted)
    ]


def class_index(prediction: Prediction, label: str | None) -> int:
    """Position of a class, or of the most probable one.

    Raises:
        ExplanationError: the model has no such class.
    """
    _known(label, prediction.labels)
    return int(prediction.probs.argmax()) if label is None else prediction.labels.index(label)


def _known(label: str | None, classes: tuple[str, ...]) -> None:
    if label is not None and label not in classes:
        raise ExplanationError(f'the model has no class "{label}".{did_you_mean(label, classes)}')


def _box(values: NDArray[np.float64]) -> Box:
    x1, y1, x2, y2 = values.tolist()
    return x1, y1, x2, y2


def _similarity(boxes: NDArray[np.float64], labels: NDArray[np.int64], prediction: Any) -> NDArray[np.float64]:
    """For each object the highest overlap times score of a detection of its class."""
    found = prediction.objects
    low = np.maximum(boxes[:, None, :2], found.boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], found.boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, found.boxes)]
    overlap = shared / (areas[0][:, None] + areas[1][None] - shared)
    alike = overlap * found.scores * (labels[:, None] == found.labels[None])
    response: NDArray[np.float64] = alike.max(axis=1, initial=0.0)
    return response


def _attribute(
    looked: Looked,
    preprocessing: Preprocessing,
    respond: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    cells: int,
    drawn: tuple[int, int],
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Mean response where a pixel is shown minus where it is hidden: (answers, height, width) of the first view.

    A mask takes values from 0 to 1, so this is the slope of the regression of the response on the mask's value there.

    Args:
        looked: at the image.
        preprocessing: of the model.
        respond: from views (n, 3, height, width) to responses (masks, answers).
        cells: of a mask, across and down.
        drawn: number of masks, and their seed.
        progress: called after each batch.

    Raises:
        ExplanationError: there are too few masks.
    """
    count, seed = drawn
    if count < 2:
        raise ExplanationError(f"an explanation needs at least 2 masks, not {count}")
    views = looked.inputs.views
    hidden = np.stack([blurred_view(view, preprocessing) for view in views])
    sums = _Sums()
    batch = max(1, _BATCH // len(views))
    for start in range(0, count, batch):
        grids = list(_grids(seed, start, min(batch, count - start), cells))
        shown = [_masks(grids, area, looked.areas[0].box, cells) for area in looked.areas]
        masked = np.stack(
            [_mixed(view, blurred, mask) for view, blurred, mask in zip(views, hidden, shown, strict=True)]
        )
        responses = respond(np.ascontiguousarray(masked.swapaxes(0, 1).reshape(-1, *views.shape[1:])))
        sums.add(shown[0], responses)
        if progress is not None:
            progress(min(start + batch, count), count)
    return sums.slopes()


class _Sums:
    """Sums over masks from which slopes are computed, so that no mask is kept."""

    def __init__(self) -> None:
        self._count = 0
        self._mask: Any = 0.0
        self._square: Any = 0.0
        self._response: Any = 0.0
        self._product: Any = 0.0

    def add(self, masks: NDArray[np.float32], responses: NDArray[np.float64]) -> None:
        self._count += len(masks)
        self._mask = self._mask + masks.sum(axis=0, dtype=np.float64)
        self._square = self._square + np.square(masks).sum(axis=0, dtype=np.float64)
        self._response = self._response + responses.sum(axis=0)
        self._product = self._product + np.tensordot(responses, masks.astype(np.float64), axes=(0, 0))

    def slopes(self) -> NDArray[np.float32]:
        mean = self._mask / self._count
        variance = self._square / self._count - mean**2
        response = self._response / self._count
        covariance = self._product / self._count - response[:, None, None] * mean
        slopes: NDArray[np.float32] = (covariance / np.maximum(variance, 1e-6)).astype(np.float32)
        return slopes


def _grids(seed: int, start: int, count: int, cells: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Masks as cells and where they begin, each a fraction of a cell up and left of what is seen."""
    for number in range(start, start + count):
        random = np.random.default_rng([seed, number])
        grid = (random.random((cells + 1, cells + 1)) < _SHOWN).astype(np.float32)
        yield grid, random.random(2)


def _masks(
    grids: list[tuple[NDArray[np.float32], NDArray[np.float64]]], area: Area, frame: Box, cells: int
) -> NDArray[np.float32]:
    """How much of each pixel of a view is shown: (masks, height, width), from 0 to 1.

    Args:
        grids: the masks over the frame.
        area: of the view.
        frame: left, top, right and bottom of what is seen of the image.
        cells: of a mask, across and down.
    """
    columns, rows = _centres(area.box[0::2], area.size[1]), _centres(area.box[1::2], area.size[0])
    cell = (frame[2] - frame[0]) / cells, (frame[3] - frame[1]) / cells
    masks = np.empty((len(grids), *area.size), np.float32)
    for i, (grid, (x, y)) in enumerate(grids):
        left, top = frame[0] - x * cell[0], frame[1] - y * cell[1]
        across = interpolation(columns, left, left + (cells + 1) * cell[0], cells + 1)
        down = interpolation(rows, top, top + (cells + 1) * cell[1], cells + 1)
        masks[i] = down @ grid @ across.T
    return masks


def _centres(ends: tuple[float, ...], count: int) -> NDArray[np.float64]:
    low, high = ends
    return low + (np.arange(count) + 0.5) * (high - low) / count


def _mixed(view: Map, hidden: Map, masks: NDArray[np.float32]) -> NDArray[np.float32]:
    """A view (3, height, width) under each of the masks; what lies beyond them is a canvas, and stays."""
    mixed = np.repeat(view[None], len(masks), axis=0)
    part = np.s_[..., : masks.shape[1], : masks.shape[2]]
    mixed[part] = hidden[part] + masks[:, None] * (view[part] - hidden[part])
    return mixed


def blurred_view(view: Map, preprocessing: Preprocessing) -> Map:
    """A view (3, height, width) without its details."""
    mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (preprocessing.mean, preprocessing.std))
    pixels = ((view * std + mean) * 255).clip(0, 255).round().astype(np.uint8).transpose(1, 2, 0)
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(max(pixels.shape) * _BLUR))
    values = np.asarray(blurred, np.float32).transpose(2, 0, 1) / 255
    return ((values - mean) / std).astype(np.float32)
