"""The commands under `automl-vision models`: list algorithms, register models, compare and promote their versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from automl_vision.cli.options import DATA_HELP, JsonOption, WorkspaceOption, open_dataset, open_workspace
from automl_vision.cli.tables import moment, print_table
from automl_vision.core.numbers import json_text

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset
    from automl_vision.experiment.model_comparison import ModelComparison
    from automl_vision.experiment.promotion import Promotion
    from automl_vision.serving.model_folder import ModelDescription
    from automl_vision.workspace.model_registry import ModelRegistry
    from automl_vision.workspace.model_version import ModelVersion

NOT_PROMOTED = 3
"""Exit code of `promote` when a sentence of the rule does not hold."""

VersionArgument = Annotated[str, typer.Argument(metavar="NAME:VERSION", help="NAME:VERSION or NAME@ALIAS.")]
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME:VERSION, NAME@ALIAS, or the path of a model folder.")
]
AliasOption = Annotated[str, typer.Option(help="The alias.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for the log.")]
DataOption = Annotated[
    str | None,
    typer.Option(help=f"{DATA_HELP} By default the test images of a run: compare's first, or the current version's."),
]
ImagesOption = Annotated[
    str | None, typer.Option("--split", help="train, val, test or all; the test images by default, if there are any.")
]
ThreadsOption = Annotated[int, typer.Option(min=0, help="Cores to use; 0 uses all.")]
NameArgument = Annotated[str, typer.Argument(help="Name of a registered model.")]


class ListByDefault(TyperGroup):
    """A group whose call without a command, as in `models "resnet*"`, is a call of its command `list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with `list` in front of what is neither a command nor a call for help."""
        first = args[0] if args else ""
        if first not in self.commands and first not in ctx.help_option_names:
            args = ["list", *args]
        return super().parse_args(ctx, args)


def list_(
    pattern: Annotated[str, typer.Argument(help="Name, with * and ? as wildcards.")] = "*",
    task: Annotated[str | None, typer.Option(help="Only algorithms of this task.")] = None,
    all_names: Annotated[bool, typer.Option("--all", help="Also list the architectures of timm.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List algorithms with their size and the licence and source of their weights; `list` may be left out."""
    from automl_vision.core.errors import UnknownModelError
    from automl_vision.core.tasks import TASKS, normalize_task
    from automl_vision.recipes.catalog import describe_model, list_models, own_models

    try:
        names = list_models(pattern, task=None if task is None else normalize_task(task))
    except ValueError as error:
        raise UnknownModelError(str(error)) from None
    if pattern == "*" and not all_names:
        own = {name for each in TASKS for name in own_models(each)}
        names = [name for name in names if name in own]
    if not names:
        raise UnknownModelError(f'no model matches "{pattern}"; list all with: automl-vision models --all')
    described = [describe_model(name) for name in names]
    if as_json:
        typer.echo(json.dumps([vars(description) for description in described], indent=2))
        return
    cells = [
        [d.name, d.architecture, f"{d.parameters / 1e6:.1f} M", d.licence or "not stated", d.weights] for d in described
    ]
    print_table(["name", "network", "parameters", "licence of weights", "weights"], cells)


def register(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL_FOLDER", help="Id of a run, or a model folder.")],
    name: Annotated[str, typer.Argument(help="Letters, digits, -, _ and ., at most 60.")],
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Kept with the version; may be repeated.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Register a model as the next version of a name; the alias `candidate` moves to it."""
    from automl_vision.experiment.registration import register as register_model
    from automl_vision.experiment.run import Run

    for text in tag or ():
        if "=" not in text:
            raise typer.BadParameter(f'takes NAME=VALUE, not "{text}"', param_hint="--tag")
    tags = {key: value for key, _, value in (text.partition("=") for text in tag or ())}
    space = open_workspace(workspace)
    source = Run(space, model) if model in space.run_ids() else model
    version = register_model(source, name, workspace=space, tags=tags)
    typer.echo(version.id)


def versions(
    name: Annotated[str | None, typer.Argument(help="Name of a registered model; default: all.")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List registered models and their versions, with their aliases and where they come from."""
    registry = open_workspace(workspace).models
    found = [version for one in (registry.names() if name is None else [name]) for version in registry.versions(one)]
    if as_json:
        typer.echo(json_text([version.to_json() for version in found], indent=2))
        return
    rows = [
        [
            version.id,
            ", ".join(version.aliases),
            moment(version.created),
            version.lineage.run,
            version.lineage.data_version,
            version.lineage.user,
        ]
        for version in found
    ]
    print_table(["version", "aliases", "registered", "run", "data", "by"], rows)


def show(
    version: VersionArgument,
    card: Annotated[bool, typer.Option("--card", help="Print the model card instead.")] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show a version: where it comes from, how good, fast and large it is, and the path of its files."""
    from automl_vision.serving.model_folder import CARD_FILE, ModelDescription

    registry = open_workspace(workspace).models
    found = registry.get(version)
    folder = registry.download(found)
    passport = ModelDescription.load(folder)
    if card:
        typer.echo((folder / CARD_FILE).read_text(encoding="utf-8"))
    elif as_json:
        typer.echo(json_text({**found.to_json(), "folder": str(folder), "model": asdict(passport)}, indent=2))
    else:
        print_table(["", found.id], _facts(found, passport, folder))


def log(
    name: NameArgument,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List every change of a model's aliases: when, by whom, how and why."""
    changes = open_workspace(workspace).models.log(name)
    if as_json:
        typer.echo(json_text([asdict(change) for change in changes], indent=2))
        return
    rows = [
        [
            moment(change.time),
            change.alias,
            f"{'none' if change.previous is None else change.previous} → {change.version}",
            change.action,
            change.user,
            change.why,
        ]
        for change in changes
    ]
    print_table(["time", "alias", "version", "how", "by", "why"], rows)


def compare(  # noqa: PLR0913 - each one is an option of the command
    first: ModelArgument,
    second: ModelArgument,
    *,
    data: DataOption = None,
    split: ImagesOption = None,
    metric: Annotated[str | None, typer.Option(help="A metric of the task; the primary one by default.")] = None,
    most: Annotated[
        int, typer.Option(min=1, help="How many classes and slices are listed; of more, those that differ most.")
    ] = 30,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with the images.")] = None,
    threads: ThreadsOption = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two models on the same images: paired tests over all images, by class and by slice."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.experiment.model_comparison import compare_models

    space = open_workspace(workspace)
    try:
        with progress_bar("images") as progress:
            found = compare_models(
                first, second, _dataset(data, workspace, first, space.models), workspace=space,
                split=split, metric=metric, threads=threads, progress=progress,
            )  # fmt: skip
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    if report is not None:
        from automl_vision.experiment.reports.contents import report_comparison

        report_comparison(found.first, found.second, metric).save(report)
    if as_json:
        typer.echo(json_text(found.to_json(), indent=2))
        return
    _print_comparison(found, most)


def promote(  # noqa: PLR0913 - each one is an option of the command
    version: VersionArgument,
    *,
    alias: AliasOption = "champion",
    data: DataOption = None,
    split: ImagesOption = None,
    rule: Annotated[
        Path | None,
        typer.Option(help="YAML file with the rule; by default the one kept for the model, or that of the guide."),
    ] = None,
    reason: ReasonOption = "",
    force: Annotated[bool, typer.Option("--force", help="Move the alias against the rule; the log says so.")] = False,
    threads: ThreadsOption = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move an alias to a version if a rule allows it; exits with 3 and says which sentence failed if not."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.experiment.promotion import promote as promote_version
    from automl_vision.experiment.promotion import read_rule

    space = open_workspace(workspace)
    with progress_bar("images") as progress:
        done = promote_version(
            version,
            _dataset(data, workspace, version, space.models),
            alias=alias,
            rule=None if rule is None else read_rule(rule),
            why=reason,
            force=force,
            workspace=space,
            split=split,
            threads=threads,
            progress=progress,
        )
    if as_json:
        typer.echo(json_text(done.to_json(), indent=2))
    else:
        _print_promotion(done)
    if done.change is None:
        raise typer.Exit(NOT_PROMOTED)


def rollback(
    name: NameArgument,
    alias: AliasOption = "champion",
    reason: ReasonOption = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Move an alias back to the version that it pointed to before."""
    change = open_workspace(workspace).models.rollback(name, alias, why=reason)
    typer.echo(f"{alias} is {name}:{change.version} again, it was {name}:{change.previous}")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_, "register": register, "versions": versions, "show": show, "compare": compare, "promote": promote,
    "rollback": rollback, "log": log,
}  # fmt: skip


def add_models(app: typer.Typer) -> None:
    """Add these commands."""
    for name, command in COMMANDS.items():
        app.command(name)(command)


def _dataset(data: str | None, workspace: Path | None, model: str, registry: ModelRegistry) -> Dataset | None:
    """The images that the user named, read for the task of a model; None for those of a run."""
    from automl_vision.serving.model_folder import ModelDescription

    if data is None:
        return None
    return open_dataset(data, workspace, task=ModelDescription.load(registry.resolve(model)).task)


def _print_comparison(found: ModelComparison, most: int) -> None:
    """Print the paired tests, and tables of at most `most` classes and slices."""
    from automl_vision.experiment.compared import most_different, part_table

    one, two, test = found.first.name, found.second.name, found.overall.comparison
    typer.echo(
        f"{found.overall.metric} of {two} minus {one}: {test.difference.text(4)}, "
        f"p {test.p_value:.2g} ({test.test} on {test.images} {found.first.split} images)"
    )
    typer.echo(
        f"both right {found.overall.both}, neither {found.overall.neither}, "
        f"only {one} {len(found.overall.only_first)}, only {two} {len(found.overall.only_second)}"
    )
    for name, seen in found.seen.items():
        if seen:
            typer.echo(f"{name} was trained on {seen} of these images, so its figures are too good")
    for what, parts, figure in (
        ("class", found.classes, found.class_figure),
        ("slice", found.slices, found.overall.metric),
    ):
        if parts:
            print_table(*part_table(most_different(parts, most), what, figure))


def _print_promotion(done: Promotion) -> None:
    for verdict in done.verdicts:
        word = "passed" if verdict.passed else verdict.outcome.upper()
        typer.echo(f"{word}  {verdict.setting}: {verdict.text}")
        if verdict.more_images is not None:
            typer.echo(f"        about {verdict.more_images:,} more images like these would decide it")
    if done.current is None:
        typer.echo(f"no version is the {done.alias} yet, so there was none to compare with")
    if done.change is not None:
        forced = "" if done.passed else ", by force"
        typer.echo(f"{done.alias} is {done.version} now{forced}")
    else:
        stays = f"stays {done.current}" if done.current else "is not set"
        typer.echo(f"{done.version} is not promoted; {done.alias} {stays}")


def _facts(version: ModelVersion, passport: ModelDescription, folder: Path) -> Sequence[Sequence[str]]:
    """What people ask of a version, as rows of two cells; what is not known is left out."""
    from automl_vision.serving.runtimes import ONNX_FILE

    lineage = version.lineage
    facts = [
        ("aliases", ", ".join(version.aliases)),
        ("registered", f"{moment(version.created)} by {lineage.user}" if lineage.user else moment(version.created)),
        ("task", passport.task),
        ("algorithm", passport.model_name),
        ("classes", str(len(passport.classes))),
        ("run", f"{lineage.run}, trial {lineage.trial}" if lineage.run else ""),
        ("data", lineage.data_version),
        ("data fingerprint", lineage.data_fingerprint),
        ("packaged by version", lineage.code_version),
        ("parent", f"{version.name}:{lineage.parent}" if lineage.parent else ""),
        *((f"{key} (tag)", value) for key, value in version.tags.items()),
        *(
            (f"{metric}, {split}", f"{value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]")
            for split, report in passport.metrics.items()
            for metric, value in report.get("intervals", {}).items()
            if {"value", "low", "high"} <= value.keys()
        ),
        *((f"latency, {threads}", f"{value['median_ms']:.1f} ms") for threads, value in passport.latency.items()),
        ("size", f"{(folder / ONNX_FILE).stat().st_size / 1e6:.1f} MB"),
        ("licence of the first weights", passport.weights.get("licence") or ""),
        ("folder", str(folder)),
    ]
    return [fact for fact in facts if fact[1]]
