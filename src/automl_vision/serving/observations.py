"""What is kept of the images that a model sees, so that later ones can be compared with earlier ones.

Packaging writes it for validation images into the model folder, `reference.npz`; an endpoint samples it from requests.
Both compute it with the network in single precision, whichever runtime answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ModelFolderError
from automl_vision.core.files import atomic_path
from automl_vision.data.light import LIGHT_FIGURES, LUMA, light_figures
from automl_vision.serving.model_folder import COPY_AGAIN, ModelDescription
from automl_vision.serving.predictions import AnyPrediction, Prediction
from automl_vision.serving.processors import Inputs, create_processor
from automl_vision.serving.runtimes import OnnxRuntime

REFERENCE_FILE = "reference.npz"
FIGURES = (*LIGHT_FIGURES, "saturation", "red", "blue", "aspect")
"""Of the image as the network sees it. Brightness, contrast and sharpness (standard deviation of the Laplacian) are of
its grey values, from 0 to 1; saturation is the mean distance of the brightest from the darkest channel; red and blue
are shares of all light; aspect is width by height."""

_LEAST_LIGHT = 1e-3  # of a black image


@dataclass(frozen=True)
class Observations:
    """What is kept of some images, in their order.

    Attributes:
        features: (images, features), float16; what the network's heads take, averaged over the image.
        classes: (images, classes), float32; calibrated probabilities, or of a detector the number of objects found.
        answers: (images,), how many labels or objects were predicted.
        confidence: (images,), the sum of their probabilities or scores.
        figures: (images, figures), float32, in the order of `FIGURES`.
    """

    features: NDArray[np.float16]
    classes: NDArray[np.float32]
    answers: NDArray[np.float32]
    confidence: NDArray[np.float32]
    figures: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.answers)

    @staticmethod
    def join(parts: Sequence[Observations]) -> Observations:
        """Those of all images, part after part."""
        return Observations(
            *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Observations))
        )

    def take(self, images: NDArray[np.intp]) -> Observations:
        """Those of some of the images."""
        return Observations(*(getattr(self, each.name)[images] for each in fields(Observations)))


@dataclass(frozen=True)
class Reference:
    """What a model saw on validation images, and how often it was right.

    Attributes:
        observations: of the images.
        answers: (images,), labels or objects that it predicted.
        right: (images,), how many of them are right.
        confidence: (images,), the sum of their probabilities or scores.
    """

    observations: Observations
    answers: NDArray[np.float32]
    right: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write it into a model folder, whole or not at all."""
        arrays = {f"judged_{name}": getattr(self, name) for name in ("answers", "right", "confidence")}
        with atomic_path(folder / REFERENCE_FILE) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **vars(self.observations), **arrays)

    @staticmethod
    def load(folder: Path) -> Reference:
        """Read it from a model folder.

        Raises:
            ModelFolderError: there is none, or it cannot be read.
        """
        file = folder / REFERENCE_FILE
        try:
            with np.load(file, allow_pickle=False) as values:
                observations = Observations(*(values[each.name] for each in fields(Observations)))
                return Reference(
                    observations, *(values[f"judged_{name}"] for name in ("answers", "right", "confidence"))
                )
        except FileNotFoundError:
            raise ModelFolderError(
                f"{folder} has no {REFERENCE_FILE}, for it was packaged by an older version; package the trial again"
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise ModelFolderError(f"{file} cannot be read ({error}); {COPY_AGAIN}") from error


class Observer:
    """Runs a model in single precision for what is to be kept of its images.

    Args:
        folder: the model folder.
        threads: cores to use; 0 uses all that this process may use.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self.description = replace(ModelDescription.load(folder), operating_point=None)  # as it was packaged
        self.processor = create_processor(self.description)
        self._network = OnnxRuntime().open_with_features(folder, threads=threads)

    def observe(self, inputs: Inputs) -> tuple[Observations, AnyPrediction]:
        """What is to be kept of one image, and what is predicted of it.

        Args:
            inputs: the network's input for it.
        """
        *outputs, features = self._network(inputs.views)
        prediction = self.processor.postprocess(outputs, inputs)
        classes, answers, confidence = _said(prediction)
        found = Observations(
            features[:1].astype(np.float16),
            classes[None].astype(np.float32),
            np.array([answers], np.float32),
            np.array([confidence], np.float32),
            self._figures(inputs)[None],
        )
        return found, prediction

    def _figures(self, inputs: Inputs) -> NDArray[np.float32]:
        """(figures,), of the pixels that the network sees; of several views the first one shows the whole image."""
        settings = self.description.preprocessing
        height, width = self.processor.areas(inputs.original, inputs)[0].size
        mean, std = (np.asarray(values, np.float32)[:, None, None] for values in (settings.mean, settings.std))
        pixels = np.clip(inputs.views[0, :, :height, :width] * std + mean, 0, 1)
        grey = np.tensordot(LUMA, pixels, axes=1)
        light = np.maximum(pixels.mean(axis=(1, 2)), _LEAST_LIGHT)
        return np.array(
            [
                *light_figures(grey),
                (pixels.max(axis=0) - pixels.min(axis=0)).mean(),
                light[0] / light.sum(),
                light[2] / light.sum(),
                inputs.kept[1] / inputs.kept[0],
            ],
            np.float32,
        )


def _said(prediction: AnyPrediction) -> tuple[NDArray[Any], int, float]:
    """Figures by class, number of answers, and the sum of their probabilities or scores."""
    if isinstance(prediction, Prediction):
        chosen = [prediction.labels.index(label) for label in prediction.predicted]
        return prediction.probs, len(chosen), float(prediction.probs[chosen].sum())
    found = prediction.objects
    return np.bincount(found.labels, minlength=len(prediction.labels)), len(found.labels), float(found.scores.sum())
