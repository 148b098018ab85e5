"""A data set: labelled images as a manifest, with its classes, splits and the report of what was left out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.files import atomic_path
from automl_vision.core.names import CLASSIFICATION, MULTI_LABEL, normalize_task
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.files import is_url
from automl_vision.data.formats import find_format
from automl_vision.data.images import MAX_PIXELS
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import ImageFacts, Progress, scan_images
from automl_vision.data.splits import stratified_holdout

MAX_BAD_SHARE = 0.2
MIN_IMAGES = 10
LEFT_OUT = "left_out"  # the split of images that turned out to be unusable
_METADATA = b"automl_vision"

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("digest", pa.string()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("labels", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class OpenOptions:
    """How a data set is opened.

    Attributes:
        format: name of the format, or None to detect it.
        columns: names of the columns of table formats.
        max_bad_share: largest share of records that may be left out, 0 to 1.
        max_pixels: images with more pixels are left out unread.
        allow_outside: whether annotation files may name images outside of the data's folder.
    """

    format: str | None = None
    columns: Columns = field(default_factory=Columns)
    max_bad_share: float = MAX_BAD_SHARE
    max_pixels: int = MAX_PIXELS
    allow_outside: bool = False


@dataclass(frozen=True)
class Dataset:
    """Labelled images; made by `Dataset.open`, never changed: each method gives a new data set.

    Attributes:
        table: the manifest, one row an image, with the columns of `SCHEMA`.
        root: folder that relative image paths start from.
        task: `image-classification` or `image-classification-multi-label`.
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
        path: str | Path,
        *,
        task: str | None = None,
        options: OpenOptions | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Dataset:
        """Open labelled images in any known format.

        Args:
            path: folder or annotation file.
            task: `image-classification` or `image-classification-multi-label`; None follows the labels.
            options: how to open it.
            progress: called with (images done, images in all).
            **settings: fields of `OpenOptions`, instead of `options`; also `image_column`, `label_column`,
                `split_column`, `group_column`.

        Raises:
            DataError: nothing usable is there: no known format, fewer than 10 usable images, a single class, or
                more than `max_bad_share` of the records left out.
        """
        options = options or _options(settings)
        root = Path(path).expanduser().resolve()
        if not root.exists():
            raise DataError(f"{path} does not exist")
        format_ = find_format(root, options.format, options.columns)
        annotations = format_.read(root, options.columns)
        if not annotations.report.total:
            raise DataError(f'{path} holds no records of the format "{format_.name}": {format_.layout}')
        folder = root.parent if root.is_file() else root
        facts = scan_images(
            annotations.records,
            folder,
            allow_outside=options.allow_outside,
            max_pixels=options.max_pixels,
            progress=progress,
        )
        wanted = _task_of(annotations, task)
        rows = _usable_rows(annotations, list(facts), wanted)
        dataset = Dataset(
            table=pa.Table.from_pylist(rows, schema=SCHEMA),
            root=str(folder),
            task=wanted,
            classes=_classes(annotations, rows),
            format=format_.name,
            report=annotations.report,
        )
        dataset.require_usable(max_bad_share=options.max_bad_share)
        return dataset

    def require_usable(self, *, max_bad_share: float = MAX_BAD_SHARE) -> None:
        """Raise `DataError` unless there are enough images, enough classes and few enough bad records."""
        examples = "".join(f"\n  - {p.place}: {p.reason}" for p in self.report.problems[:5])
        if self.report.bad_share > max_bad_share:
            raise DataError(
                f"{len(self.report.problems)} of {self.report.total} records cannot be used "
                f"({self.report.bad_share:.0%}); at most {max_bad_share:.0%} are allowed (max_bad_share):{examples}"
            )
        usable = int((self.splits != LEFT_OUT).sum())
        if usable < MIN_IMAGES:
            raise DataError(f"at least {MIN_IMAGES} usable labelled images are needed, {usable} found{examples}")
        found = self.targets[self.splits != LEFT_OUT].any(axis=0)
        classes = [name for name, is_found in zip(self.classes, found, strict=True) if is_found]
        if self.task == CLASSIFICATION and len(classes) < 2:
            raise DataError(f"at least 2 classes are needed, found only: {', '.join(classes) or 'none'}")
        if self.task == MULTI_LABEL and not classes:
            raise DataError("at least 1 label is needed, every image is without labels")

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def targets(self) -> NDArray[np.bool_]:
        """Whether each image has each class, (images, classes)."""
        position = {name: i for i, name in enumerate(self.classes)}
        column = self.table["labels"].combine_chunks()
        targets = np.zeros((len(self), len(self.classes)), bool)
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        names = column.flatten().to_pylist()
        targets[np.repeat(np.arange(len(self)), lengths), [position[name] for name in names]] = True
        return targets

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """Each image's split, (images,): "train", "val", "test", or "" when it has none."""
        return np.array([value or "" for value in self.table["split"].to_pylist()], dtype=str)

    @cached_property
    def fingerprint(self) -> str:
        """Digest over file contents, labels, splits and classes; the order of rows does not count."""
        columns = ["digest", "split", "group", "labels"]
        rows = sorted(json.dumps(row, sort_keys=True) for row in self.table.select(columns).to_pylist())
        digest = hashlib.blake2b(digest_size=16)
        for line in [self.task, *self.classes, *rows]:
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()

    def as_task(self, task: str) -> Dataset:
        """The same images for another task; those without exactly one label cannot be classified and are left out."""
        task = normalize_task(task)
        if task == self.task:
            return self
        changed = replace(self, task=task)
        if task == CLASSIFICATION:
            lengths = self.table["labels"].combine_chunks().value_lengths().to_pylist()
            reason = "{} needs exactly 1 label an image, this one has {}"
            problems = {i: reason.format(task, n) for i, n in enumerate(lengths) if n != 1}
            changed = changed.excluding(problems, kind="bad label")
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
            held_out = stratified_holdout(
                self.targets[rows],
                self.table["digest"].take(rows).to_pylist(),
                share,
                seed=seed,
                groups=[self._groups[row] for row in rows.tolist()],
            )
            splits[rows[held_out]] = "val"
        for split in ("train", "val"):
            if not (splits == split).any():
                raise DataError(f'no image is in the split "{split}"; give more images or another split')
        return self._with_splits(splits)

    def joined_validation(self, other: Dataset) -> Dataset:
        """This data set for training (and testing), another one for validation.

        Images of the other set whose labels are unknown here are left out and reported.

        Raises:
            DataError: no image of the other set can be used.
        """
        other = other.as_task(self.task)
        known = set(self.classes)
        report = ImportReport(self.report.total + other.report.total, self.report.problems + other.report.problems)
        rows = []
        for row in other.table.filter(pa.array(other.splits != LEFT_OUT)).to_pylist():
            unknown = sorted(set(row["labels"]) - known)
            if unknown:
                report.add(row["image"], f"the training data has no class {unknown}", "unknown class")
                continue
            image = row["image"] if is_url(row["image"]) else str(Path(other.root) / row["image"])
            rows.append({**row, "split": "val", "image": image})
        if not rows:
            raise DataError(f"no image of the validation data can be used; the classes are: {', '.join(self.classes)}")
        mine = self.table.filter(pa.array(self.splits != "val"))
        table = pa.concat_tables([mine, pa.Table.from_pylist(rows, schema=SCHEMA)])
        joined = replace(self, table=table, report=report)
        return joined.with_validation(0.2)

    def excluding(self, problems: dict[int, str], *, kind: str = "unreadable image") -> Dataset:
        """The data set with some rows out of every split, each reported with its reason; rows keep their numbers.

        Args:
            problems: reason by row.
            kind: short name of the rule, for counting.
        """
        splits = self.splits.astype("<U8")
        new = {row: reason for row, reason in problems.items() if splits[row] != LEFT_OUT}
        if not new:
            return self
        report = ImportReport(self.report.total, list(self.report.problems))
        for row, reason in new.items():
            report.add(self.table["image"][row].as_py(), reason, kind)
            splits[row] = LEFT_OUT
        return replace(self._with_splits(splits), report=report)

    def save(self, path: str | Path) -> None:
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
    def load(path: str | Path) -> Dataset:
        """Read a manifest that `save` wrote.

        Raises:
            DataError: the file is no manifest.
        """
        try:
            table = pq.read_table(path, partitioning=None)
            metadata = json.loads(table.schema.metadata[_METADATA])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is no manifest of a data set ({error})") from error
        return Dataset(
            table=table.cast(SCHEMA),
            root=metadata["root"],
            task=metadata["task"],
            classes=tuple(metadata["classes"]),
            format=metadata["format"],
            report=ImportReport.from_json(metadata["report"]),
        )

    def summary(self) -> dict[str, Any]:
        """Counts for people: images by split, and by class within each split."""
        names = [split for split in ("train", "val", "test", "") if (self.splits == split).any()]
        return {
            "task": self.task,
            "format": self.format,
            "images": {split or "unsplit": int((self.splits == split).sum()) for split in names},
            "classes": {
                name: {split or "unsplit": int(self.targets[self.splits == split, i].sum()) for split in names}
                for i, name in enumerate(self.classes)
            },
            "left_out": self.report.counts(),
        }

    def __repr__(self) -> str:
        images = ", ".join(f"{count} {split}" for split, count in Counter(self.splits.tolist()).items() if split)
        return (
            f"Dataset({self.task}, {len(self)} images{f' ({images})' if images else ''}, "
            f"{len(self.classes)} classes, {self.report})"
        )

    @cached_property
    def _groups(self) -> list[str]:
        """Each image's group; without one an image makes a group with its copies, which may not stand in two splits."""
        columns = (self.table["group"].to_pylist(), self.table["digest"].to_pylist())
        return [f"\0{group}" if group else digest for group, digest in zip(*columns, strict=True)]

    def _with_splits(self, splits: NDArray[np.str_]) -> Dataset:
        column = self.table.schema.get_field_index("split")
        return replace(self, table=self.table.set_column(column, "split", pa.array(splits.tolist(), pa.string())))


