"""Whether a version of a model may take over: a rule of a few sentences, each judged on the same images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from automl_vision.core.errors import ConfigError, ModelFolderError, Problem, WorkspaceError
from automl_vision.core.files import write_text
from automl_vision.core.validation import problems_of
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.deciding import further_images
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.metric import Metric, find_metric, metrics_of
from automl_vision.experiment.compared import PartCompared
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.model_comparison import (
    Contender,
    ModelComparison,
    SharedClasses,
    compare_contenders,
    measure,
    run_test_images,
    seen_images,
)
from automl_vision.serving.runtimes import ONNX_FILE
from automl_vision.workspace.model_version import CHAMPION, AliasChange
from automl_vision.workspace.workspace import Workspace, as_workspace

LEVEL = 0.05
CALIBRATION = "expected_calibration_error"
LATENCY = "1 thread"  # comparable between machines with different numbers of cores

Outcome = Literal["passed", "failed", "undecided"]
"""Of a sentence of a rule: it holds, it does not, or there are too few images to tell."""


class PromotionRule(BaseModel):
    """What a version must fulfil to be promoted; a sentence that is null is not asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str | None = Field(default=None, description="that decides; by default the primary one of the task")
    at_least: Literal["better", "not_worse"] = Field(
        default="not_worse",
        description="`better`: a paired test finds it better than the current version (p < 0.05); "
        "`not_worse`: the 95 % interval of the difference excludes a loss of more than `margin`",
    )
    margin: float = Field(default=0.05, ge=0, description="loss of the metric that `not_worse` allows")
    worst_class_margin: float | None = Field(
        default=0.1,
        ge=0,
        description="loss that one class may have (F1, or average precision of objects); a larger one counts if it "
        "cannot be chance (p < 0.05 after Holm's adjustment)",
    )
    worst_slice_margin: float | None = Field(
        default=0.1,
        ge=0,
        description="loss of the metric that one slice of the images may have, such as the dark or the small ones; "
        "judged like classes",
    )
    min_images: int | None = Field(default=50, ge=1, description="images that it is measured on")
    max_seen_images: int | None = Field(
        default=0, ge=0, description="of them, those that the version was trained or validated on"
    )
    max_calibration_error: float | None = Field(
        default=None, ge=0, le=1, description="expected calibration error; for labels of whole images"
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="median of one image with one thread, as measured when it was packaged"
    )
    max_size_mb: float | None = Field(default=None, gt=0, description="of `model.onnx`, in units of 1,000,000 bytes")


def read_rule(path: str | PathLike[str]) -> PromotionRule:
    """Read a rule from a YAML file.

    Raises:
        ConfigError: the file cannot be read, or breaks the rules of a rule; all mistakes at once.
    """
    subject = f"The rule {path}"
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"the file cannot be read ({error.strerror})"], subject=subject) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"the file is not valid YAML: {error}"], subject=subject) from None
    if not isinstance(values, dict):
        raise ConfigError(["the file must be a mapping of settings"], subject=subject)
    return check_rule(values, subject=subject)


def check_rule(values: Mapping[Any, Any], *, subject: str = "The rule") -> PromotionRule:
    """A rule from its settings by name.

    Raises:
        ConfigError: they break the rules of a rule; all mistakes at once, each with the name of its setting.
    """
    try:
        return PromotionRule(**{str(key): value for key, value in values.items()})
    except ValidationError as error:
        problems = problems_of(error, list(PromotionRule.model_fields), noun="setting")
        raise ConfigError(problems, subject=subject) from None


def rule_file(workspace: Workspace, name: str) -> Path:
    """The YAML file of the rule that a workspace keeps for a registered model; it need not exist."""
    return workspace.path / "promotion" / f"{name}.yaml"


def kept_rule(workspace: Workspace, name: str) -> PromotionRule:
    """The rule that a workspace keeps for a registered model, or the default one.

    Raises:
        ConfigError: its file breaks the rules of a rule.
    """
    file = rule_file(workspace, name)
    return read_rule(file) if file.exists() else PromotionRule()


