"""The same images for another task or for a model's classes: labels from objects, boxes from masks, known labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.manifest import leave_out, objects_of, splits_of, targets_of, with_column
from automl_vision.data.report import Problem
from automl_vision.data.split_names import LEFT_OUT


def convert(table: pa.Table, classes: Sequence[str], *, old: str, new: str) -> tuple[pa.Table, list[Problem]]:
    """A manifest for another task, and what had to be left out.

    Args:
        table: the manifest.
        classes: its classes.
        old: its task.
        new: the other task.

    Raises:
        DataError: whole images are labelled and the new task needs objects.
    """
    if has_objects(new) and not has_objects(old):
        raise DataError(f"{new} needs labelled objects; the data has labels of whole images ({old})")
    if has_objects(old) and not has_objects(new):
        table = with_column(table, "labels", targets_of(table, old, classes).to_arrow(tuple(classes)))
    if TASKS[new].needs_masks:
        return _with_masks_only(table, classes)
    if TASKS[new].one_label:
        counts = table["labels"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
        rows = np.flatnonzero((counts != 1) & (splits_of(table) != LEFT_OUT)).tolist()
        reasons = {row: f"{new} needs exactly 1 label per image, this one has {counts[row]}" for row in rows}
        return leave_out(table, reasons, kind="bad label")
    return table, []


def _with_masks_only(table: pa.Table, classes: Sequence[str]) -> tuple[pa.Table, list[Problem]]:
    """The manifest without the objects that have no mask."""
    objects = objects_of(table, classes)
    has_mask = objects.has_mask
    images = table["image"].to_pylist()
    problems = [
        Problem(images[objects.image[index]], "the object has a box but no polygon or mask", "no mask")
        for index in np.flatnonzero(~has_mask).tolist()
    ]
    return with_column(table, "objects", objects.take(np.flatnonzero(has_mask)).to_arrow(len(table))), problems


def keep_classes(
    table: pa.Table, classes: Sequence[str], wanted: Sequence[str], *, task: str
) -> tuple[pa.Table, list[Problem]]:
    """A manifest whose labels are all classes of a model, and what had to be left out.

    An image with exactly one label, which is another one, is left out of every split; other labels of an image with
    several, and other objects, are dropped, and the image is kept.

    Args:
        table: the manifest.
        classes: its classes.
        wanted: the classes of the model.
        task: of the manifest.

    Raises:
        DataError: no label is a class of the model.
    """
    others = [name for name in classes if name not in set(wanted)]
    if len(others) == len(classes):
        raise DataError(
            f"no label of the data is one of the model's classes: the data has {_listed(classes)}; "
            f"the model knows {_listed(wanted)}"
        )
    if not others:
        return table, []
    if has_objects(task):
        return _without_objects(table, classes, others)
    table, dropped = _without_labels(table, set(others))
    if TASKS[task].one_label:
        return leave_out(table, {row: _unknown(label) for row, label in dropped}, kind="other class")
    images = table["image"]
    return table, [Problem(images[row].as_py(), _unknown(label), "other class") for row, label in dropped]


def _without_objects(table: pa.Table, classes: Sequence[str], others: Sequence[str]) -> tuple[pa.Table, list[Problem]]:
    objects = objects_of(table, classes)
    names = np.asarray(objects.names, dtype=object)[objects.label]
    dropped = np.isin(names, others)
    images = table["image"].to_pylist()
    problems = [
        Problem(images[objects.image[index]], _unknown(names[index]), "other class")
        for index in np.flatnonzero(dropped).tolist()
    ]
    return with_column(table, "objects", objects.take(np.flatnonzero(~dropped)).to_arrow(len(table))), problems


def _without_labels(table: pa.Table, others: set[str]) -> tuple[pa.Table, list[tuple[int, str]]]:
    """The manifest without some labels, and the row and name of each label that it loses."""
    labels = table["labels"].to_pylist()
    dropped = [(row, label) for row, own in enumerate(labels) for label in own if label in others]
    kept = [[label for label in own if label not in others] for own in labels]
    return with_column(table, "labels", pa.array(kept, table.schema.field("labels").type)), dropped


def _unknown(label: str) -> str:
    return f'the model does not know the class "{label}"'


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
