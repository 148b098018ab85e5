"""Classes that are too small, too uneven or named twice, images without annotations, and names that suggest groups."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

FEW_IMAGES = 10
IMBALANCE = 10.0  # images of the largest class for one of the smallest
_MAX_GROUP = 0.3  # share of all images; a prefix of more is just how the files are named
_MIN_PREFIX = 3  # letters; less names nothing
_COPY_MARK = re.compile(r"[._](?:jpe?g|png|bmp|tiff?|webp)\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)  # Roboflow's copies
_NUMBER = re.compile(r"[-_. ]?(?:frame|img|image)?[-_. ]?\d+$", re.IGNORECASE)


@check(
    "few-images",
    "warning",
    title="Classes with few images",
    advice="Label more images of these classes, or join them with others.",
)
def few_images(evidence: Evidence) -> Found | None:
    """Classes that a model will hardly learn."""
    counts = evidence.data.labelled.rows(evidence.usable).counts
    names = [(int(n), name) for n, name in zip(counts, evidence.data.classes, strict=True) if n < FEW_IMAGES]
    if not names:
        return None
    notes = tuple(f"{name}: {plural(n, 'image')}" for n, name in sorted(names))
    return Found(f"{_classes(len(names))} with fewer than {FEW_IMAGES} images", notes=notes)


@check(
    "split-without-class",
    "warning",
    title="Classes that a split lacks",
    advice="What is not in training cannot be learnt, what is not in validation or test is not measured: split anew.",
)
def split_without_class(evidence: Evidence) -> Found | None:
    """Classes that occur, but not in each split."""
    notes = []
    everywhere = evidence.data.labelled.rows(evidence.usable).counts
    for split in ("train", "val", "test"):
        rows = evidence.usable & (evidence.splits == split)
        if rows.any():
            counts = evidence.data.labelled.rows(rows).counts
            lacking = np.flatnonzero((counts == 0) & (everywhere > 0))
            notes += [f"{evidence.data.classes[i]}: no image in {split}" for i in lacking.tolist()]
    return Found(f"{_classes(len(notes))} missing from a split", notes=tuple(notes)) if notes else None


@check(
    "imbalance",
    "hint",
    title="Uneven classes",
    advice="Label more of the rare classes, or weigh them with weighted_loss=1.",
)
def imbalance(evidence: Evidence) -> Found | None:
    """A largest class many times the smallest."""
    counts = evidence.data.labelled.rows(evidence.usable).counts
    present = np.flatnonzero(counts)
    if len(present) < 2 or counts[present].max() < IMBALANCE * counts[present].min():
        return None
    largest = counts.max()
    rare = present[counts[present] * IMBALANCE <= largest]
    name = evidence.data.classes[int(counts.argmax())]
    notes = tuple(
        f"{evidence.data.classes[i]}: {plural(int(counts[i]), 'image')}"
        for i in rare[np.argsort(counts[rare], kind="stable")].tolist()
    )
    return Found(f"{_classes(len(rare))} with a tenth or less of the {largest:,} images of {name}", notes=notes)


@check(
    "similar-names",
    "warning",
    title="Classes whose names differ only by case or space",
    advice="One class under two names is learnt as two; they become the name with more images.",
    actions=("rename", "none"),
)
def similar_names(evidence: Evidence) -> Found | None:
    """Names that a person would take for one."""
    counts = evidence.data.labelled.counts
    alike: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(evidence.data.classes):
        alike[plain_name(name)].append(i)
    renames: dict[str, str] = {}
    for members in alike.values():
        kept = max(members, key=lambda i: counts[i])
        renames |= {evidence.data.classes[i]: evidence.data.classes[kept] for i in members if i != kept}
    if not renames:
        return None
    notes = tuple(f'"{old}" and "{new}"' for old, new in renames.items())
    return Found(f"{plural(len(renames), 'name')} of a class that another one has too", renames=renames, notes=notes)


@check(
    "no-annotation",
    "hint",
    title="Images without annotations",
    advice="They teach what is background; make sure that nobody just forgot to label them.",
    actions=("none", "exclude"),
)
def no_annotation(evidence: Evidence) -> Found | None:
    """Images without any label or object."""
    annotated = np.zeros(len(evidence.usable), bool)
    annotated[evidence.data.labelled.row] = True
    (rows,) = np.nonzero(evidence.usable & ~annotated)
    noun = "object" if evidence.has_objects else "label"
    return Found(f"{plural(len(rows), 'image')} without any {noun}", rows=rows) if len(rows) else None


@check(
    "name-leak",
    "hint",
    title="Files of one series in several splits",
    advice="Names that begin alike are often from one video, place or patient: a group column keeps them together.",
)
def name_leak(evidence: Evidence) -> Found | None:
    """Names that differ only in a last number and stand in several splits."""
    prefixes = [name_prefix(image) for image in evidence.images]
    _, codes, counts = np.unique(prefixes, return_inverse=True, return_counts=True)
    grouped = evidence.data.table["group"].is_valid().to_numpy()
    named = np.array([len(prefix) >= _MIN_PREFIX for prefix in prefixes], bool)
    serial = named & (counts[codes] > 1) & (counts[codes] <= _MAX_GROUP * len(codes))
    (rows,) = np.nonzero(evidence.usable & serial & ~grouped & (evidence.splits != ""))
    _, split = np.unique(evidence.splits[rows], return_inverse=True)
    pairs = np.unique(np.stack([codes[rows], split], axis=1), axis=0)
    series, splits = np.unique(pairs[:, 0], return_counts=True)
    found = rows[np.isin(codes[rows], series[splits > 1])]
    found = found[np.argsort(codes[found], kind="stable")]
    if not len(found):
        return None
    notes = tuple(f'series "{prefixes[row]}", in {evidence.splits[row]}' for row in found.tolist())
    number = len(np.unique(codes[found]))
    summary = f"{number:,} series of file names with {plural(len(found), 'image')} stand in several splits"
    return Found(summary, rows=_one_of_each(found, codes), notes=_one_note_each(found, codes, notes))


def plain_name(name: str) -> str:
    """A class name without case, spaces and the marks that stand for them; a number keeps its sign and its end."""
    text = unicodedata.normalize("NFKC", name).strip().casefold()
    text = re.sub(r"(?<=\d)[\s_\-]+(?=\d)", "·", text)  # "1-5" and "15" are two classes
    return re.sub(r"(?!^-\d)[\s_\-]+", "", text) or text


def name_prefix(image: str) -> str:
    """A file's name without its suffix, the mark of a copy and its last number."""
    name = image.partition("?")[0].rpartition("/")[2]
    name = name.rpartition(".")[0] or name
    plain = _COPY_MARK.sub("", name)
    return plain if plain != name and not _NUMBER.search(plain) else _NUMBER.sub("", plain)


def _one_of_each(rows: NDArray[np.intp], codes: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows[np.unique(codes[rows], return_index=True)[1]]


def _one_note_each(rows: NDArray[np.intp], codes: NDArray[np.intp], notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(notes[i] for i in np.unique(codes[rows], return_index=True)[1].tolist())


def _classes(count: int) -> str:
    return plural(count, "class")
