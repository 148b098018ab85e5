"""The commands under `automl-vision history`: what the workspace remembers of finished trials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_vision.cli.options import JsonOption, WorkspaceOption, open_workspace
from automl_vision.cli.tables import moment, print_table

if TYPE_CHECKING:
    from automl_vision.core.records import PastTrial

_SHOWN = 20
_HELP = (
    "Look at what the workspace remembers of finished trials, from which AutoMode's order and the forecasts come: "
    "counts, settings, scores and seconds. It never leaves this machine by itself."
)

FileArgument = Annotated[Path, typer.Argument(help="File of JSON lines.", dir_okay=False)]


def show(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Show the newest trials that are remembered; with --json, all of them and everything that is kept of each."""
    history = open_workspace(workspace).history
    trials = history.trials()
    if as_json:
        kept = [trial.model_dump(mode="json") for trial in trials]
        typer.echo(json.dumps({"is_on": history.is_on, "trials": kept}, indent=2))
        return
    if trials:
        print_table(_COLUMNS, [_row(trial) for trial in reversed(trials[-_SHOWN:])])
    runs = len({trial.run for trial in trials})
    typer.echo(f"{len(trials)} trials of {runs} runs, in {history.folder}")
    if not history.is_on:
        typer.echo("The history is off: runs neither add to it nor learn from it.")


_COLUMNS = ("ended", "task", "images", "classes", "algorithm", "tried as", "score", "epochs", "time")


def _row(trial: PastTrial) -> tuple[str, ...]:
    score = "" if trial.score is None else f"{trial.metric} {trial.score:.4f}"
    return (
        moment(trial.ended),
        trial.task,
        f"{trial.facts.images:,}",
        str(trial.facts.classes),
        trial.model_name,
        trial.role,
        score,
        f"{trial.epochs:.3g}",
        f"{trial.seconds:.0f} s",
    )


def export(file: FileArgument, workspace: WorkspaceOption = None) -> None:
    """Write all trials to a file, for another workspace; it has no image, class, name or path."""
    count = open_workspace(workspace).history.export(file)
    typer.echo(f"{count} trials were written to {file}")


def import_(file: FileArgument, workspace: WorkspaceOption = None) -> None:
    """Add the trials of an exported file; those that are known already are passed over."""
    count = open_workspace(workspace).history.take(file)
    typer.echo(f"{count} trials were added")


def clear(
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only their number is shown.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete all that is remembered; runs and models stay."""
    history = open_workspace(workspace).history
    if not yes:
        typer.echo(f"{len(history.trials())} trials would be deleted. Nothing was; say --yes for that.")
        return
    typer.echo(f"{history.clear()} trials were deleted")


def on(workspace: WorkspaceOption = None) -> None:
    """Let runs be remembered, and learn from earlier ones, which is the default."""
    open_workspace(workspace).history.switch(on=True)
    typer.echo("The history is on.")


def off(workspace: WorkspaceOption = None) -> None:
    """Let runs be forgotten, and learn nothing from earlier ones; what is remembered stays until it is cleared."""
    open_workspace(workspace).history.switch(on=False)
    typer.echo("The history is off.")


_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("show", show), ("export", export), ("import", import_), ("clear", clear), ("on", on), ("off", off)
)  # fmt: skip


def add_history(app: typer.Typer) -> None:
    """Add the commands under `history`."""
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    for name, command in _COMMANDS:
        group.command(name)(command)
    app.add_typer(group, name="history")
