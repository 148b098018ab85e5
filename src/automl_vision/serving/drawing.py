"""Labels, boxes and masks on images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from automl_vision.data.drawing import Tile, class_colours, draw_labels
from automl_vision.data.drawing import draw_objects as draw
from automl_vision.data.object import Object
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction


def draw_prediction(image: Image.Image, prediction: AnyPrediction) -> Image.Image:
    """A copy of an image with its objects, or with its labels and their probabilities in the upper left corner."""
    if isinstance(prediction, ObjectPrediction):
        return draw_objects(image, prediction)
    probs = dict(zip(prediction.labels, prediction.probs.tolist(), strict=True))
    lines = [(f"{label} {probs[label]:.1%}", label) for label in prediction.predicted] or [("(none)", "")]
    return draw_labels(image.convert("RGB"), lines, class_colours(prediction.labels))


def draw_objects(image: Image.Image, prediction: ObjectPrediction) -> Image.Image:
    """A copy of an image with the objects' boxes, labels, scores and masks; each class has its colour."""
    found = prediction.objects
    objects = [
        Object(label, (box[0], box[1], box[2], box[3]), rle=found.masks[i] if found.masks is not None else None)
        for i, (label, box) in enumerate(zip(prediction.predicted, found.boxes.tolist(), strict=True))
    ]
    tile = Tile(np.asarray(image.convert("RGB")), image.size, objects=objects, scores=found.scores.tolist())
    return draw(tile, class_colours(prediction.labels))
