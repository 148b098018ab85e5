"""Splits: deterministic by seed, stratified by class, whole groups, and never against a split that the data brings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def stable_order(keys: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """A number per key that depends on nothing but key and seed, so that an item's place survives new versions."""
    salt = seed.to_bytes(8, "little", signed=True)
    return np.array(
        [int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest(), "little") for key in keys],
        dtype=np.uint64,
    )


def stratified_holdout(
    targets: NDArray[np.bool_],
    keys: Sequence[str],
    share: float,
    *,
    seed: int,
    groups: Sequence[str] | None = None,
) -> NDArray[np.bool_]:
    """Choose which images are held out so that every class gives about the same share.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the rarest label that still has undecided images
    is served first, and each of its images goes to the side that lacks that label most. Groups move as one.

    Args:
        targets: (n, classes), whether an image has a class.
        keys: (n,), what identifies an image, for the order within a class.
        share: wanted share of held-out images, in (0, 1).
        seed: another seed gives another choice.
        groups: (n,), images with the same group stay together; None for none.

    Returns:
        (n,), whether an image is held out.
    """
    unit_keys, unit_of = (
        (np.asarray(keys), np.arange(len(keys)))
        if groups is None
        else np.unique(np.asarray(groups), return_inverse=True)
    )
    units = len(unit_keys)
    order = np.argsort(stable_order([str(key) for key in unit_keys], seed), kind="stable")
    # the last column counts images, so that images without any label are shared out as well
    counts = np.zeros((units, targets.shape[1] + 1))
    np.add.at(counts, unit_of, np.concatenate([targets, np.ones((len(targets), 1), bool)], axis=1))
    held_out = _assign(counts, order, share)
    return np.asarray(held_out[unit_of])


def _assign(counts: NDArray[np.float64], order: NDArray[np.intp], share: float) -> NDArray[np.bool_]:
    """Which units are held out; `counts` is (units, labels + 1) with the number of images in the last column."""
    shares = np.array([1 - share, share])
    lacking = np.outer(shares, counts.sum(axis=0))  # (2 sides, labels + 1): images still wanted on each side
    undecided = np.ones(len(counts), bool)
    held_out = np.zeros(len(counts), bool)
    totals = counts[:, :-1].sum(axis=0)
    images = counts.shape[1] - 1
    for label in [*np.argsort(totals, kind="stable"), images]:
        for unit in order[(counts[order, label] > 0) & undecided[order]]:
            side = _neediest(lacking[:, label], lacking[:, images])
            lacking[side] -= counts[unit]
            undecided[unit] = False
            held_out[unit] = side == 1
    return held_out


def _neediest(by_label: NDArray[np.float64], by_image: NDArray[np.float64]) -> int:
    """The side that lacks the label most; then the one that lacks images most; training first."""
    if abs(by_label[0] - by_label[1]) > 1e-9:
        return int(by_label[1] > by_label[0])
    return int(by_image[1] > by_image[0])
