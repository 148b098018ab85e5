"""The manifest: an Arrow table with one row per image, made from annotations and the headers of the image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from automl_vision.core.tasks import TASKS, has_objects, task_of_kind
from automl_vision.core.text import composed
from automl_vision.data.annotations import Annotations
from automl_vision.data.exif_readings import Reading
from automl_vision.data.further_columns import with_further
from automl_vision.data.object_rules import usable_objects
from automl_vision.data.objects import OBJECT_TYPE, Objects
from automl_vision.data.report import Problem
from automl_vision.data.scan import ImageFacts
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.targets import Targets
from automl_vision.data.turned_photos import placed_objects
from automl_vision.storage.access import full_reference

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("digest", pa.string()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("objects", pa.list_(OBJECT_TYPE)),
    ]
)


def natural_task(annotations: Annotations, wanted: str | None) -> str:
    """The task that annotations are read for: their own, or another one that is wanted and also labels objects."""
    own = task_of_kind(annotations.kind).name
    if wanted is not None and has_objects(own) == has_objects(wanted):
        return wanted
    return own


def build_manifest(
    annotations: Annotations, facts: Sequence[ImageFacts], task: str, *, exif: Reading = "auto"
) -> tuple[pa.Table, tuple[str, ...]]:
    """The manifest of what can be used, and the classes; what cannot is added to the annotations' report.

    Args:
        annotations: of all images.
        facts: of each image, in the same order.
        task: rows that have no use for it are left out.
        exif: how photos with an EXIF rotation were annotated; see `turned_photos`.
    """
    kept = _usable_rows(annotations, facts, task)
    columns = {
        "image": pa.array([facts[row].image for row in kept], pa.string()),
        "width": pa.array([facts[row].width for row in kept], pa.int32()),
        "height": pa.array([facts[row].height for row in kept], pa.int32()),
        "digest": pa.array([facts[row].digest for row in kept], pa.string()),
        "split": pa.array([annotations.splits[row] for row in kept], pa.string()),
        "group": pa.array([annotations.groups[row] for row in kept], pa.string()),
    }
    if has_objects(task):
        objects = _usable_objects(annotations, facts, kept, with_masks=TASKS[task].needs_masks, exif=exif)
        columns["labels"] = empty_lists(len(kept), pa.string())
        columns["objects"] = objects.to_arrow(len(kept))
        found = {objects.names[i] for i in np.flatnonzero(np.bincount(objects.label)).tolist()}
    else:
        labels = [annotations.labels[row] for row in kept]
        columns["labels"] = pa.array(labels, pa.list_(pa.string()))
        columns["objects"] = empty_lists(len(kept), OBJECT_TYPE)
        found = {label for row in labels for label in row}
    own = [name for name in dict.fromkeys(map(composed, annotations.classes or ())) if name in found]
    table = with_further(pa.table(columns, schema=SCHEMA), annotations.further.columns(), kept)
    return table, (*own, *sorted(found.difference(own)))


def empty_lists(rows: int, type_: pa.DataType) -> pa.ListArray:
    """A column of empty lists."""
    return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, np.int32)), pa.array([], type_))


def _usable_rows(annotations: Annotations, facts: Sequence[ImageFacts], task: str) -> list[int]:
    """The records that can be used; the others go into the report."""
    kept = []
    for row, fact in enumerate(facts):
        reason, kind = annotations.ambiguous.get(row), "ambiguous image"
        if reason is None:
            reason, kind = fact.problem, "unreadable image"
        if reason is None and TASKS[task].one_label and len(annotations.labels[row]) != 1:
            reason = f"{task} needs exactly 1 label per image, this one has {len(annotations.labels[row])}"
            kind = "bad label"
        if reason is None:
            kept.append(row)
            continue
        place, image = annotations.places[row], annotations.images[row]
        annotations.report.add(place if place == image else f"{place} ({image})", reason, kind)
    return kept


def _usable_objects(
    annotations: Annotations, facts: Sequence[ImageFacts], kept: Sequence[int], *, with_masks: bool, exif: Reading
) -> Objects:
    """The objects of the kept rows, in pixels and numbered by the manifest's rows."""
    objects = annotations.build_objects()
    new_row = np.full(len(facts), -1, np.int64)
    new_row[np.asarray(kept, np.int64)] = np.arange(len(kept))
    objects = objects.take(np.flatnonzero(new_row[objects.image] >= 0)) if len(kept) < len(facts) else objects
    objects = placed_objects(objects, annotations, facts, exif=exif)
    sizes = np.array([(fact.width, fact.height) for fact in facts], np.float64).reshape(-1, 2)
    objects = usable_objects(objects, sizes, annotations.places, annotations.report, with_masks=with_masks)
    return replace(objects, image=new_row[objects.image])  # in ascending order as before


