"""Exact and near copies of images, within a split and across splits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural
from automl_vision.doctor.near_duplicates import clusters

_KEPT_FIRST = {"test": 0, "val": 1, "train": 2}  # order in which the copy to keep is chosen


@check(
    "leak",
    "error",
    title="The same image in several splits",
    advice="Metrics on training images mean nothing; the copy in training (or validation) is excluded.",
    actions=("exclude", "none"),
)
def leak(evidence: Evidence) -> Found:
    """Exact copies across splits."""
    return _leaked(evidence, evidence.first_copy, "with a copy in another split")


@check(
    "near-leak",
    "warning",
    title="Nearly the same image in several splits",
    advice="Compressed, resized, mirrored or cropped copies, or frames of one video, make metrics look too good.",
    actions=("exclude", "none"),
)
def near_leak(evidence: Evidence) -> Found:
    """Near copies across splits."""
    return _leaked(evidence, _near_clusters(evidence), "nearly equal to one in another split")


@check(
    "contradicting-copies",
    "error",
    title="The same image with different labels",
    advice="At most one of the labels can be right: correct them at their source, or exclude the images.",
    actions=("exclude", "none"),
)
def contradicting_copies(evidence: Evidence) -> Found:
    """Exact copies whose classes differ."""
    first = evidence.first_copy
    copied = np.isin(first, first[evidence.usable & (first != np.arange(len(first)))]) & evidence.usable
    sets = evidence.data.labelled.by_row()
    labels = {row: tuple(sets.get(row, ())) for row in np.flatnonzero(copied).tolist()}
    differs = {int(first[row]) for row, found in labels.items() if found != labels[int(first[row])]}
    rows = np.array([row for row in labels if int(first[row]) in differs], np.int64)
    rows = rows[np.argsort(first[rows], kind="stable")]
    notes = tuple(
        ", ".join(evidence.data.classes[label] for label in labels[row]) or "no label" for row in rows.tolist()
    )
    others = [rows[(first[rows] == first[row]) & (rows != row)] for row in rows.tolist()]
    partners = np.array([copies[0] for copies in others], np.int64)
    return Found(
        f"{plural(len(rows), 'image')} with copies of another label", rows=rows, partners=partners, notes=notes
    )


@check(
    "exact-duplicate",
    "warning",
    title="The same image several times",
    advice="A copy only counts its image twice; all but the first are excluded.",
    actions=("exclude", "none"),
)
def exact_duplicate(evidence: Evidence) -> Found:
    """Exact copies within a split."""
    rows, partners = _extras(evidence, evidence.first_copy, across=False)
    return Found(f"{plural(len(rows), 'further copy')} of images of the same split", rows=rows, partners=partners)


@check(
    "near-duplicate",
    "hint",
    title="Nearly the same image several times",
    advice="Keep them together when the data is split; exclude those that add nothing.",
    actions=("none", "exclude", "group"),
)
def near_duplicate(evidence: Evidence) -> Found:
    """Near copies within a split, or in data without splits."""
    rows, partners = _extras(evidence, _near_clusters(evidence), across=False)
    group = evidence.data.table["group"].fill_null("").to_numpy()
    apart = (group[rows] == "") | (group[rows] != group[partners]) | (evidence.splits[rows] != "")
    rows, partners = rows[apart], partners[apart]  # images of one group stay together when the data is split
    unsplit = (evidence.splits[rows] == "").any()
    summary = f"{plural(len(rows), 'image')} nearly equal to another one of the same split"
    return Found(summary, rows=rows, partners=partners, proposed="group" if unsplit else None)


@check(
    "group-leak",
    "warning",
    title="Groups in several splits",
    advice="Images of a group resemble each other; put the whole group into one split.",
)
def group_leak(evidence: Evidence) -> Found:
    """Groups of the data whose images are in several splits."""
    column = evidence.data.table["group"].combine_chunks()
    known = column.is_valid().to_numpy(zero_copy_only=False)
    codes = column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = evidence.in_several_splits(codes, known)
    groups = pa.compute.count_distinct(column.take(pa.array(rows))).as_py()
    notes = tuple(f"group {column[row].as_py()}, in {evidence.splits[row]}" for row in rows.tolist())
    return Found(f"{plural(groups, 'group')} of images in several splits", rows=rows, notes=notes)


def _near_clusters(evidence: Evidence) -> NDArray[np.int64]:
    """(images,), the first image that each one is connected to by near copies; exact copies do not connect."""
    return clusters(evidence.near_pairs, len(evidence.usable))


def _extras(
    evidence: Evidence, cluster: NDArray[np.int64], *, across: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The redundant copies, and for each of them the image of its cluster that is kept.

    Args:
        evidence: the data.
        cluster: (images,), the first image of each one's cluster.
        across: find copies of an image in another split (test images are kept before val and train); else copies
            within a split.
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


def _leaked(evidence: Evidence, cluster: NDArray[np.int64], rest: str) -> Found:
    """The images with a copy in another split; `rest` of the summary follows their number."""
    rows, partners = _extras(evidence, cluster, across=True)
    splits = zip(evidence.splits[rows].tolist(), evidence.splits[partners].tolist(), strict=True)
    notes = tuple(f"in {here or 'no split'} and in {there or 'no split'}" for here, there in splits)
    return Found(f"{plural(len(rows), 'image')} {rest}", rows=rows, partners=partners, notes=notes)