def _options(settings: dict[str, Any]) -> OpenOptions:
    """Options from keyword arguments; `*_column` names go into `columns`."""
    names = ("image", "label", "split", "group")
    columns = Columns(**{name: settings.pop(f"{name}_column", None) for name in names})
    return OpenOptions(columns=columns, **settings)


def _task_of(annotations: Annotations, task: str | None) -> str:
    """The task that was asked for, or the one that the labels suggest."""
    if task is None:
        return CLASSIFICATION if annotations.kind == "label" else MULTI_LABEL
    try:
        return normalize_task(task)
    except ValueError as error:
        raise DataError(str(error)) from None


def _usable_rows(annotations: Annotations, facts: list[ImageFacts], task: str) -> list[dict[str, Any]]:
    """Manifest rows of the records that can be used; the others go into the report."""
    rows = []
    for record, fact in zip(annotations.records, facts, strict=True):
        reason = fact.problem or _label_problem(record, task)
        if reason:
            kind = "unreadable image" if fact.problem else "bad label"
            where = record.place if record.place == record.image else f"{record.place} ({record.image})"
            annotations.report.add(where, reason, kind)
            continue
        rows.append(
            {
                "image": fact.image,
                "width": fact.width,
                "height": fact.height,
                "digest": fact.digest,
                "split": record.split,
                "group": record.group,
                "labels": list(record.labels),
            }
        )
    return rows


def _label_problem(record: Record, task: str) -> str | None:
    if task == CLASSIFICATION and len(record.labels) != 1:
        return f"{task} needs exactly 1 label an image, this one has {len(record.labels)}"
    return None


def _classes(annotations: Annotations, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The source's own classes as far as they occur, in its order; then all other labels, sorted."""
    found = {label for row in rows for label in row["labels"]}
    own = [name for name in annotations.classes or [] if name in found]
    return (*own, *sorted(found.difference(own)))
