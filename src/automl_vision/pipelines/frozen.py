"""The images that judge a pipeline's models: chosen once, and never trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.changes import equal_rows, matched_rows
from automl_vision.data.dataset import Dataset
from automl_vision.data.joining import joined
from automl_vision.data.split_names import LEFT_OUT

TEST = "test"


@dataclass(frozen=True)
class FrozenImages:
    """The frozen test images after a look at new data.

    Attributes:
        dataset: the images, all of the split "test".
        corrected: how many have other labels than before.
        joined: how many came, all of classes that no frozen image had.
    """

    dataset: Dataset
    corrected: int = 0
    joined: int = 0


def chosen_images(dataset: Dataset, share: float | None, *, seed: int = 0) -> Dataset:
    """The images that judge from now on: the test images of the data, or a share that is held out.

    Args:
        dataset: as opened.
        share: of the images without a split, or with the split "train", where the data has no test images.
        seed: another seed holds out other images.

    Raises:
        DataError: there are no test images, and no share is to be held out.
    """
    if not (dataset.splits == TEST).any():
        if share is None:
            raise DataError(
                "the data has no test images to judge by; name some as test_data, give images the split test, or hold "
                "some out by test_share: 0.2"
            )
        dataset = dataset.with_splits(_held_out(dataset, share, seed))
    return only_tests(dataset[np.flatnonzero(dataset.splits == TEST)])


def _held_out(dataset: Dataset, share: float, seed: int) -> NDArray[np.str_]:
    """The splits with a share of the images that may be trained on as test images."""
    splits = dataset.splits.astype("<U8")
    free = np.flatnonzero(np.isin(splits, ["", "train"]))
    trial = dataset[free].with_splits(np.full(len(free), "", "<U8")).with_validation(share, seed=seed)
    splits[free[trial.splits == "val"]] = TEST
    return splits


def only_tests(dataset: Dataset) -> Dataset:
    """The usable images, all of the split "test"."""
    usable = dataset[np.flatnonzero(dataset.splits != LEFT_OUT)]
    return usable.with_splits(np.full(len(usable), TEST, "<U8"))


def renewed(frozen: Dataset, dataset: Dataset) -> FrozenImages:
    """The frozen images with the labels that new data gives them, and with the test images of new classes.

    Images never leave the set, and no others join it, so that all models are judged by the same ones.

    Args:
        frozen: as they were.
        dataset: the new data.
    """
    old, new = matched_rows(frozen.table, dataset.table)
    differs = np.zeros(len(old), bool)
    for name in ("labels", "objects"):
        pair = (side.table[name].take(pa.array(rows, pa.int64())).combine_chunks()
                for side, rows in ((frozen, old), (dataset, new)))  # fmt: skip
        differs |= ~equal_rows(*pair)
    usable = dataset.splits[new] != LEFT_OUT
    corrected = np.array(new, np.intp)[differs & usable]
    arriving = _of_new_classes(frozen, dataset)
    if not len(corrected) and not len(arriving):
        return FrozenImages(frozen)
    parts = only_tests(dataset[np.concatenate([corrected, arriving])])
    return FrozenImages(_narrowed(joined(frozen, parts)), len(corrected), len(arriving))


def _of_new_classes(frozen: Dataset, dataset: Dataset) -> NDArray[np.intp]:
    """Rows of test images with a class that no frozen image has, which are not frozen yet."""
    new = np.array([name not in frozen.classes for name in dataset.classes], bool)
    known = pc.is_in(dataset.table["digest"], frozen.table["digest"].combine_chunks()).to_numpy()
    chosen = (dataset.splits == TEST) & ~known
    if not new.any() or not chosen.any():
        return np.zeros(0, np.intp)
    return np.flatnonzero(chosen & dataset.targets[:, new].any(axis=1))


def _narrowed(dataset: Dataset) -> Dataset:
    """The dataset with the classes that its images have."""
    counts = dataset.labelled.counts.tolist()
    return replace(dataset, classes=tuple(c for c, count in zip(dataset.classes, counts, strict=True) if count))


def kept_apart(dataset: Dataset, frozen: Dataset) -> Dataset:
    """The data in which every frozen image has the split "test", whatever its source says."""
    splits = dataset.splits.astype("<U8")
    known = pc.is_in(dataset.table["digest"], frozen.table["digest"].combine_chunks()).to_numpy()
    splits[known & (splits != LEFT_OUT)] = TEST
    return dataset if (splits == dataset.splits).all() else dataset.with_splits(splits)
