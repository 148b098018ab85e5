"""Registered models: what is in use, each version with its passport and lineage, and the changes of aliases."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from automl_vision.core.errors import AutoMLVisionError, WorkspaceError
from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval
from automl_vision.core.records.speed import MEGABYTE
from automl_vision.serving.model_folder import ModelDescription, SetThreshold
from automl_vision.serving.runtimes import ONNX_FILE
from automl_vision.storage.zip_stream import folder_members
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.studio.zipped import zip_response
from automl_vision.workspace.model_version import CHAMPION, AliasChange, Lineage, ModelVersion

if TYPE_CHECKING:
    from automl_vision.studio.registry import StudioRegistry

router = operations("models")

_MOST_LISTED = 10  # versions of a model in the list of models

Name = Annotated[str, PathParameter(description="of a registered model", examples=["clothing"])]
Version = Annotated[str, PathParameter(description="a number, or an alias", examples=["2", "champion"])]


class ModelVersionSummary(BaseModel):
    """A version of a registered model."""

    id: str = Field(description="name and number", examples=["clothing:2"])
    name: str
    number: int
    aliases: list[str]
    created: float = Field(description="seconds since 1970")
    user: str = Field(description="who registered it; empty if that is not known")
    task: str | None = Field(description="null where the model folder cannot be read")
    model_name: str | None = Field(description="the algorithm")
    metric: str | None = Field(description="that ranked its run's trials")
    split: str | None = Field(description="of the images that `score` was measured on")
    score: MetricInterval | None
    latency_ms: float | None = Field(description="median of one image with one thread, measured at packaging")
    size_mb: float | None = Field(description="of model.onnx")
    run: str = Field(description="that trained it; empty if that is not known")
    trial: str
    run_is_here: bool = Field(description="whether this workspace has the run")
    data_version: str = Field(description="registered dataset of the run, such as clothing:2; empty if there is none")
    problem: str | None = Field(description="why its folder cannot be used")


class RegisteredModel(BaseModel):
    """A name with its versions."""

    name: str
    champion: ModelVersionSummary | None = Field(description="the version in use")
    versions: list[ModelVersionSummary] = Field(description=f"the newest first, at most {_MOST_LISTED}")
    total: int = Field(description="versions in all")


class UnregisteredModel(BaseModel):
    """The model of a run that has no version yet."""

    run: str
    experiment: str
    task: str
    model_name: str
    metric: str | None
    split: str | None
    score: MetricInterval | None
    latency_ms: float | None
    ended: float | None = Field(description="seconds since 1970")
    data_version: str


class ModelRegistration(BaseModel):
    """A run whose model is to be registered."""

    run: str
    name: str = Field(description="letters, digits, - _ and ., at most 60", examples=["clothing"])
    tags: dict[str, str] = Field(default_factory=dict, description="kept with the version")


class ModelFile(BaseModel):
    """A file of a model folder."""

    name: str
    bytes: int


class ModelFormat(BaseModel):
    """A network file of a model folder, as it was measured."""

    runtime: str
    file: str | None
    size_mb: float | None
    latency_ms: float | None = Field(description="one image, one thread")
    metric: str | None
    score: float | None
    change: MetricInterval | None = Field(description="of the metric, against the first format")
    refused: str | None = Field(description="why there is no such file")


class OperatingPointDetails(BaseModel):
    """Decisions that were chosen for a purpose."""

    wanted: str
    thresholds: list[float] = Field(description="in the order of the classes")
    fitted_on: int = Field(description="images that they were chosen on")
    sentences: list[str] = Field(description="what was measured on other images")


class ModelDetails(BaseModel):
    """A version with its passport, card and lineage; what its folder does not tell is empty."""

    version: ModelVersionSummary
    champion: ModelVersionSummary | None
    folder: str | None
    files: list[ModelFile]
    classes: list[str]
    preprocessing: str | None = Field(description="in a sentence")
    metrics: dict[str, dict[str, MetricInterval]] = Field(description="by split and name; intervals where known")
    per_class: dict[str, list[dict[str, Any]]] = Field(description="by split")
    thresholds: list[float] = Field(description="by class; empty where the most probable class is the answer")
    temperature: float | None
    prediction_sets: list[SetThreshold]
    operating_point: OperatingPointDetails | None
    formats: list[ModelFormat]
    latency: dict[str, dict[str, float]] = Field(description="median_ms and p95_ms by threads")
    parity: dict[str, Any] = Field(description="differences between the exported and the trained model")
    weights: dict[str, Any] = Field(description="source and licence of the pretrained weights")
    data: dict[str, Any] = Field(description="fingerprint, format and counts of the training data")
    packages: dict[str, str] = Field(description="versions of the software that packaged it")
    lineage: Lineage
    tags: dict[str, str]
    card_html: str | None = Field(description="the model card; markup in it was shown as text")


class Reason(BaseModel):
    """Why an alias moves."""

    alias: str = CHAMPION
    why: str = Field(default="", max_length=1000, description="for the log")


@router.get("/models")
def list_models(opened: Opened, limit: Limit = 50, cursor: Cursor = 0) -> Page[RegisteredModel]:
    """List the registered models with their aliases and newest versions."""
    listing = opened.registry().listing()
    page = page_of(list(listing), cursor, limit)
    items = [_registered(opened, name, listing[name]) for name in page.items]
    return Page(items=items, total=page.total, next=page.next)


@router.post("/models", status_code=201)
def register_model(opened: Opened, wanted: ModelRegistration) -> ModelVersionSummary:
    """Register the model of a run as the next version of a name; the alias `candidate` moves to it."""
    folder = opened.run(wanted.run).run.model_path
    return version_summary(opened, opened.registry().register(folder, wanted.name, tags=wanted.tags))


@router.get("/unregistered-models")
def list_unregistered_models(opened: Opened, limit: Limit = 50, cursor: Cursor = 0) -> Page[UnregisteredModel]:
    """List the models of runs that have no version yet, the newest run first."""
    known: set[str] = set()
    with suppress(WorkspaceError):  # without the registry these are still there to be tried
        known = {version.lineage.run for versions in opened.registry().listing().values() for version in versions}
    waiting = [run for run in opened.runs() if run.run.folder.model.exists() and run.run.id not in known]
    page = page_of(waiting, cursor, limit)
    found = (_unregistered(run.run.folder) for run in page.items)
    return Page(items=[one for one in found if one is not None], total=page.total, next=page.next)


@router.get("/models/{name}/versions")
def list_versions(opened: Opened, name: Name, limit: Limit = 50, cursor: Cursor = 0) -> Page[ModelVersionSummary]:
    """List the versions of a model, the newest first."""
    page = page_of(opened.registry().versions(name)[::-1], cursor, limit)
    items = [version_summary(opened, version) for version in page.items]
    return Page(items=items, total=page.total, next=page.next)


@router.get("/models/{name}/versions/{version}")
def get_model_version(opened: Opened, name: Name, version: Version) -> ModelDetails:
    """Return a version with its passport, card and lineage."""
    registry = opened.registry()
    found = find_version(registry, name, version)
    champion = registry.aliased(name)
    summary = version_summary(opened, found)
    folder = None if summary.problem is not None else registry.download(found)
    passport = None if folder is None else ModelDescription.load(folder)
    return ModelDetails(
        version=summary,
        champion=None if champion is None else version_summary(opened, champion),
        folder=None if folder is None else str(folder),
        lineage=found.lineage,
        tags=dict(found.tags),
        card_html=None if folder is None else _card(folder),
        files=[] if folder is None else _files(folder),
        **_passport(passport),
    )


@router.get(
    "/models/{name}/versions/{version}/files.zip",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
def download_version(opened: Opened, name: Name, version: Version) -> StreamingResponse:
    """Return the model folder as a zip archive, which is sent while it is made."""
    registry = opened.registry()
    found = find_version(registry, name, version)
    top = f"{found.name}-{found.number}"
    return zip_response(folder_members(registry.download(found), top), top)


@router.get("/models/{name}/log")
def list_alias_changes(opened: Opened, name: Name, limit: Limit = 50, cursor: Cursor = 0) -> Page[AliasChange]:
    """List every change of a model's aliases, the newest first: when, by whom, how and why."""
    return page_of(opened.registry().log(name)[::-1], cursor, limit)


