"""The same images for another task: labels from objects, boxes from masks."""

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
