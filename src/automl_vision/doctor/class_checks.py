"""Classes that are small, uneven or named twice, images without annotations, and file names that suggest groups."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict

import numpy as np

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

FEW_IMAGES = 10
IMBALANCE = 10.0  # images of the largest class per image of the smallest
_MAX_GROUP = 0.3  # fraction of all images; a more common prefix is just how the files are named
_MIN_PREFIX = 3  # letters; a shorter prefix means nothing
_COPY_MARK = re.compile(r"[._](?:jpe?g|png|bmp|tiff?|webp)\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)  # Roboflow's copies
_NUMBER = re.compile(r"[-_. ]?(?:frame|img|image)?[-_. ]?\d+$", re.IGNORECASE)


@check(
    "few-images",
    "warning",
    title="Classes with few images",
    advice="Label more images of these classes, or merge them with others.",
)
def few_images(evidence: Evidence) -> Found:
    """Classes with too few images to learn from."""
    counts = evidence.data.labelled.rows(evidence.usable).counts
    names = [(int(n), name) for n, name in zip(counts, evidence.data.classes, strict=True) if n < FEW_IMAGES]
    notes = tuple(f"{name}: {plural(n, 'image')}" for n, name in sorted(names))
    return Found(f"{_classes(len(names))} with fewer than {FEW_IMAGES} images", notes=notes)


@check(
    "split-without-class",
    "warning",
    title="Classes missing from a split",
    advice="A class must be in training to be learnt, in validation and test to be measured: split the data again.",
)
def split_without_class(evidence: Evidence) -> Found:
    """Classes that occur, but not in every split."""
    notes = []
    everywhere = evidence.data.labelled.rows(evidence.usable).counts
    for split in ("train", "val", "test"):
        rows = evidence.usable & (evidence.splits == split)
        if rows.any():
            counts = evidence.data.labelled.rows(rows).counts
            lacking = np.flatnonzero((counts == 0) & (everywhere > 0))
            notes += [f"{evidence.data.classes[i]}: no image in {split}" for i in lacking.tolist()]
    return Found(f"{_classes(len(notes))} missing from a split", notes=tuple(notes))


@check(
    "imbalance",
    "hint",
    title="Imbalanced classes",
    advice="Label more images of the rare classes, or train with weighted_loss=1.",
)
def imbalance(evidence: Evidence) -> Found | None:
    """A largest class with many times the images of the smallest."""
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
    advice="One class under two names is learnt as two; both get the name with more images.",
    actions=("rename", "none"),
)
def similar_names(evidence: Evidence) -> Found:
    """Names that a person would read as one."""
    counts = evidence.data.labelled.counts
    alike: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(evidence.data.classes):
        alike[plain_name(name)].append(i)
    renames: dict[str, str] = {}
    for members in alike.values():
        kept = max(members, key=lambda i: counts[i])
        renames |= {evidence.data.classes[i]: evidence.data.classes[kept] for i in members if i != kept}
    notes = tuple(f'"{old}" and "{new}"' for old, new in renames.items())
    return Found(f"{plural(len(renames), 'name')} of a class that another class has too", renames=renames, notes=notes)


@check(
    "no-annotation",
    "hint",
    title="Images without annotations",
    advice="They are learnt as background; make sure that nobody forgot to label them.",
    actions=("none", "exclude"),
)
def no_annotation(evidence: Evidence) -> Found:
    """Images without any label or object."""
    annotated = np.zeros(len(evidence.usable), bool)
    annotated[evidence.data.labelled.row] = True
    (rows,) = np.nonzero(evidence.usable & ~annotated)
    noun = "object" if evidence.has_objects else "label"
    return Found(f"{plural(len(rows), 'image')} without any {noun}", rows=rows)


@check(
    "name-leak",
    "hint",
    title="Files of one series in several splits",
    advice="Similar names often come from one video, place or patient; a group column keeps them together.",
)
def name_leak(evidence: Evidence) -> Found:
    """Images in several splits whose names differ only in the last number."""
    prefixes = [name_prefix(image) for image in evidence.images]
    _, codes, counts = np.unique(prefixes, return_inverse=True, return_counts=True)
    grouped = evidence.data.table["group"].is_valid().to_numpy()
    named = np.array([len(prefix) >= _MIN_PREFIX for prefix in prefixes], bool)
    serial = named & (counts[codes] > 1) & (counts[codes] <= _MAX_GROUP * len(codes))
    found = evidence.in_several_splits(codes, serial & ~grouped)
    rows = found[np.unique(codes[found], return_index=True)[1]]  # one of each series
    notes = tuple(f'series "{prefixes[row]}", in {evidence.splits[row]}' for row in rows.tolist())
    summary = f"{len(rows):,} series of file names with {plural(len(found), 'image')} are in several splits"
    return Found(summary, rows=rows, notes=notes)


def plain_name(name: str) -> str:
    """A class name without case, spaces, hyphens and underscores; numbers keep their sign and their limits."""
    text = unicodedata.normalize("NFKC", name).strip().casefold()
    text = re.sub(r"(?<=\d)[\s_\-]+(?=\d)", "·", text)  # "1-5" and "15" are two classes
    return re.sub(r"(?!^-\d)[\s_\-]+", "", text) or text


def name_prefix(image: str) -> str:
    """A file's name without its suffix, the mark of an augmented copy and its last number."""
    name = image.partition("?")[0].rpartition("/")[2]
    name = name.rpartition(".")[0] or name
    plain = _COPY_MARK.sub("", name)
    return plain if plain != name and not _NUMBER.search(plain) else _NUMBER.sub("", plain)


def _classes(count: int) -> str:
    return plural(count, "class")
