"""The table of optimizers; needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Optimizer:
    """One update rule.

    Attributes:
        name: given as `optimizer`.
        factory: `module:class`, called with parameter groups, `lr` and the arguments.
        settings: the hyperparameters that only count for some optimizers, and do for this one.
        arguments: from the trial's hyperparameters to keyword arguments of the class.
        is_adaptive: whether it takes the lower of an algorithm's two default learning rates.
    """

    name: str
    factory: str
    settings: tuple[str, ...]
    arguments: Callable[[Any], dict[str, Any]]
    is_adaptive: bool = True


def _adam(values: Any) -> dict[str, Any]:
    return {"betas": (values.beta1, values.beta2), "amsgrad": values.amsgrad}


def _sgd(values: Any) -> dict[str, Any]:
    return {"momentum": values.momentum, "nesterov": values.nesterov and values.momentum > 0}


OPTIMIZERS = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", "torch.optim:SGD", ("momentum", "nesterov"), _sgd, is_adaptive=False),
        Optimizer("adam", "torch.optim:Adam", ("beta1", "beta2", "amsgrad"), _adam),
        Optimizer("adamw", "torch.optim:AdamW", ("beta1", "beta2", "amsgrad"), _adam),
    )
}
"""The optimizers by name; a new one is one entry."""


def users_of(setting: str) -> str:
    """Return the names of the optimizers for which a hyperparameter counts, for its description."""
    return ", ".join(optimizer.name for optimizer in OPTIMIZERS.values() if setting in optimizer.settings)
