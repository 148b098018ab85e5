"""Splits: deterministic by seed, stratified by class, groups kept together, and the data's own splits respected."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.manifest import groups_of, splits_of
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.targets import Targets


def with_validation(table: pa.Table, labelled: Targets, fraction: float, *, seed: int) -> NDArray[np.str_]:
    """A split for every image; see `Dataset.with_validation`.

    Args:
        table: the manifest.
        labelled: which image has which class.
        fraction: of the training images to hold out if no image is for validation, in (0, 1).
        seed: another seed holds out other images.

    Raises:
        DataError: no image is left to train on or to validate on.
    """
    splits = splits_of(table)
    splits = np.where(splits == "", "train", splits).astype("<U8")
    if not (splits == "val").any():
        rows = np.flatnonzero(splits == "train")
        held_out = _held_out(table, labelled, rows, fraction, seed)
        if fraction > 0 and not held_out.any():
            held_out = _one_held_out(table, labelled, rows, seed)
        splits[rows[held_out]] = "val"
    for split in ("train", "val"):
        if not (splits == split).any():
            raise DataError(f'no image is in the split "{split}"; give more images or another split')
    return splits


def following(table: pa.Table, labelled: Targets, earlier: pa.Table, fraction: float, *, seed: int) -> NDArray[np.str_]:
    """The splits of a manifest that follows an earlier one: an image that was there keeps its split.

    An image without a split takes the split that its contents or its group had in the earlier manifest, or that others
    of its group have now. A fraction of the rest is held out for validation if the earlier manifest had validation
    images; of few new images it is by chance, so that it holds for many small additions too. If the new one has none,
    its training images count as without a split.

    Args:
        table: the manifest.
        labelled: which image has which class.
        earlier: the earlier manifest, with splits.
        fraction: of the new images to hold out, in (0, 1).
        seed: another seed holds out other images.
    """
    splits, earlier_splits = splits_of(table).astype("<U8"), splits_of(earlier)
    has_validation = bool((earlier_splits == "val").any())
    if has_validation and not (splits == "val").any():
        splits[splits == "train"] = ""
    known = np.where(earlier_splits == LEFT_OUT, "", earlier_splits)
    groups = groups_of(table)
    for own, theirs in ((groups, groups_of(earlier)), (table["digest"], earlier["digest"])):
        found = pc.index_in(own, theirs).fill_null(-1).to_numpy(zero_copy_only=False)
        unknown = (splits == "") & (found >= 0)
        splits[unknown] = known[found[unknown]]
    group = groups.dictionary_encode().indices.to_numpy()
    for split in ("test", "val", "train"):
        splits[(splits == "") & np.isin(group, group[splits == split])] = split
    rows = np.flatnonzero(splits == "")
    if len(rows) and has_validation:
        splits[rows] = np.where(_held_out(table, labelled, rows, fraction, seed, is_addition=True), "val", "train")
    return splits


def _held_out(
    table: pa.Table,
    labelled: Targets,
    rows: NDArray[np.intp],
    fraction: float,
    seed: int,
    *,
    is_addition: bool = False,
) -> NDArray[np.bool_]:
    """Which of some rows are held out, (rows,)."""
    groups = groups_of(table).take(pa.array(rows, pa.int64()))
    return holdout(labelled.take(rows), groups, fraction, seed=seed, is_addition=is_addition)


def _one_held_out(table: pa.Table, labelled: Targets, rows: NDArray[np.intp], seed: int) -> NDArray[np.bool_]:
    """A single group of the most frequent class, for so few images that a fraction of each class is none, (rows,)."""
    groups = np.array(groups_of(table).take(pa.array(rows, pa.int64())).to_pylist(), dtype=str)
    targets = labelled.take(rows)
    of_class = targets.row[targets.label == targets.counts.argmax()] if len(targets.label) else np.arange(len(rows))
    order = np.argsort(stable_order(groups[of_class].tolist(), seed), kind="stable")
    held_out: NDArray[np.bool_] = np.isin(groups, groups[of_class[order[:1]]])
    return held_out & ~held_out.all()


def stable_order(keys: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """A number per key that depends only on key and seed, so that an item keeps its place in later versions."""
    salt = seed.to_bytes(8, "little", signed=True)
    digests = [hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest() for key in keys]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def holdout(
    targets: Targets, groups: Sequence[str] | pa.Array, fraction: float, *, seed: int, is_addition: bool = False
) -> NDArray[np.bool_]:
    """Choose which images are held out so that about the same fraction of every class is.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the rarest label that still has undecided images
    is served first, and each of its images goes to the side that lacks that label most. Groups move as one.

    Args:
        targets: of n images.
        groups: (n,), images with the same group stay together.
        fraction: of images to hold out, in (0, 1).
        seed: another seed holds out other images.
        is_addition: whether they come to others, perhaps one by one. Then what the fraction leaves of an image is
            rounded by chance; rounded to the nearest, single images would all be for training.

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
    chances = _chances(min(names), targets.classes, seed) if is_addition and names else None
    held_out = _assign(keys // (targets.classes + 1), keys % (targets.classes + 1), counts, sizes, fraction, chances)
    chosen: NDArray[np.bool_] = held_out[unit]
    return chosen


def _chances(key: str, classes: int, seed: int) -> NDArray[np.float64]:
    """(classes + 1,), a number from 0 to 1 per class, and one for all images, that depend on key and seed alone."""
    return stable_order([f"{key} {label}" for label in range(classes + 1)], seed) / 2.0**64


def _assign(
    unit: NDArray[np.int64],
    label: NDArray[np.int64],
    count: NDArray[np.int64],
    sizes: NDArray[np.int64],
    fraction: float,
    chances: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Which units are held out.

    Args:
        unit, label, count: images of a label in a unit, sorted by unit.
        sizes: (units,), images of each unit.
        fraction: of images to hold out.
        chances: from 0 to 1 per label, and one of all images, by which shares are rounded; None leaves them.
    """
    totals = np.bincount(label, weights=count, minlength=int(label.max(initial=-1)) + 1)
    shares = [*(fraction * totals).tolist(), fraction * float(sizes.sum())]
    if chances is not None:
        shares = np.floor(np.array(shares) + chances[[*range(len(totals)), -1]]).tolist()
    every = [*totals.tolist(), float(sizes.sum())]
    *lacking, wanted = ([total - share, share] for total, share in zip(every, shares, strict=True))  # of labels, of all
    starts = np.searchsorted(unit, np.arange(len(sizes) + 1)).tolist()
    labels, counts, size_of = label.tolist(), count.tolist(), sizes.tolist()
    side_of = [-1] * len(sizes)

    def decide(candidate: int, needs: list[float]) -> None:
        """Put a unit on the side with the larger need; on a tie, where more images are missing; then in training."""
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
