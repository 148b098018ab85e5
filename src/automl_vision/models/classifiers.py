"""Networks of timm that classify whole images."""

from __future__ import annotations

from typing import Any, cast

import timm
from timm.data import resolve_model_data_config
from torch import nn

import automl_vision.models.architectures  # noqa: F401, makes them known to timm
from automl_vision.models.model import Model, NetworkRequest, describe_network
from automl_vision.models.weights import load_pretrained
from automl_vision.recipes.catalog import architecture_of
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.recipes.network import NetworkDescription, NetworkSettings, WeightsOrigin
from automl_vision.recipes.normalization import IMAGENET_NORMALIZATION, Normalization


def create_classifier(request: NetworkRequest) -> Model:
    """Make a network of timm with a head for the classes.

    Raises:
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    hyperparameters = cast(ClassificationHyperparameters, request.hyperparameters)
    architecture = architecture_of(request.name, request.task)
    config = timm.get_pretrained_cfg(architecture)
    crop = hyperparameters.validation_crop_size
    is_fixed = config is not None and config.fixed_input_size and config.input_size[-1] != crop
    settings = NetworkSettings(drop_rate=hyperparameters.drop_rate, crop_size=crop if is_fixed else None)
    network = _timm_network(architecture, request.classes, settings)
    origin = WeightsOrigin()
    if hyperparameters.pretrained:
        origin = load_pretrained(network, architecture, hyperparameters.weights, crop_size=settings.crop_size)
    normalization = normalization_of(network)
    return Model(
        network, describe_network(request, architecture, settings, normalization=normalization, weights=origin)
    )


def rebuild_classifier(description: NetworkDescription) -> nn.Module:
    """Build a described classifier with random weights."""
    return _timm_network(description.architecture, description.classes, description.settings)


def _timm_network(architecture: str, classes: int, settings: NetworkSettings) -> nn.Module:
    values: dict[str, Any] = {"num_classes": classes, "drop_rate": settings.drop_rate}
    if settings.crop_size is not None:
        values["img_size"] = settings.crop_size
    network: nn.Module = timm.create_model(architecture, **values)
    return network


def normalization_of(network: nn.Module) -> Normalization:
    """Return how a network of timm wants its pixels; where it does not say, as those trained on ImageNet."""
    data, usual = resolve_model_data_config(network), IMAGENET_NORMALIZATION
    return Normalization(tuple(data.get("mean", usual.mean)), tuple(data.get("std", usual.std)))