def splits_of(table: pa.Table) -> NDArray[np.str_]:
    """(images,), the split of each image, empty if it has none."""
    return np.array(table["split"].fill_null("").to_pylist(), dtype=str)


def groups_of(table: pa.Table) -> pa.Array:
    """(images,), the group of each image; an image without one is in a group with its copies.

    All images of a group have to be in the same split.
    """
    group = table["group"].combine_chunks()
    named = pc.binary_join_element_wise("\0", group, "")
    return pc.if_else(pc.equal(pc.fill_null(group, ""), ""), table["digest"].combine_chunks(), named)


def objects_of(table: pa.Table, classes: Sequence[str]) -> Objects:
    """The labelled objects of all images; none if whole images are labelled."""
    return Objects.from_arrow(table["objects"].combine_chunks(), classes)


def targets_of(table: pa.Table, task: str, classes: Sequence[str]) -> Targets:
    """Which image has which class; for objects, the classes that occur in an image."""
    if has_objects(task):
        objects = objects_of(table, classes)
        return Targets.of(objects.image, objects.label, len(table), len(classes))
    column = table["labels"].combine_chunks()
    rows = np.repeat(np.arange(len(table)), column.value_lengths().to_numpy(zero_copy_only=False))
    labels = pc.index_in(column.flatten(), pa.array(classes, pa.string())).to_numpy(zero_copy_only=False)
    return Targets.of(rows, labels, len(table), len(classes))


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """The table with other values in one column."""
    return table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), values)


def without_root(table: pa.Table, root: str) -> pa.Table:
    """The table with references to its images that need no root, to stand beside images of another place.

    Args:
        table: the manifest.
        root: that its relative references start from.
    """
    references = [full_reference(root, image) for image in table["image"].to_pylist()]
    return with_column(table, "image", pa.array(references, pa.string()))


def with_rows(table: pa.Table, rows: Sequence[int], new: pa.Table) -> pa.Table:
    """The table with other values in some rows.

    Args:
        table: the manifest.
        rows: numbers of the rows to replace, each at most once.
        new: what they become, in the same order and with the same columns.
    """
    places = np.arange(len(table))
    places[np.asarray(rows, np.int64)] = len(table) + np.arange(len(rows))
    return pa.concat_tables([table, new]).take(pa.array(places, pa.int64()))


def leave_out(table: pa.Table, reasons: Mapping[int, str], *, kind: str) -> tuple[pa.Table, list[Problem]]:
    """The table with some rows out of every split, and the problems of those that were not left out before.

    Args:
        table: the manifest.
        reasons: reason per row.
        kind: short name of the rule, for counting.
    """
    splits = splits_of(table).astype("<U8")
    new = {row: reason for row, reason in reasons.items() if splits[row] != LEFT_OUT}
    splits[list(new)] = LEFT_OUT
    problems = [Problem(table["image"][row].as_py(), reason, kind) for row, reason in new.items()]
    return with_column(table, "split", pa.array(splits.tolist(), pa.string())), problems
