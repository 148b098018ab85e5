"""One door to every explanation: of a model folder, without torch where the method needs none."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ExplanationError
from automl_vision.core.late import FULL_INSTALL, load
from automl_vision.core.text import did_you_mean
from automl_vision.serving.explanation import Explanation
from automl_vision.serving.model_folder import Preprocessing
from automl_vision.serving.occlusion import (
    MASKS,
    Looked,
    Progress,
    blurred_view,
    class_index,
    explain_objects,
    explain_occlusion,
)
from automl_vision.serving.predictions import Prediction
from automl_vision.serving.predictor import ImageSource, Predictor
from automl_vision.serving.processors import create_processor
from automl_vision.serving.runtimes import REFERENCE

OCCLUSION = "occlusion"
_OF_NETWORK = "automl_vision.models.attributions:"
METHODS = {
    OCCLUSION: "",
    "integrated_gradients": _OF_NETWORK + "integrated_gradients",
    "guided_gradcam": _OF_NETWORK + "guided_gradcam",
    "guided_backprop": _OF_NETWORK + "guided_backprop",
    "xrai": _OF_NETWORK + "xrai",
}
"""The methods by name, with `module:function` of those that need the trained network and torch."""


class Explainer:
    """Explains the predictions of a model.

    Args:
        predictor: of the model; its folder has the network's weights.
        masks: passes of the network per image for `occlusion`.
        seed: of the masks.
    """

    def __init__(self, predictor: Predictor, *, masks: int = MASKS, seed: int = 0) -> None:
        self._predictor = predictor
        self._masks = masks
        self._seed = seed

    @property
    def methods(self) -> list[str]:
        """The names of the methods for models of this kind; a network may still be unfit for one."""
        return [OCCLUSION] if self.finds_objects else list(METHODS)

    @property
    def finds_objects(self) -> bool:
        """Whether the model detects objects."""
        return self._predictor.description.objects is not None

    def __call__(
        self,
        image: ImageSource,
        method: str = OCCLUSION,
        label: str | None = None,
        *,
        most: int = 1,
        progress: Progress | None = None,
    ) -> list[Explanation]:
        """Explain a class of an image, or the best objects that are found in it.

        Args:
            image: path, file content, Pillow image or RGB array.
            method: one of `METHODS`.
            label: the class; None for the most probable one, or for objects of all classes.
            most: how many objects are explained.
            progress: called after each batch of masks, for `occlusion`.

        Returns:
            One explanation for a class; for a detector one per object, none if nothing is found.

        Raises:
            ExplanationError: the method or the class does not exist, or does not suit the model.
            ImageError: the image cannot be read.
        """
        self._check(method)
        masks: dict[str, Any] = {"masks": self._masks, "seed": self._seed, "progress": progress}
        if self.finds_objects:
            return explain_objects(self._predictor, image, label, most=most, **masks)
        if method == OCCLUSION:
            return [explain_occlusion(self._predictor, image, label, **masks)]
        return [self._from_network(image, method, label)]

    def _check(self, method: str) -> None:
        if method not in METHODS:
            known = ", ".join(METHODS)
            raise ExplanationError(
                f'no method of explanation is named "{method}".{did_you_mean(method, METHODS)} Methods: {known}'
            )
        if method not in self.methods:
            raise ExplanationError(f"{method} explains labels of whole images; for objects use: {OCCLUSION}")

    def _from_network(self, image: ImageSource, method: str, label: str | None) -> Explanation:
        description = self._predictor.description
        processor = create_processor(description)
        looked = Looked.at(image, processor)
        prediction = processor.postprocess(self._predictor.run(looked.inputs.views), looked.inputs)
        assert isinstance(prediction, Prediction)
        chosen = class_index(prediction, label)
        view = looked.inputs.views[0]
        settings, network = description.preprocessing, self._network  # first: it says so where torch is missing
        subject = load(_OF_NETWORK + "Subject")(
            network, view, chosen, blurred_view(view, settings), _pixels(view, settings)
        )
        values = load(METHODS[method])(subject)
        return looked.explanation(method, prediction.labels[chosen], float(prediction.probs[chosen]), values)

    @cached_property
    def _network(self) -> Any:
        """The trained network of the predictor's folder.

        Raises:
            ExplanationError: torch is not installed.
        """
        try:
            load_torch = load("automl_vision.models.networks:load_torch")
        except ModuleNotFoundError as error:
            raise ExplanationError(
                f"only {OCCLUSION} works without the trained network, and {error.name} is not installed. "
                f"Install it with: {FULL_INSTALL}"
            ) from error
        return load_torch(self._predictor.folder)


def explain(
    model_folder: str | Path,
    image: ImageSource,
    method: str = OCCLUSION,
    label: str | None = None,
    *,
    masks: int = MASKS,
) -> Explanation:
    """Explain what a model's prediction for an image depends on.

    Args:
        model_folder: of a packaged model.
        image: path, file content, Pillow image or RGB array.
        method: `occlusion`, which needs no torch and also explains objects; for labels of whole images also
            `integrated_gradients`, `guided_gradcam`, `guided_backprop` and `xrai`.
        label: the class; None for the most probable one. Of a detector, the best object of the class is explained, or
            the best of all.
        masks: passes of the network for `occlusion`.

    Raises:
        ExplanationError: the method or the class does not exist or does not suit the model, or no object is found.
        ModelFolderError: the folder is not a usable model folder.
        ImageError: the image cannot be read.
    """
    return best(Explainer(Predictor(model_folder, runtime=REFERENCE), masks=masks)(image, method, label), label)


def best(found: list[Explanation], label: str | None) -> Explanation:
    """The first of some explanations.

    Raises:
        ExplanationError: there is none.
    """
    if not found:
        raise ExplanationError(f"the model finds no {label or 'object'} in the image, so there is nothing to explain")
    return found[0]


def _pixels(view: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The pixels (height, width, 3) of a normalised view."""
    values = view.transpose(1, 2, 0) * np.asarray(preprocessing.std, np.float32) + np.asarray(preprocessing.mean)
    pixels: NDArray[np.uint8] = (values * 255).round().clip(0, 255).astype(np.uint8)
    return pixels
