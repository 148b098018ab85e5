"""How a trained model is deployed: preprocessing, postprocessing, and whether the exported model is the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.late import load
from automl_vision.core.records import Calibration
from automl_vision.core.tasks import TASKS
from automl_vision.evaluation.scoring.classification import ClassificationScoring
from automl_vision.evaluation.scoring.detection import DetectionOutputs
from automl_vision.evaluation.scoring.labels import LabelScoring, Logits
from automl_vision.evaluation.scoring.multi_label import MultiLabelScoring
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectorHyperparameters,
    Hyperparameters,
    MaskHyperparameters,
)
from automl_vision.recipes.normalization import Normalization
from automl_vision.recipes.parity import (
    COMPARED_FROM,
    RECORDED,
    REPRODUCED_PROBABILITY,
    Parity,
    label_parity,
    object_parity,
)
from automl_vision.serving.model_folder import ObjectSettings, Preprocessing
from automl_vision.serving.objects import MIN_SCORE, Postprocessing
from automl_vision.serving.predictions import ObjectPrediction, Prediction


class Deployment(ABC):
    """The deployed form of one task's models.

    Args:
        hyperparameters: of the trial.
        geometry: of a detector's input; None for labels of whole images.
    """

    output_names: ClassVar[tuple[str, ...]]
    """Of the exported network's outputs."""

    @abstractmethod
    def __init__(self, hyperparameters: Hyperparameters, geometry: Geometry | None) -> None: ...

    @property
    def object_settings(self) -> ObjectSettings | None:
        """The detector's settings in a model folder; None for labels of whole images."""
        return None

    @abstractmethod
    def preprocessing(self, normalization: Normalization) -> Preprocessing:
        """From an image file to the input of a network with this normalization."""

    @abstractmethod
    def parity(
        self,
        outputs: Any,
        exported: Sequence[Any],
        calibration: Calibration,
        *,
        compared_from: float = 0.0,
        exact: Callable[[], Any] | None = None,
    ) -> Parity:
        """How far the predictor's answers are from the trained network's outputs for the same images.

        Args:
            outputs: of the trained network.
            exported: the predictor's answer for each image.
            calibration: of the model.
            compared_from: the score from which a detector's objects are compared; 0 compares the best of each image.
            exact: computes the trained network's outputs in double precision, to tell rounding from a fault.
        """

    @abstractmethod
    def reproduction(self, outputs: Any, recorded: Any, images: Sequence[int], calibration: Calibration) -> Parity:
        """How far a rebuilt network's outputs are from those that the trial recorded for the same images.

        Tolerances are wider than for an export: the trial may have run on a GPU, where fp32 convolutions are TF32.

        Args:
            outputs: of the rebuilt network.
            recorded: outputs of all validation images.
            images: positions of the images among those.
            calibration: of the model.
        """


class LabelDeployment(Deployment):
    """Labels of whole images."""

    output_names = ("logits",)
    scoring: ClassVar[type[LabelScoring]]

    def __init__(self, hyperparameters: Hyperparameters, geometry: Geometry | None = None) -> None:  # noqa: ARG002
        assert isinstance(hyperparameters, ClassificationHyperparameters)
        self._hyperparameters = hyperparameters

    def preprocessing(self, normalization: Normalization) -> Preprocessing:
        """The middle of the resized image."""
        return Preprocessing(
            mean=normalization.mean,
            std=normalization.std,
            short_side=self._hyperparameters.validation_resize_size,
            crop=self._hyperparameters.validation_crop_size,
        )

    def parity(
        self,
        outputs: Logits,
        exported: Sequence[Prediction],
        calibration: Calibration,
        *,
        compared_from: float = 0.0,  # noqa: ARG002 - every probability is compared
        exact: Callable[[], Logits] | None = None,
    ) -> Parity:
        """The largest difference of a probability."""
        return label_parity(
            self._probabilities(outputs, calibration),
            np.stack([prediction.probs for prediction in exported]),
            exact=None if exact is None else lambda: self._probabilities(exact(), calibration),
        )

    def reproduction(self, outputs: Any, recorded: Any, images: Sequence[int], calibration: Calibration) -> Parity:
        """The largest difference of a probability."""
        mine, theirs = (self._probabilities(logits, calibration) for logits in (outputs, recorded[list(images)]))
        return label_parity(mine, theirs, tolerance=REPRODUCED_PROBABILITY)

    def _probabilities(self, logits: Logits, calibration: Calibration) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = self.scoring.activation(
            logits.astype(np.float64) / calibration.temperature
        )
        return probabilities


