"""The doctor's gate: nothing is trained on data with errors."""

from __future__ import annotations

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.usability import require_usable
from automl_vision.doctor.actions import UNREADABLE
from automl_vision.doctor.findings import Finding
from automl_vision.doctor.report import DataReport
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.definition import DataGate
from automl_vision.pipelines.results import DataChecked, DataTaken, Results

_TOLD = 8  # findings


def check_key(context: PipelineContext, results: Results) -> list[object]:
    """What the result depends on."""
    return [results.of(DataTaken).fingerprint, context.definition.gates.data.model_dump(mode="json")]


def check_data(context: PipelineContext, results: Results) -> DataChecked:
    """Check a version of the data by the doctor, and judge what it found."""
    gate, taken = context.definition.gates.data, results.of(DataTaken)
    dataset = Dataset.load(context.workspace.datasets.get(taken.version))
    with context.reporter.counting("images") as progress:
        report = dataset.check(features=gate.features, progress=progress)
    page = context.store.place(DataChecked.step, context.key, ".html")
    report.save_html(page)
    errors, warnings = (_counting(report, gate, severity) for severity in ("error", "warning"))
    problem = _unusable(dataset, report, gate) or _too_many(gate, errors, warnings)
    shown = sorted([*errors, *warnings], key=lambda finding: finding.severity != "error")[:_TOLD]
    return DataChecked(
        passed=problem is None,
        sentence=problem or f"{len(errors)} errors and {len(warnings)} warnings in {len(report.checks)} checks",
        notes=[f"{finding.severity} {finding.check}: {finding.summary}" for finding in shown],
        errors=[finding.check for finding in errors],
        warnings=[finding.check for finding in warnings],
        report=str(page),
    )


def _counting(report: DataReport, gate: DataGate, severity: str) -> list[Finding]:
    return [f for f in report.findings if f.severity == severity and f.check not in gate.ignore]


def _too_many(gate: DataGate, errors: list[Finding], warnings: list[Finding]) -> str | None:
    for what, found, most in (("errors", errors, gate.max_errors), ("warnings", warnings, gate.max_warnings)):
        if most is not None and len(found) > most:
            names = ", ".join(finding.check for finding in found)
            return f"the doctor found {len(found)} {what}, at most {most} are allowed: {names}"
    return None


def _unusable(dataset: Dataset, report: DataReport, gate: DataGate) -> str | None:
    """Why too little of the data can be used, or None."""
    unreadable = {f.check: "exclude" for f in report.findings if f.check in UNREADABLE and f.rows.size}
    try:
        require_usable(dataset.apply(report, unreadable), max_bad_share=gate.max_bad_share)
    except DataError as error:
        return str(error)
    return None
