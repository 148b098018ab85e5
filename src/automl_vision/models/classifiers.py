"""Networks of timm that classify whole images."""

from __future__ import annotations

from typing import cast

import timm
from timm.data import resolve_model_data_config
from torch import nn

from automl_vision.models.model import Model, NetworkRequest
from automl_vision.models.weights import WeightsOrigin, load_pretrained
from automl_vision.recipes.catalog import architecture_of
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.recipes.normalization import Normalization

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, for architectures that name none


def create_classifier(request: NetworkRequest) -> Model:
    """Make a network of timm with a head for the classes.

    Raises:
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    hyperparameters = cast(ClassificationHyperparameters, request.hyperparameters)
    architecture = architecture_of(request.name, request.task)
    settings: dict[str, object] = {"num_classes": request.classes, "drop_rate": hyperparameters.drop_rate}
    config = timm.get_pretrained_cfg(architecture)
    crop = hyperparameters.validation_crop_size
    if config is not None and config.fixed_input_size and config.input_size[-1] != crop:
        settings["img_size"] = crop
    network = timm.create_model(architecture, **settings)
    if hyperparameters.pretrained:
        origin = load_pretrained(network, architecture, hyperparameters.weights)
    else:
        origin = WeightsOrigin("random", "none", None)
    return Model(network, request.name, architecture, normalization_of(network), origin)


def normalization_of(network: nn.Module) -> Normalization:
    """Return how a network of timm wants its pixels."""
    data = resolve_model_data_config(network)
    return Normalization(tuple(data.get("mean", _MEAN)), tuple(data.get("std", _STD)))
