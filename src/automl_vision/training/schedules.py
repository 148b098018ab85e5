"""Learning rate as a factor of the highest one, by the course of the epochs."""

from __future__ import annotations

import math

from automl_vision.recipes.hyperparameters import Hyperparameters

_STILL_HIGH = 0.25  # of the peak rate: training that ends above it would improve at a lower one
_COOLING = 0.25  # of the epochs so far


def learning_rate_factor(epoch: float, epochs: float, hyperparameters: Hyperparameters) -> float:
    """The factor after `epoch` epochs, fractions included.

    `warmup_cosine` rises linearly from 0 over the warm-up epochs, then follows (1 + cos(2 pi cycles progress)) / 2.
    `step` multiplies by gamma after every `step_lr_step_size` epochs. The warm-up fills at most the share
    `max_warmup_fraction` of the epochs.

    Args:
        epoch: passes over the data so far.
        epochs: passes planned, fractions included.
        hyperparameters: of the trial.
    """
    if hyperparameters.lr_scheduler == "step":
        return float(hyperparameters.step_lr_gamma ** int(epoch // hyperparameters.step_lr_step_size))
    warmup = min(hyperparameters.warmup_cosine_lr_warmup_epochs, hyperparameters.max_warmup_fraction * epochs)
    if epoch < warmup:
        return epoch / warmup
    progress = min(1.0, (epoch - warmup) / max(epochs - warmup, 1e-9))
    return 0.5 * (1 + math.cos(2 * math.pi * hyperparameters.warmup_cosine_lr_cycles * progress))


def cooled_epochs(done: float, epochs: float, hyperparameters: Hyperparameters) -> float | None:
    """The total epochs of a shortened schedule, if the learning rate is still high; None if it is low or never falls.

    A decay over a fifth of the training reaches most of the gain of a whole schedule (Haegele et al. 2024).

    Args:
        done: epochs so far.
        epochs: planned, fractions included.
        hyperparameters: of the trial.
    """
    cooled = min(epochs, (1 + _COOLING) * done)
    now, then = (learning_rate_factor(done, each, hyperparameters) for each in (epochs, cooled))
    return cooled if now >= _STILL_HIGH and then < now else None