class ClassificationDeployment(LabelDeployment):
    """One class per image."""

    scoring = ClassificationScoring


class MultiLabelDeployment(LabelDeployment):
    """Any number of labels per image."""

    scoring = MultiLabelScoring


class DetectionDeployment(Deployment):
    """Boxes with classes."""

    output_names: ClassVar[tuple[str, ...]] = ("boxes", "scores", "labels")
    mask_threshold = 0.5  # of no use to boxes, but every model folder has one

    def __init__(self, hyperparameters: Hyperparameters, geometry: Geometry | None) -> None:
        assert isinstance(hyperparameters, DetectorHyperparameters)
        assert geometry is not None
        self._hyperparameters, self._canvas = hyperparameters, geometry.size

    @property
    def object_settings(self) -> ObjectSettings:
        """The settings of the postprocessing, in the form of a model folder."""
        settings = self._hyperparameters
        return ObjectSettings(
            detections=settings.box_detections_per_image,
            mask_threshold=self.mask_threshold,
            tile_grid=settings.tile_grid_size,
            tile_overlap=settings.tile_overlap_ratio,
            tile_nms=settings.tile_predictions_nms_threshold,
        )

    def postprocessing(self, min_score: float = MIN_SCORE) -> Postprocessing:
        """From the network's outputs to detections with at least this score."""
        return self.object_settings.postprocessing(self._canvas, min_score=min_score)

    def preprocessing(self, normalization: Normalization) -> Preprocessing:
        """The whole image on the canvas."""
        return Preprocessing(mean=normalization.mean, std=normalization.std, canvas=self._canvas)

    def parity(
        self,
        outputs: DetectionOutputs,
        exported: Sequence[ObjectPrediction],
        calibration: Calibration,
        *,
        compared_from: float = 0.0,
        exact: Callable[[], DetectionOutputs] | None = None,  # noqa: ARG002 - its tolerances have room for rounding
    ) -> Parity:
        """Differences of boxes, scores and masks, object by object."""
        return object_parity(
            outputs.detections,
            [prediction.objects for prediction in exported],
            compared_from=compared_from,
            shown_from=min(calibration.thresholds),
        )

    def reproduction(
        self, outputs: DetectionOutputs, recorded: DetectionOutputs, images: Sequence[int], calibration: Calibration
    ) -> Parity:
        """Differences of boxes, scores and masks, object by object; the best few where all scores are low."""
        others = [recorded.detections.of_image(image) for image in images]
        shown_from = min(calibration.thresholds)
        for compared_from in (COMPARED_FROM, 0.0):
            parity = object_parity(
                outputs.detections, others, compared_from=compared_from, shown_from=shown_from, tolerance=RECORDED
            )
            if not parity.is_empty:
                return parity
        return replace(parity, problem=None)  # both find nothing


class SegmentationDeployment(DetectionDeployment):
    """Masks with classes."""

    output_names = ("boxes", "scores", "labels", "masks")

    def __init__(self, hyperparameters: Hyperparameters, geometry: Geometry | None) -> None:
        super().__init__(hyperparameters, geometry)
        assert isinstance(hyperparameters, MaskHyperparameters)
        self.mask_threshold = hyperparameters.mask_threshold


def create_deployment(task: str, hyperparameters: Hyperparameters, geometry: Geometry | None) -> Deployment:
    """The deployment of a trial's model.

    Args:
        task: the product's name of the task.
        hyperparameters: of the trial.
        geometry: of a detector's input; None for labels of whole images.
    """
    deployment: Deployment = load(TASKS[task].deployment)(hyperparameters, geometry)
    return deployment
