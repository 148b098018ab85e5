"""A dataset: labelled images as a manifest, with its classes, splits and the report of what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import TASKS, Kind, has_objects, normalize_task
from automl_vision.core.text import did_you_mean
from automl_vision.data import splits as split_rules
from automl_vision.data.changes import Changes, changes_between
from automl_vision.data.conversion import convert, keep_classes
from automl_vision.data.fingerprint import fingerprint_of
from automl_vision.data.further_columns import PREFIX, further_names
from automl_vision.data.labelled_image import LabelledImage
from automl_vision.data.manifest import leave_out, objects_of, splits_of, targets_of, with_column
from automl_vision.data.manifest_file import read_manifest, write_manifest
from automl_vision.data.objects import Objects
from automl_vision.data.open_options import OpenOptions
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import Progress
from automl_vision.data.targets import Targets
from automl_vision.data.value_range import ValueRange, parse_range

if TYPE_CHECKING:
    from automl_vision.doctor.report import DataReport
    from automl_vision.labeling.learning_curve import LearningCurve

_SPLIT_ORDER = ("train", "val", "test", "")

Rows = slice | Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]
"""Several images: a slice, their numbers, or a boolean mask, (images,)."""


@dataclass(frozen=True)
class Dataset:
    """Labelled images, made by `Dataset.open`. It never changes: methods return new datasets.

    `len(dataset)` is the number of images, `dataset[i]` one image with its labels, `dataset[10:20]` and `dataset[mask]`
    datasets of some of the images.

    Attributes:
        table: the manifest, one row per image, with the columns of `SCHEMA` and further ones of the source.
        root: folder, archive or URL that relative image paths start from.
        task: the task that the labels are for.
        classes: names in the order of the model's outputs.
        format: name of the format that the data was read from.
        report: what was left out.
        value_range: which values of images with more than 8 bits are black and white; None in manifests of older
            versions, which guessed it from each image.
    """

    table: pa.Table
    root: str
    task: str
    classes: tuple[str, ...]
    format: str
    report: ImportReport = field(default_factory=ImportReport, compare=False)
    value_range: ValueRange | None = None

    @staticmethod
    def open(
        path: str | PathLike[str],
        *,
        task: str | None = None,
        options: OpenOptions | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Dataset:
        """Open labelled images in any known format; see `formats.opening.open_dataset`.

        Args:
            path: folder, annotation file, zip or tar archive, a URL of one of these, or a registered version.
            task: None: as the labels suggest.
            options: how to open it.
            progress: called with (images done, images in all).
            **settings: fields of `OpenOptions`, instead of `options`, and names of columns.

        Raises:
            DataError: nothing usable was found.
        """
        from automl_vision.formats.opening import open_dataset

        return open_dataset(path, task=task, options=options, progress=progress, **settings)

    @staticmethod
    def load(path: str | PathLike[str]) -> Dataset:
        """Read a manifest that `save` wrote, or a registered version.

        Raises:
            DataError: the file is not a manifest.
        """
        table, facts = read_manifest(path)
        report, range_ = ImportReport.from_json(facts["report"]), ValueRange.from_json(facts.get("value_range"))
        return Dataset(table, facts["root"], facts["task"], tuple(facts["classes"]), facts["format"], report, range_)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the manifest as Parquet, with classes, format and report in its metadata."""
        facts = {
            "root": self.root,
            "task": self.task,
            "classes": list(self.classes),
            "format": self.format,
            "fingerprint": self.fingerprint,
            "report": self.report.to_json(),
            "value_range": None if self.value_range is None else self.value_range.to_json(),
        }
        write_manifest(path, self.table, facts)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, rows: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, rows: Rows) -> Dataset: ...

    def __getitem__(self, rows: int | Rows) -> LabelledImage | Dataset:
        if isinstance(rows, int | np.integer):
            return self._image(range(len(self))[rows])
        if not isinstance(rows, slice):
            rows = np.asarray(rows) if len(rows) else np.zeros(0, np.int64)  # an empty list is made of floats
        chosen = np.arange(len(self))[rows]
        return replace(self, table=self.table.take(pa.array(chosen, pa.int64())))

    def __iter__(self) -> Iterator[LabelledImage]:
        return map(self._image, range(len(self)))

    @cached_property
    def objects(self) -> Objects:
        """The labelled objects of all images, as columns; none if whole images are labelled."""
        return objects_of(self.table, self.classes)

    @cached_property
    def labelled(self) -> Targets:
        """Which image has which class, as pairs; for objects, the classes that occur in an image."""
        return targets_of(self.table, self.task, self.classes)

    @cached_property
    def targets(self) -> NDArray[np.bool_]:
        """(images, classes), whether an image has a class."""
        return self.labelled.dense()

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """(images,), the split of each image: "train", "val", "test", "left_out", or "" if it has none."""
        return splits_of(self.table)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(images, 2), width and height in pixels."""
        columns = [self.table[name].to_numpy() for name in ("width", "height")]
        return np.stack(columns, axis=1).astype(np.int64)

    @property
    def further(self) -> tuple[str, ...]:
        """Names of what the source says of its images beside their labels, such as camera, patient or day."""
        return further_names(self.table)

    def column(self, name: str) -> pa.ChunkedArray:
        """(images,), the values of a further column: numbers or texts, null for images without one.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.further:
            known = ", ".join(self.further) or "none"
            raise DataError(
                f'the data has no further column "{name}".{did_you_mean(name, self.further)} It has: {known}'
            )
        return self.table[f"{PREFIX}{name}"]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of file contents, labels, splits, classes and values; the order of the rows does not matter."""
        key = self.value_range.key if self.value_range else ""
        return fingerprint_of(self.table, [self.task, *self.classes, *([f"values {key}"] if key else [])])

    @property
    def kind(self) -> Kind:
        """What is labelled: "label", "labels", "boxes" or "masks"."""
        return TASKS[self.task].kind

    @property
    def class_counts(self) -> dict[str, dict[str, int]]:
        """Images per class and split, or objects where objects are labelled; "unsplit" are those without a split."""
        image, label = self.labelled.row, self.labelled.label
        if has_objects(self.task):
            image, label = self.objects.image, self.objects.label.astype(np.int64)
        counts = {
            split: np.bincount(label[rows[image]], minlength=len(self.classes)).tolist()
            for split, rows in self._rows_by_split().items()
        }
        return {name: {split: counts[split][i] for split in counts} for i, name in enumerate(self.classes)}

    def summary(self) -> dict[str, Any]:
        """Counts as JSON values: images per split, class counts, and records left out per kind."""
        return {
            "task": self.task,
            "format": self.format,
            "images": {split: int(rows.sum()) for split, rows in self._rows_by_split().items()},
            "classes": self.class_counts,
            "left_out": self.report.counts(),
        }

    def as_task(self, task: str) -> Dataset:
        """The same images for another task.

        Boxes are made from masks, the classes of an image from its objects. Images without exactly one label cannot be
        used for classification, nor objects without a mask for segmentation: they are left out and reported.

        Raises:
            DataError: whole images are labelled and the task needs objects.
        """
        task = normalize_task(task)
        if task == self.task:
            return self
        table, problems = convert(self.table, self.classes, old=self.task, new=task)
        return replace(self, table=table, task=task, report=self.report.with_problems(problems))

    def with_classes(self, classes: Sequence[str]) -> Dataset:
        """The same images with the classes of a model, in its order; other labels are left out and reported.

        Args:
            classes: of the model.

        Raises:
            DataError: no label of the data is among them.
        """
        table, problems = keep_classes(self.table, self.classes, classes, task=self.task)
        return replace(self, table=table, classes=tuple(classes), report=self.report.with_problems(problems))

    def with_validation(self, fraction: float, *, seed: int = 0) -> Dataset:
        """The dataset with a split for every image; some training images are held out if none are for validation.

        Images without a split count as training images. The choice is deterministic for a seed, stratified by class,
        keeps groups and copies of the same image together, and respects the splits that the data has.

        Args:
            fraction: of the training images to hold out, in (0, 1).
            seed: another seed holds out other images.

        Raises:
            DataError: no image is left to train on or to validate on.
        """
        return self.with_splits(split_rules.with_validation(self.table, self.labelled, fraction, seed=seed))

    def following(self, earlier: Dataset, fraction: float, *, seed: int = 0) -> Dataset:
        """The dataset with the splits of an earlier version; a fraction of the new images is held out.

        Images keep the split of their contents or group in the earlier version; see `splits.following`. The values of
        black and white stay as they were decided, unless others were asked for.
        """
        found = split_rules.following(self.table, self.labelled, earlier.table, fraction, seed=seed)
        new = self.with_splits(found)
        is_asked = self.value_range is not None and self.value_range.source == "asked"
        kept = earlier.value_range if earlier.value_range and earlier.value_range.is_known and not is_asked else None
        return new.with_range(kept) if kept else new

    def with_range(self, value_range: ValueRange | str | tuple[float, float]) -> Dataset:
        """The same images with other values for black and white; "auto" and "file" keep those that it has.

        Raises:
            DataError: it is not a range.
        """
        asked = parse_range(value_range)
        return replace(self, value_range=asked) if isinstance(asked, ValueRange) else self

    def with_splits(self, splits: NDArray[np.str_]) -> Dataset:
        """The same images with other splits, (images,)."""
        return replace(self, table=with_column(self.table, "split", pa.array(splits.tolist(), pa.string())))

    def excluding(self, reasons: Mapping[int, str], *, kind: str = "unreadable image") -> Dataset:
        """The dataset with some rows out of every split, each reported with its reason; rows keep their numbers.

        Args:
            reasons: reason per row.
            kind: short name of the rule, for counting.
        """
        table, problems = leave_out(self.table, reasons, kind=kind)
        return replace(self, table=table, report=self.report.with_problems(problems)) if problems else self

    def check(self, **options: Any) -> DataReport:
        """Find what is wrong or odd in the dataset; see `doctor.check.check_dataset`.

        Args:
            **options: `checks`, `features`, `predictions`, `cache`, `statistics` and `progress`, all
                optional.
        """
        from automl_vision.doctor.check import check_dataset

        return check_dataset(self, **options)

    def apply(self, report: DataReport, actions: Mapping[str, str] | None = None) -> Dataset:
        """The next version of the data, in which a report's proposals are applied; see `doctor.actions.treat`.

        Args:
            report: of `check` on this dataset.
            actions: what to do per name of a check; None does what each finding proposes.

        Raises:
            DataError: the report is about another dataset.
            ConfigError: a finding or its action does not exist.
        """
        from automl_vision.doctor.actions import treat

        return treat(self, report, actions)

    def learning_curve(self, **options: Any) -> LearningCurve:
        """How the metric grows with the labels, and how many more bring a gain; see `labeling.label_plan`.

        Args:
            **options: `model`, `settings`, `level`, `seed`, `cache` and `progress`, all optional but for objects, which
                need a model.
        """
        from automl_vision.labeling.label_plan import learning_curve

        return learning_curve(self, **options)

    def changes_since(self, earlier: Dataset) -> Changes:
        """What was added, removed, relabelled and moved to another split since an earlier version."""
        return changes_between(earlier.table, self.table, old_classes=earlier.classes, new_classes=self.classes)

    def show(
        self, n: int = 12, *, split: str | None = None, label: str | None = None, seed: int = 0, columns: int = 4
    ) -> Image.Image:
        """A picture of some images with their labels, boxes and masks; a notebook shows it as it is.

        Args:
            n: maximum number of images, at least 1.
            split: only images of this split.
            label: only images with this class.
            seed: another seed shows other images.
            columns: images per row, at least 1.

        Raises:
            DataError: there is no such class, split or image, or a number is below 1.
        """
        from automl_vision.data.previews import draw_images, rows_to_draw

        if min(n, columns) < 1:
            raise DataError(f"n and columns are at least 1, not {n} and {columns}")
        rows = rows_to_draw(self.splits, self.labelled, self.classes, n=n, split=split, label=label, seed=seed)
        return draw_images([self[row] for row in rows], self.classes, columns=columns)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one row per image.

        Raises:
            DataError: pandas is not installed.
        """
        from automl_vision.data.bridges import to_pandas

        return to_pandas(self.table, self.task, self.classes)

    def to_supervision(self) -> Any:
        """A `supervision.DetectionDataset`, with masks for segmentation, or `ClassificationDataset` for labels.

        Raises:
            DataError: supervision is not installed, or images are not local files.
        """
        from automl_vision.data.bridges import to_supervision

        return to_supervision(list(self), self.task, self.classes)

    def to_huggingface(self) -> Any:
        """A `datasets.Dataset` with the columns image, split, and label, labels or objects.

        Boxes are x, y, width, height in pixels. `dataset[dataset.splits == "train"].to_huggingface()` has one split.

        Raises:
            DataError: `datasets` is not installed.
            ImageError: an image that is not a local file cannot be read.
        """
        from automl_vision.data.bridges import to_huggingface

        return to_huggingface(list(self), self.task, self.classes)

    def __repr__(self) -> str:
        counts = Counter(self.splits.tolist())
        images = ", ".join(f"{count} {split}" for split, count in counts.items() if split)
        objects = f"{len(self.objects)} objects, " if has_objects(self.task) else ""
        return (
            f"Dataset({self.task}, {len(self)} images{f' ({images})' if images else ''}, {objects}"
            f"{len(self.classes)} classes, {self.report})"
        )

    def _image(self, row: int) -> LabelledImage:
        """One image with its labels."""
        names = ("image", "width", "height", "split", "labels")
        image, width, height, split, labels = (self.table[name][row].as_py() for name in names)
        objects = tuple(self.objects[i] for i in self.objects.rows_of(row)) if has_objects(self.task) else ()
        labels = dict.fromkeys(value.label for value in objects) if has_objects(self.task) else labels
        return LabelledImage(
            image, self.root, (width, height), split or "", tuple(labels or ()), objects, self.value_range
        )

    def _rows_by_split(self) -> dict[str, NDArray[np.bool_]]:
        """Which images are in each split that has any."""
        masks = {split or "unsplit": self.splits == split for split in _SPLIT_ORDER}
        return {split: rows for split, rows in masks.items() if rows.any()}
