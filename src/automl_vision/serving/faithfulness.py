"""Whether a map tells what a prediction depends on: the deletion and insertion curves of Petsiuk et al. (2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ExplanationError
from automl_vision.serving.explanation import Map, from_image
from automl_vision.serving.occlusion import Looked, blurred_view, class_index
from automl_vision.serving.predictions import Prediction
from automl_vision.serving.predictor import ImageSource, Predictor
from automl_vision.serving.processors import create_processor

STEPS = 20


@dataclass(frozen=True)
class Curves:
    """How the probability of a class changes as an image loses or gains its pixels, the highest of a map first.

    Attributes:
        shares: (steps + 1,), of the pixels, from 0 to 1.
        deletion: (steps + 1,), probability when that share of the pixels has the image's mean colour.
        insertion: (steps + 1,), probability when that share of the pixels is shown and the rest is blurred.
    """

    shares: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve, from 0 to 1; lower is better."""
        return float(np.trapezoid(self.deletion, self.shares))

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve, from 0 to 1; higher is better."""
        return float(np.trapezoid(self.insertion, self.shares))


def faithfulness(
    predictor: Predictor, image: ImageSource, attributions: Map, label: str | None = None, *, steps: int = STEPS
) -> Curves:
    """Measure a map of what a classifier depends on; it takes twice as many passes of the network as there are steps.

    Args:
        predictor: of labels of whole images.
        image: path, file content, Pillow image or RGB array.
        attributions: (height, width) of the image.
        label: the class; None for the most probable one.
        steps: of each curve.

    Raises:
        ExplanationError: the map is not of the image's size, the model finds objects, or it has no such class.
        ImageError: the image cannot be read.
    """
    processor = create_processor(predictor.description)
    looked = Looked.at(image, processor)
    size = looked.pixels.shape[:2]
    if attributions.shape != size:
        raise ExplanationError(f"the map must have the image's height and width, {size}, not {attributions.shape}")
    prediction = processor.postprocess(predictor.run(looked.inputs.views), looked.inputs)
    if not isinstance(prediction, Prediction):
        raise ExplanationError(
            "deletion and insertion curves are of labels of whole images, and the model finds objects"
        )
    chosen, view = class_index(prediction, label), looked.inputs.views[0]
    order = np.argsort(-from_image(attributions, looked.areas[0]).ravel(), kind="stable")
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) + 0.5) / len(order)
    shares = np.linspace(0, 1, steps + 1)
    is_first = rank.reshape(1, 1, *view.shape[1:]) < shares[:, None, None, None]
    mean = view.mean(axis=(1, 2), keepdims=True)
    blurred = blurred_view(view, predictor.description.preprocessing)
    deleted, inserted = np.where(is_first, mean, view), np.where(is_first, view, blurred)
    curves = [
        np.array([found.probs[chosen] for found in predictor.decode(predictor.run(views.astype(np.float32))[0])])
        for views in (deleted, inserted)
    ]
    return Curves(shares, *curves)
