"""A network with what it needs around it, and what is needed to build one."""

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
    """A network with what it needs around it.

    Attributes:
        network: maps normalised images (n, 3, height, width) to logits (n, classes), or is a `Detector`.
        description: from which `build_network` builds it again.
        note: a sentence for the user when better weights could not be had.
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
        """Where the weights come from that training starts from."""
        return self.description.weights


@dataclass(frozen=True)
class NetworkRequest:
    """What a builder makes a network from.

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

    @property
    def canvas(self) -> Geometry:
        """The geometry of a detector.

        Raises:
            ValueError: there is none.
        """
        if self.geometry is None:
            raise ValueError(f"{self.name} is a detector and needs the geometry of its input")
        return self.geometry


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
