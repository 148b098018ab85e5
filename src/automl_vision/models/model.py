"""A network with its description, and what is needed to build one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from automl_vision.recipes.catalog import Algorithm
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.network import NetworkDescription, NetworkSettings, WeightsOrigin, library_versions
from automl_vision.recipes.normalization import Normalization


@dataclass(frozen=True)
class Model:
    """A network with its description.

    Attributes:
        network: maps normalised images (n, 3, height, width) to logits (n, classes), or is a `Detector`.
        description: from which `build_network` builds it again.
        note: a sentence for the user if better weights were not available.
    """

    network: nn.Module
    description: NetworkDescription
    note: str | None = None

    @property
    def normalization(self) -> Normalization:
        """Of the network's input."""
        return self.description.normalization

    @property
    def weights(self) -> WeightsOrigin:
        """The origin of the initial weights."""
        return self.description.weights


@dataclass(frozen=True)
class NetworkRequest:
    """What a builder needs to make a network.

    Attributes:
        algorithm: from the catalogue.
        name: as the user gave it; it holds the backbone where the algorithm leaves it open.
        task: the product's name of the task.
        classes: number of outputs of the head.
        hyperparameters: of the algorithm's family; `pretrained` and `weights` count, and what shapes the network.
        geometry: of a detector's input, else None.
    """

    algorithm: Algorithm
    name: str
    task: str
    classes: int
    hyperparameters: Hyperparameters
    geometry: Geometry | None = None


def describe_network(
    request: NetworkRequest,
    architecture: str,
    settings: NetworkSettings,
    *,
    normalization: Normalization,
    weights: WeightsOrigin,
    libraries: tuple[str, ...] = (),
    config: dict[str, Any] | None = None,
) -> NetworkDescription:
    """The description of a network that a builder makes for a request."""
    return NetworkDescription(
        task=request.task,
        algorithm=request.name,
        architecture=architecture,
        classes=request.classes,
        settings=settings,
        geometry=request.geometry,
        normalization=normalization,
        config=config,
        weights=weights,
        versions=library_versions(*libraries),
    )


Builder = Callable[[NetworkRequest], Model]
"""Makes the network of an algorithm; named by `Algorithm.builder`."""

Rebuilder = Callable[[NetworkDescription], nn.Module]
"""Builds a network with random weights; named by `Algorithm.rebuilder`."""
