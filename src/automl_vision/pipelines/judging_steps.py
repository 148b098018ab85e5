"""The steps that judge a model: metrics on the frozen images, registration, comparison with the champion."""

from __future__ import annotations

import shutil

from automl_vision.core.errors import ModelNotFoundError
from automl_vision.core.numbers import finite
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.metric import find_metric
from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.experiment.gate import Gate, judge_challenger
from automl_vision.experiment.model_evaluation import evaluate
from automl_vision.experiment.promotion import keep_rule, kept_rule
from automl_vision.experiment.registration import register
from automl_vision.experiment.run import Run
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.results import Candidate, Challenged, DataTaken, Judged, Results, Trained
from automl_vision.workspace.model_version import ModelVersion

_TOLD = 8  # sentences of a rule, or classes


def evaluation_key(context: PipelineContext, results: Results) -> list[object]:
    """What the result depends on."""
    data, gates = results.of(DataTaken), context.definition.gates
    return [results.of(Trained).chosen, data.test_fingerprint, gates.evaluation, context.definition.config().metric]


def evaluate_model(context: PipelineContext, results: Results) -> Judged:
    """Measure the chosen model on the frozen test images, and judge it by the least values that are wanted."""
    definition = context.definition
    run = Run(context.workspace, results.of(Trained).chosen)
    test = Dataset.load(context.workspace.datasets.get(results.of(DataTaken).test))
    settings = ScoringSettings(definition.config().metric)
    with context.reporter.counting("images") as progress:
        found = evaluate(run.model_path, test, split="test", settings=settings, progress=progress)
    folder = context.store.place(Judged.step, context.key, "-predictions")
    shutil.rmtree(folder, ignore_errors=True)
    found.save(folder)
    metrics = found.metrics()
    failed = [
        f"{name} is {metrics[name].text(4)}, {bound} {wanted:g} is wanted"
        for name, wanted in definition.gates.evaluation.items()
        for bound in ("at least" if find_metric(definition.task, name).higher_is_better else "at most",)
        if not _reaches(definition.task, name, metrics[name], wanted)
    ]
    primary = found.primary.name
    return Judged(
        passed=not failed,
        sentence="; ".join(failed) or f"{primary} {metrics[primary].text(4)} on {len(found.rows):,} frozen test images",
        notes=[f"look closer with: automl-vision report {folder}"],
        run=run.id,
        images=len(found.rows),
        metrics={name: value.record() for name, value in metrics.items()},
        folder=str(folder),
    )


def _reaches(task: str, name: str, found: Interval, wanted: float) -> bool:
    metric = find_metric(task, name)
    return finite(found.value) is not None and metric.score(found.value) >= metric.score(wanted)


def registration_key(context: PipelineContext, results: Results) -> list[object]:  # noqa: ARG001 - a key takes both
    """What the result depends on."""
    return [results.of(Trained).chosen]


def register_candidate(context: PipelineContext, results: Results) -> Candidate:
    """Register the model; a run that is registered already is not registered again."""
    trained, name = results.of(Trained), context.definition.name
    version = registered_of(context, trained.chosen)
    if version is None:
        tags = {"pipeline": name, "data": results.of(DataTaken).version}
        version = register(Run(context.workspace, trained.chosen), name, tags=tags)
    return Candidate(sentence=f"run {trained.chosen} is {version.id}", version=version.id)


def registered_of(context: PipelineContext, run: str) -> ModelVersion | None:
    """The version that is the model of a run; None if it is not registered."""
    models, name = context.workspace.models, context.definition.name
    versions = models.versions(name) if name in models.names() else []
    return next((version for version in reversed(versions) if version.lineage.run == run), None)


def still_registered(context: PipelineContext, candidate: Candidate) -> bool:
    """Whether the version still exists."""
    try:
        context.workspace.models.get(candidate.version)
    except ModelNotFoundError:
        return False
    return True


def comparison_key(context: PipelineContext, results: Results) -> list[object]:
    """What the result depends on, beside the champion."""
    rule = context.definition.gates.promotion or kept_rule(context.workspace, context.definition.name)
    return [results.of(Candidate).version, rule.model_dump(mode="json"), results.of(DataTaken).test_fingerprint]


def compare_with_champion(context: PipelineContext, results: Results) -> Challenged:
    """Judge the candidate against the champion by the rule of promotion, on the frozen test images."""
    candidate, champion = results.of(Candidate).version, context.champion()
    if champion is not None and champion.id == candidate:
        return Challenged(
            sentence=f"{candidate} is the champion already", version=candidate, champion=candidate, answer="yes"
        )
    if context.definition.gates.promotion is not None:
        keep_rule(context.workspace, context.definition.name, context.definition.gates.promotion)
    test = results.of(DataTaken).test
    with context.reporter.counting("images") as progress:
        gate = judge_challenger(context.workspace, candidate, test, progress=progress)
    return Challenged(
        passed=gate.answer == "yes",
        sentence=gate.sentence,
        notes=_told(gate),
        version=candidate,
        champion=gate.current or "",
        answer=gate.answer,
        sentences=gate.sentences,
    )


def _told(gate: Gate) -> list[str]:
    """The rule's sentences, and what is to be known of classes and slices."""
    notes = [f"{each.outcome} {each.setting}: {each.text}" for each in gate.sentences]
    for what, names in (
        ("new classes, which count against the champion", gate.classes_added),
        ("classes that are gone, whose images do not count", gate.classes_removed),
        ("classes without a frozen test image, of which nothing is known", gate.classes_untested),
    ):
        notes += [f"{what}: {', '.join(names[:_TOLD])}"] if names else []
    return notes


def still_compared(context: PipelineContext, challenged: Challenged) -> bool:
    """Whether the champion is the one of the comparison, or the candidate itself by now."""
    champion = context.champion()
    return ("" if champion is None else champion.id) in (challenged.champion, challenged.version)
