"""Whether two runtimes return the same for the same inputs, seen at the network's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.boxes import overlaps
from automl_vision.serving.model_folder import ModelDescription

_PROBABILITY = 1e-3  # bfloat16 was seen to differ by ten times as much on average
_SAME_PLACE, _SHARE = 0.7, 0.02  # intersection over union; share of objects that may lie on the other side of a tie
_MASK = 0.05  # mean difference of probabilities within a mask

Outputs = Sequence[NDArray[Any]]


def disagreement(wanted: Outputs, found: Outputs, description: ModelDescription) -> str | None:
    """Why outputs are not those that were wanted, in a sentence without its end; None where they are.

    Of labels no probability may differ by more than 0.001. Of objects that reach their thresholds, on either side, at
    most 2 % may have no equal of the same class in the same place on the other side.

    Args:
        wanted: outputs in single precision: logits (n, classes), or boxes (n, k, 4), scores (n, k) and labels (n, k).
        found: those of another runtime for the same inputs.
        description: of the model.
    """
    if [each.shape for each in wanted] != [each.shape for each in found]:
        return "its outputs have other shapes"
    if description.objects is None:
        apart = float(np.abs(_probs(wanted[0], description) - _probs(found[0], description)).max(initial=0.0))
        return None if apart <= _PROBABILITY else f"its probabilities differ by up to {apart:.4f}"
    missing, shown = np.sum([_unmatched(a, b, description) for a, b in ((wanted, found), (found, wanted))], axis=0)
    if missing <= _SHARE * shown and np.isfinite(found[1]).all():
        return None
    return f"{missing} of {shown} objects differ"


def _probs(logits: NDArray[Any], description: ModelDescription) -> NDArray[np.float64]:
    scaled = logits.astype(np.float64) / description.temperature
    if description.thresholds:
        return 0.5 * (1 + np.tanh(0.5 * scaled))
    exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probs: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return probs


def _unmatched(one: Outputs, other: Outputs, description: ModelDescription) -> tuple[int, int]:
    """How many shown objects of one side the other side lacks, and how many are shown."""
    thresholds = np.asarray(description.decision_thresholds)
    missing = shown = 0
    for i, (boxes, scores, labels) in enumerate(zip(*one[:3], strict=True)):
        keep = np.flatnonzero(scores >= thresholds[np.clip(labels, 0, len(thresholds) - 1)])
        if not len(keep):
            continue
        shared = overlaps(boxes[keep][:, None], other[0][i][None])
        shared = np.where(labels[keep][:, None] == other[2][i][None], shared, 0.0)
        equal = shared.max(axis=1, initial=0.0) >= _SAME_PLACE
        if len(one) > 3:
            masks, theirs = one[3][i][keep], other[3][i][shared.argmax(axis=1)]
            equal &= np.abs(masks - theirs).mean(axis=tuple(range(1, masks.ndim))) <= _MASK
        missing += int((~equal).sum())
        shown += len(keep)
    return missing, shown
