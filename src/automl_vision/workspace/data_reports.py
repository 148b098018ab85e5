"""Reports of the doctor, kept by the dataset that they are about, so that a check is not run twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_vision.core.files import read_json, write_json
from automl_vision.doctor.check import identity_of
from automl_vision.doctor.findings import SEVERITIES
from automl_vision.doctor.report import DataReport

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset


class DataReports:
    """The kept reports of a workspace; the folder may be deleted at any time.

    Args:
        folder: has two files for each report: all of it, and its counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, dataset: Dataset, report: DataReport) -> None:
        """Keep a report about a dataset, instead of an earlier one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        counts = {severity: report.count(severity) for severity in SEVERITIES}
        write_json(self._file(dataset.fingerprint), {"checked": time.time(), "report": report.to_json()})
        write_json(self._counts_file(dataset.fingerprint), counts)

    def get(self, dataset: Dataset) -> tuple[DataReport, float] | None:
        """The report about a dataset and when it was made, in seconds since 1970; None if there is none."""
        file = self._file(dataset.fingerprint)
        if not file.exists():
            return None
        kept: dict[str, Any] = read_json(file)
        report = DataReport.from_json(kept["report"])
        # equal contents in another order of the images have the same fingerprint, but other row numbers
        return (report, float(kept["checked"])) if report.identity == identity_of(dataset) else None

    def counts(self, fingerprint: str) -> dict[str, int] | None:
        """Number of findings by severity of the dataset with a fingerprint; None if it was not checked."""
        file = self._counts_file(fingerprint)
        return dict(read_json(file)) if file.exists() else None

    def _file(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.json"

    def _counts_file(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.counts.json"
