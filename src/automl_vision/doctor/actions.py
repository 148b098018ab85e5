"""Applies findings to a dataset. No file is changed, and the import report lists each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import ConfigError, DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest import with_column
from automl_vision.data.report import ImportReport
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.doctor.check import identity_of
from automl_vision.doctor.findings import Finding
from automl_vision.doctor.object_checks import mask_boxes
from automl_vision.doctor.report import DataReport

UNREADABLE = ("unreadable-image", "truncated-image", "changed-image")
"""Checks whose excluded images are reported as problems, as when the data is opened; others are excluded by choice."""


def treat(dataset: Dataset, report: DataReport, actions: Mapping[str, str] | None = None) -> Dataset:
    """The dataset after the actions that a report proposes, or those that were chosen.

    Images keep their row numbers: an excluded image only leaves its split. No file is changed.

    Args:
        dataset: the dataset that was checked.
        report: of its check.
        actions: action by name of a check, one of those that its finding offers; None applies the proposals.

    Raises:
        DataError: the report is about another dataset.
        ConfigError: a check or an action has an unknown name.
    """
    if report.identity != identity_of(dataset):
        raise DataError("the report is about another dataset, or another version of this one: check it again")
    treatment = _Treatment(dataset)
    # images and objects are removed last, once classes are renamed and corrected
    for finding, action in sorted(_chosen(report, actions), key=lambda pair: pair[1] in ("exclude", "drop")):
        treatment.changes[action](finding)
    return treatment.result()


def _chosen(report: DataReport, actions: Mapping[str, str] | None) -> list[tuple[Finding, str]]:
    """The findings with the action to apply to each."""
    if actions is None:
        return [(finding, finding.action) for finding in report.findings]
    problems, chosen = [], []
    for check, action in actions.items():
        try:
            finding = report[check]
        except KeyError as error:
            problems.append(str(error.args[0]))
            continue
        if action not in finding.actions:
            problems.append(f'the finding "{check}" has no action "{action}", only: {", ".join(finding.actions)}')
            continue
        chosen.append((finding, action))
    if problems:
        raise ConfigError(problems, subject="The choice of actions")
    return chosen


class _Treatment:
    """A dataset's columns while actions are applied to them.

    Attributes:
        changes: what applies an action to the columns, by its name.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._report = dataset.report.joined(ImportReport())
        self._images = dataset.table["image"].to_pylist()
        self._splits = dataset.splits.astype("<U8")
        self._groups = dataset.table["group"].to_pylist()
        self._labels: list[list[str]] = dataset.table["labels"].to_pylist()
        self._objects = dataset.objects
        self._kept = np.ones(len(self._objects), bool)
        self._classes = list(dataset.classes)
        self._renamed: dict[str, str] = {}
        self.changes: dict[str, Callable[[Finding], None]] = {
            "none": lambda _: None,
            "exclude": self._exclude,
            "drop": self._drop,
            "relabel": self._relabel,
            "rename": self._rename,
            "fit box": self._fit_box,
            "group": self._group,
        }

    def result(self) -> Dataset:
        """The next version."""
        columns = {
            "group": pa.array(self._groups, pa.string()),
            "labels": pa.array(self._labels, pa.list_(pa.string())),
        }
        if (self._splits != self._dataset.splits).any():
            columns["split"] = pa.array(self._splits.tolist(), pa.string())
        if has_objects(self._dataset.task):
            objects = self._objects.take(np.flatnonzero(self._kept))
            columns["objects"] = objects.to_arrow(len(self._dataset))
        table = self._dataset.table
        for name, values in columns.items():
            table = with_column(table, name, values)
        return replace(self._dataset, table=table, classes=tuple(self._classes), report=self._report)

    def _exclude(self, finding: Finding) -> None:
        for i, row in enumerate(finding.rows.tolist()):
            if self._splits[row] != LEFT_OUT:
                self._splits[row] = LEFT_OUT
                if finding.check in UNREADABLE:
                    self._report.add(self._images[row], finding.notes[i], "unreadable image")
                else:
                    self._report.note(self._images[row], _reason(finding, i), finding.check)

    def _drop(self, finding: Finding) -> None:
        for i, index in enumerate(finding.objects.tolist()):
            if self._kept[index]:
                self._report.note(self._place(index), _reason(finding, i), finding.check)
                self._kept[index] = False

    def _relabel(self, finding: Finding) -> None:
        for i, (row, suggestion) in enumerate(zip(finding.rows.tolist(), finding.suggestions, strict=True)):
            name = self._renamed.get(suggestion, suggestion)
            if len(finding.objects):
                index = int(finding.objects[i])
                old, place = self._objects.names[self._objects.label[index]], self._place(index)
                self._set_label(np.array([index]), name)
            else:
                old, place = ", ".join(self._labels[row]), self._images[row]
                self._labels[row] = [name]
            self._report.note(place, f"relabelled from {old} to {name}", finding.check)

    def _rename(self, finding: Finding) -> None:
        for old, new in finding.renames.items():
            if has_objects(self._dataset.task):
                at = self._objects.names.index(old)
                (found,) = np.nonzero(self._objects.label == at)
                self._set_label(found, new)
                places = [self._place(index) for index in found.tolist()]
            else:
                rows = [row for row, labels in enumerate(self._labels) if old in labels]
                for row in rows:
                    self._labels[row] = list(dict.fromkeys(new if name == old else name for name in self._labels[row]))
                places = [self._images[row] for row in rows]
            for place in places:
                self._report.note(place, f"relabelled from {old} to {new}", finding.check)
            self._classes.remove(old)
            self._renamed[old] = new

    def _fit_box(self, finding: Finding) -> None:
        box = self._objects.bbox.copy()
        box[finding.objects] = mask_boxes(self._objects, self._dataset.sizes)[finding.objects]
        for i, index in enumerate(finding.objects.tolist()):
            self._report.note(self._place(index), _reason(finding, i), finding.check)
        self._objects = replace(self._objects, bbox=box)

    def _group(self, finding: Finding) -> None:
        digests = self._dataset.table["digest"]
        for row, partner in zip(finding.rows.tolist(), finding.partners.tolist(), strict=True):
            group = self._groups[partner] or f"near copies of {digests[partner].as_py()}"
            joined = {self._groups[row], self._groups[partner]} - {None, ""}
            self._groups = [group if name in joined else name for name in self._groups]
            self._groups[row] = self._groups[partner] = group
            self._report.note(self._images[row], f"put into one group with {self._images[partner]}", finding.check)

    def _set_label(self, objects: NDArray[np.intp], name: str) -> None:
        """Give objects another class."""
        names = self._objects.names if name in self._objects.names else [*self._objects.names, name]
        label = self._objects.label.copy()
        label[objects] = names.index(name)
        self._objects = replace(self._objects, label=label, names=names)

    def _place(self, index: int) -> str:
        return self._objects.place(index, self._images)


def _reason(finding: Finding, i: int) -> str:
    title = finding.title[0].lower() + finding.title[1:]
    return f"{title}: {finding.notes[i]}" if i < len(finding.notes) and finding.notes[i] else title
