"""Networks by the names of their algorithms."""

from __future__ import annotations

from torch import nn

from automl_vision.core.late import load
from automl_vision.models.detectors.detector import Detector
from automl_vision.models.model import Builder, Model, NetworkRequest
from automl_vision.recipes.catalog import usable_algorithm
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters


def create_model(
    name: str,
    *,
    task: str,
    classes: int,
    hyperparameters: Hyperparameters,
    geometry: Geometry | None = None,
) -> Model:
    """Make an algorithm's network for the given number of classes, with the weights that training starts from.

    Args:
        name: the product's name; a classifier's may also be timm's.
        task: the product's name of the task.
        classes: outputs of the head.
        hyperparameters: of its family; `pretrained` and `weights` count here, and what shapes the network.
        geometry: of a detector's input.

    Raises:
        UnknownModelError: the task has no such algorithm, or the package that has it is not installed.
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    algorithm = usable_algorithm(name, task)
    build: Builder = load(algorithm.builder)
    return build(NetworkRequest(algorithm, name, task, classes, hyperparameters, geometry))


def freeze_stages(network: nn.Module, stages: int) -> list[str]:
    """Stop the first `stages` stages from training: stem first, then blocks, never the head.

    Frozen stages come before everything that trains, so they run without autograd. Of a detector, the stages are
    those of its backbone.

    Args:
        network: a timm model, grouped by its own `group_matcher`, or a detector on one.
        stages: how many groups to freeze, counted from the input.

    Returns:
        The names of the frozen modules' parameters.
    """
    if not stages:  # what cannot be divided needs not be
        return []
    from timm.models import group_parameters

    body = network.body if isinstance(network, Detector) else network
    head = set() if body is not network else {id(p) for p in network.get_classifier().parameters()}  # type: ignore[operator]
    groups = group_parameters(body, body.group_matcher(coarse=True))  # type: ignore[operator]
    parameters = dict(body.named_parameters())
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    frozen = []
    for group in sorted(groups)[:stages]:
        for name in groups[group]:
            if id(parameters[name]) not in head:
                parameters[name].requires_grad_(False)
                frozen.append(names[id(parameters[name])])
    return frozen
