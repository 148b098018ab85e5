"""The update rules."""

from __future__ import annotations

from typing import Any

from timm.optim import param_groups_layer_decay
from torch import optim

from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION
from automl_vision.models.image_model import ImageModel
from automl_vision.recipes.hyperparameters import DFineHyperparameters, Hyperparameters, OneStageHyperparameters

# measured with the default recipes; of 1e-4, 3e-4 and 1e-3 none was better for classification
_ADAPTIVE_RATES = {CLASSIFICATION: 5e-4, MULTI_LABEL: 5e-4, OBJECT_DETECTION: 6e-4, INSTANCE_SEGMENTATION: 6e-4}
_SGD_RATES = {CLASSIFICATION: 0.01, MULTI_LABEL: 0.035, OBJECT_DETECTION: 0.005, INSTANCE_SEGMENTATION: 0.005}
_ONE_STAGE_SGD_RATE = 0.01
_DFINE_ADAPTIVE_RATE = 1e-4  # published are 2e-4 and 2.5e-4 for batches of 32 images; ours are a quarter of it or less


def create_optimizer(model: ImageModel, hyperparameters: Hyperparameters, learning_rate: float) -> optim.Optimizer:
    """The optimizer over the parameters that train; biases and norms do not decay.

    Each group's `lr_scale` is the share of the rate that its block gets: 1 for the head, less for each block before it
    (Bao et al. 2021).

    Args:
        model: with frozen parameters already marked.
        hyperparameters: of the trial.
        learning_rate: the highest of the schedule.
    """
    groups = _groups(model, hyperparameters)
    if hyperparameters.optimizer == "sgd":
        nesterov = hyperparameters.nesterov and hyperparameters.momentum > 0
        return optim.SGD(groups, lr=learning_rate, momentum=hyperparameters.momentum, nesterov=nesterov)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW}[hyperparameters.optimizer]
    betas = (hyperparameters.beta1, hyperparameters.beta2)
    optimizer: optim.Optimizer = kind(groups, lr=learning_rate, betas=betas, amsgrad=hyperparameters.amsgrad)
    return optimizer


def _groups(model: ImageModel, hyperparameters: Hyperparameters) -> list[dict[str, Any]]:
    """Parameters by stage and decay; what stands on a detector's backbone counts as its head."""
    decay = hyperparameters.weight_decay
    groups: list[dict[str, Any]] = param_groups_layer_decay(model.body, decay, layer_decay=hyperparameters.rate_decay)
    known = {id(parameter) for parameter in model.body.parameters()}
    head = [p for p in model.network.parameters() if id(p) not in known and p.requires_grad]
    for weight_decay, parameters in (
        (decay, [p for p in head if p.ndim > 1]),
        (0.0, [p for p in head if p.ndim <= 1]),
    ):
        if parameters:
            groups.append({"lr_scale": 1.0, "weight_decay": weight_decay, "params": parameters})
    return groups


def default_learning_rate(task: str, hyperparameters: Hyperparameters) -> float:
    """The highest rate of the schedule when none is given."""
    if hyperparameters.optimizer != "sgd":
        if isinstance(hyperparameters, DFineHyperparameters):
            return _DFINE_ADAPTIVE_RATE
        return _ADAPTIVE_RATES[task]
    return _ONE_STAGE_SGD_RATE if isinstance(hyperparameters, OneStageHyperparameters) else _SGD_RATES[task]
