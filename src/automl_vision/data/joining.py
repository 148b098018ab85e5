"""Data from two places as one dataset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import SPLIT_RATIO
from automl_vision.data.manifest import with_column, without_root
from automl_vision.data.split_names import LEFT_OUT


def join_validation(training: Dataset, validation: Dataset) -> Dataset:
    """One dataset for training (and testing) with another one for validation.

    Images of the validation data with a class that the training data lacks are left out and reported.

    Raises:
        DataError: no image of the validation data can be used.
    """
    validation = validation.as_task(training.task)
    report = training.report.joined(validation.report)
    known = np.isin(validation.classes, training.classes)
    usable = validation.splits != LEFT_OUT
    unknown = validation.labelled.rows(usable).columns(~known).by_row()
    images = validation.table["image"].to_pylist()
    for row, labels in unknown.items():
        names = sorted(validation.classes[label] for label in labels)
        report.add(images[row], f"the training data has no class {names}", "unknown class")
    usable[list(unknown)] = False
    if not usable.any():
        raise DataError(f"no image of the validation data can be used; the classes are: {', '.join(training.classes)}")
    added = without_root(validation.table.filter(pa.array(usable)), validation.root)
    added = with_column(added, "split", pa.array(["val"] * len(added), pa.string()))
    kept = training.table.filter(pa.array(training.splits != "val"))
    return replace(
        training, table=pa.concat_tables(_alike(kept, added), promote_options="default"), report=report
    ).with_validation(SPLIT_RATIO)


def joined(first: Dataset, second: Dataset) -> Dataset:
    """The images of two datasets; of an image that both have by its contents, what the second says.

    Args:
        first: whose task, root and order of classes are kept.
        second: its classes that the first lacks come after those of the first.

    Raises:
        DataError: the second cannot be used for the task of the first.
    """
    second = second.as_task(first.task)
    added = without_root(second.table, second.root)
    kept = first.table.filter(pc.invert(pc.is_in(first.table["digest"], second.table["digest"].combine_chunks())))
    classes = (*first.classes, *(name for name in second.classes if name not in first.classes))
    table = pa.concat_tables(_alike(kept, added), promote_options="default")
    return replace(first, table=table, classes=classes, report=first.report.joined(second.report))


def _alike(*tables: pa.Table) -> list[pa.Table]:
    """The tables without further columns that are numbers in one and texts in another."""
    types: dict[str, set[str]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).add(str(field.type))
    return [table.drop_columns([name for name in table.column_names if len(types[name]) > 1]) for table in tables]
