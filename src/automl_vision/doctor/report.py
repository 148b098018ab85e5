"""The doctor's report: all findings of a dataset, as text, JSON or an HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from automl_vision.core.files import write_text
from automl_vision.core.late import load
from automl_vision.core.text import did_you_mean, visible
from automl_vision.data.value_range import ValueRange
from automl_vision.doctor.findings import SEVERITIES, Finding


@dataclass(frozen=True)
class DataReport:
    """What the doctor found.

    Attributes:
        root: where relative images start.
        identity: of the dataset that was checked.
        counts: what was checked: "images", "objects", "classes", ...
        findings: errors first, then warnings, then hints.
        checks: the checks that ran.
        skipped: reason by name of a check that could not run.
        value_range: of the dataset.
    """

    root: str
    identity: str
    counts: dict[str, Any]
    findings: tuple[Finding, ...]
    checks: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    value_range: ValueRange | None = None

    def __getitem__(self, check: str) -> Finding:
        """The finding of a check.

        Raises:
            KeyError: the check found nothing, did not run, or does not exist.
        """
        for finding in self.findings:
            if finding.check == check:
                return finding
        if check in self.skipped:
            raise KeyError(f'the check "{check}" did not run: {self.skipped[check]}')
        if check in self.checks:
            raise KeyError(f'the check "{check}" found nothing')
        raise KeyError(f'no check is named "{check}".{did_you_mean(check, [*self.checks, *self.skipped])}')

    def __contains__(self, check: str) -> bool:
        return any(finding.check == check for finding in self.findings)

    @property
    def passed(self) -> list[str]:
        """The checks that found nothing."""
        return [check for check in self.checks if check not in self]

    def count(self, severity: str) -> int:
        """Number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "root": self.root,
            "identity": self.identity,
            "counts": self.counts,
            "findings": [finding.to_json() for finding in self.findings],
            "checks": list(self.checks),
            "skipped": dict(self.skipped),
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> DataReport:
        """The report back from JSON values."""
        findings = tuple(Finding.from_json(finding) for finding in value["findings"])
        return DataReport(**{**value, "findings": findings, "checks": tuple(value["checks"])})

    def save_html(self, path: str | PathLike[str]) -> None:
        """Write the report as a single self-contained HTML file with thumbnails of the images."""
        write_text(Path(path), load("automl_vision.doctor.html_report:whole_page")(self))

    def lines(self) -> list[str]:
        """The report as lines of text."""
        lines = [f"{f.severity:7}  {f.check}: {f.summary}{_proposal(f)}" for f in self.findings]
        return [visible(line) for line in [*lines, *(f"skipped  {c}: {reason}" for c, reason in self.skipped.items())]]

    def __repr__(self) -> str:
        counted = ", ".join(f"{n} {severity}{'s' * (n != 1)}" for severity in SEVERITIES if (n := self.count(severity)))
        head = (
            f"DataReport({self.counts.get('images', 0)} images, {len(self.checks)} checks: {counted or 'no findings'})"
        )
        return "\n".join([head, *(f"  {line}" for line in self.lines())])

    def _repr_html_(self) -> str:
        return str(load("automl_vision.doctor.html_report:fragment")(self))


def _proposal(finding: Finding) -> str:
    return "" if finding.action == "none" else f" [{finding.action}]"
