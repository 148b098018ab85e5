"""Datasets: what is registered, what runs were given besides, and what is in a version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.compute as pc
from fastapi import Query
from pydantic import BaseModel, Field

from automl_vision.core.records import RunStatus
from automl_vision.data.manifest_file import manifest_facts
from automl_vision.data.report import Problem
from automl_vision.studio.opened import UNREGISTERED, Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.web.problems import NotFoundError
from automl_vision.workspace.datasets import DatasetVersion

router = operations("data", "/datasets")
VERSION = "/{name}/versions/{number}"


class DatasetSummary(BaseModel):
    """A dataset in a list, by its newest version."""

    name: str = Field(
        description='registered name, or "~" and the fingerprint of one that is not', examples=["helmets"]
    )
    number: int = Field(description="of the newest version; 0 if it is not registered")
    versions: int
    is_registered: bool
    task: str
    format: str = Field(description="that it was read from")
    source: str = Field(description="folder, archive or URL")
    images: int
    classes: int
    left_out: int = Field(description="records that could not be used")
    created: float = Field(description="seconds since 1970")
    description: str
    fingerprint: str
    findings: dict[str, int] | None = Field(description="of the doctor, by severity; null if it was not checked")
    runs: list[str] = Field(description="ids of runs that were given the newest version, the newest first")


class VersionSummary(BaseModel):
    """A version of a dataset."""

    number: int
    created: float
    description: str
    parent: str = Field(description="id of the version that it was made from; empty if it was not made from one")
    images: dict[str, int] = Field(description="by split")
    classes: int


class ClassCount(BaseModel):
    """How often a class is there."""

    name: str
    counts: dict[str, int] = Field(description="images by split; objects where objects are labelled")
    total: int


class ColumnSummary(BaseModel):
    """A further column, such as camera or day."""

    name: str
    kind: str = Field(description='"number" or "text"')
    known: int = Field(description="images that have a value")
    values: int = Field(description="different values")
    examples: list[str] = Field(description="the most frequent texts, or the smallest and largest number")


class RunOfData(BaseModel):
    """A run that was given a version."""

    id: str
    status: RunStatus
    created: float | None


class VersionDetails(BaseModel):
    """What is in a version."""

    name: str
    number: int
    id: str = Field(description="as Python and the command line take it", examples=["helmets:2"])
    is_registered: bool
    task: str
    labels_objects: bool
    format: str
    source: str
    fingerprint: str
    created: float
    description: str
    parent: str
    images: int
    objects: int | None = Field(description="null where whole images are labelled")
    splits: dict[str, int] = Field(description='images by split; "unsplit" are those without one')
    classes: list[ClassCount]
    columns: list[ColumnSummary]
    records: int = Field(description="that were read")
    left_out: dict[str, int] = Field(description="records that could not be used, by the rule that they break")
    noted: dict[str, int] = Field(description="remarks on records that were kept, by kind")
    versions: list[VersionSummary] = Field(description="of this name, oldest first")
    findings: dict[str, int] | None
    runs: list[RunOfData]


class PlaceReason(BaseModel):
    """A record that was left out, or kept with a remark."""

    place: str
    reason: str
    kind: str


class ChangedImage(BaseModel):
    """One image that differs."""

    image: str
    row: int | None = Field(description="in this version; null if it was removed")
    row_before: int | None = Field(description="in the other version; null if it was added")
    before: list[str] = Field(description="labels, or classes of its objects, in the other version")
    after: list[str]
    split_before: str
    split_after: str


class VersionChanges(BaseModel):
    """What differs from another version, by image."""

    since: int
    counts: dict[str, int] = Field(
        description='"added", "removed", "relabelled", "moved" to another split, "unchanged"'
    )
    classes_added: list[str]
    classes_removed: list[str]
    items: list[ChangedImage]
    total: int = Field(description="of this kind")
    next: int | None


@router.get("")
def list_datasets(opened: Opened, limit: Limit = 50, cursor: Cursor = 0) -> Page[DatasetSummary]:
    """List the registered datasets, then those that runs were given without a name."""
    registry = opened.workspace.datasets
    versions = {name: registry.versions(name) for name in registry.names()}
    known = {version.fingerprint for of_name in versions.values() for version in of_name}
    others = [manifest for manifest in opened.workspace.kept_manifests() if manifest.stem not in known]
    others.sort(key=lambda manifest: -manifest.stat().st_mtime)
    found: list[str | Path] = [*versions, *others]
    page = page_of(found, cursor, limit)
    items = [
        _unregistered(opened, item) if isinstance(item, Path) else _registered(opened, versions[item])
        for item in page.items
    ]
    return Page(items=items, total=page.total, next=page.next)


@router.get(VERSION)
def get_version(opened: Opened, name: str, number: int) -> VersionDetails:
    """Return what is in a version: counts, classes, further columns, and the runs that used it."""
    dataset = opened.version_dataset(name, number)
    version = registered_version(opened, name, number)
    summary = dataset.summary()
    runs = [opened.run(run_id).run.folder for run_id in opened.runs_of_data(dataset.fingerprint)]
    labels_objects = dataset.kind in ("boxes", "masks")
    return VersionDetails(
        name=name,
        number=number,
        id=version.id if version else str(opened.manifest_of(name, number)),
        is_registered=version is not None,
        task=dataset.task,
        labels_objects=labels_objects,
        format=dataset.format,
        source=dataset.root,
        fingerprint=dataset.fingerprint,
        created=version.created if version else opened.manifest_of(name, number).stat().st_mtime,
        description=version.description if version else "",
        parent=version.parent if version else "",
        images=len(dataset),
        objects=len(dataset.objects) if labels_objects else None,
        splits=_split_counts(dataset),
        classes=[
            ClassCount(name=label, counts=counts, total=sum(counts.values()))
            for label, counts in summary["classes"].items()
        ],
        columns=[_column(dataset, column) for column in dataset.further],
        records=dataset.report.total,
        left_out=dataset.report.counts(),
        noted=_kinds(dataset.report.notes),
        versions=[_version(found) for found in (opened.workspace.datasets.versions(name) if version else [])],
        findings=opened.workspace.data_reports.counts(dataset.fingerprint),
        runs=[RunOfData(id=run.id, status=run.record().status, created=run.record().created) for run in runs],
    )


@router.get(f"{VERSION}/left-out")
def list_left_out(
    opened: Opened,
    name: str,
    number: int,
    notes: Annotated[bool, Query(description="list remarks on records that were kept instead")] = False,
    limit: Limit = 100,
    cursor: Cursor = 0,
) -> Page[PlaceReason]:
    """List the records that could not be used, with place and reason."""
    report = opened.version_dataset(name, number).report
    page = page_of(report.notes if notes else report.problems, cursor, limit)
    return Page(items=[PlaceReason(**vars(item)) for item in page.items], total=page.total, next=page.next)


@router.get(f"{VERSION}/changes")
def get_changes(
    opened: Opened,
    name: str,
    number: int,
    since: Annotated[int, Query(ge=0, description="number of the other version")],
    kind: Annotated[str, Query(pattern="^(added|removed|relabelled|moved)$")] = "relabelled",
    limit: Limit = 60,
    cursor: Cursor = 0,
) -> VersionChanges:
    """Return what differs from another version of the same name, by image."""
    old, new = opened.version_dataset(name, since), opened.version_dataset(name, number)
    changes = new.changes_since(old)
    images: list[str] = getattr(changes, kind)
    page = page_of(images, cursor, limit)
    counts = {each: len(getattr(changes, each)) for each in ("added", "removed", "relabelled", "moved")}
    return VersionChanges(
        since=since,
        counts={**counts, "unchanged": changes.unchanged},
        classes_added=changes.classes_added,
        classes_removed=changes.classes_removed,
        items=_changed_images(old, new, page.items),
        total=page.total,
        next=page.next,
    )


def registered_version(opened: OpenedWorkspace, name: str, number: int) -> DatasetVersion | None:
    """The registered version of a name and number; None for a dataset that is not registered."""
    return None if name.startswith(UNREGISTERED) else opened.workspace.datasets.get(name, number)


def _registered(opened: OpenedWorkspace, versions: list[DatasetVersion]) -> DatasetSummary:
    newest = versions[-1]
    _, facts = manifest_facts(newest.manifest)
    return DatasetSummary(
        name=newest.name,
        number=newest.number,
        versions=len(versions),
        is_registered=True,
        task=newest.summary["task"],
        format=newest.summary["format"],
        source=facts["root"],
        images=sum(newest.summary["images"].values()),
        classes=len(newest.summary["classes"]),
        left_out=sum(newest.summary["left_out"].values()),
        created=newest.created,
        description=newest.description,
        **_known_of(opened, newest.fingerprint),
    )


def _unregistered(opened: OpenedWorkspace, manifest: Path) -> DatasetSummary:
    images, facts = manifest_facts(manifest)
    return DatasetSummary(
        name=f"{UNREGISTERED}{manifest.stem}",
        number=0,
        versions=0,
        is_registered=False,
        task=facts["task"],
        format=facts["format"],
        source=facts["root"],
        images=images,
        classes=len(facts["classes"]),
        left_out=len(facts["report"]["problems"]),
        created=manifest.stat().st_mtime,
        description="",
        **_known_of(opened, manifest.stem),
    )


def _known_of(opened: OpenedWorkspace, fingerprint: str) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "findings": opened.workspace.data_reports.counts(fingerprint),
        "runs": opened.runs_of_data(fingerprint),
    }


def _version(version: DatasetVersion) -> VersionSummary:
    return VersionSummary(
        number=version.number,
        created=version.created,
        description=version.description,
        parent=version.parent,
        images=version.summary["images"],
        classes=len(version.summary["classes"]),
    )


def _split_counts(dataset: Any) -> dict[str, int]:
    names, counts = np.unique(dataset.splits, return_counts=True)
    found = {str(name) or "unsplit": int(count) for name, count in zip(names, counts, strict=True)}
    order = ("train", "val", "test", "unsplit", "left_out")
    return {name: found[name] for name in order if name in found}


def _column(dataset: Any, name: str) -> ColumnSummary:
    values = pc.drop_null(dataset.column(name).combine_chunks())
    is_number = str(values.type) == "double"
    counted = pc.value_counts(values)
    if is_number:
        ends = pc.min_max(values) if len(values) else None
        examples = [f"{ends[side].as_py():g}" for side in ("min", "max")] if ends is not None else []
    else:
        pairs = sorted(zip(*(counted.field(i).to_pylist() for i in (1, 0)), strict=True), key=lambda pair: -pair[0])
        examples = [str(value) for _, value in pairs[:5]]
    kind = "number" if is_number else "text"
    return ColumnSummary(name=name, kind=kind, known=len(values), values=len(counted), examples=examples)


def _kinds(problems: list[Problem]) -> dict[str, int]:
    found: dict[str, int] = {}
    for problem in problems:
        found[problem.kind] = found.get(problem.kind, 0) + 1
    return found


def _changed_images(old: Any, new: Any, images: list[str]) -> list[ChangedImage]:
    """The images of one page of changes, as they are in both versions; images are matched by path, then contents."""
    rows = [{image: row for row, image in enumerate(data.table["image"].to_pylist())} for data in (old, new)]
    digests = {digest: row for row, digest in enumerate(old.table["digest"].to_pylist())}
    found = []
    for image in images:
        after = rows[1].get(image)
        before = rows[0].get(image)
        if before is None and after is not None:
            before = digests.get(new.table["digest"][after].as_py())
        if before is None and after is None:
            raise NotFoundError(f"{image} is in neither version")
        was, now = (None if row is None else data[row] for row, data in ((before, old), (after, new)))
        found.append(
            ChangedImage(
                image=image,
                row=after,
                row_before=before,
                before=list(was.labels) if was else [],
                after=list(now.labels) if now else [],
                split_before=was.split if was else "",
                split_after=now.split if now else "",
            )
        )
    return found
