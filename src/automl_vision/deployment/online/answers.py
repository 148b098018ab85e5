"""The bodies of answers: the JSON that batch scoring writes too, and a picture with what was found."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from automl_vision.core.errors import AutoMLVisionError, ImageError
from automl_vision.data.images import load_pixels
from automl_vision.data.value_range import ValueRange
from automl_vision.serving.drawing import draw_objects
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction, Prediction

_ENCODER = msgspec.json.Encoder()
_JPEG_QUALITY = 90


class NoAnswerError(AutoMLVisionError):
    """An image of a request has no prediction; the message says which, and why."""


@dataclass(frozen=True)
class Body:
    """The body of an answer.

    Attributes:
        content: as it is sent.
        predictions: that it says, for the record of mirrored requests.
        media_type: of the content.
        headers: beside those of every answer.
    """

    content: bytes
    predictions: Sequence[AnyPrediction]
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def predictions_json(found: Sequence[AnyPrediction], *, with_answers: bool = False) -> bytes:
    """A JSON list with one entry per image: `{"probs": [...], "labels": [...]}` or `{"boxes": [...]}`.

    Args:
        found: the predictions.
        with_answers: whether entries of labels also have those that are `predicted`.
    """
    return _ENCODER.encode(
        [each.to_row() if with_answers and isinstance(each, Prediction) else each.to_json() for each in found]
    )


def all_predicted(found: Sequence[AnyPrediction | ImageError]) -> list[AnyPrediction]:
    """The predictions, if every image has one.

    Raises:
        NoAnswerError: images cannot be read; all of them are named.
    """
    broken = [f"image {number}: {each}" for number, each in enumerate(found) if isinstance(each, ImageError)]
    if broken:
        raise NoAnswerError("; ".join(broken))
    return [each for each in found if not isinstance(each, ImageError)]


def drawn_jpeg(data: bytes, prediction: AnyPrediction, value_range: ValueRange | None) -> bytes:
    """A picture of an image with the boxes and masks of its objects, as JPEG.

    Args:
        data: of the image file.
        prediction: of it.
        value_range: of the model.

    Raises:
        NoAnswerError: the model does not find objects.
    """
    if not isinstance(prediction, ObjectPrediction):
        raise NoAnswerError("a model for labels of whole images has nothing to draw; leave draw out")
    buffer = io.BytesIO()
    pixels = load_pixels(data, value_range=value_range)
    draw_objects(Image.fromarray(pixels), prediction).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def plain_json(value: Any) -> bytes:
    """JSON of plain values and arrays."""
    return msgspec.json.encode(value, enc_hook=_array)


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(type(value).__name__)
