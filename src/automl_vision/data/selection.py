"""Which images of a dataset to show, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.core.text import did_you_mean

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset

Order = Literal["rows", "name", "pixels", "objects", "label"]
ORDERS: tuple[Order, ...] = get_args(Order)
UNSPLIT = "unsplit"
"""Stands for images without a split."""


def select(
    dataset: Dataset,
    *,
    split: str | None = None,
    label: str | None = None,
    text: str = "",
    among: Sequence[int] | NDArray[np.integer] | None = None,
    order: Order = "rows",
    descending: bool = False,
) -> NDArray[np.int64]:
    """The rows of images that meet all of some conditions.

    Args:
        dataset: whose images they are.
        split: "train", "val", "test", "left_out", or "unsplit" for images without one.
        label: a class that they have, or that one of their objects has; "" for images without any.
        text: part of the image's path, in any case.
        among: only these rows; with the order "rows" they keep this order.
        order: "rows" as in the manifest, "name" of the image, "pixels" and "objects" by number, "label" by class.
        descending: turn the order round.

    Raises:
        DataError: no class or order has that name.
    """
    kept = np.ones(len(dataset), bool)
    if split is not None:
        kept &= dataset.splits == ("" if split == UNSPLIT else split)
    if label is not None:
        kept &= _with_label(dataset, label)
    if text:
        found = pc.match_substring(dataset.table["image"], text, ignore_case=True)
        kept &= np.asarray(found.to_numpy(zero_copy_only=False), bool)
    if among is None:
        rows = np.flatnonzero(kept)
    else:
        given = np.asarray(among, np.int64)
        rows = given[np.sort(np.unique(given, return_index=True)[1])]
        rows = rows[kept[rows]]
    rows = rows[_sorted(dataset, rows, order)]
    return rows[::-1].copy() if descending else rows


def _with_label(dataset: Dataset, label: str) -> NDArray[np.bool_]:
    kept = np.zeros(len(dataset), bool)
    if not label:
        kept[np.unique(dataset.labelled.row)] = True
        return ~kept
    if label not in dataset.classes:
        raise DataError(f'no class is named "{label}".{did_you_mean(label, dataset.classes)}')
    labelled = dataset.labelled
    kept[labelled.row[labelled.label == dataset.classes.index(label)]] = True
    return kept


def _sorted(dataset: Dataset, rows: NDArray[np.int64], order: Order) -> NDArray[np.int64]:
    """Positions in `rows` in an order; equal ones stay as they are."""
    if order == "rows":
        return np.arange(len(rows))
    if order == "name":
        names = dataset.table["image"].take(pa.array(rows)).combine_chunks()
        return np.asarray(pc.sort_indices(names).to_numpy()).astype(np.int64)
    if order == "pixels":
        keys = dataset.sizes[rows].prod(axis=1)
    elif order == "objects":
        keys = objects_per_image(dataset)[rows]
    elif order == "label":
        first = np.full(len(dataset), len(dataset.classes), np.int64)
        np.minimum.at(first, dataset.labelled.row, dataset.labelled.label)
        keys = first[rows]
    else:
        raise DataError(f'images have no order "{order}".{did_you_mean(order, ORDERS)} Orders: {", ".join(ORDERS)}')
    return np.argsort(keys, kind="stable")


def objects_per_image(dataset: Dataset) -> NDArray[np.int64]:
    """(images,), how many objects an image has; for labels of whole images, how many labels."""
    images = dataset.objects.image if has_objects(dataset.task) else dataset.labelled.row
    return np.bincount(images, minlength=len(dataset)).astype(np.int64)
