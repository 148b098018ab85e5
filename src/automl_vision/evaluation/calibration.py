"""Temperature scaling (Guo et al. 2017) and how far probabilities are from frequencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RANGE = (0.05, 20.0)
_WIDTH = 0.35  # of the prior, in natural logarithms: `benchmarks/temperature.py`, docs/decisions/0063


def fit_temperature(loss: Callable[[Floats], float], logits: Floats, *, width: float = _WIDTH) -> float:
    """The temperature by which logits are divided so that the loss of held-out images is least.

    The logarithm of the temperature has a normal prior around 0: a few images that are all answered right would
    otherwise ask for a temperature near 0, and every later mistake would be made with certainty.

    Args:
        loss: mean log loss of scaled logits.
        logits: (images, classes).
        width: standard deviation of the prior; infinite for none.

    Returns:
        A temperature between 0.05 and 20; 1 changes nothing.
    """
    from scipy.optimize import minimize_scalar

    def penalised(log_t: float) -> float:
        return loss(logits / np.exp(log_t)) + 0.5 * (log_t / width) ** 2 / len(logits)

    found = minimize_scalar(penalised, bounds=tuple(np.log(_RANGE)), method="bounded")
    return float(np.exp(found.x)) if found.fun < penalised(0.0) else 1.0


def reliability(confidences: Floats, correct: NDArray[np.bool_], *, bins: int = 15) -> list[dict[str, float]]:
    """The points of a reliability diagram: of each equally filled bin its confidence, frequency and number of cases.

    `lowest` and `highest` are the least and the greatest confidence in the bin.

    Args:
        confidences: (cases,), in [0, 1].
        correct: (cases,), whether each prediction came true.
        bins: at most so many.
    """
    order = np.argsort(confidences, kind="stable")
    return [
        {
            "confidence": float(confidences[part].mean()),
            "frequency": float(correct[part].mean()),
            "cases": len(part),
            "lowest": float(confidences[part[0]]),
            "highest": float(confidences[part[-1]]),
        }
        for part in np.array_split(order, min(bins, len(order)) or 1)
        if len(part)
    ]


def expected_calibration_error(
    confidences: Floats, correct: NDArray[np.bool_], weights: Floats, *, bins: int = 15
) -> Floats:
    """Mean distance between confidence and frequency over equally filled bins (Nixon et al. 2019), (resamples,).

    The bins are those of all cases.

    Args:
        confidences: (cases,), in [0, 1].
        correct: (cases,), whether each prediction came true.
        weights: (resamples, cases).
        bins: at most so many.
    """
    order = np.argsort(confidences, kind="stable")
    gaps = confidences - correct
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    return np.asarray(sum(np.abs(weights[:, part] @ gaps[part]) for part in parts) / weights.sum(axis=1))
