"""The update rules."""

from __future__ import annotations

from timm.optim import param_groups_weight_decay
from torch import nn, optim

from automl_vision.tasks.hyperparameters import Hyperparameters

DEFAULT_RATES = {"sgd": 0.01, "adam": 3e-4, "adamw": 3e-4}


def create_optimizer(model: nn.Module, hyperparameters: Hyperparameters, learning_rate: float) -> optim.Optimizer:
    """The optimizer over the parameters that train; biases and norms do not decay.

    Args:
        model: with frozen parameters already marked.
        hyperparameters: of the trial.
        learning_rate: the highest of the schedule.
    """
    groups = param_groups_weight_decay(model, hyperparameters.weight_decay)
    groups = [group for group in groups if group["params"]]
    if hyperparameters.optimizer == "sgd":
        nesterov = hyperparameters.nesterov and hyperparameters.momentum > 0
        return optim.SGD(groups, lr=learning_rate, momentum=hyperparameters.momentum, nesterov=nesterov)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW}[hyperparameters.optimizer]
    betas = (hyperparameters.beta1, hyperparameters.beta2)
    optimizer: optim.Optimizer = kind(groups, lr=learning_rate, betas=betas, amsgrad=hyperparameters.amsgrad)
    return optimizer


def default_learning_rate(hyperparameters: Hyperparameters) -> float:
    """The highest rate of the schedule when none is given."""
    return DEFAULT_RATES[hyperparameters.optimizer]
