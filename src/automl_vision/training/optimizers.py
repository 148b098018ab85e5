"""The update rules."""

from __future__ import annotations

from timm.optim import param_groups_layer_decay
from torch import optim

from automl_vision.core.names import CLASSIFICATION, MULTI_LABEL
from automl_vision.models.image_model import ImageModel
from automl_vision.tasks.hyperparameters import Hyperparameters

_ADAPTIVE_RATE = 5e-4  # measured with the default recipe; of 1e-4, 3e-4 and 1e-3 none was better
_SGD_RATES = {CLASSIFICATION: 0.01, MULTI_LABEL: 0.035}


def create_optimizer(model: ImageModel, hyperparameters: Hyperparameters, learning_rate: float) -> optim.Optimizer:
    """The optimizer over the parameters that train; biases and norms do not decay.

    Each group's `lr_scale` is the share of the rate that its stage gets: 1 for the head, less for each stage before it
    (Bao et al. 2021).

    Args:
        model: with frozen parameters already marked.
        hyperparameters: of the trial.
        learning_rate: the highest of the schedule.
    """
    groups = param_groups_layer_decay(
        model.network, hyperparameters.weight_decay, layer_decay=hyperparameters.layer_decay
    )
    if hyperparameters.optimizer == "sgd":
        nesterov = hyperparameters.nesterov and hyperparameters.momentum > 0
        return optim.SGD(groups, lr=learning_rate, momentum=hyperparameters.momentum, nesterov=nesterov)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW}[hyperparameters.optimizer]
    betas = (hyperparameters.beta1, hyperparameters.beta2)
    optimizer: optim.Optimizer = kind(groups, lr=learning_rate, betas=betas, amsgrad=hyperparameters.amsgrad)
    return optimizer


def default_learning_rate(task: str, hyperparameters: Hyperparameters) -> float:
    """The highest rate of the schedule when none is given."""
    return _SGD_RATES[task] if hyperparameters.optimizer == "sgd" else _ADAPTIVE_RATE