@router.post("/models/{name}/rollback")
def roll_back(opened: Opened, name: Name, reason: Reason) -> AliasChange:
    """Point an alias to the version that it pointed to before; once more goes one step further back."""
    return opened.registry().rollback(name, reason.alias, why=reason.why)


def find_version(registry: StudioRegistry, name: str, version: str) -> ModelVersion:
    """A version by its number or alias.

    Raises:
        ModelNotFoundError: there is no such name, version or alias.
    """
    return registry.get(f"{name}{':' if version.isdecimal() else '@'}{version}")


def version_summary(opened: OpenedWorkspace, version: ModelVersion) -> ModelVersionSummary:
    """A version as an answer; a folder that cannot be read is said in `problem`."""
    passport, problem = None, None
    try:
        passport = opened.passport(version)
    except (AutoMLVisionError, OSError) as error:
        problem = str(error)
    return ModelVersionSummary(
        id=version.id,
        name=version.name,
        number=version.number,
        aliases=list(version.aliases),
        created=version.created,
        user=version.lineage.user,
        run=version.lineage.run,
        trial=version.lineage.trial,
        run_is_here=bool(version.lineage.run) and (opened.workspace.runs_path / version.lineage.run).exists(),
        data_version=version.lineage.data_version,
        size_mb=_size_mb(opened.registry().place(version)),
        problem=problem,
        task=None if passport is None else passport.task,
        **_headline(passport),
    )