def keep_rule(workspace: Workspace, name: str, rule: PromotionRule) -> Path:
    """Keep a rule for a registered model as a YAML file; `promote` judges by it from now on.

    Raises:
        ModelNotFoundError: no model has this name.
        ConfigError: the rule does not suit the task of the model.
    """
    registry = workspace.models
    for version in reversed(registry.versions(name)):
        with suppress(ModelFolderError):  # a damaged version does not say its task
            require_suited(rule, registry.passport(version).task)
            break
    file = rule_file(workspace, name)
    write_text(file, rule_yaml(rule))
    return file


def rule_yaml(rule: PromotionRule) -> str:
    """A rule as a YAML file, each setting below what it means."""
    lines = []
    for name, value in rule.model_dump().items():
        lines += [f"# {PromotionRule.model_fields[name].description}", yaml.safe_dump({name: value}).rstrip()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Verdict:
    """One sentence of a rule, judged.

    Attributes:
        setting: of the rule.
        passed: whether it holds.
        text: the sentence with its numbers.
        undecided: it does not hold because there are too few images to tell.
        more_images: about how many more would tell; None if that is not known, or nothing is left open.
    """

    setting: str
    passed: bool
    text: str
    undecided: bool = False
    more_images: int | None = None

    @property
    def outcome(self) -> Outcome:
        """Whether the sentence holds, as a word."""
        return "passed" if self.passed else "undecided" if self.undecided else "failed"


@dataclass(frozen=True)
class Promotion:
    """What became of a promotion.

    Attributes:
        version: that was to be promoted.
        alias: that was to move.
        current: the version that the alias pointed to; None if it was not set.
        verdicts: of every sentence of the rule.
        change: of the alias; None if it stayed where it was.
        comparison: of both versions; None if there was no current one.
    """

    version: str
    alias: str
    current: str | None
    verdicts: tuple[Verdict, ...]
    change: AliasChange | None
    comparison: ModelComparison | None

    @property
    def passed(self) -> bool:
        """Whether every sentence holds."""
        return all(verdict.passed for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """The promotion as JSON values."""
        return {
            "version": self.version,
            "alias": self.alias,
            "current": self.current,
            "passed": self.passed,
            "rule": [asdict(verdict) for verdict in self.verdicts],
            "change": None if self.change is None else asdict(self.change),
            "comparison": None if self.comparison is None else self.comparison.overall.comparison.to_json(),
        }


def promote(  # noqa: PLR0913 - each is a choice with a default
    version: str,
    data: Dataset | str | PathLike[str] | None = None,
    *,
    alias: str = CHAMPION,
    rule: PromotionRule | None = None,
    why: str = "",
    force: bool = False,
    workspace: Workspace | str | PathLike[str] | None = None,
    split: str | None = None,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Promotion:
    """Move an alias to a version if a rule allows it; the change is logged with the reason.

    Without a current version there is nothing to compare with, and only the other sentences of the rule count.

    Args:
        version: such as `clothing:2` or `clothing@candidate`.
        data: labelled images; None for the test images of the current version's run, or else of the version's own.
        alias: to move.
        rule: None for the one that the workspace keeps for the model, or else the default one.
        why: the reason, for the log.
        force: move the alias even if the rule forbids it; the log says so.
        workspace: whose registry is used; None for the default one.
        split: of the images; None for the test images if there are any, and otherwise all.
        threads: cores to use; 0 uses all.
        progress: called with (images done, images in all), for one model after the other.

    Raises:
        ModelNotFoundError: there is no such version.
        WorkspaceError: the alias points to the version already, or the registry cannot be written.
        ConfigError: the rule does not suit the task.
        DataError: the data cannot be opened, or the models have no class in common.
    """
    space = as_workspace(workspace)
    assessed = assess(
        version, data, alias=alias, rule=rule, workspace=space, split=split, threads=threads, progress=progress
    )
    done = assessed.promotion
    if not done.passed and not force:
        return done
    return replace(done, change=move_alias(space, done.version, alias, done.passed, why))


def move_alias(workspace: Workspace, version: str, alias: str, passed: bool, why: str) -> AliasChange | None:
    """Point an alias to a version that was judged; the log says whether the rule allowed it."""
    found = workspace.models.get(version)
    action: Literal["promoted", "forced"] = "promoted" if passed else "forced"
    return workspace.models.alias(found.name, alias, found.number, why=why, action=action)


@dataclass(frozen=True)
class Assessed:
    """A version that was measured and judged; no alias has moved.

    Attributes:
        promotion: what the rule says.
        rule: that it was judged by.
        model: the version.
        current: the version that the alias points to; None if it is not set.
        evaluated: the version on the images.
        seen: how many of the images it was trained on; None if that is not known.
    """

    promotion: Promotion
    rule: PromotionRule
    model: Contender
    current: Contender | None
    evaluated: Evaluated
    seen: int | None


def assess(
    version: str,
    data: Dataset | str | PathLike[str] | None = None,
    *,
    alias: str = CHAMPION,
    rule: PromotionRule | None = None,
    workspace: Workspace | str | PathLike[str] | None = None,
    split: str | None = None,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Assessed:
    """Measure a version against the one that an alias points to, and judge it by a rule; nothing is changed.

    The arguments, and what is raised, are those of `promote`.
    """
    space = as_workspace(workspace)
    registry = space.models
    found = registry.get(version)
    if alias in found.aliases:
        raise WorkspaceError(f"{found} is the {alias} already")
    rule = rule or kept_rule(space, found.name)
    current = registry.aliased(found.name, alias)
    new = Contender.find(found.id, registry)
    require_suited(rule, new.passport.task)
    old = None if current is None else Contender.find(current.id, registry)
    dataset = data if data is not None else run_test_images(old or new, registry)

    def measured(model: Contender, classes: SharedClasses | None = None) -> Evaluated:
        return measure(model, dataset, split, rule.metric, classes=classes, threads=threads, progress=progress)

    comparison = None if old is None else compare_contenders(old, new, registry, measured)
    evaluated = measured(new) if comparison is None else comparison.second
    seen = seen_images(new, evaluated, registry) if comparison is None else comparison.seen[new.name]
    verdicts = tuple(judge(rule, new, evaluated, seen, comparison))
    done = Promotion(found.id, alias, None if current is None else current.id, verdicts, None, comparison)
    return Assessed(done, rule, new, old, evaluated, seen)


def judge(
    rule: PromotionRule,
    model: Contender,
    evaluated: Evaluated,
    seen: int | None,
    comparison: ModelComparison | None,
) -> Iterator[Verdict]:
    """Judge a model by every sentence of a rule.

    Args:
        rule: to judge by.
        model: that is to be promoted.
        evaluated: the model on the images.
        seen: how many of the images it was trained on; None if that is not known.
        comparison: with the current version as the first; None if there is none.
    """
    if comparison is not None:
        yield _against_current(rule, comparison)
        if rule.worst_class_margin is not None:
            figure = comparison.class_figure
            yield _by_part("worst_class_margin", "class", figure, rule.worst_class_margin, comparison.classes)
        if rule.worst_slice_margin is not None:
            metric = comparison.first.metric(rule.metric)
            yield _by_part(
                "worst_slice_margin", "slice", metric.name, rule.worst_slice_margin, comparison.slices, metric
            )
    if rule.min_images is not None:
        yield _enough(rule.min_images, len(evaluated.rows))
    if rule.max_seen_images is not None:
        yield _unseen(rule.max_seen_images, seen, model.name)
    if rule.max_calibration_error is not None:
        error = evaluated.metric(CALIBRATION).value(evaluated.cases)
        text = f"expected calibration error {error:.4f}, at most {rule.max_calibration_error:g}"
        yield Verdict("max_calibration_error", error <= rule.max_calibration_error, text)
    if rule.max_latency_ms is not None:
        yield _latency(rule.max_latency_ms, model)
    if rule.max_size_mb is not None:
        size = (model.folder / ONNX_FILE).stat().st_size / 1e6
        text = f"{ONNX_FILE} has {size:.1f} MB, at most {rule.max_size_mb:g}"
        yield Verdict("max_size_mb", size <= rule.max_size_mb, text)


def _against_current(rule: PromotionRule, comparison: ModelComparison) -> Verdict:
    """Better beyond chance, or with an interval that excludes a loss of more than the margin."""
    test, metric = comparison.overall.comparison, comparison.first.metric(rule.metric)
    score = _as_score(test.difference, metric)
    figures = (
        f"difference to {comparison.first.name} {test.difference.text(4)}, p {test.p_value:.2g} "
        f"({test.test}, {test.images} images)"
    )
    if rule.at_least == "better":
        bound, passed = 0.0, test.p_value < LEVEL and score.value > 0
        text = f"{metric.name} is better beyond chance: {figures}"
    else:
        bound, passed = -rule.margin, score.low >= -rule.margin
        text = f"{metric.name} is not worse by more than {rule.margin:g}: {figures}"
    if passed or score.high < bound:
        return Verdict("at_least", passed, text)
    return Verdict("at_least", False, text, undecided=True, more_images=further_images(score, test.images, bound))


def _as_score(difference: Interval, metric: Metric) -> Interval:
    """A difference of which more is better."""
    return difference if metric.higher_is_better else difference.negated


def _enough(least: int, images: int) -> Verdict:
    text, passed = f"{images} images, at least {least}", images >= least
    return Verdict("min_images", passed, text, undecided=not passed, more_images=None if passed else least - images)


def _by_part(
    setting: str, noun: str, figure: str, margin: float, parts: Sequence[PartCompared], metric: Metric | None = None
) -> Verdict:
    """No class or slice has lost more than the margin, unless it may be chance."""

    def gain(part: PartCompared) -> float:
        value = part.comparison.difference.value
        return value if metric is None else metric.score(value)

    rule = f"no {noun} is worse by more than {margin:g} in {figure} beyond chance"
    known = [part for part in parts if math.isfinite(part.comparison.p_value)]
    if not known:
        return Verdict(setting, True, f"{rule}; none can be compared")
    worse = [part for part in known if gain(part) < -margin and part.comparison.p_value < LEVEL]
    shown = sorted(worse or known, key=gain)[: max(1, len(worse))]
    named = "; ".join(
        f"{part.name} {part.comparison.difference.text(3)}, p {part.comparison.p_value:.2g}" for part in shown
    )
    return Verdict(setting, not worse, f"{rule}; {'worse' if worse else 'lowest difference'}: {named}")


def _unseen(most: int, seen: int | None, name: str) -> Verdict:
    if seen is None:
        return Verdict(
            "max_seen_images",
            False,
            f"the images that {name} was trained on are not known, so these cannot be shown to be new to it; "
            "max_seen_images: null does without",
        )
    return Verdict("max_seen_images", seen <= most, f"{name} was trained on {seen} of these images, at most {most}")


def _latency(most: float, model: Contender) -> Verdict:
    figures = model.passport.latency.get(LATENCY)
    if figures is None:
        return Verdict("max_latency_ms", False, f"the latency of {model.name} was not measured, at most {most:g} ms")
    median = figures["median_ms"]
    return Verdict("max_latency_ms", median <= most, f"{median:.1f} ms for one image ({LATENCY}), at most {most:g}")


def require_suited(rule: PromotionRule, task: str) -> None:
    """Raise `ConfigError` for metrics that the task does not have."""
    problems = []
    if rule.metric is not None:
        try:
            find_metric(task, rule.metric)
        except ValueError as error:
            problems.append(Problem(("metric",), f"metric: {error}"))
    if rule.max_calibration_error is not None and CALIBRATION not in metrics_of(task):
        sentence = f"max_calibration_error: {task} has no calibration error; leave it out"
        problems.append(Problem(("max_calibration_error",), sentence))
    if problems:
        raise ConfigError(problems, subject="The rule")
