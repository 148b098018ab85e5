"""The update rules."""

from __future__ import annotations

import math
from typing import Any

from timm.optim import param_groups_layer_decay
from torch import optim

from automl_vision.core.late import load
from automl_vision.models.image_model import ImageModel
from automl_vision.recipes.catalog import architecture_of, find_algorithm
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.network_families import family_of_network
from automl_vision.recipes.optimizers import OPTIMIZERS


def create_optimizer(
    model: ImageModel,
    hyperparameters: Hyperparameters,
    learning_rate: float,
    *,
    architecture: str = "",
    is_started: bool = False,
) -> optim.Optimizer:
    """The optimizer over the parameters that train; biases and norms do not decay.

    Each group's `lr_scale` is the share of the rate that its block gets: 1 for the head, less for each block before it
    (Bao et al. 2021).

    Args:
        model: with frozen parameters already marked.
        hyperparameters: of the trial.
        learning_rate: the highest of the schedule.
        architecture: timm's name of the network or of a detector's backbone, whose family decides how much less its
            earlier blocks learn, unless the hyperparameters do.
        is_started: whether the model starts from weights of an earlier training, which are worth keeping as pretrained
            ones are.
    """
    if is_started:
        hyperparameters = hyperparameters.model_copy(update={"pretrained": True})
    groups = _groups(model, hyperparameters, _layer_decay(hyperparameters, architecture))
    chosen = OPTIMIZERS[hyperparameters.optimizer]
    optimizer: optim.Optimizer = load(chosen.factory)(groups, lr=learning_rate, **chosen.arguments(hyperparameters))
    return optimizer


def _layer_decay(hyperparameters: Hyperparameters, architecture: str) -> float:
    decay = hyperparameters.effective_layer_decay
    if hyperparameters.layer_decay is not None or not hyperparameters.pretrained:
        return decay
    return min(decay, family_of_network(architecture).layer_decay)


def _groups(model: ImageModel, hyperparameters: Hyperparameters, layer_decay: float) -> list[dict[str, Any]]:
    """Parameters by stage and decay; all of a detector but its backbone counts as head."""
    decay = hyperparameters.weight_decay
    groups: list[dict[str, Any]] = param_groups_layer_decay(model.body, decay, layer_decay=layer_decay)
    known = {id(parameter) for parameter in model.body.parameters()}
    head = [p for p in model.network.parameters() if id(p) not in known and p.requires_grad]
    for weight_decay, parameters in (
        (decay, [p for p in head if p.ndim > 1]),
        (0.0, [p for p in head if p.ndim <= 1]),
    ):
        if parameters:
            groups.append({"lr_scale": 1.0, "weight_decay": weight_decay, "params": parameters})
    return groups


def default_learning_rate(
    task: str, model_name: str, optimizer: str, batch_size: int, *, pretrained: bool = True
) -> float:
    """The highest rate of the schedule when none is given, by the algorithm and the family of its network.

    Args:
        task: the product's name of the task.
        model_name: the algorithm.
        optimizer: its name.
        batch_size: images whose gradients make one optimizer step; adaptive rates follow its square root.
        pretrained: whether training starts from pretrained weights.
    """
    algorithm = find_algorithm(model_name, task)
    if not OPTIMIZERS[optimizer].is_adaptive:
        return algorithm.sgd_rate
    if not pretrained and algorithm.untrained_rate is not None:
        return algorithm.untrained_rate
    share = family_of_network(architecture_of(model_name, task)).rate
    return share * algorithm.adaptive_rate * math.sqrt(batch_size / algorithm.rate_batch)
