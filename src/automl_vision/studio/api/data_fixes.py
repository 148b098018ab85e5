"""Fixes of a version: what can be changed, what that would bring, and the next version."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from automl_vision.core.errors import DataError
from automl_vision.core.records import MetricInterval
from automl_vision.data.dataset import Dataset
from automl_vision.experiment.fixes import FixChoice, apply_fixes, proposals
from automl_vision.experiment.what_if import WhatIf, what_if
from automl_vision.studio.api.data import VERSION, registered_version
from automl_vision.studio.api.data_doctor import FindingSummary, finding_summary, fixes_report, shown_name
from automl_vision.studio.api.data_uploads import RegisteredVersion
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.work import Background, Progress
from automl_vision.web.problems import NotFoundError

router = operations("data", f"/datasets{VERSION}/fixes")


class Choice(BaseModel):
    """What to do about one finding."""

    check: str = Field(description="name of the finding", examples=["leak"])
    action: str = Field(description="one of the finding's", examples=["exclude"])
    left: list[int] = Field(default_factory=list, description="positions of cases to leave as they are")


class ProposedFixes(BaseModel):
    """What can be done about a version."""

    findings: list[FindingSummary] = Field(description="of the doctor and of people, about which something can be done")
    proposed: list[Choice] = Field(description="what they propose")
    is_checked: bool = Field(description="whether the doctor has looked at the version")
    reviews: int = Field(description="labels that people called wrong")


class FixesRequest(BaseModel):
    """The changes to make."""

    choices: list[Choice]


class NewVersionRequest(FixesRequest):
    """The changes to make, and what for."""

    name: str = Field(description="of the dataset; the version's own, or a new one", examples=["helmets"])
    reason: str = Field(default="", max_length=1000, description="kept with the version")


class CountPair(BaseModel):
    """A count without and with the changes."""

    before: int
    after: int


class FigurePair(BaseModel):
    """A metric of the probe without and with the changes."""

    before: float
    after: float


class ChangeCounts(BaseModel):
    """What the changes come to."""

    left_out: int = Field(description="images that leave their split")
    relabelled: int = Field(description="images with other labels or objects")
    by_split: dict[str, CountPair] = Field(description="images of each split")
    by_class: dict[str, CountPair] = Field(description="images, or objects, of each class that changes")


class ChangedLabels(BaseModel):
    """Validation images whose labels change: they cannot tell whether the data got better."""

    images: int
    old_labels: FigurePair = Field(description="by the old labels")
    new_labels: FigurePair


class FixEffect(BaseModel):
    """What changes of the data do to a linear probe on frozen features; nothing is trained further."""

    sentence: str
    metric: str
    before: MetricInterval
    after: MetricInterval
    difference: MetricInterval
    p_value: float
    test: str
    images: int = Field(description="validation images that are the same in both, labels included")
    training: CountPair = Field(description="training images")
    relabelled: int = Field(description="training images with other labels")
    changed: ChangedLabels | None
    only_in_one: int = Field(description="validation images that only one version has")
    is_subset: bool = Field(description="whether only a part of the training images was used")
    labels_objects: bool = Field(description="whether boxes count only by the classes that occur in an image")


@router.get("")
def get_fixes(opened: Opened, name: str, number: int) -> ProposedFixes:
    """Return what can be done about a version."""
    dataset = opened.version_dataset(name, number)
    report = fixes_report(opened, dataset)
    return ProposedFixes(
        findings=[finding_summary(finding) for finding in report.findings],
        proposed=[Choice(check=check, action=choice.action) for check, choice in proposals(report).items()],
        is_checked=opened.workspace.data_reports.counts(dataset.fingerprint) is not None,
        reviews=sum(finding.count for finding in report.findings if finding.check.startswith("reviewed-")),
    )


@router.post("/preview")
def preview_fixes(opened: Opened, name: str, number: int, request: FixesRequest) -> ChangeCounts:
    """Return what chosen changes come to, without making them."""
    dataset = opened.version_dataset(name, number)
    return change_counts(dataset, _changed(opened, dataset, request.choices))


@router.post("/effect")
def start_effect(opened: Opened, background: Background, name: str, number: int, request: FixesRequest) -> WorkDetails:
    """Compute what chosen changes do to a linear probe, in the background.

    It is at `/effects/{work_id}` once the work is done.
    """
    dataset = opened.version_dataset(name, number)
    changed = _changed(opened, dataset, request.choices)

    def compute(progress: Progress) -> FixEffect:
        def report(done: int, total: int) -> None:
            progress(done, total, "computing features")

        progress(0, None, "fitting probes")
        return _effect(what_if(dataset, changed, progress=report), dataset)

    title = f"Effect of fixes of {shown_name(name, number)}"
    key = (opened.name, dataset.fingerprint, changed.fingerprint)
    return work_details(background.start("what-if", title, compute, key=key, workspace=opened.name))


@router.get("/effects/{work_id}")
def get_effect(background: Background, work_id: str) -> FixEffect:
    """Return what changes do to a linear probe, once the work that computed it is done."""
    found = background.get(work_id).result
    if not isinstance(found, FixEffect):
        raise NotFoundError(f'work "{work_id}" has not computed an effect, or it is not done')
    return found


@router.post("/version")
def make_version(opened: Opened, name: str, number: int, request: NewVersionRequest) -> RegisteredVersion:
    """Register a version with chosen changes; equal contents are the version that they are already."""
    dataset = opened.version_dataset(name, number)
    changed = _changed(opened, dataset, request.choices)
    if changed.fingerprint == dataset.fingerprint:
        raise DataError("the choice changes nothing; take at least one of the changes")
    parent = registered_version(opened, name, number)
    made = opened.workspace.datasets.register(
        changed, request.name, description=request.reason, parent=parent.id if parent else ""
    )
    return RegisteredVersion(name=made.name, number=made.number, id=made.id)


def _changed(opened: Opened, dataset: Dataset, choices: list[Choice]) -> Dataset:
    chosen = {choice.check: FixChoice(choice.action, tuple(choice.left)) for choice in choices}
    return apply_fixes(dataset, fixes_report(opened, dataset), chosen)


def change_counts(before: Dataset, after: Dataset) -> ChangeCounts:
    """What the changes between two versions come to."""
    changes = after.changes_since(before)
    summaries = [data.summary() for data in (before, after)]
    images = [summary["images"] for summary in summaries]
    classes: list[dict[str, int]] = [
        {label: sum(counts.values()) for label, counts in summary["classes"].items()} for summary in summaries
    ]
    return ChangeCounts(
        left_out=sum(images[0].values()) - sum(images[1].values()),
        relabelled=len(changes.relabelled),
        by_split={split: CountPair(before=count, after=images[1].get(split, 0)) for split, count in images[0].items()},
        by_class={
            label: CountPair(before=classes[0].get(label, 0), after=classes[1].get(label, 0))
            for label in dict.fromkeys([*classes[0], *classes[1]])
            if classes[0].get(label, 0) != classes[1].get(label, 0)
        },
    )


def _effect(found: WhatIf, dataset: Dataset) -> FixEffect:
    def interval(value: Any) -> MetricInterval:
        return MetricInterval(value=value.value, low=value.low, high=value.high)

    def figures(pair: tuple[float, float]) -> FigurePair:
        return FigurePair(before=pair[0], after=pair[1])

    changed = None
    if found.changed is not None:
        old, new = figures(found.changed.old_labels), figures(found.changed.new_labels)
        changed = ChangedLabels(images=found.changed.images, old_labels=old, new_labels=new)
    same = ("sentence", "metric", "images", "relabelled", "only_in_one", "is_subset")
    return FixEffect(
        **{name: getattr(found, name) for name in same},
        before=interval(found.before),
        after=interval(found.after),
        difference=interval(found.comparison.difference),
        p_value=found.comparison.p_value,
        test=found.comparison.test,
        training=CountPair(before=found.training[0], after=found.training[1]),
        changed=changed,
        labels_objects=dataset.kind in ("boxes", "masks"),
    )
