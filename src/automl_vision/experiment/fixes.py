"""Changes that the doctor and people propose for a dataset, of which each can be taken or left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from automl_vision.core.errors import ConfigError, RunNotFoundError
from automl_vision.data.dataset import Dataset
from automl_vision.doctor.findings import Finding
from automl_vision.doctor.report import DataReport
from automl_vision.experiment.label_reviews import LabelReview, LabelReviews, review_report
from automl_vision.workspace.workspace import Workspace

WRONG_LABEL = "wrong-label"


@dataclass(frozen=True)
class FixChoice:
    """What to do about one finding.

    Attributes:
        action: one of the finding's.
        left: positions of the cases to leave as they are.
    """

    action: str
    left: tuple[int, ...] = ()


def reviews_of(workspace: Workspace, dataset: Dataset) -> list[LabelReview]:
    """The decisions that hold about images of a dataset, of all runs of a workspace, oldest first."""
    found: list[LabelReview] = []
    for run_id in workspace.run_ids():
        try:
            reviews = LabelReviews(workspace.run_folder(run_id))
        except RunNotFoundError:  # deleted just now
            continue
        if reviews.path.exists():
            found += reviews.standing().values()
    if not found:
        return []
    digests = set(dataset.table["digest"].to_pylist())
    newest = {review.digest: review for review in sorted(found, key=_time)}
    return sorted((review for review in newest.values() if review.digest in digests), key=_time)


def proposed_fixes(dataset: Dataset, report: DataReport, reviews: Sequence[LabelReview] = ()) -> DataReport:
    """What can be done about a dataset: the findings of the doctor and of people about which something can be done.

    A label that a person called right is not proposed to be changed again.

    Args:
        dataset: that was checked.
        report: of its check.
        reviews: decisions that hold, such as `reviews_of` returns.
    """
    right = {review.digest for review in reviews if review.verdict == "model"}

    def open_cases(finding: Finding) -> Finding:
        if finding.check != WRONG_LABEL or not right:
            return finding
        digests = dataset.table["digest"].take(pa.array(finding.rows)).to_pylist()
        kept = np.array([digest not in right for digest in digests], bool)
        return finding if kept.all() else finding.only(kept)

    said = review_report(dataset, reviews).findings if reviews else ()
    findings = [*map(open_cases, report.findings), *said]
    return replace(report, findings=tuple(f for f in findings if f.count and set(f.actions) != {"none"}))


def proposals(report: DataReport) -> dict[str, FixChoice]:
    """The choice that takes what each finding proposes."""
    return {finding.check: FixChoice(finding.action) for finding in report.findings if finding.action != "none"}


def apply_fixes(dataset: Dataset, report: DataReport, choices: Mapping[str, FixChoice]) -> Dataset:
    """The next version of a dataset, with the chosen changes.

    Args:
        dataset: as it was checked.
        report: of `proposed_fixes`.
        choices: by name of a check; findings without one are left.

    Raises:
        ConfigError: a check, an action or a position is unknown.
        DataError: the report is about another dataset.
    """
    narrowed = tuple(
        _narrowed(finding, choices[finding.check].left) if finding.check in choices else finding
        for finding in report.findings
    )
    actions = {check: choice.action for check, choice in choices.items()}
    return dataset.apply(replace(report, findings=narrowed), actions)


def _narrowed(finding: Finding, left: Sequence[int]) -> Finding:
    """The finding without the cases at some positions."""
    cases = len(finding.rows)
    wrong = [position for position in left if not 0 <= position < cases]
    if wrong:
        raise ConfigError(
            [f'"{finding.check}" has {cases} cases that can be left; there is no case {wrong[0]}'],
            subject="The choice of cases",
        )
    kept = np.ones(cases, bool)
    kept[list(left)] = False
    return finding if kept.all() else finding.only(kept)


def _time(review: LabelReview) -> float:
    return review.time
