"""The doctor of a version: a check in the background, its findings, and the cases of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from automl_vision.data.dataset import Dataset
from automl_vision.doctor.findings import ACTIONS, Finding
from automl_vision.doctor.report import DataReport
from automl_vision.doctor.track_record import track_records
from automl_vision.experiment.fixes import proposed_fixes, reviews_of
from automl_vision.studio.api.data import VERSION
from automl_vision.studio.api.data_images import DataImage, data_images
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.studio.work import Background, Progress
from automl_vision.web.problems import NotFoundError

router = operations("data", f"/datasets{VERSION}")

_MOST_PLACES = 20


class MeasuredCheck(BaseModel):
    """How well a check did on faults that were put into real datasets."""

    recall: list[float] = Field(description="lowest and highest share of the faults that it found")
    precision: list[float] = Field(description="lowest and highest share of its cases that were faults")
    sentence: str


class ActionOption(BaseModel):
    """What can be done about a finding."""

    name: str
    meaning: str


class FindingSummary(BaseModel):
    """What one check found."""

    check: str = Field(description="its name", examples=["wrong-label"])
    severity: str = Field(description='"error", "warning" or "hint"')
    title: str
    summary: str
    advice: str
    count: int = Field(description="images, objects or records")
    cases: int = Field(description="that can be looked at, and left one by one")
    actions: list[ActionOption] = Field(description="the proposed one first")
    measured: MeasuredCheck | None = Field(description="null if it was not measured")
    renames: dict[str, str] = Field(description="new name by old name of a class")
    places: list[str] = Field(description="the first records that were left out")


class ReportSummary(BaseModel):
    """What the doctor found in a version."""

    checked: float | None = Field(description="seconds since 1970; null if it was not checked yet")
    findings: list[FindingSummary] = Field(description="errors first")
    passed: list[str] = Field(description="checks that found nothing")
    skipped: dict[str, str] = Field(description="reason by name of a check that could not run")


class FindingCase(BaseModel):
    """One case of a finding."""

    position: int = Field(description="in the finding")
    note: str
    suggestion: str | None = Field(description="another class that is likely")
    object: int | None = Field(description="number of the object in the dataset, where the case is one")
    image: DataImage
    partner: DataImage | None = Field(description="for copies, the image that is kept")


class CheckRequest(BaseModel):
    """How to check."""

    features: bool = Field(
        default=True, description="also find outliers and wrong labels by a network's features, which takes most time"
    )
    again: bool = Field(default=False, description="check again though there is a report")


@router.post("/check")
def check_version(opened: Opened, background: Background, name: str, number: int, request: CheckRequest) -> WorkDetails:
    """Check a version in the background; asking again while it runs returns the same work."""
    dataset = opened.version_dataset(name, number)
    reports = opened.workspace.data_reports

    def check(progress: Progress) -> dict[str, int]:
        if request.again or reports.get(dataset) is None:
            report = dataset.check(
                features=request.features, progress=lambda done, total: progress(done, total, "looking at the images")
            )
            reports.save(dataset, report)
        return reports.counts(dataset.fingerprint) or {}

    running = [work for work in background.all() if work.kind == "check" and not work.has_ended]
    title = f"Check {shown_name(name, number)}"
    same = next((work for work in running if work.title == title and work.workspace == opened.name), None)
    page = f"/data/{name}/{number}?tab=doctor"
    return work_details(same or background.start("check", title, check, workspace=opened.name, page=page))


@router.get("/report")
def get_report(opened: Opened, name: str, number: int) -> ReportSummary:
    """Return what the doctor found, as far as it was checked."""
    kept = opened.workspace.data_reports.get(opened.version_dataset(name, number))
    if kept is None:
        return ReportSummary(checked=None, findings=[], passed=[], skipped={})
    report, checked = kept
    return ReportSummary(
        checked=checked,
        findings=[finding_summary(finding) for finding in report.findings],
        passed=report.passed,
        skipped=dict(report.skipped),
    )


@router.get("/report/{check}/cases")
def list_finding_cases(
    opened: Opened, name: str, number: int, check: str, limit: Limit = 24, cursor: Cursor = 0
) -> Page[FindingCase]:
    """List the cases of a finding, of the doctor or of people, worst first."""
    dataset = opened.version_dataset(name, number)
    kept = opened.workspace.data_reports.get(dataset)
    findings = [*fixes_report(opened, dataset).findings, *(kept[0].findings if kept else ())]
    found = next((finding for finding in findings if finding.check == check), None)
    if found is None:
        raise NotFoundError(f'there is no finding "{check}"')
    page = page_of(range(len(found.rows)), cursor, limit)
    items = [_case(dataset, found, position) for position in page.items]
    return Page(items=items, total=page.total, next=page.next)


def fixes_report(opened: OpenedWorkspace, dataset: Dataset) -> DataReport:
    """What can be done about a dataset, by the doctor's report as far as there is one, and by people's reviews."""
    from automl_vision.doctor.check import identity_of

    kept = opened.workspace.data_reports.get(dataset)
    report = kept[0] if kept else DataReport(dataset.root, identity_of(dataset), {}, (), ())
    return proposed_fixes(dataset, report, reviews_of(opened.workspace, dataset))


def finding_summary(finding: Finding) -> FindingSummary:
    """A finding as an answer."""
    record = track_records().get(finding.check)
    measured = (
        None
        if record is None
        else MeasuredCheck(recall=list(record.recall), precision=list(record.precision), sentence=record.sentence)
    )
    return FindingSummary(
        **{name: getattr(finding, name) for name in ("check", "severity", "title", "summary", "advice", "count")},
        cases=len(finding.rows),
        actions=[ActionOption(name=action, meaning=ACTIONS[action]) for action in finding.actions],
        measured=measured,
        renames=finding.renames,
        places=list(finding.places[:_MOST_PLACES]),
    )


def shown_name(name: str, number: int) -> str:
    """A version's name in titles."""
    return f"{name}:{number}" if number else name[:9]


def _case(dataset: Dataset, finding: Finding, position: int) -> FindingCase:
    def at(values: NDArray[np.integer[Any]]) -> int | None:
        return int(values[position]) if len(values) else None

    partner = at(finding.partners)
    return FindingCase(
        position=position,
        note=finding.notes[position] if position < len(finding.notes) else "",
        suggestion=finding.suggestions[position] if finding.suggestions else None,
        object=at(finding.objects),
        image=data_images(dataset, [int(finding.rows[position])])[0],
        partner=None if partner is None else data_images(dataset, [partner])[0],
    )
