"""The commands that show how good a trial is, and where: each parses, calls one public function, prints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_vision.cli.options import JsonOption, WorkspaceOption, open_run
from automl_vision.core.errors import RunFailedError
from automl_vision.core.numbers import json_text

if TYPE_CHECKING:
    from automl_vision.experiment.evaluated import Evaluated

TrialOption = Annotated[int | None, typer.Option(help="Number of the trial; the best one by default.")]
SplitOption = Annotated[str | None, typer.Option(help="val or test; the test images by default, if there are any.")]


def add_evaluation(app: typer.Typer) -> None:
    """Add the commands that show how good a trial is, and where."""
    for command in (slices, calibration, mistakes, compare):
        app.command()(command)


def slices(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    trial: TrialOption = None,
    split: SplitOption = None,
    metric: Annotated[str | None, typer.Option(help="A metric of the task; the primary one by default.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a trial is better or worse than elsewhere: by class, size, number of objects and group."""
    from automl_vision.cli.tables import print_table
    from automl_vision.evaluation.slices import slice_table, worst_sentence

    evaluated = _evaluated(run_id, trial, split, workspace)
    try:
        used = evaluated.metric(metric)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    found = evaluated.slices(metric)
    if as_json:
        typer.echo(json_text([asdict(part) for part in found], indent=2))
        return
    print_table(*slice_table(found, used))
    typer.echo(worst_sentence(found, used))


def calibration(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    trial: TrialOption = None,
    split: SplitOption = None,
    error_rate: Annotated[float, typer.Option(help="Share of the truth that prediction sets may miss.")] = 0.1,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far a classifier's probabilities can be trusted, and sets of labels that hold the truth."""
    evaluated = _evaluated(run_id, trial, split, workspace)
    try:
        found = evaluated.calibration(error_rate)
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(json_text(asdict(found), indent=2) if as_json else found.text)


def mistakes(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    trial: TrialOption = None,
    split: SplitOption = None,
    most: Annotated[int, typer.Option(min=1, help="How many are shown.")] = 24,
    draw: Annotated[
        Path | None, typer.Option(help="Picture of them: truth with solid lines, predictions with dashed ones.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the images that a trial gets wrong, the worst first."""
    from automl_vision.cli.tables import print_table

    evaluated = _evaluated(run_id, trial, split, workspace)
    found = evaluated.mistakes()
    if draw is not None:
        evaluated.draw_mistakes(most).save(draw)
    if as_json:
        rows = [{"file": evaluated.image(mistake), **asdict(mistake)} for mistake in found[:most]]
        typer.echo(json_text(rows, indent=2))
        return
    print_table(
        ["image", "truth", "predicted", "loss"],
        [[evaluated.image(m), m.truth, m.predicted, f"{m.loss:.3f}"] for m in found[:most]],
    )
    typer.echo(f"{len(found)} of {len(evaluated.rows)} {evaluated.split} images have mistakes")


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN:TRIAL", help="Id of a run and number of a trial.")],
    second: Annotated[str, typer.Argument(metavar="RUN:TRIAL", help="Another trial, of this or another run.")],
    split: SplitOption = None,
    metric: Annotated[str | None, typer.Option(help="A metric of the task; the primary one by default.")] = None,
    most: Annotated[int, typer.Option(min=1, help="How many images of each kind are listed.")] = 10,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two trials: a paired test, and the images that only one of them gets right."""
    from automl_vision.experiment.compared import compare_trials

    one, two = (_evaluated(*_run_and_trial(name), split, workspace) for name in (first, second))
    try:
        found = compare_trials(one, two, metric)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    if as_json:
        typer.echo(json_text(asdict(found), indent=2))
        return
    test = found.comparison
    typer.echo(
        f"{found.metric} of {second} minus {first}: {test.difference.text(4)}, "
        f"p {test.p_value:.2g} ({test.test} on {test.images} {one.split} images)"
    )
    typer.echo(f"both right {found.both}, neither {found.neither}")
    for name, images in ((first, found.only_first), (second, found.only_second)):
        typer.echo(f"only {name} right: {len(images)}")
        for image in images[:most]:
            typer.echo(f"  {image}")


def _run_and_trial(name: str) -> tuple[str, int]:
    """Id of a run and number of a trial from `RUN:TRIAL`."""
    run_id, _, number = name.rpartition(":")
    if not run_id or not number.isdigit():
        raise typer.BadParameter(f'"{name}" is not RUN:TRIAL, such as clothes-20260101-120000-ab12:3')
    return run_id, int(number)


def _evaluated(run_id: str, trial: int | None, split: str | None, workspace: Path | None) -> Evaluated:
    """A trial of a run beside the labels of its images; by default the best trial on the test images."""
    run = open_run(run_id, workspace)
    chosen = run.get_best_child() if trial is None else run.get_child(trial)
    if chosen is None:
        raise RunFailedError(f"run {run_id} has no trial with a result")
    try:
        return chosen.evaluated(split)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--split") from None
