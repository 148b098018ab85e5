"""What differs between two versions of a dataset: items are matched by their contents, not by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_SHOWN = 5


@dataclass(frozen=True)
class Changes:
    """Images that differ, by their paths in the version that has them.

    Attributes:
        added: only in the new version.
        removed: only in the old version.
        relabelled: in both, with other labels or objects.
        moved: in both, in another split.
        unchanged: number of images that are the same in both.
        classes_added, classes_removed: names of classes.
    """

    added: list[str]
    removed: list[str]
    relabelled: list[str]
    moved: list[str]
    unchanged: int
    classes_added: list[str]
    classes_removed: list[str]

    def __bool__(self) -> bool:
        return any([self.added, self.removed, self.relabelled, self.moved, self.classes_added, self.classes_removed])

    def to_json(self) -> dict[str, Any]:
        """The changes as JSON values."""
        return vars(self)

    def __str__(self) -> str:
        lines = [f"{self.unchanged} unchanged"]
        names = ("added", "removed", "relabelled", "moved")
        for name, images in ((name, getattr(self, name)) for name in names):
            if images:
                more = ", ..." if len(images) > _SHOWN else ""
                lines.append(f"{len(images)} {name}: {', '.join(images[:_SHOWN])}{more}")
        for sign, classes in (("new", self.classes_added), ("gone", self.classes_removed)):
            if classes:
                lines.append(f"{sign} classes: {', '.join(classes)}")
        return "\n".join(lines)


def changes_between(
    old: pa.Table, new: pa.Table, *, old_classes: tuple[str, ...], new_classes: tuple[str, ...]
) -> Changes:
    """Compare two manifests.

    An image of the new version is the one of the old version with the same contents; of several copies those with the
    same path are the same.

    Args:
        old, new: manifests.
        old_classes, new_classes: their classes.
    """
    old_rows, new_rows = matched_rows(old, new)
    before, after = old.take(pa.array(old_rows, pa.int64())), new.take(pa.array(new_rows, pa.int64()))
    same_labels = np.ones(len(old_rows), bool)
    for name in ("labels", "objects"):
        same_labels &= equal_rows(before[name].combine_chunks(), after[name].combine_chunks())
    same_split = equal_rows(before["split"].combine_chunks(), after["split"].combine_chunks())
    images = after["image"].to_pylist()
    return Changes(
        added=_others(new, new_rows),
        removed=_others(old, old_rows),
        relabelled=[images[row] for row in np.flatnonzero(~same_labels).tolist()],
        moved=[images[row] for row in np.flatnonzero(~same_split).tolist()],
        unchanged=int((same_labels & same_split).sum()),
        classes_added=sorted(set(new_classes) - set(old_classes)),
        classes_removed=sorted(set(old_classes) - set(new_classes)),
    )


def matched_rows(old: pa.Table, new: pa.Table) -> tuple[list[int], list[int]]:
    """The rows of the same images in two manifests: those of equal contents, of several copies those of equal path."""
    keys = [list(zip(t["digest"].to_pylist(), t["image"].to_pylist(), strict=True)) for t in (old, new)]
    row_of = {key: row for row, key in enumerate(keys[0])}
    pairs = {row: row_of.pop(key) for row, key in enumerate(keys[1]) if key in row_of}
    rest: dict[str, list[int]] = {}
    for (digest, _), row in row_of.items():
        rest.setdefault(digest, []).append(row)
    for row, (digest, _) in enumerate(keys[1]):
        if row not in pairs and rest.get(digest):
            pairs[row] = rest[digest].pop(0)
    new_rows = sorted(pairs)
    return [pairs[row] for row in new_rows], new_rows


def _others(table: pa.Table, rows: list[int]) -> list[str]:
    kept = np.ones(len(table), bool)
    kept[rows] = False
    images: list[str] = table["image"].filter(pa.array(kept)).to_pylist()
    return images


def equal_rows(first: pa.Array, second: pa.Array) -> NDArray[np.bool_]:
    """Whether the values of two columns are equal, row by row, whatever they hold.

    Args:
        first, second: of equal length and type.
    """
    valid, other = (array.is_valid().to_numpy(zero_copy_only=False) for array in (first, second))
    equal = valid == other
    if pa.types.is_struct(first.type):
        for one, two in zip(first.flatten(), second.flatten(), strict=True):
            equal = equal & equal_rows(one, two)
        return np.asarray(equal)
    if pa.types.is_list(first.type) or pa.types.is_fixed_size_list(first.type):
        return _equal_lists(first, second, equal)
    same = pc.fill_null(pc.equal(first, second), True)  # both null, or one of them, which `equal` holds already
    return np.asarray(equal & same.to_numpy(zero_copy_only=False))


def _equal_lists(first: pa.Array, second: pa.Array, equal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    lengths = [pc.list_value_length(array).fill_null(0).to_numpy() for array in (first, second)]
    equal = equal & (lengths[0] == lengths[1])
    rows = np.flatnonzero(equal)
    counts = lengths[0][rows]
    items = equal_rows(*(array.take(pa.array(rows, pa.int64())).flatten() for array in (first, second)))
    different = np.bincount(np.repeat(np.arange(len(rows)), counts)[~items], minlength=len(rows))
    equal[rows] = different[: len(rows)] == 0
    return equal
