"""The commands that look at this machine: what it can do, and what may be deleted from it."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from automl_vision.cli.options import JsonOption, WorkspaceOption, open_workspace

if TYPE_CHECKING:
    from automl_vision.experiment.cleaning import Removable
    from automl_vision.experiment.environment import Environment

_KINDS = {
    "cache": "caches, which are made again when they are needed",
    "checkpoint": "checkpoints of completed runs, which nothing needs any more",
    "weights": "weights of trials that did not become the model of their run",
}


def env(
    hub: Annotated[bool, typer.Option("--hub/--no-hub", help="Ask the hub of weights for an answer.")] = True,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what this machine can do, which parts are installed, and where what lies."""
    from automl_vision.experiment.environment import environment

    found = environment(open_workspace(workspace), ask_hub=hub)
    typer.echo(found.model_dump_json(indent=2) if as_json else _text(found))


def _text(found: Environment) -> str:
    formats = ["fp32", *(["bf16"] if found.bfloat16 else []), *(["int8"] if found.int8 else [])]
    hub = {True: "answers", False: "does not answer", None: "was not asked"}[found.hub]
    lines = [
        f"automl-vision {found.version}, Python {found.python}, {found.system}",
        f"processor   {found.processor}, {found.cores} cores, fast in {', '.join(formats)}",
        f"memory      {_size(found.memory_bytes)}, of which {_size(found.available_bytes)} are free",
        f"GPU         {', '.join(found.gpus) or 'none'}",
        *(f"a step      of {name}: {_seconds(steps)}" for name, steps in found.steps.items()),
        f"weights     {', '.join(f'{each.name} ({each.source})' for each in found.weights) or 'none'}; the hub {hub}",
        "defaults",
        *(f"  {task:<42} {text}" for task, text in found.defaults.items()),
        "versions    " + ", ".join(f"{name} {version}" for name, version in found.versions.items()),
        "extras",
    ]
    for each in found.extras:
        way = "installed" if each.is_installed else f"pip install 'automl-vision[{each.name}]'"
        lines.append(f"  {each.name:<9} {way}: {each.brings}")
    lines += [f"workspace   {found.workspace}"]
    lines += [f"  {_size(use.bytes):>9}  {use.name}: {use.path}" for use in found.storage]
    return "\n".join(lines)


def _seconds(steps: dict[str, float]) -> str:
    """Milliseconds by number format, the fastest first."""
    ranked = sorted(steps.items(), key=lambda item: item[1])
    return ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in ranked)


def clean(
    older_than_days: Annotated[
        float | None,
        typer.Option(min=0, help="Also weights of trials that did not become the model, of runs ended so long ago."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only what would go is shown.")] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what may be deleted without losing a result: caches and old weights; with --yes, delete it."""
    from automl_vision.experiment.cleaning import removable, remove

    space = open_workspace(workspace)
    found = removable(space, older_than_days=older_than_days)
    freed = remove(found) if yes else 0
    if as_json:
        typer.echo(json.dumps({"found": [each.model_dump() for each in found], "freed_bytes": freed}, indent=2))
        return
    _print_removable(found)
    if not found:
        typer.echo("There is nothing to delete.")
    elif yes:
        typer.echo(f"{_size(freed)} were freed.")
    else:
        typer.echo(
            f"{_size(sum(each.bytes for each in found))} could be freed. Nothing was deleted; say --yes for that."
        )


def _print_removable(found: list[Removable]) -> None:
    kinds: defaultdict[str, list[Removable]] = defaultdict(list)
    for each in found:
        kinds[each.kind].append(each)
    for kind, members in kinds.items():
        typer.echo(f"{_size(sum(each.bytes for each in members)):>9}  {_KINDS[kind]}")
        by_place: defaultdict[str, int] = defaultdict(int)
        for each in members:
            by_place[each.run or each.path] += each.bytes
        for place, size in sorted(by_place.items(), key=lambda item: -item[1]):
            typer.echo(f"           {_size(size):>9}  {place}")


def _size(size: float) -> str:
    """Bytes for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def add_machine(app: typer.Typer) -> None:
    """Add `env` and `clean`."""
    app.command()(env)
    app.command()(clean)
