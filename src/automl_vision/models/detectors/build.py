"""Detectors over the feature pyramid of a timm network."""

from __future__ import annotations

from typing import cast

import timm
from torch import nn

import automl_vision.models.architectures  # noqa: F401, makes them known to timm
from automl_vision.core.late import load
from automl_vision.models.classifiers import normalization_of
from automl_vision.models.detectors.backbone import Backbone
from automl_vision.models.detectors.coco import PUBLISHED, coco_weights, load_coco
from automl_vision.models.detectors.detector import PyramidDetector
from automl_vision.models.detectors.settings import detector_settings
from automl_vision.models.model import Model, NetworkRequest, describe_network
from automl_vision.models.weights import load_pretrained
from automl_vision.recipes.catalog import BACKBONES, architecture_of, find_algorithm
from automl_vision.recipes.hyperparameters import DetectorHyperparameters
from automl_vision.recipes.network import NetworkDescription, WeightsOrigin

_WIDE_FROM = 256  # channels of a backbone's stride-16 features, from which its pyramid has torchvision's 256
_CHANNELS = (128, 256)  # of the pyramids of light and of other backbones


def create_pyramid_detector(request: NetworkRequest) -> Model:
    """Make a detector whose backbone, or all of it, starts from pretrained weights.

    Raises:
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    hyperparameters = cast(DetectorHyperparameters, request.hyperparameters)
    own = hyperparameters.backbone
    architecture = architecture_of(request.name, request.task) if own is None else BACKBONES[own]
    body = timm.create_model(architecture)
    origin = WeightsOrigin()
    coco = coco_weights(request.name, hyperparameters.weights) if hyperparameters.pretrained else None
    if coco is not None:
        origin = coco.origin
    elif hyperparameters.pretrained:
        origin = load_pretrained(body, architecture, hyperparameters.weights)
    description = describe_network(
        request,
        architecture,
        detector_settings(hyperparameters),
        normalization=normalization_of(body),
        weights=origin,
        libraries=("torchvision",),
    )
    network = _on_pyramid(body, description)
    if coco is not None:
        load_coco(network, coco.state)
    note = None
    if coco is None and request.name in PUBLISHED and hyperparameters.pretrained and hyperparameters.weights is None:
        note = (
            f"torchvision's COCO weights of {request.name} cannot be fetched; its backbone starts from ImageNet weights"
        )
    return Model(network, description, note)


def rebuild_pyramid_detector(description: NetworkDescription) -> PyramidDetector:
    """Build a described detector with random weights."""
    return _on_pyramid(timm.create_model(description.architecture), description)


def _on_pyramid(body: nn.Module, description: NetworkDescription) -> PyramidDetector:
    """The described detector on a timm network."""
    kind: type[PyramidDetector] = load(find_algorithm(description.algorithm, description.task).network)
    geometry = description.canvas
    stride_16 = [entry["num_chs"] for entry in body.feature_info if entry["reduction"] == 16]  # type: ignore[union-attr]
    channels = _CHANNELS[max(stride_16, default=0) >= _WIDE_FROM]
    backbone = Backbone(body, geometry, channels=channels, normed=kind.normed_pyramid)
    nms_threshold = description.settings.nms_iou_threshold
    return kind(backbone, geometry, classes=description.classes, nms_threshold=nms_threshold)
