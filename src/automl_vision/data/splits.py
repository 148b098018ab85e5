"""Splits: deterministic by seed, stratified by class, whole groups, and never against a split that the data brings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.data.targets import Targets


def stable_order(keys: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """A number per key that depends on nothing but key and seed, so that an item's place survives new versions."""
    salt = seed.to_bytes(8, "little", signed=True)
    digests = [hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest() for key in keys]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def holdout(targets: Targets, groups: Sequence[str] | pa.Array, share: float, *, seed: int) -> NDArray[np.bool_]:
    """Choose which images are held out so that every class gives about the same share.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the rarest label that still has undecided images
    is served first, and each of its images goes to the side that lacks that label most. Groups move as one.

    Args:
        targets: of n images.
        groups: (n,), images with the same group stay together.
        share: wanted share of held-out images, in (0, 1).
        seed: another seed gives another choice.

    Returns:
        (n,), whether an image is held out.
    """
    encoded = pa.array(groups, pa.string()).dictionary_encode()
    names, unit_of = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    order = np.argsort(stable_order(names, seed), kind="stable")
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    unit = place[unit_of]  # numbered in the order in which they are decided
    sizes = np.bincount(unit, minlength=len(names))
    keys, counts = np.unique(unit[targets.row] * (targets.classes + 1) + targets.label, return_counts=True)
    held_out = _assign(keys // (targets.classes + 1), keys % (targets.classes + 1), counts, sizes, share)
    chosen: NDArray[np.bool_] = held_out[unit]
    return chosen


def _assign(
    unit: NDArray[np.int64],
    label: NDArray[np.int64],
    count: NDArray[np.int64],
    sizes: NDArray[np.int64],
    share: float,
) -> NDArray[np.bool_]:
    """Which units are held out.

    Args:
        unit, label, count: images of a label in a unit, sorted by unit.
        sizes: (units,), images of each unit.
        share: wanted share of held-out images.
    """
    totals = np.bincount(label, weights=count, minlength=int(label.max(initial=-1)) + 1)
    shares = (1 - share, share)
    lacking = [[s * float(total) for s in shares] for total in totals.tolist()]  # images still wanted, by label
    wanted = [s * float(sizes.sum()) for s in shares]  # and of all labels together
    starts = np.searchsorted(unit, np.arange(len(sizes) + 1)).tolist()
    labels, counts, size_of = label.tolist(), count.tolist(), sizes.tolist()
    side_of = [-1] * len(sizes)

    def decide(candidate: int, needs: list[float]) -> None:
        """Put a unit on the side that lacks most of something; then of images; training first."""
        difference = needs[1] - needs[0] if abs(needs[1] - needs[0]) > 1e-9 else wanted[1] - wanted[0]
        side = side_of[candidate] = int(difference > 0)
        wanted[side] -= size_of[candidate]
        for i in range(starts[candidate], starts[candidate + 1]):
            lacking[labels[i]][side] -= counts[i]

    by_label = np.argsort(label, kind="stable")
    ends = np.cumsum(np.bincount(label, minlength=len(totals))).tolist()
    units = unit[by_label].tolist()
    for rarest in np.argsort(totals, kind="stable").tolist():
        for candidate in units[ends[rarest - 1] if rarest else 0 : ends[rarest]]:
            if side_of[candidate] < 0:
                decide(candidate, lacking[rarest])
    for candidate in range(len(sizes)):
        if side_of[candidate] < 0:
            decide(candidate, wanted)
    held_out: NDArray[np.bool_] = np.array(side_of, np.int8) == 1
    return held_out
