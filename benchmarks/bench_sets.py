"""The data sets of the bench: whole sets, object crops of detection sets, and small parts of each.

A set is named by its folder (`clothing`), or by a folder whose objects are cut out (`bccd:crops`), and in either case
by how many images of each class are kept for training and validation (`clothing@30`, `bccd:crops@10`). The test
images are always all of the set's own.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automl_vision import Dataset
from automl_vision.core.tasks import has_objects

_MARGIN = 0.15  # of an object's sides, around it
_LEAST_SIDE = 24  # pixels of a crop
_MOST_CROPS = 60  # of a class and split, so that one class does not fill the set
_SPLIT_SEED = 7


@dataclass(frozen=True)
class BenchSet:
    """One of the bench's sets.

    Attributes:
        name: as in the command line.
        folder: where its images are.
        crops: whether its objects are cut out and classified.
        count: images of each class for training and validation; 0 keeps all.
    """

    name: str
    folder: Path
    crops: bool
    count: int

    @staticmethod
    def parse(name: str, data: Path) -> BenchSet:
        """Read a name such as `bccd:crops@30`."""
        whole, _, count = name.partition("@")
        folder, _, kind = whole.partition(":")
        if kind not in ("", "crops"):
            raise SystemExit(f'a set is named FOLDER, FOLDER:crops, or one of these with @COUNT, not "{name}"')
        return BenchSet(name, data / folder, kind == "crops", int(count or 0))

    def open(self, work: Path, *, seed: int) -> Dataset:
        """The set with a split for every image; those that are not kept have the split "left_out".

        Args:
            work: crops are written below it, once.
            seed: another one keeps other images.
        """
        dataset = Dataset.open(_cut_out(self.folder, work / "crops" / self.folder.name) if self.crops else self.folder)
        dataset = dataset.with_validation(0.2, seed=_SPLIT_SEED)
        return _reduced(dataset, self.count, seed) if self.count else dataset


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Add `--out`, `--data` and `--sets` to the options of a script."""
    data = Path(os.environ.get("AUTOML_VISION_TEST_DATA", "../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--sets", nargs="+", default=[])


def _reduced(dataset: Dataset, count: int, seed: int) -> Dataset:
    """At most `count` images of each class for training and validation, of which a fifth validates."""
    splits = dataset.splits.copy()
    random = np.random.default_rng([seed, count])
    usable = np.flatnonzero(splits != "test")
    chosen = [random.permutation(usable[column[usable]])[:count] for column in dataset.targets.T]
    kept = np.unique(np.concatenate(chosen))
    splits[usable] = "left_out"
    splits[kept] = ""
    return dataset.with_splits(splits).with_validation(0.2, seed=seed)


def _cut_out(folder: Path, target: Path) -> Path:
    """Write every object as an image, below its split and class; what exists is kept."""
    if target.exists():
        return target
    dataset = Dataset.open(folder).with_validation(0.2, seed=_SPLIT_SEED)
    if not has_objects(dataset.task):
        raise SystemExit(f"{folder.name} has no objects to cut out")
    partial, written = target.with_name(f"{target.name}.partial"), Counter[tuple[str, str]]()
    objects = dataset.objects
    for position in np.random.default_rng(_SPLIT_SEED).permutation(len(objects.image)).tolist():
        row, label = int(objects.image[position]), objects.names[objects.label[position]].replace("/", "-")
        box, key = _with_margin(objects.bbox[position].tolist()), (str(dataset.splits[row]), label)
        if (
            objects.iscrowd[position]
            or min(box[2] - box[0], box[3] - box[1]) < _LEAST_SIDE
            or written[key] == _MOST_CROPS
        ):
            continue
        written[key] += 1
        file = partial / key[0] / label / f"{row}-{position}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        dataset[row].image().crop(box).save(file)
    partial.rename(target)
    return target


def _with_margin(box: Sequence[float]) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = box
    across, down = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    return round(x1 - across), round(y1 - down), round(x2 + across), round(y2 + down)
