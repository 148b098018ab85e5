"""The commands under `automl-vision pipeline`: run a pipeline or one step, see its state, go back, open its view."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_vision.cli.options import JsonOption, WorkspaceOption, open_workspace
from automl_vision.cli.tables import moment, print_table
from automl_vision.core.numbers import json_text

if TYPE_CHECKING:
    from automl_vision.experiment.run import Run
    from automl_vision.pipelines.context import Counter, PipelineContext
    from automl_vision.pipelines.running import Done

REFUSED = 3
"""Exit code where a gate refused: of the data, of the evaluation, or of the promotion."""

STEP_HELP = {
    "data": "Register the data as a version and freeze the test images.",
    "check": "Check the data by the doctor; exits with 3 if it finds more than the gate allows.",
    "train": "Train on the version; a run that was interrupted is resumed.",
    "evaluate": "Measure the model on the frozen test images; exits with 3 if it does not reach what the gate wants.",
    "register": "Register the model as the candidate.",
    "compare": "Compare the candidate with the champion; exits with 3 if the rule does not let it pass.",
    "promote": "Make the candidate the champion.",
    "deploy": "Serve the champion from the endpoint.",
}
"""What the command of each step does."""

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The pipeline, such as pipeline.yaml.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for the log of the champion; by default what the gate says.")]
AgainOption = Annotated[bool, typer.Option("--again", help="Train anew although data and settings are the same.")]


class _Teller:
    """Tells on the terminal what a step does; what is said goes to the error stream where the output is JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, text: str) -> None:
        """Print a sentence."""
        typer.echo(f"  {text}", err=self._as_json)

    def confide(self, what: str, owner: str, secret: str) -> None:
        """Print a key, which is not shown again."""
        typer.echo(f"  {what} of {owner}  {secret}   (not shown again)", err=self._as_json)

    def counting(self, what: str) -> AbstractContextManager[Counter]:
        """A progress bar."""
        from automl_vision.cli.progress import progress_bar

        return progress_bar(what)

    def follow(self, run: Run) -> None:
        """The live view of the run; Ctrl-C cancels it."""
        run.wait_for_completion(show_output=not self._as_json, raise_on_error=False)


