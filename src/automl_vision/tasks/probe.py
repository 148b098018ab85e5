"""Logistic regression on frozen features, its strength chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automl_vision.data.splits import holdout
from automl_vision.data.targets import Targets

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Candidates for the L2 penalty on the weights of standardised features, per sum (not mean) of losses."""

LEAST_SPREAD = 3.0
"""What is added to the spread of each feature, in root of squares and in units of the median spread: a feature that
hardly varies in a few images would otherwise count as much as any, with weights of hundreds, and explode under
augmentation. docs/decisions/0049."""

_FOLD_SHARE = 0.25
_REPEATS = 3
_STEPS = 60

LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Probe:
    """A fitted linear head.

    Attributes:
        weight: (classes, features), for features as they come.
        bias: (classes,).
        strength: the chosen penalty.
        loss: mean loss on held-out training images at that penalty.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    loss: float


def fit_probe(
    features: NDArray[np.float32],
    targets: NDArray[np.bool_],
    loss: LossFunction,
    *,
    seed: int = 0,
    least_spread: float = LEAST_SPREAD,
) -> Probe:
    """Fit a linear head by L-BFGS on features that are nearly standardised.

    The penalty is chosen by repeated stratified hold-out on the given images alone, from strong to weak with warm
    starts.

    Args:
        features: (images, features).
        targets: (images, classes).
        loss: maps logits and targets to losses (images,).
        seed: of the hold-outs.
        least_spread: as `LEAST_SPREAD`.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0)
    deviation = np.hypot(spread, least_spread * np.median(spread)) + 1e-6
    inputs = torch.from_numpy((features - mean) / deviation)
    truth = torch.from_numpy(targets.astype(np.float32))
    held_out_losses = np.zeros((_REPEATS, len(STRENGTHS)))
    keys = [str(i) for i in range(len(targets))]
    for repeat in range(_REPEATS):
        held_out = torch.from_numpy(holdout(Targets.from_dense(targets), keys, _FOLD_SHARE, seed=seed + repeat))
        start = None
        for position in reversed(range(len(STRENGTHS))):
            start = _fit(inputs[~held_out], truth[~held_out], loss, STRENGTHS[position], start)
            logits = inputs[held_out] @ start[:, :-1].T + start[:, -1]
            held_out_losses[repeat, position] = loss(logits, truth[held_out]).mean()
    means = held_out_losses.mean(axis=0)
    best = int(np.argmin(means))
    parameters = _fit(inputs, truth, loss, STRENGTHS[best], None).numpy()
    weight = parameters[:, :-1] / deviation
    bias = parameters[:, -1] - weight @ mean
    return Probe(weight.astype(np.float32), bias.astype(np.float32), STRENGTHS[best], float(means[best]))


def _fit(inputs: Tensor, truth: Tensor, loss: LossFunction, strength: float, start: Tensor | None) -> Tensor:
    """Weights and bias in one tensor (classes, features + 1) that minimise penalised loss."""
    shape = (truth.shape[1], inputs.shape[1] + 1)
    parameters = (torch.zeros(shape) if start is None else start.clone()).requires_grad_(True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=_STEPS, history_size=8, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = inputs @ parameters[:, :-1].T + parameters[:, -1]
        total = loss(logits, truth).mean() + strength / (2 * len(truth)) * parameters[:, :-1].square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return parameters.detach()
