"""Copies of images: exact and near, within a split and across splits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural
from automl_vision.doctor.near_duplicates import clusters

_KEPT_FIRST = {"test": 0, "val": 1, "train": 2}  # of copies in several splits the one in the test split stays


@check(
    "leak",
    "error",
    title="The same image in several splits",
    advice="Metrics on images that were trained on say nothing; the copy in training (or validation) leaves.",
    actions=("exclude", "none"),
)
def leak(evidence: Evidence) -> Found | None:
    """Exact copies across splits."""
    rows, partners = _extras(evidence, evidence.first_copy, across=True)
    if not len(rows):
        return None
    summary = f"{plural(len(rows), 'image')} with a copy in another split"
    return Found(summary, rows=rows, partners=partners, notes=_pairs_of_splits(evidence, rows, partners))


@check(
    "near-leak",
    "warning",
    title="Nearly the same image in several splits",
    advice="Copies that were compressed, resized, mirrored or cropped, or frames of one video: metrics look too good.",
    actions=("exclude", "none"),
)
def near_leak(evidence: Evidence) -> Found | None:
    """Near copies across splits."""
    rows, partners = _extras(evidence, _near_clusters(evidence), across=True)
    if not len(rows):
        return None
    summary = f"{plural(len(rows), 'image')} nearly equal to one in another split"
    return Found(summary, rows=rows, partners=partners, notes=_pairs_of_splits(evidence, rows, partners))


@check(
    "contradicting-copies",
    "error",
    title="The same image with different labels",
    advice="At most one of the labels can be right: correct them at their source, or take the images out.",
    actions=("exclude", "none"),
)
def contradicting_copies(evidence: Evidence) -> Found | None:
    """Exact copies whose classes differ."""
    first = evidence.first_copy
    copied = np.isin(first, first[evidence.usable & (first != np.arange(len(first)))]) & evidence.usable
    sets = evidence.data.labelled.by_row()
    labels = {row: tuple(sets.get(row, ())) for row in np.flatnonzero(copied).tolist()}
    differs = {int(first[row]) for row, found in labels.items() if found != labels[int(first[row])]}
    rows = np.array([row for row in labels if int(first[row]) in differs], np.int64)
    rows = rows[np.argsort(first[rows], kind="stable")] if len(rows) else rows
    if not len(rows):
        return None
    notes = tuple(
        ", ".join(evidence.data.classes[label] for label in labels[row]) or "no label" for row in rows.tolist()
    )
    partners = np.array([_other(row, first, rows) for row in rows.tolist()], np.int64)
    return Found(
        f"{plural(len(rows), 'image')} with copies of another label", rows=rows, partners=partners, notes=notes
    )


@check(
    "exact-duplicate",
    "warning",
    title="The same image several times",
    advice="Copies only count an image double; all but the first leave.",
    actions=("exclude", "none"),
)
def exact_duplicate(evidence: Evidence) -> Found | None:
    """Exact copies within a split."""
    rows, partners = _extras(evidence, evidence.first_copy, across=False)
    if not len(rows):
        return None
    return Found(f"{plural(len(rows), 'further copy')} of images of the same split", rows=rows, partners=partners)


@check(
    "near-duplicate",
    "hint",
    title="Nearly the same image several times",
    advice="Keep them together when the data is split; take out what adds nothing.",
    actions=("none", "exclude", "group"),
)
def near_duplicate(evidence: Evidence) -> Found | None:
    """Near copies within a split, or in data that has no splits yet."""
    rows, partners = _extras(evidence, _near_clusters(evidence), across=False)
    group = evidence.data.table["group"].fill_null("").to_numpy()
    apart = (group[rows] == "") | (group[rows] != group[partners]) | (evidence.splits[rows] != "")
    rows, partners = rows[apart], partners[apart]  # what one group holds stays together when the data is split
    if not len(rows):
        return None
    unsplit = (evidence.splits[rows] == "").any()
    summary = f"{plural(len(rows), 'image')} nearly equal to another one of the same split"
    return Found(summary, rows=rows, partners=partners, proposed="group" if unsplit else None)


@check(
    "group-leak",
    "warning",
    title="Groups in several splits",
    advice="Images of a group are alike; put the whole group into one split.",
)
def group_leak(evidence: Evidence) -> Found | None:
    """Groups of the data that stand in several splits."""
    column = evidence.data.table["group"].combine_chunks()
    known = column.is_valid().to_numpy(zero_copy_only=False) & evidence.usable
    codes = column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = _in_several_splits(evidence, codes, known)
    if not len(rows):
        return None
    groups = pa.compute.count_distinct(column.take(pa.array(rows))).as_py()
    notes = tuple(f"group {column[row].as_py()}, in {evidence.splits[row]}" for row in rows.tolist())
    return Found(f"{plural(groups, 'group')} of images in several splits", rows=rows, notes=notes)


def _near_clusters(evidence: Evidence) -> NDArray[np.int64]:
    """(images,), the first image that each one is connected to by near copies; exact copies stand for themselves."""
    return clusters(evidence.near_pairs, len(evidence.usable))


def _extras(
    evidence: Evidence, cluster: NDArray[np.int64], *, across: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The copies that are too many, and the image that is kept of each one's cluster.

    Args:
        evidence: the data.
        cluster: (images,), the first image of each one's cluster.
        across: copies of images of another split, which is kept in the order test, val, train; else of the same split.
    """
    splits = evidence.splits
    (rows,) = np.nonzero(evidence.usable & np.isin(cluster, cluster[cluster != np.arange(len(cluster))]))
    rank = np.array([_KEPT_FIRST.get(str(split), 3) for split in splits[rows]], np.int64)
    order = np.lexsort((rows, rank, cluster[rows]))
    rows, rank = rows[order], rank[order]
    keys = np.stack([cluster[rows], rank if not across else np.zeros_like(rank)], axis=1)
    _, start, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    kept = rows[start[inverse.ravel()]] if len(rows) else rows
    extra = (splits[kept] != splits[rows]) if across else (kept != rows)
    return rows[extra].astype(np.int64), kept[extra].astype(np.int64)


def _other(row: int, first: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
    """Another copy of an image."""
    same = rows[(first[rows] == first[row]) & (rows != row)]
    return int(same[0])


def _pairs_of_splits(evidence: Evidence, rows: NDArray[np.int64], partners: NDArray[np.int64]) -> tuple[str, ...]:
    here, there = evidence.splits[rows].tolist(), evidence.splits[partners].tolist()
    return tuple(f"in {a or 'no split'} and in {b or 'no split'}" for a, b in zip(here, there, strict=True))


def _in_several_splits(evidence: Evidence, codes: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows whose group is in more than one split."""
    (rows,) = np.nonzero(counted & (evidence.splits != ""))
    _, split = np.unique(evidence.splits[rows], return_inverse=True)
    pairs = np.unique(np.stack([codes[rows], split], axis=1), axis=0)
    groups, count = np.unique(pairs[:, 0], return_counts=True)
    found = rows[np.isin(codes[rows], groups[count > 1])]
    return found[np.argsort(codes[found], kind="stable")].astype(np.int64)
