"""The commands that show how good a trial is, and where: each parses, calls one public function, prints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_vision.cli.options import (
    AllowOutsideOption,
    DataArgument,
    JsonOption,
    ModelFolderArgument,
    WorkspaceOption,
    open_dataset,
    open_model,
    open_run,
)
from automl_vision.cli.progress import progress_bar
from automl_vision.core.errors import RunFailedError
from automl_vision.core.files import read_json
from automl_vision.core.numbers import json_text

if TYPE_CHECKING:
    from automl_vision.evaluation.intervals import Interval
    from automl_vision.evaluation.operating import OperatingPoints
    from automl_vision.experiment.evaluated import Evaluated
    from automl_vision.experiment.trial import Trial

EvaluatedArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, RUN:TRIAL, or a folder that `evaluate` wrote.")
]
TrialOption = Annotated[int | None, typer.Option(help="Number of the trial; the best one by default.")]
SplitOption = Annotated[str | None, typer.Option(help="val or test; the test images by default, if there are any.")]


def add_evaluation(app: typer.Typer) -> None:
    """Add the commands that show how good a trial is, and where."""
    for command in (evaluate, report, slices, calibration, thresholds, mistakes, figures, compare):
        app.command()(command)


def evaluate(  # noqa: PLR0913 - each one is an option of the command
    model: ModelFolderArgument,
    data: DataArgument,
    *,
    split: Annotated[
        str | None,
        typer.Option(help="train, val, test or all; by default the test images, or all if there are none."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="A metric of the task that ranks; its own by default.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder that keeps the predictions, for slices, mistakes, figures and report.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with everything.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use; 0 uses all.")] = 0,
    allow_outside: AllowOutsideOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a packaged model on labelled images, with confidence intervals."""
    from automl_vision.cli.tables import print_table
    from automl_vision.evaluation.scoring.scoring import ScoringSettings
    from automl_vision.experiment.model_evaluation import evaluate as evaluate_model
    from automl_vision.serving.model_folder import ModelDescription

    folder = open_model(model, workspace)
    task = ModelDescription.load(folder).task
    dataset = open_dataset(data, workspace, task=task, allow_outside=allow_outside)
    try:
        with progress_bar("images") as progress:
            settings = ScoringSettings(metric)
            found = evaluate_model(folder, dataset, split=split, settings=settings, threads=threads, progress=progress)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    if out is not None:
        found.save(out)
    if report is not None:
        from automl_vision.experiment.reports.contents import report_evaluation

        report_evaluation(found).save(report)
    values = found.metrics()
    if as_json:
        typer.echo(json_text({name: asdict(value) for name, value in values.items()}, indent=2))
        return
    print_table(["metric", f"{found.split} images"], [[name, value.text(4)] for name, value in values.items()])
    typer.echo(f"{len(found.rows)} images; {found.dataset.report}")
    if out is not None:
        typer.echo(f"look closer with: automl-vision report {out}")


def report(
    run: EvaluatedArgument,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    trial: TrialOption = None,
    split: SplitOption = None,
    pixels: Annotated[
        bool, typer.Option(help="Read every image once, to check the data, for brightness and for near-duplicates.")
    ] = True,
    workspace: WorkspaceOption = None,
) -> None:
    """Write one page with everything: verdict, leaderboard, charts, slices, mistakes, data, model card."""
    from automl_vision.experiment.evaluated import EVALUATION_FILE
    from automl_vision.experiment.reports.contents import report_evaluation, report_run

    with bad_split(), progress_bar("reading images") as progress:
        if Path(run, EVALUATION_FILE).exists():
            page = report_evaluation(open_evaluated(run, trial, split, workspace), pixels=pixels, progress=progress)
        else:
            run_id, number = _run_and_trial(run, trial)
            page = report_run(open_run(run_id, workspace), trial=number, split=split, pixels=pixels, progress=progress)
    typer.echo(page.save(out))


