"""Which images teach a model most: the rule behind what to label next, on features and probabilities alone.

In turns it takes the image that most others resemble, of those that no labelled and no chosen image resembles yet
(facility location; Nemhauser, Wolsey and Fisher 1978), and the one that the model doubts most and that is unlike those
chosen before. The first kind matters while the model knows little, the second once it is good, and neither can spoil
more than half of the labels. Without a model all images are of the first kind. What it was compared with:
docs/decisions/0057-what-to-label-next.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.splits import stable_order

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

MOST_CANDIDATES = 4000
"""Images that are compared with each other; of a larger pool half of them the most doubtful, and the rest by chance."""

_BLOCK = 2048
_FULL_DOUBT = 0.95  # quantile of the doubts that counts as a whole


@dataclass(frozen=True)
class Chosen:
    """Images in the order in which they were chosen.

    Attributes:
        positions: (count,), in the pool.
        scores: (count,), for a cover the mean gain in similarity of all images, else what was left of the doubt.
        by_doubt: (count,), whether an image was chosen for the model's doubt.
        stands_for: (count,), how many images of the pool resemble this one more than any other chosen one.
    """

    positions: Positions
    scores: Floats
    by_doubt: NDArray[np.bool_]
    stands_for: Positions


def doubt_of(chances: Floats, *, one_label: bool) -> Floats:
    """(images,), 0 to 1: how near the two likeliest classes are to each other, or all labels to 50 % on average.

    Args:
        chances: (images, classes), calibrated probabilities.
        one_label: whether they sum to 1.
    """
    if not one_label:
        return np.asarray((1 - np.abs(2 * chances - 1)).mean(axis=1))
    ranked = np.sort(chances, axis=1)
    return np.asarray(1 - (ranked[:, -1] - ranked[:, -2]))


def shares_of(doubt: Floats) -> Floats:
    """(images,), doubts of any size as shares of a large one, at most 1."""
    full = float(np.quantile(doubt, _FULL_DOUBT)) if len(doubt) else 0.0
    return np.minimum(doubt / (full or 1.0), 1.0)


def choose(inputs: Floats, count: int, *, doubt: Floats | None = None, labelled: Floats | None = None) -> Chosen:
    """Choose the images to label next.

    Args:
        inputs: (images, components), of the pool.
        count: how many, at most.
        doubt: (images,), 0 to 1, how unsure a model is; None without a model.
        labelled: (labelled, components), of the images that have a label already.
    """
    candidates = _candidates(len(inputs), doubt)
    near = _unit(inputs[candidates])
    alike = np.maximum(near @ near.T, 0)  # (candidates, candidates), cosine
    covered = np.zeros(len(near))
    if labelled is not None and len(labelled):
        covered = np.maximum(near @ _unit(labelled).T, 0).max(axis=1)
    doubtful = None if doubt is None else doubt[candidates].astype(np.float64)
    chosen: list[int] = []
    by_doubt: list[bool] = []
    scores: list[float] = []
    for turn in range(min(count, len(candidates))):
        takes_doubt = doubtful is not None and turn % 2 == 1
        gain = doubtful.copy() if doubtful is not None and takes_doubt else _cover_gains(alike, covered)
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        by_doubt.append(takes_doubt)
        scores.append(float(gain[best]))
        covered = np.maximum(covered, alike[:, best])
        if doubtful is not None:
            doubtful = doubtful * (1 - alike[:, best].clip(max=1))
    positions = candidates[np.array(chosen, np.int64)]
    return Chosen(positions, np.array(scores), np.array(by_doubt, bool), _stands_for(inputs, positions))


def _cover_gains(alike: Floats, covered: Floats) -> Floats:
    """(candidates,), by how much an image raises how well all images are covered, on average."""
    return np.asarray(np.maximum(alike - covered[:, None], 0).mean(axis=0))


def _unit(inputs: Floats) -> Floats:
    return np.asarray(inputs / np.maximum(np.linalg.norm(inputs, axis=1, keepdims=True), 1e-9))


def _candidates(count: int, doubt: Floats | None) -> Positions:
    """Positions of the images that are compared; without doubts all of them are taken by chance."""
    if count <= MOST_CANDIDATES:
        return np.arange(count)
    order = np.arange(count) if doubt is None else np.argsort(-doubt, kind="stable")
    doubtful = 0 if doubt is None else MOST_CANDIDATES // 2
    first, rest = order[:doubtful], order[doubtful:]
    by_chance = rest[np.argsort(stable_order([str(i) for i in rest.tolist()], 0), kind="stable")]
    return np.sort(np.concatenate([first, by_chance[: MOST_CANDIDATES - len(first)]]))


def _stands_for(inputs: Floats, positions: Positions) -> Positions:
    """(chosen,), how many images are nearest to each chosen one, itself included."""
    if not len(positions):
        return np.zeros(0, np.int64)
    unit = _unit(inputs)
    parts = np.array_split(unit, 1 + len(unit) // _BLOCK)
    nearest = np.concatenate([(part @ unit[positions].T).argmax(axis=1) for part in parts])
    return np.bincount(nearest, minlength=len(positions)).astype(np.int64)