def run(
    file: FileArgument,
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    again: AgainOption = False,
    reason: ReasonOption = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do every step that is not done yet; exits with 3 where a gate refuses. What was killed goes on where it was."""
    from automl_vision.pipelines.running import run_pipeline

    context = _context(file, workspace, as_json=as_json, again=again, why=reason)
    begin = None if as_json else lambda step: typer.echo(f"{step.name}: {step.title}")
    outcome = run_pipeline(context, until=until, begin=begin, end=None if as_json else _tell)
    if as_json:
        typer.echo(json_text([_to_json(done) for done in outcome.done], indent=2))
    else:
        _print_summary(outcome.done)
    if not outcome.passed:
        raise typer.Exit(REFUSED)


def status(file: FileArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show what is done for the data that was taken last, what comes next, and the champion."""
    from automl_vision.pipelines.running import known_results

    context = _context(file, workspace, as_json=as_json)
    results, following = known_results(context)
    champion = context.champion()
    if as_json:
        values = {name: result.model_dump(mode="json") for name, result in results.items()}
        named = {
            "next": None if following is None else following.name,
            "champion": None if champion is None else champion.id,
        }
        typer.echo(json_text({"steps": values, **named}, indent=2))
        return
    rows = [
        [name, "passed" if each.passed else "REFUSED", moment(each.made), each.sentence]
        for name, each in results.items()
    ]
    print_table(["step", "", "done", "what it found"], rows)
    typer.echo(f"next: {'nothing' if following is None else following.name}")
    typer.echo(f"champion: {'none yet' if champion is None else champion.id}")


def history(file: FileArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List which version became the champion: when, by whom, how and why."""
    from automl_vision.pipelines.release_steps import champion_changes

    changes = champion_changes(_context(file, workspace, as_json=as_json))
    if as_json:
        typer.echo(json_text([asdict(change) for change in changes], indent=2))
        return
    rows = [
        [moment(each.time), f"{'none' if each.previous is None else each.previous} → {each.version}",
         each.action, each.user, each.why] for each in changes
    ]  # fmt: skip
    print_table(["time", "champion", "how", "by", "why"], rows)


def rollback(file: FileArgument, reason: ReasonOption = "", workspace: WorkspaceOption = None) -> None:
    """Make the champion before this one the champion again, and serve it."""
    from automl_vision.pipelines.release_steps import roll_back

    context = _context(file, workspace, as_json=False)
    change, served = roll_back(context, reason)
    name = context.definition.name
    typer.echo(f"the champion is {name}:{change.version} again, it was {name}:{change.previous}")
    typer.echo(served.sentence)


def labels(file: FileArgument, workspace: WorkspaceOption = None) -> None:
    """Register the data with the labels that people gave as its next version; exits with 3 if there are too few."""
    from automl_vision.pipelines.labels import take_enough_labels

    taken = take_enough_labels(_context(file, workspace, as_json=False))
    typer.echo(taken.sentence)
    if not taken.are_enough:
        raise typer.Exit(REFUSED)


def watch(file: FileArgument, workspace: WorkspaceOption = None) -> None:
    """Test whether what the endpoint sees has changed, and then queue photos for labels; exits with 3 on an alarm."""
    from automl_vision.pipelines.labels import watch_endpoint

    report, added = watch_endpoint(_context(file, workspace, as_json=False))
    typer.echo(report.sentence)
    if report.is_alarm:
        typer.echo(f"{added} photos were put into the labelling queue")
        raise typer.Exit(REFUSED)


def schema() -> None:
    """Print the JSON Schema of pipeline files."""
    from automl_vision.pipelines.definition import pipeline_schema

    typer.echo(json.dumps(pipeline_schema(), indent=2))


def dev(
    file: FileArgument,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 3070,
    workspace: WorkspaceOption = None,
) -> None:
    """Open the pipeline in Dagster on this machine: lineage, sensors, schedule; Ctrl-C ends it. Nothing is reported."""
    from automl_vision.pipelines.dagster_server import serve_pipeline

    serve_pipeline(_context(file, workspace, as_json=False), file, port=port, announce=typer.echo)


def _step_command(name: str) -> Callable[..., None]:
    """The command that does one step."""

    def plain(file: FileArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
        _do_step(name, file, workspace, as_json=as_json)

    def train(
        file: FileArgument, again: AgainOption = False, workspace: WorkspaceOption = None, as_json: JsonOption = False
    ) -> None:
        _do_step(name, file, workspace, as_json=as_json, again=again)

    def promote(
        file: FileArgument, reason: ReasonOption = "", workspace: WorkspaceOption = None, as_json: JsonOption = False
    ) -> None:
        _do_step(name, file, workspace, as_json=as_json, why=reason)

    special: dict[str, Callable[..., None]] = {"train": train, "promote": promote}
    command = special.get(name, plain)
    command.__doc__ = STEP_HELP[name]
    return command


def _do_step(
    name: str, file: Path, workspace: Path | None, *, as_json: bool, again: bool = False, why: str = ""
) -> None:
    from automl_vision.pipelines.running import run_step

    done = run_step(_context(file, workspace, as_json=as_json, again=again, why=why), name)
    if as_json:
        typer.echo(json_text(_to_json(done), indent=2))
    else:
        _tell(done)
    if not done.result.passed:
        raise typer.Exit(REFUSED)


def _context(
    file: Path, workspace: Path | None, *, as_json: bool, again: bool = False, why: str = ""
) -> PipelineContext:
    from automl_vision.pipelines.context import PipelineContext
    from automl_vision.pipelines.definition import read_pipeline

    definition, teller = read_pipeline(file), _Teller(as_json=as_json)
    return PipelineContext(definition, open_workspace(workspace), teller, again=again, why=why)


def _tell(done: Done) -> None:
    """Print what a step found."""
    word = "" if done.result.passed else "REFUSED: "
    before = "" if done.is_new else f" (done {moment(done.result.made)})"
    typer.echo(f"  {word}{done.result.sentence}{before}")
    for note in done.result.notes:
        typer.echo(f"    {note}")


def _print_summary(done: tuple[Done, ...]) -> None:
    rows = [
        [each.step.name, "passed" if each.result.passed else "REFUSED",
         f"{each.result.seconds:.1f} s" if each.is_new else "done before", each.result.sentence]
        for each in done
    ]  # fmt: skip
    typer.echo()
    print_table(["step", "", "time", "what it found"], rows)


def _to_json(done: Done) -> dict[str, Any]:
    return {"step": done.step.name, "new": done.is_new, **done.result.model_dump(mode="json")}


def _named(commands: Sequence[Callable[..., None]]) -> dict[str, Callable[..., None]]:
    return {command.__name__: command for command in commands}


def add_pipeline(app: typer.Typer) -> None:
    """Add the commands under `pipeline`."""
    group = typer.Typer(
        help="From new data to an endpoint that serves the better model, by a file.", no_args_is_help=True
    )
    steps = {name: _step_command(name) for name in STEP_HELP}
    before, after = (run, status, history, rollback), (labels, watch, dev, schema)
    for name, command in {**_named(before), **steps, **_named(after)}.items():
        group.command(name)(command)
    app.add_typer(group, name="pipeline")