def slices(
    run: EvaluatedArgument,
    trial: TrialOption = None,
    split: SplitOption = None,
    metric: Annotated[str | None, typer.Option(help="A metric of the task; the primary one by default.")] = None,
    pixels: Annotated[
        bool, typer.Option(help="Read the images once, for brightness, contrast, sharpness and near-duplicates.")
    ] = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a trial is better or worse than elsewhere: by class, size, brightness, sharpness, group and more."""
    from automl_vision.cli.tables import print_table
    from automl_vision.evaluation.slices import slice_table, worst_sentence

    evaluated = open_evaluated(run, trial, split, workspace)
    try:
        used = evaluated.metric(metric)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    copies, unread = None, 0
    if pixels:
        with progress_bar("reading images") as progress:
            copies = evaluated.near_duplicates(metric, progress=progress)
        unread = int((~evaluated.pixel_statistics().readable).sum())
    found = evaluated.slices(metric, pixels=pixels)
    if as_json:
        typer.echo(json_text([asdict(part) for part in found], indent=2))
        return
    print_table(*slice_table(found, used))
    typer.echo(worst_sentence(found, used))
    if unread:
        typer.echo(f"{unread} images cannot be read and have no brightness, contrast or sharpness")
    if copies is not None:
        typer.echo(copies.text)


def calibration(
    run: EvaluatedArgument,
    trial: TrialOption = None,
    split: SplitOption = None,
    error_rate: Annotated[float, typer.Option(help="Share of the truth that prediction sets may miss.")] = 0.1,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far probabilities or scores can be trusted, and sets of labels that hold the truth."""
    evaluated = open_evaluated(run, trial, split, workspace)
    try:
        found = evaluated.calibration(error_rate)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--error-rate") from None
    typer.echo(json_text(asdict(found), indent=2) if as_json else found.text)


def thresholds(  # noqa: PLR0913, PLR0917 - the options of the command
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or RUN:TRIAL.")],
    trial: TrialOption = None,
    split: SplitOption = None,
    precision: Annotated[float | None, typer.Option(help="At least this, with the highest recall.")] = None,
    recall: Annotated[float | None, typer.Option(help="At least this, with the highest precision.")] = None,
    cost: Annotated[
        Path | None,
        typer.Option(help='JSON file of costs: {"false": 1, "missed": 5}, or {"TRUE": {"PREDICTED": 5}} by class.'),
    ] = None,
    per_class: Annotated[bool, typer.Option(help="Whether each class has its own threshold.")] = True,
    cautious: Annotated[
        bool, typer.Option("--cautious", help="The lower end of the 95 % interval must reach what is wanted.")
    ] = False,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Turn a detector's scores into probabilities first.")
    ] = False,
    save: Annotated[bool, typer.Option("--save", help="Save them into the model, which then decides by them.")] = False,
    model: Annotated[Path | None, typer.Option(help="The model folder; that of the run by default.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose thresholds for a precision, a recall, the least cost or the best F1, and show what they do."""
    from automl_vision.experiment.operating import set_operating_point

    chosen = open_trial(run, trial, workspace)
    with bad_split():
        evaluated = chosen.evaluated(split)
    try:
        found = evaluated.operating_points(
            precision=precision,
            recall=recall,
            cost=None if cost is None else _costs(cost),
            per_class=per_class,
            cautious=cautious,
            calibrated=calibrated,
        )
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(str(error)) from None
    saved = set_operating_point(chosen, found, model) if save else None
    if as_json:
        typer.echo(json_text(asdict(found), indent=2))
        return
    _show_operating_points(found)
    if saved is not None:
        typer.echo(f"saved into {saved}")


def _show_operating_points(found: OperatingPoints) -> None:
    from automl_vision.cli.tables import print_table

    print_table(
        ["class", "threshold", "precision", "recall", "shown", "to find"],
        [
            [
                point.label,
                f"{point.threshold:.4f}",
                _figure(point.precision),
                _figure(point.recall),
                str(point.shown),
                str(point.positives),
            ]
            for point in found.classes
        ],
    )
    typer.echo(found.text)
    for sentence in found.sentences:
        typer.echo(sentence)


def _figure(interval: Interval) -> str:
    return "-" if math.isnan(interval.value) else interval.text(3)


def _costs(file: Path) -> dict[str, Any]:
    """The costs in a JSON file."""
    try:
        value = read_json(file)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read ({error})", param_hint="--cost") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{file} must hold an object of costs", param_hint="--cost")
    return value


def mistakes(
    run: EvaluatedArgument,
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

    evaluated = open_evaluated(run, trial, split, workspace)
    found = evaluated.mistakes()
    if draw is not None:
        evaluated.draw_mistakes(most).save(draw)
    if as_json:
        rows = [{"file": evaluated.image(mistake), **asdict(mistake)} for mistake in found[:most]]
        typer.echo(json_text(rows, indent=2))
        return
    print_table(
        ["image", "truth", "predicted", "loss", "is the label wrong?"],
        [[evaluated.image(m), m.truth, m.predicted, f"{m.loss:.3f}", m.suspected] for m in found[:most]],
    )
    typer.echo(f"{len(found)} of {len(evaluated.rows)} {evaluated.split} images have mistakes")
    if suspected := sum(bool(mistake.suspected) for mistake in found):
        typer.echo(f"in {suspected} of them the label itself may be wrong; {evaluated.suspicion}")


def figures(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    out: Annotated[Path, typer.Option(help="Folder that the files are written to.")],
    trial: Annotated[
        int | None, typer.Option(help="Only of this trial; by default of the run and its best trial.")
    ] = None,
    split: SplitOption = None,
    dark: Annotated[bool, typer.Option("--dark", help="SVG files for a dark background.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the figures of a run and a trial as SVG, and as HTML that opens without a network."""
    from automl_vision.experiment.figure_files import write_figures

    run = open_run(run_id, workspace)
    chosen = run.get_best_child() if trial is None else run.get_child(trial)
    found = [] if trial is not None else [run.figures()]
    try:
        found += [] if chosen is None else [chosen.figures(split)]
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--split") from None
    bare = {name: figure for part in found for name, figure in part.in_mode(None).items()}
    missing = {name: reason for part in found for name, reason in part.missing.items()}
    written = write_figures(bare, out, mode="dark" if dark else "light")
    if as_json:
        paths = [str(path) for path in written.paths]
        typer.echo(json_text({"files": paths, "missing": missing, "without_svg": written.without_svg}, indent=2))
        return
    for path in written.paths:
        typer.echo(path)
    for name, reason in missing.items():
        typer.echo(f"no {name}: {reason}")
    if written.without_svg:
        typer.echo(written.without_svg)


def compare(
    first: EvaluatedArgument,
    second: EvaluatedArgument,
    split: SplitOption = None,
    metric: Annotated[str | None, typer.Option(help="A metric of the task; the primary one by default.")] = None,
    most: Annotated[int, typer.Option(min=1, help="How many images of each kind are listed.")] = 10,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with the images.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two trials: a paired test, and the images that only one of them gets right."""
    from automl_vision.experiment.compared import compare_trials

    one, two = (open_evaluated(name, None, split, workspace) for name in (first, second))
    try:
        found = compare_trials(one, two, metric)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    if report is not None:
        from automl_vision.experiment.reports.contents import report_comparison

        report_comparison(one, two, metric).save(report)
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


def open_evaluated(name: str, trial: int | None, split: str | None, workspace: Path | None) -> Evaluated:
    """What a command is to show: a trial of a run, by default the best one on the test images, or a kept evaluation.

    Args:
        name: id of a run, `RUN:TRIAL`, or a folder that `evaluate` wrote.
        trial: number of the trial, where the name has none.
        split: of its images.
        workspace: of the run.
    """
    from automl_vision.experiment.evaluated import EVALUATION_FILE, Evaluated

    with bad_split():
        if Path(name, EVALUATION_FILE).exists():
            found = Evaluated.load(name)
            return found if split is None else replace(found, split=split)
        return open_trial(name, trial, workspace).evaluated(split)


def open_trial(name: str, trial: int | None, workspace: Path | None) -> Trial:
    """A trial of a run, by default the best one.

    Args:
        name: id of a run, or `RUN:TRIAL`.
        trial: number of the trial, where the name has none.
        workspace: of the run.
    """
    run_id, number = _run_and_trial(name, trial)
    run = open_run(run_id, workspace)
    chosen = run.get_best_child() if number is None else run.get_child(number)
    if chosen is None:
        raise RunFailedError(f"run {run_id} has no trial with a result")
    return chosen


def _run_and_trial(name: str, trial: int | None) -> tuple[str, int | None]:
    """Id of a run and number of a trial from `RUN:TRIAL`, or from `RUN` and an option."""
    run_id, _, number = name.rpartition(":")
    return (run_id, int(number)) if run_id and number.isdigit() else (name, trial)


@contextmanager
def bad_split() -> Iterator[None]:
    """Say that `--split` names a split without predictions."""
    try:
        yield
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--split") from None
