"""May a version replace the one in use? The rule, what was measured, and the move of the alias."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args

from fastapi import Query
from pydantic import BaseModel, Field

from automl_vision.core.errors import AutoMLVisionError, ConfigError
from automl_vision.experiment.gate import Gate, judge_challenger, kept_gate, promote_judged, why_outdated
from automl_vision.experiment.promotion import (
    PromotionRule,
    check_rule,
    keep_rule,
    kept_rule,
    rule_file,
    rule_yaml,
)
from automl_vision.studio.api.models import Name, Reason, Version, find_version
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.work import Background, BackgroundWork, Progress, Work
from automl_vision.workspace.model_version import CHAMPION, AliasChange, ModelVersion

router = operations("models", "/models/{name}")
data_router = operations("models")

_KIND = "gate"

Alias = Annotated[str, Query(description="that would move", pattern=r"^[\w-]{1,60}$")]


class GateState(BaseModel):
    """What is known of a version as a challenger."""

    alias: str
    current: str | None = Field(description="version that the alias points to now")
    is_current: bool = Field(description="whether this version is that one")
    gate: Gate | None = Field(description="what came out last; null if it was never judged")
    outdated: str | None = Field(description="why `gate` says nothing of a promotion now")
    work: WorkDetails | None = Field(description="the comparison that waits or runs, or failed last")
    images: int | None = Field(description="test images that a comparison would use; null if there are none")
    no_images: str | None = Field(description="why it needs to be told which images to use")
    can_roll_back: bool = Field(description="whether the alias pointed to another version before")


class GateWanted(BaseModel):
    """A comparison that is to be made."""

    alias: str = CHAMPION
    data: str | None = Field(
        default=None,
        description="a registered dataset of labelled images, as `NAME:VERSION`; null for the test images of the run",
    )


class Promoted(Reason):
    """An alias that is to move to a version."""

    force: bool = Field(default=False, description="although the rule does not allow it; the log says so")


class RuleSetting(BaseModel):
    """A setting of a rule."""

    name: str
    description: str
    kind: str = Field(description='"number", "choice" or "text"')
    choices: list[str]
    optional: bool = Field(description="whether null, which means that it is not asked, is allowed")


class RuleDetails(BaseModel):
    """The rule by which versions of a model are judged."""

    rule: PromotionRule
    is_default: bool
    file: str = Field(description="in which the workspace keeps it")
    yaml: str
    settings: list[RuleSetting]
    problem: str | None = Field(description="why the kept file cannot be used; `rule` is then the default one")


@data_router.get("/labelled-data")
def list_labelled_data(opened: Opened) -> list[str]:
    """List the versions of registered datasets that models can be compared on, as `NAME:VERSION`, newest first."""
    registry = opened.workspace.datasets
    versions = [version for name in registry.names() for version in registry.versions(name)]
    return [version.id for version in sorted(versions, key=lambda version: -version.created)]


@router.get("/versions/{version}/gate")
def get_gate(
    opened: Opened, background: Background, name: Name, version: Version, alias: Alias = CHAMPION
) -> GateState:
    """Return what is known of a version as a challenger of the one in use."""
    registry = opened.registry()
    versions = registry.versions(name)
    found = find_version(registry, name, version)
    current = next((each for each in versions if alias in each.aliases), None)
    gate = kept_gate(opened.workspace, found, alias)
    images, no_images = _test_images(opened, current or found)
    work = _last_work(background, opened, found, alias)
    return GateState(
        alias=alias,
        current=None if current is None else current.id,
        is_current=alias in found.aliases,
        gate=gate,
        outdated=None if gate is None else why_outdated(opened.workspace, gate, versions),
        work=None if work is None else work_details(work),
        images=images,
        no_images=no_images,
        can_roll_back=current is not None
        and any(change.alias == alias and change.version != current.number for change in registry.log(name)),
    )


@router.post("/versions/{version}/gate", status_code=202)
def start_gate(opened: Opened, background: Background, name: Name, version: Version, wanted: GateWanted) -> WorkDetails:
    """Compare a version with the one in use, on the same images, in the background."""
    found = find_version(opened.registry(), name, version)
    work = _last_work(background, opened, found, wanted.alias)
    if work is not None and not work.has_ended:
        return work_details(work)
    if wanted.data is not None:
        opened.workspace.datasets.get(wanted.data)

    def judge(progress: Progress) -> Gate:
        return opened.child.call(
            judge_challenger,
            opened.workspace,
            found.id,
            wanted.data,
            alias=wanted.alias,
            progress=_of_both(progress),
        )

    title = _title(found, wanted.alias)
    page = f"/models/{found.name}/{found.number}"
    return work_details(background.start(_KIND, title, judge, workspace=opened.name, page=page))


@router.post("/versions/{version}/promote")
def promote_version(opened: Opened, name: Name, version: Version, wanted: Promoted) -> AliasChange | None:
    """Point the alias to a version that was compared with the one in use; the log keeps the reason."""
    found = find_version(opened.registry(), name, version)
    return opened.child.call(
        promote_judged, opened.workspace, found.id, alias=wanted.alias, why=wanted.why, force=wanted.force
    )


@router.get("/rule")
def get_rule(opened: Opened, name: Name) -> RuleDetails:
    """Return the rule by which versions of a model are judged."""
    opened.registry().versions(name)
    problem = None
    try:
        rule = kept_rule(opened.workspace, name)
    except ConfigError as error:
        rule, problem = PromotionRule(), str(error)
    file = rule_file(opened.workspace, name)
    return RuleDetails(
        rule=rule,
        is_default=not file.exists(),
        file=str(file),
        yaml=rule_yaml(rule),
        settings=_settings(),
        problem=problem,
    )


@router.put("/rule")
def put_rule(opened: Opened, name: Name, settings: dict[str, Any]) -> RuleDetails:
    """Keep a rule for a model as a YAML file; mistakes are named with their settings."""
    keep_rule(opened.workspace, name, check_rule(settings))
    return get_rule(opened, name)


@router.delete("/rule")
def delete_rule(opened: Opened, name: Name) -> RuleDetails:
    """Go back to the default rule."""
    opened.registry().versions(name)
    rule_file(opened.workspace, name).unlink(missing_ok=True)
    return get_rule(opened, name)


def _settings() -> list[RuleSetting]:
    """The settings of a rule, for a form."""
    found = []
    for name, field in PromotionRule.model_fields.items():
        parts = get_args(field.annotation)
        optional = type(None) in parts
        choices = [part for part in parts if isinstance(part, str)]
        kind = "choice" if choices else "text" if str in parts else "number"
        found.append(
            RuleSetting(name=name, description=field.description or "", kind=kind, choices=choices, optional=optional)
        )
    return found


def _of_both(progress: Progress) -> Callable[[int, int], None]:
    """Progress over both models, of which each one counts from the start."""
    passes, last = 0, 0

    def far(done: int, total: int) -> None:
        nonlocal passes, last
        passes, last = passes + (done < last), done
        phase = ("predicting with the version in use", "predicting with the challenger")[min(passes, 1)]
        progress(passes * total + done, 2 * total, phase)

    return far


def _test_images(opened: OpenedWorkspace, version: ModelVersion) -> tuple[int | None, str | None]:
    """How many test images the run of a version had; or why there are none."""
    try:
        manifest = opened.registry().manifest(version)
    except AutoMLVisionError as error:
        return None, str(error)
    if manifest is None:
        return None, f"the images that {version} was trained and tested on are not known"
    images = int((opened.dataset_at(manifest).splits == "test").sum())
    if not images:
        return None, f"the run of {version} had no test images, and its others are not new to it"
    return images, None


def _last_work(background: BackgroundWork, opened: OpenedWorkspace, version: ModelVersion, alias: str) -> Work | None:
    """The newest comparison of a version."""
    title = _title(version, alias)
    return next(
        (
            work
            for work in background.all()
            if work.kind == _KIND and work.title == title and work.workspace == opened.name
        ),
        None,
    )


def _title(version: ModelVersion, alias: str) -> str:
    return f"Compare {version} with the {alias}"