def _registered(opened: OpenedWorkspace, name: str, versions: Sequence[ModelVersion]) -> RegisteredModel:
    champion = next((version for version in versions if CHAMPION in version.aliases), None)
    return RegisteredModel(
        name=name,
        champion=None if champion is None else version_summary(opened, champion),
        versions=[version_summary(opened, version) for version in versions[: -_MOST_LISTED - 1 : -1]],
        total=len(versions),
    )


def _unregistered(folder: Any) -> UnregisteredModel | None:
    """The model of a run; None if its folder cannot be read."""
    try:
        passport = ModelDescription.load(folder.model)
    except AutoMLVisionError:
        return None
    record = folder.record()
    return UnregisteredModel(
        run=folder.id,
        experiment=record.experiment,
        task=passport.task,
        ended=record.ended,
        data_version=str(folder.spec().get("data_version") or ""),
        **_headline(passport),
    )


def _headline(passport: ModelDescription | None) -> dict[str, Any]:
    """Algorithm, metric and latency of a model."""
    headline = None if passport is None else passport.headline
    latency = None if passport is None else passport.latency.get("1 thread")
    metric, split, score = headline or (None, None, None)
    return {
        "model_name": None if passport is None else passport.model_name,
        "metric": metric,
        "split": split,
        "score": None if score is None else MetricInterval(**score),
        "latency_ms": None if latency is None else latency["median_ms"],
    }


def _passport(passport: ModelDescription | None) -> dict[str, Any]:
    """What a passport says, as fields of `ModelDetails`; without one they are empty."""
    point = None if passport is None else passport.operating_point
    return {
        "classes": list(passport.classes) if passport else [],
        "preprocessing": passport.preprocessing.sentence if passport else None,
        "metrics": {split: _metrics(report) for split, report in passport.metrics.items()} if passport else {},
        "per_class": {split: report.get("per_class", []) for split, report in passport.metrics.items()}
        if passport
        else {},
        "thresholds": list(passport.decision_thresholds) if passport else [],
        "temperature": passport.temperature if passport else None,
        "prediction_sets": list(passport.prediction_sets) if passport else [],
        "operating_point": None
        if point is None
        else OperatingPointDetails(
            wanted=point.wanted,
            thresholds=list(point.thresholds),
            fitted_on=point.fitted_on,
            sentences=list(point.measured.get("sentences", [])),
        ),
        "formats": [_format(name, entry) for name, entry in passport.formats.items()] if passport else [],
        "latency": passport.latency if passport else {},
        "parity": passport.parity if passport else {},
        "weights": passport.weights if passport else {},
        "data": passport.data if passport else {},
        "packages": passport.provenance.get("versions", {}) if passport else {},
    }


def _metrics(report: dict[str, Any]) -> dict[str, MetricInterval]:
    known = {name: value for name, value in report["metrics"].items() if finite(value) is not None}
    intervals = report.get("intervals", {})
    return {name: MetricInterval(**intervals.get(name, {"value": value})) for name, value in known.items()}


def _format(name: str, entry: dict[str, Any]) -> ModelFormat:
    latency, metric = entry.get("latency", {}).get("batch 1", {}), entry.get("metric", {})
    change = entry.get("difference")
    return ModelFormat(
        runtime=name,
        file=entry.get("file"),
        size_mb=entry["bytes"] / MEGABYTE if "bytes" in entry else None,
        latency_ms=latency.get("median_ms"),
        metric=metric.get("name"),
        score=metric.get("value"),
        change=None if change is None else MetricInterval(**{key: change[key] for key in ("value", "low", "high")}),
        refused=entry.get("refused"),
    )


def _files(folder: Path) -> list[ModelFile]:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return [ModelFile(name=file.name, bytes=file.stat().st_size) for file in files]


def _card(folder: Path) -> str | None:
    from automl_vision.experiment.reports.page import from_markdown
    from automl_vision.serving.model_folder import CARD_FILE

    try:
        return str(from_markdown((folder / CARD_FILE).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return None


def _size_mb(folder: Path) -> float | None:
    try:
        return (folder / ONNX_FILE).stat().st_size / MEGABYTE
    except OSError:
        return None
