"""The sections on the data, the settings and the model of a run."""

from __future__ import annotations

from automl_vision.core.files import read_json, write_json
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.doctor.check import identity_of
from automl_vision.doctor.report import DataReport
from automl_vision.experiment.reports.blocks import Block, Code, Markdown, Section, Sentences, Table
from automl_vision.experiment.run import Run
from automl_vision.experiment.trial import Trial
from automl_vision.serving.model_folder import CARD_FILE, DESCRIPTION_FILE
from automl_vision.workspace.run_folder import RunFolder

_FINDINGS_FILE = "data_report.json"
_MAX_ROWS = 50  # of classes and of records that were left out


def data_section(dataset: Dataset, folder: RunFolder | None, *, pixels: bool, progress: Progress | None) -> Section:
    """What the data is, what was left out of it, and what its check found."""
    counts = dataset.class_counts
    splits = list(next(iter(counts.values()), {}))
    rows = [[name, *(f"{of_class[split]:,}" for split in splits)] for name, of_class in counts.items()]
    noun = "objects" if len(dataset.objects) else "images"
    more = f"{noun} per class and split"
    if len(rows) > _MAX_ROWS:
        more = f"{more}; the first {_MAX_ROWS} of {len(rows)} classes"
    blocks: list[Block] = [Sentences((f"{dataset.format}, {len(dataset):,} images; {dataset.report}",))]
    blocks.append(Table(["class", *splits], rows[:_MAX_ROWS], more))
    problems = [[p.kind, p.place, p.reason] for p in dataset.report.problems[:_MAX_ROWS]]
    if problems:
        total = len(dataset.report.problems)
        caption = f"left out: the first {_MAX_ROWS} of {total}" if total > _MAX_ROWS else "left out"
        blocks.append(Table(["kind", "place", "reason"], problems, caption))
    findings = _findings(dataset, folder, pixels=pixels, progress=progress)
    if findings is not None:
        blocks.append(_findings_block(findings))
    return Section("data", "Data", tuple(blocks))


def _findings_block(report: DataReport) -> Block:
    if not report.findings:
        return Sentences((f"{len(report.checks)} checks found nothing.",))
    rows = [[finding.severity, finding.title, finding.summary, finding.advice] for finding in report.findings]
    return Table(["", "finding", "what was found", "what to do"], rows, f"{len(report.checks)} checks ran")


def _findings(
    dataset: Dataset, folder: RunFolder | None, *, pixels: bool, progress: Progress | None
) -> DataReport | None:
    """What the check of the data found; kept in the run's folder, so that the next report need not read the images."""
    if folder is None:
        return None
    file = folder.path / _FINDINGS_FILE
    if file.exists():
        kept = DataReport.from_json(read_json(file))
        if kept.identity == identity_of(dataset):
            return kept
    if not pixels:
        return None
    found = dataset.check(features=False, statistics=folder.pixel_statistics, progress=progress)
    write_json(file, found.to_json())
    return found


def settings_section(trial: Trial) -> Section:
    """The trial's hyperparameters, those that the sampler chose first, and how it went."""
    details = trial.get_details()
    sampled = details["sampled"]
    values = {**sampled, **{name: value for name, value in trial.hyperparameters.items() if name not in sampled}}
    rows = [[name, str(value), "chosen by the sampler" if name in sampled else ""] for name, value in values.items()]
    result = details["result"] or {}
    facts = [[name.replace("_", " "), _fact(value)] for name, value in result.items() if value not in (None, "")]
    return Section(
        "settings",
        "Settings",
        (Table(["result", ""], facts), Table(["hyperparameter", "value", ""], rows)),
        folded=True,
    )


def _fact(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def model_sections(run: Run, trial: Trial) -> list[Section]:
    """The card of the model and how to use it, if the run's model is of this trial."""
    folder = run.folder.model
    if not (folder / DESCRIPTION_FILE).exists():
        return []
    if read_json(folder / DESCRIPTION_FILE)["provenance"].get("trial") != trial.number:
        return []
    use = (
        Code("Predict images:", f"automl-vision predict {folder} IMAGES"),
        Code("In Python, without torch:", f'from automl_vision import Predictor\n\nPredictor("{folder}")("photo.jpg")'),
        Code("Measure it on other labelled images:", f"automl-vision evaluate {folder} DATA --out evaluation"),
    )
    card = Markdown((folder / CARD_FILE).read_text(encoding="utf-8"))
    return [Section("use", "Use the model", use), Section("card", "Model card", (card,), folded=True)]
