"""A data set: labelled images as a manifest, with its classes, splits and the report of what was left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.files import atomic_path
from automl_vision.core.tasks import TASKS, has_objects, normalize_task
from automl_vision.core.text import did_you_mean
from automl_vision.data.changes import Changes, changes_between
from automl_vision.data.drawing import TILE, Tile, class_colours, draw_grid
from automl_vision.data.fingerprint import fingerprint_of
from automl_vision.data.images import load_pixels
from automl_vision.data.manifest import (
    SCHEMA,
    splits_of,
)
from automl_vision.data.objects import Objects
from automl_vision.data.open_options import MAX_BAD_SHARE, OpenOptions
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import Progress
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.splits import holdout
from automl_vision.data.targets import Targets
from automl_vision.storage.access import full_reference, read_image_bytes

if TYPE_CHECKING:
    from automl_vision.doctor.report import DataReport

MIN_IMAGES = 10
_SPLIT_ORDER = ("train", "val", "test", "")
_METADATA = b"automl_vision"


@dataclass(frozen=True)
class Dataset:
    """Labelled images; made by `Dataset.open`, never changed: each method gives a new data set.

    Attributes:
        table: the manifest, one row an image, with the columns of `SCHEMA`.
        root: folder, archive or URL that relative image paths start from.
        task: the task that its labels are for.
        classes: names in the order of the model's outputs.
        format: name of the format that it was read from.
        report: what was left out.
    """

    table: pa.Table
    root: str
    task: str
    classes: tuple[str, ...]
    format: str
    report: ImportReport = field(default_factory=ImportReport, compare=False)

    @staticmethod
    def open(
        path: str | PathLike[str],
        *,
        task: str | None = None,
        options: OpenOptions | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Dataset:
        """Open labelled images in any known format.

        Args:
            path: folder, annotation file, zip or tar archive, a URL of one of these, or a registered version.
            task: one of the four tasks; None follows the labels.
            options: how to open it.
            progress: called with (images done, images in all).
            **settings: fields of `OpenOptions`, instead of `options`; also `image_column`, `label_column`,
                `split_column`, `group_column`.

        Raises:
            DataError: nothing usable is there: no known format, fewer than 10 usable images, a single class, or
                more than `max_bad_share` of the records left out.
        """
        from automl_vision.formats.opening import open_dataset

        return open_dataset(path, task=task, options=options, progress=progress, **settings)

    def require_usable(self, *, max_bad_share: float = MAX_BAD_SHARE) -> None:
        """Raise `DataError` unless there are enough images, enough classes and few enough bad records."""
        examples = "".join(f"\n  - {p.place}: {p.reason}" for p in self.report.problems[:5])
        if self.report.bad_share > max_bad_share:
            raise DataError(
                f"{len(self.report.problems)} of {self.report.total} records cannot be used "
                f"({self.report.bad_share:.0%}); at most {max_bad_share:.0%} are allowed (max_bad_share):{examples}"
            )
        usable = self.splits != LEFT_OUT
        if usable.sum() < MIN_IMAGES:
            raise DataError(
                f"at least {MIN_IMAGES} usable labelled images are needed, {int(usable.sum())} found{examples}"
            )
        counts = self.labelled.rows(usable).counts
        classes = [name for name, count in zip(self.classes, counts.tolist(), strict=True) if count]
        if TASKS[self.task].one_label and len(classes) < 2:
            raise DataError(f"at least 2 classes are needed, found only: {', '.join(classes) or 'none'}")
        if not classes:
            noun = TASKS[self.task].noun
            raise DataError(f"at least 1 {noun} is needed, every image is without {noun}s{examples}")

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def objects(self) -> Objects:
        """The labelled objects of all images, as columns; none where images are labelled."""
        return Objects.from_arrow(self.table["objects"].combine_chunks(), self.classes)

    @cached_property
    def labelled(self) -> Targets:
        """Which image has which class, as pairs; for objects the classes that occur in an image."""
        if has_objects(self.task):
            return Targets.of(self.objects.image, self.objects.label, len(self), len(self.classes))
        column = self.table["labels"].combine_chunks()
        position = pa.array(self.classes, pa.string())
        rows = np.repeat(np.arange(len(self)), column.value_lengths().to_numpy(zero_copy_only=False))
        labels = pc.index_in(column.flatten(), position).to_numpy(zero_copy_only=False)
        return Targets.of(rows, labels, len(self), len(self.classes))

    @cached_property
    def targets(self) -> NDArray[np.bool_]:
        """Whether each image has each class, (images, classes)."""
        return self.labelled.dense()

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """Each image's split, (images,): "train", "val", "test", or "" when it has none."""
        return splits_of(self.table)

    @cached_property
    def fingerprint(self) -> str:
        """Digest over file contents, labels, splits and classes; the order of rows does not count."""
        return fingerprint_of(self.table, [self.task, *self.classes])

    def as_task(self, task: str) -> Dataset:
        """The same images for another task.

        Boxes become from masks, the classes of an image from its objects. Images without exactly one label cannot be
        classified, objects without a mask not be segmented: they are left out and reported.

        Raises:
            DataError: images are labelled and the task needs objects.
        """
        task = normalize_task(task)
        if task == self.task:
            return self
        if has_objects(task) and not has_objects(self.task):
            raise DataError(f"{task} needs labelled objects; the data has labels of whole images ({self.task})")
        changed = replace(self, task=task)
        if has_objects(self.task) and not has_objects(task):
            labels = self.labelled.to_arrow(self.classes)
            changed = replace(changed, table=_with_column(self.table, "labels", labels).select(SCHEMA.names))
        if TASKS[task].needs_masks:
            return changed._with_masks_only()
        if TASKS[task].one_label:
            counts = changed.table["labels"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
            reason = f"{task} needs exactly 1 label an image, this one has {{}}"
            rows = np.flatnonzero((counts != 1) & (self.splits != LEFT_OUT)).tolist()
            changed = changed.excluding({row: reason.format(counts[row]) for row in rows}, kind="bad label")
        return changed

    def with_validation(self, share: float, *, seed: int = 0) -> Dataset:
        """Give every image a split; a share of the training images is held out when none is for validation.

        Images of unknown split count as training images. The choice is deterministic by seed, stratified by class,
        keeps groups and copies of the same image together and leaves a split that the data brings alone.

        Args:
            share: share of the training images to hold out, in (0, 1).
            seed: another seed gives another choice.

        Raises:
            DataError: no image is left to train on or to validate on.
        """
        splits = np.where(self.splits == "", "train", self.splits).astype("<U8")
        if not (splits == "val").any():
            (rows,) = np.nonzero(splits == "train")
            splits[rows[self._held_out(rows, share, seed)]] = "val"
        for split in ("train", "val"):
            if not (splits == split).any():
                raise DataError(f'no image is in the split "{split}"; give more images or another split')
        return self.with_splits(splits)

    def following(self, earlier: Dataset, share: float, *, seed: int = 0) -> Dataset:
        """This data set with the splits of an earlier version: an image that was there keeps its split.

        Images without a split of their own whose contents or group the earlier version knows take that split, and so do
        others of their group; of the rest a share is held out for validation, if the earlier version had such images.
        Where the data brings no validation images, its training images count as without a split.

        Args:
            earlier: with splits.
            share: of the new images to hold out, in (0, 1).
            seed: of that choice.
        """
        splits = self.splits.astype("<U8")
        has_validation = bool((earlier.splits == "val").any())
        if has_validation and not (splits == "val").any():
            splits[splits == "train"] = ""
        of_split = np.where(earlier.splits == LEFT_OUT, "", earlier.splits)
        for mine, theirs in ((self._groups, earlier._groups), (self.table["digest"], earlier.table["digest"])):
            found = pc.index_in(mine, theirs).fill_null(-1).to_numpy(zero_copy_only=False)
            unknown = (splits == "") & (found >= 0)
            splits[unknown] = of_split[found[unknown]]
        group = self._groups.dictionary_encode().indices.to_numpy()
        for split in ("test", "val", "train"):
            splits[(splits == "") & np.isin(group, group[splits == split])] = split
        rows = np.flatnonzero(splits == "")
        if len(rows) and has_validation:
            splits[rows] = np.where(self._held_out(rows, share, seed), "val", "train")
        return self.with_splits(splits)

    def with_splits(self, splits: NDArray[np.str_]) -> Dataset:
        """The same images with other splits, (images,)."""
        return replace(self, table=_with_column(self.table, "split", pa.array(splits.tolist(), pa.string())))

    def joined_validation(self, other: Dataset) -> Dataset:
        """This data set for training (and testing), another one for validation.

        Images of the other set whose labels are unknown here are left out and reported.

        Raises:
            DataError: no image of the other set can be used.
        """
        other = other.as_task(self.task)
        report = self.report.joined(other.report)
        known = np.isin(other.classes, self.classes)
        strange = other.labelled.rows(other.splits != LEFT_OUT).columns(~known)
        images = other.table["image"].to_pylist()
        for row, labels in strange.by_row().items():
            names = sorted(other.classes[label] for label in labels)
            report.add(images[row], f"the training data has no class {names}", "unknown class")
        usable = other.splits != LEFT_OUT
        usable[list(strange.by_row())] = False
        if not usable.any():
            raise DataError(f"no image of the validation data can be used; the classes are: {', '.join(self.classes)}")
        references = [full_reference(other.root, image) for image in images]
        validation = _with_column(other.table, "image", pa.array(references, pa.string())).filter(pa.array(usable))
        validation = _with_column(validation, "split", pa.array(["val"] * len(validation), pa.string()))
        mine = self.table.filter(pa.array(self.splits != "val"))
        return replace(self, table=pa.concat_tables([mine, validation]), report=report).with_validation(0.2)

    def excluding(self, problems: Mapping[int, str], *, kind: str = "unreadable image") -> Dataset:
        """The data set with some rows out of every split, each reported with its reason; rows keep their numbers.

        Args:
            problems: reason by row.
            kind: short name of the rule, for counting.
        """
        splits = self.splits.astype("<U8")
        new = {row: reason for row, reason in problems.items() if splits[row] != LEFT_OUT}
        if not new:
            return self
        report = self.report.joined(ImportReport())
        for row, reason in new.items():
            report.add(self.table["image"][row].as_py(), reason, kind)
            splits[row] = LEFT_OUT
        return replace(self.with_splits(splits), report=report)

    def check(self, **options: Any) -> DataReport:
        """Let the doctor look for what is wrong, odd or worth a look; see `doctor.check.check_dataset`.

        Args:
            **options: `checks`, `features`, `predictions`, `cache` and `progress`, all optional.
        """
        from automl_vision.doctor.check import check_dataset

        return check_dataset(self, **options)

    def apply(self, report: DataReport, actions: Mapping[str, str] | None = None) -> Dataset:
        """The next version of the data, after what is proposed, or chosen, has been done about a report's findings.

        Rows keep their numbers: an image that is taken out leaves its split, an object its column, and no file is
        touched. The data set's report tells each change.

        Args:
            report: of `check` on this data set.
            actions: what to do by name of a check; None does what each finding proposes.

        Raises:
            DataError: the report is about another data set.
            ConfigError: a finding or its action does not exist.
        """
        from automl_vision.doctor.actions import treat

        treated = treat(self, report, actions)
        return replace(self, table=treated.table, classes=treated.classes, report=treated.report)

    def changes_since(self, earlier: Dataset) -> Changes:
        """What was added, removed, relabelled and moved to another split since an earlier version."""
        return changes_between(earlier.table, self.table, old_classes=earlier.classes, new_classes=self.classes)

    def show(
        self, n: int = 12, *, split: str | None = None, label: str | None = None, seed: int = 0, columns: int = 4
    ) -> Image.Image:
        """A picture of some images with their labels, boxes and masks drawn; a notebook shows it as it is.

        Args:
            n: most images, at least 1.
            split: only images of this split.
            label: only images with this class.
            seed: another seed gives other images.
            columns: images a row, at least 1.

        Raises:
            DataError: there is no such class, split or image, or a number is below 1.
        """
        if min(n, columns) < 1:
            raise DataError(f"n and columns are at least 1, not {n} and {columns}")
        usable = self.splits != LEFT_OUT if split is None else self.splits == split
        if split is not None and not usable.any():
            known = [name for name in dict.fromkeys(self.splits.tolist()) if name]
            hint = did_you_mean(split, known)
            raise DataError(f'no image is in the split "{split}".{hint} Splits: {", ".join(known) or "none"}')
        if label is not None:
            if label not in self.classes:
                raise DataError(f'no class is named "{label}".{did_you_mean(label, self.classes)}')
            usable = usable & self.targets[:, self.classes.index(label)]
        rows = np.flatnonzero(usable)
        if not len(rows):
            raise DataError(f"no image is to be shown: none is in split {split!r} with label {label!r}")
        chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:n])
        return draw_grid([self._tile(row) for row in chosen.tolist()], class_colours(self.classes), columns=columns)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Dataset:
        """Some of the images, by number or by a mask of all."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(self, table=self.table.take(pa.array(rows, pa.int64())))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the manifest as Parquet, with classes, format and report in its metadata."""
        metadata = {
            "root": self.root,
            "task": self.task,
            "classes": list(self.classes),
            "format": self.format,
            "fingerprint": self.fingerprint,
            "report": self.report.to_json(),
        }
        table = self.table.replace_schema_metadata({_METADATA: json.dumps(metadata).encode()})
        with atomic_path(Path(path)) as temporary:
            pq.write_table(table, temporary)

    @staticmethod
    def load(path: str | PathLike[str]) -> Dataset:
        """Read a manifest that `save` wrote, or a registered version.

        Raises:
            DataError: the file is no manifest.
        """
        try:
            table = pq.read_table(Path(path), partitioning=None)
            metadata = json.loads(table.schema.metadata[_METADATA])
            table = table.select(SCHEMA.names).cast(SCHEMA)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is no manifest of a data set ({error})") from error
        return Dataset(
            table=table,
            root=metadata["root"],
            task=metadata["task"],
            classes=tuple(metadata["classes"]),
            format=metadata["format"],
            report=ImportReport.from_json(metadata["report"]),
        )

    def summary(self) -> dict[str, Any]:
        """Counts for people: images by split, and by class (objects, where those are labelled) within each split."""
        names = [split for split in _SPLIT_ORDER if (self.splits == split).any()]
        rows = {split or "unsplit": self.splits == split for split in names}
        counts = {split: self._class_counts(mask).tolist() for split, mask in rows.items()}
        return {
            "task": self.task,
            "format": self.format,
            "images": {split: int(mask.sum()) for split, mask in rows.items()},
            "classes": {name: {split: counts[split][i] for split in counts} for i, name in enumerate(self.classes)},
            "left_out": self.report.counts(),
        }

    def _class_counts(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Images, or objects, of each class among some rows, (classes,)."""
        if has_objects(self.task):
            return np.bincount(self.objects.label[rows[self.objects.image]], minlength=len(self.classes))
        return self.labelled.rows(rows).counts

    @property
    def kind(self) -> str:
        """What is labelled: "label", "labels", "boxes" or "masks"."""
        return TASKS[self.task].kind

    def __repr__(self) -> str:
        counts = Counter(self.splits.tolist())
        images = ", ".join(f"{count} {split}" for split, count in counts.items() if split)
        objects = f"{len(self.objects)} objects, " if has_objects(self.task) else ""
        return (
            f"Dataset({self.task}, {len(self)} images{f' ({images})' if images else ''}, {objects}"
            f"{len(self.classes)} classes, {self.report})"
        )

    def _tile(self, row: int) -> Tile:
        """One image for a picture; one that cannot be read is grey and says why."""
        (facts,) = self.table.slice(row, 1).drop_columns(["objects"]).to_pylist()
        size = (facts["width"], facts["height"])
        objects = [self.objects[i] for i in self.objects.rows_of(row)] if has_objects(self.task) else []
        counts = Counter(value.label for value in objects)
        caption = ", ".join(facts["labels"] or [f"{name} {count}" for name, count in counts.items()]) or "(none)"
        note = " · ".join(filter(None, [facts["split"], facts["image"]]))
        try:
            pixels = load_pixels(read_image_bytes(self.root, facts["image"]), size=(TILE, TILE))
        except ImageError as error:
            return Tile(np.full((192, 256, 3), 220, np.uint8), size, str(error), note)
        return Tile(pixels, size, caption, note, objects)

    def _held_out(self, rows: NDArray[np.intp], share: float, seed: int) -> NDArray[np.bool_]:
        """Which of some rows are held out, (rows,)."""
        groups = self._groups.take(pa.array(rows, pa.int64()))
        return holdout(self.labelled.take(rows), groups, share, seed=seed)

    def _with_masks_only(self) -> Dataset:
        """The data set without objects that have no mask, which are reported."""
        has_mask = self.objects.has_mask
        report = self.report.joined(ImportReport())
        images = self.table["image"].to_pylist()
        for index in np.flatnonzero(~has_mask).tolist():
            report.add(images[self.objects.image[index]], "the object has a box but no polygon or mask", "no mask")
        objects = self.objects.take(np.flatnonzero(has_mask)).to_arrow(len(self))
        return replace(self, table=_with_column(self.table, "objects", objects), report=report)

    @cached_property
    def _groups(self) -> pa.Array:
        """Each image's group; without one an image makes a group with its copies, which may not stand in two splits."""
        group = self.table["group"].combine_chunks()
        named = pc.binary_join_element_wise("\0", group, "")
        return pc.if_else(pc.equal(pc.fill_null(group, ""), ""), self.table["digest"].combine_chunks(), named)


def is_manifest(path: str | PathLike[str]) -> bool:
    """Whether a path is a Parquet file that `Dataset.save` wrote."""
    file = Path(path)
    if file.suffix != ".parquet" or not file.is_file():
        return False
    try:
        return _METADATA in (pq.read_schema(file).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """A table with other values in one column."""
    return table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), values)
