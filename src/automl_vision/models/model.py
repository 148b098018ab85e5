"""A network with what it needs around it, and what is needed to build one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from automl_vision.models.weights import WeightsOrigin
from automl_vision.recipes.catalog import Algorithm
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.normalization import Normalization


@dataclass(frozen=True)
class Model:
    """A network with what it needs around it.

    Attributes:
        network: maps normalised images (n, 3, height, width) to logits (n, classes), or is a `Detector`.
        name: the algorithm's name.
        architecture: timm's name, or the hub's.
        normalization: of its input.
        weights: where its first weights come from.
        note: a sentence for the user when better weights could not be had.
        description: JSON values without which it cannot be built again, where name and hyperparameters do not suffice.
    """

    network: nn.Module
    name: str
    architecture: str
    normalization: Normalization
    weights: WeightsOrigin
    note: str | None = None
    description: dict[str, Any] | None = None


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
        description: of a model that was made before, to make the same one with random weights, else None.
    """

    algorithm: Algorithm
    name: str
    task: str
    classes: int
    hyperparameters: Hyperparameters
    geometry: Geometry | None = None
    description: Mapping[str, Any] | None = None

    @property
    def canvas(self) -> Geometry:
        """The geometry of a detector.

        Raises:
            ValueError: there is none.
        """
        if self.geometry is None:
            raise ValueError(f"{self.name} is a detector and needs the geometry of its input")
        return self.geometry


Builder = Callable[[NetworkRequest], Model]
"""Makes the network of an algorithm; named by `Algorithm.builder`."""
