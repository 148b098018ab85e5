"""Is it safe to replace the current version? What a rule and paired tests say of a challenger, and what was kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from pydantic import Field

from automl_vision.core.errors import WorkspaceError
from automl_vision.core.files import write_text
from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval
from automl_vision.core.records.record import Record, read_record
from automl_vision.core.records.speed import MEGABYTE
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.metric import Metric, metrics_of
from automl_vision.experiment.compared import PartCompared
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.model_comparison import Contender, ModelComparison, seen_images
from automl_vision.experiment.promotion import (
    CALIBRATION,
    LATENCY,
    LEVEL,
    Assessed,
    Outcome,
    PromotionRule,
    assess,
    kept_rule,
    move_alias,
)
from automl_vision.serving.runtimes import ONNX_FILE
from automl_vision.workspace.model_version import CHAMPION, AliasChange, ModelVersion
from automl_vision.workspace.workspace import Workspace

Answer = Literal["yes", "no", "undecided"]


class GateSentence(Record):
    """One sentence of the rule, judged."""

    setting: str = Field(description="of the rule")
    outcome: Outcome
    text: str = Field(description="the sentence with its numbers")
    more_images: int | None = Field(description="about how many more would tell; null if that is not known")


class GatePart(Record):
    """Both models on a class, or on a slice of the images."""

    name: str
    images: int
    current: float | None
    challenger: float | None
    difference: MetricInterval | None = Field(description="challenger minus current")
    p_value: float | None = Field(description="adjusted for the number of classes or slices (Holm)")
    lost: bool = Field(description="worse beyond chance, p < 0.05")


class GateDifference(Record):
    """The paired test over all images."""

    metric: str
    lower_is_better: bool
    difference: MetricInterval | None = Field(description="challenger minus current")
    p_value: float | None
    test: str
    images: int
    only_current: int = Field(description="images that only the current version gets right")
    only_challenger: int = Field(description="images that only the challenger gets right")
    both: int
    neither: int


class GateModel(Record):
    """What a promotion weighs of one model."""

    version: str
    score: MetricInterval | None = Field(description="the metric on the images of the gate")
    calibration_error: MetricInterval | None = Field(description="on these images; null for detectors")
    latency_ms: float | None = Field(description="median of one image with one thread, measured at packaging")
    size_mb: float | None = Field(description="of model.onnx")
    seen: int | None = Field(description="images of the gate that it was trained or validated on; null: not known")


class Gate(Record):
    """A challenger judged against the version that an alias points to."""

    version: str = Field(description="the challenger")
    alias: str
    current: str | None = Field(description="that the alias pointed to; null if it was not set")
    answer: Answer = Field(description="may the alias move? `undecided`: there are too few images to tell")
    sentence: str
    more_images: int | None = Field(description="about how many more images would tell")
    rule: PromotionRule
    sentences: list[GateSentence]
    metric: str
    data: str = Field(description="what both were measured on")
    split: str
    images: int
    challenger: GateModel
    champion: GateModel | None
    overall: GateDifference | None
    class_figure: str
    classes: list[GatePart] = Field(description="the largest losses first")
    slices: list[GatePart] = Field(description="the largest losses first")
    classes_added: list[str] = Field(
        default=[], description="that only the challenger has; they count against the current version"
    )
    classes_removed: list[str] = Field(
        default=[], description="that only the current version has; their images are left out"
    )
    classes_untested: list[str] = Field(
        default=[], description="of the challenger without an image in the data; nothing is known of them"
    )
    made: float = Field(description="seconds since 1970")
    seconds: float = Field(description="that it took")


def judge_challenger(
    workspace: Workspace,
    version: str,
    data: Dataset | str | PathLike[str] | None = None,
    *,
    alias: str = CHAMPION,
    split: str | None = None,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Gate:
    """Judge a version by the rule that the workspace keeps for the model, and keep what comes out.

    Args:
        workspace: whose registry is used.
        version: such as `clothing:2`.
        data: labelled images, or a registered version of them; None for the test images of the current version's run.
        alias: that would move.
        split: of the images; None for the test images if there are any, and otherwise all.
        threads: cores to use; 0 uses all.
        progress: called with (images done, images in all), for one model after the other.

    Raises:
        ModelNotFoundError: there is no such version.
        WorkspaceError: the alias points to the version already.
        DataError: the data cannot be opened, or the models have no class in common.
    """
    begun = time.time()
    dataset = workspace.datasets.resolve(data) if isinstance(data, str) else data
    assessed = assess(
        version, dataset, alias=alias, workspace=workspace, split=split, threads=threads, progress=progress
    )
    origin = assessed.current or assessed.model
    run = "" if origin.version is None else origin.version.lineage.run
    gate = _gate(workspace, assessed, str(data) if data is not None else f"the test images of run {run}", begun)
    write_text(_file(workspace, workspace.models.get(version), alias), gate.model_dump_json(indent=2) + "\n")
    return gate


def kept_gate(workspace: Workspace, version: ModelVersion, alias: str = CHAMPION) -> Gate | None:
    """What `judge_challenger` found last of a version; None if it was never judged."""
    return read_record(_file(workspace, version, alias), Gate)


def why_outdated(workspace: Workspace, gate: Gate, versions: Sequence[ModelVersion]) -> str | None:
    """Why a gate says nothing of a promotion now, in a sentence; None while it holds.

    Args:
        workspace: that keeps the rule.
        gate: that was kept.
        versions: of the model, as they are now.
    """
    current = next((version.id for version in versions if gate.alias in version.aliases), None)
    if current != gate.current:
        return f"{gate.alias} was {gate.current or 'not set'} then and is {current or 'not set'} now"
    if kept_rule(workspace, gate.version.rpartition(":")[0]) != gate.rule:
        return "the rule has changed since then"
    return None


def promote_judged(
    workspace: Workspace, version: str, *, alias: str = CHAMPION, why: str = "", force: bool = False
) -> AliasChange | None:
    """Move an alias to a version by what `judge_challenger` found; nothing is measured again.

    Args:
        workspace: whose registry is used.
        version: such as `clothing:2`.
        alias: to move.
        why: the reason, for the log.
        force: move the alias even if the rule forbids it; the log says so.

    Raises:
        ModelNotFoundError: there is no such version.
        WorkspaceError: the version was not judged, or things have changed since; the rule forbids it; or the registry
            cannot be written.
    """
    found = workspace.models.get(version)
    if alias in found.aliases:
        raise WorkspaceError(f"{found} is the {alias} already")
    gate = kept_gate(workspace, found, alias)
    if gate is None:
        raise WorkspaceError(f"{found} has not been compared with the {alias} yet; do that first")
    outdated = why_outdated(workspace, gate, workspace.models.versions(found.name))
    if outdated is not None:
        raise WorkspaceError(f"what is known of {found} is outdated: {outdated}; compare it again")
    if gate.answer != "yes" and not force:
        raise WorkspaceError(f"the rule does not allow {found} to become the {alias}: {gate.sentence}")
    return move_alias(workspace, found.id, alias, gate.answer == "yes", why)


def _file(workspace: Workspace, version: ModelVersion, alias: str) -> Path:
    return workspace.path / "gates" / version.name / f"{version.number}-{alias}.json"


def _gate(workspace: Workspace, assessed: Assessed, data: str, begun: float) -> Gate:
    promotion, comparison, evaluated = assessed.promotion, assessed.promotion.comparison, assessed.evaluated
    sentences = [
        GateSentence(
            setting=verdict.setting, outcome=verdict.outcome, text=verdict.text, more_images=verdict.more_images
        )
        for verdict in promotion.verdicts
    ]
    answer = _answer(sentences)
    more = max((each.more_images or 0 for each in sentences), default=0) or None
    current = None if comparison is None or assessed.current is None else (assessed.current, comparison.first)
    metric = evaluated.metric(assessed.rule.metric)
    return Gate(
        version=promotion.version,
        alias=promotion.alias,
        current=promotion.current,
        answer=answer,
        sentence=_sentence(answer, promotion.current, sentences, more),
        more_images=more,
        rule=assessed.rule,
        sentences=sentences,
        metric=metric.name,
        data=data,
        split=evaluated.split,
        images=len(evaluated.rows),
        challenger=_weighed(assessed.model, evaluated, metric, assessed.seen),
        champion=None
        if current is None
        else _weighed(*current, metric, seen_images(*current, registry=workspace.models)),
        overall=None if comparison is None else _overall(comparison, metric),
        class_figure=evaluated.class_figure,
        classes=[] if comparison is None else _parts(comparison.classes, higher_is_better=True),
        slices=[] if comparison is None else _parts(comparison.slices, higher_is_better=metric.higher_is_better),
        classes_added=[] if comparison is None else list(comparison.shared.added),
        classes_removed=[] if comparison is None else list(comparison.shared.removed),
        classes_untested=_untested(assessed.model, evaluated),
        made=time.time(),
        seconds=time.time() - begun,
    )


def _untested(model: Contender, evaluated: Evaluated) -> list[str]:
    """The classes of a model that no measured image has."""
    dataset = evaluated.dataset
    counts = dataset.targets[evaluated.rows].sum(axis=0).tolist()
    images = dict(zip(dataset.classes, counts, strict=True))
    return [name for name in model.passport.classes if not images.get(name)]


def _answer(sentences: Sequence[GateSentence]) -> Answer:
    outcomes = {sentence.outcome for sentence in sentences}
    return "no" if "failed" in outcomes else "undecided" if "undecided" in outcomes else "yes"


def _sentence(answer: Answer, current: str | None, sentences: Sequence[GateSentence], more: int | None) -> str:
    if answer == "yes":
        return f"Yes: it may replace {current}." if current else "Yes: no version is in use yet, and the rule holds."
    if answer == "no":
        failed = [each for each in sentences if each.outcome == "failed"]
        return f"No: {failed[0].text}." if len(failed) == 1 else f"No: {len(failed)} sentences of the rule do not hold."
    if more is None:
        return "Not enough images to tell; the two may as well be equal."
    return f"Not enough images to tell: about {more:,} more like these would decide it."


def _weighed(model: Contender, evaluated: Evaluated, metric: Metric, seen: int | None) -> GateModel:
    passport = model.passport
    latency = passport.latency.get(LATENCY)
    file = model.folder / ONNX_FILE
    calibration = CALIBRATION in metrics_of(passport.task)
    return GateModel(
        version=model.name,
        score=evaluated.interval(metric.name).record(),
        calibration_error=evaluated.interval(CALIBRATION).record() if calibration else None,
        latency_ms=None if latency is None else latency["median_ms"],
        size_mb=file.stat().st_size / MEGABYTE if file.exists() else None,
        seen=seen,
    )


def _overall(comparison: ModelComparison, metric: Metric) -> GateDifference:
    found = comparison.overall
    return GateDifference(
        metric=found.metric,
        lower_is_better=not metric.higher_is_better,
        difference=found.comparison.difference.record(),
        p_value=finite(found.comparison.p_value),
        test=found.comparison.test,
        images=found.comparison.images,
        only_current=len(found.only_first),
        only_challenger=len(found.only_second),
        both=found.both,
        neither=found.neither,
    )


def _parts(parts: Sequence[PartCompared], *, higher_is_better: bool) -> list[GatePart]:
    """Classes or slices, those that lost most first."""
    sign = 1 if higher_is_better else -1
    found = []
    for part in parts:
        value, p_value = finite(part.comparison.difference.value), finite(part.comparison.p_value)
        lost = value is not None and p_value is not None and sign * value < 0 and p_value < LEVEL
        found.append(
            (
                0.0 if value is None else sign * value,
                GatePart(
                    name=part.name,
                    images=part.images,
                    current=finite(part.first),
                    challenger=finite(part.second),
                    difference=part.comparison.difference.record(),
                    p_value=p_value,
                    lost=lost,
                ),
            )
        )
    return [part for _, part in sorted(found, key=lambda entry: (not entry[1].lost, entry[0]))]
