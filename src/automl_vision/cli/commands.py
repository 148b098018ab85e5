"""The commands: each parses, calls one public function, prints. Heavy imports are late."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from automl_vision.cli.data_commands import add_data
from automl_vision.cli.options import JsonOption, WorkspaceOption, open_workspace
from automl_vision.core.errors import RunFailedError
from automl_vision.core.numbers import json_text

if TYPE_CHECKING:
    from automl_vision.experiment.evaluated import Evaluated
    from automl_vision.experiment.run import Run
    from automl_vision.runs.leaderboard import Leaderboard

_ORDER = (
    "train", "predict", "leaderboard", "slices", "calibration", "mistakes", "compare", "runs", "watch", "resume",
    "cancel", "data", "models", "schema", "version",
)  # fmt: skip


class _Ordered(TyperGroup):
    """Lists commands in the order in which people need them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, those of `_ORDER` first."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


app = typer.Typer(
    cls=_Ordered,
    name="automl-vision",
    help="AutoML for images: labelled images in, a proven model out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Check, show, convert and compare datasets, and keep their versions.", no_args_is_help=True)
app.add_typer(data_app, name="data")
add_data(data_app)

TrialOption = Annotated[int | None, typer.Option(help="Number of the trial; the best one by default.")]
SplitOption = Annotated[str | None, typer.Option(help="val or test; the test images by default, if there are any.")]
JsonLinesOption = Annotated[
    bool, typer.Option("--json", help="Print JSON lines: the run, its trials and messages as they change.")
]


def train(
    job: Annotated[Path | None, typer.Argument(help="A job file in YAML, instead of the options.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Name of the experiment.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; may be repeated."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and return at once.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonLinesOption = False,
    settings: dict[str, Any] | None = None,
) -> None:
    """Train a model on labelled images: `train job.yaml`, or `train --training-data FOLDER`."""
    from automl_vision.cli.options import config_from
    from automl_vision.experiment.experiment import Experiment

    name, config = config_from(job, experiment, settings or {}, set_ or [], workspace)
    run = Experiment(open_workspace(workspace), name).submit(config)
    typer.echo(json.dumps({"event": "submitted", "run": run.id}) if as_json else f"run {run.id}")
    if not detach:
        _follow(run, as_json=as_json)


def add_train(*, called: bool) -> None:
    """Add `train`, with its options derived from the config only when it is called."""
    from automl_vision.cli.options import with_config_options

    def listed() -> None:
        """Train a model on labelled images."""

    app.command("train")(with_config_options(train) if called else listed)


@app.command()
def resume(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    workspace: WorkspaceOption = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Continue a run that was interrupted, canceled or failed; finished work is kept."""
    _follow(_run(run_id, workspace).resume(), as_json=as_json)


@app.command()
def cancel(run_id: Annotated[str, typer.Argument(help="Id of the run.")], workspace: WorkspaceOption = None) -> None:
    """Stop a run and its trials."""
    run = _run(run_id, workspace)
    run.cancel()
    typer.echo(run.get_status())


@app.command()
def watch(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    workspace: WorkspaceOption = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Show the progress of a run live; Ctrl-C leaves it running."""
    from automl_vision.experiment.progress import show_progress

    run = _run(run_id, workspace)
    try:
        show_progress(run.folder, as_json=as_json)
    except KeyboardInterrupt:
        typer.echo(f"run {run.id} goes on; end it with: automl-vision cancel {run.id}", err=True)
        raise


@app.command()
def runs(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List all runs."""
    from automl_vision.experiment.run import Run

    space = open_workspace(workspace)
    rows = []
    for run_id in space.run_ids():
        run = Run(space, run_id)
        best = next((row.score for row in run.leaderboard() if row.score is not None), None)
        outline = run.folder.outline()
        rows.append(
            {
                "run": run_id,
                "task": outline.task,
                "status": run.get_status(),
                outline.primary_metric: None if best is None else round(best.value, 4),
            }
        )
    if as_json:
        typer.echo(json_text(rows, indent=2))
    elif not rows:
        typer.echo(f"no runs in {space.path}")
    for row in [] if as_json else rows:
        *facts, (metric, value) = row.items()
        typer.echo("  ".join(str(fact) for _, fact in facts) + ("" if value is None else f"  {metric} {value}"))


@app.command()
def leaderboard(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    metric: Annotated[
        list[str] | None, typer.Option(help="A further metric that gets a column; may be given several times.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials of a run, best first, with confidence intervals, and which are as good as the best."""
    run = _run(run_id, workspace)
    try:
        board = run.leaderboard(metric or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metric") from None
    if as_json:
        typer.echo(json_text(board.to_json(), indent=2))
        return
    _show_board(run, board)


def _show_board(run: Run, board: Leaderboard) -> None:
    """Print a leaderboard, and what paired tests say of its trials."""
    from automl_vision.cli.tables import print_table

    print_table(board.columns(), board.cells())
    verdict = run.verdict()
    if verdict is not None and verdict.sentence:
        typer.echo(verdict.sentence)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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
    run = _run(run_id, workspace)
    chosen = run.get_best_child() if trial is None else run.get_child(trial)
    if chosen is None:
        raise RunFailedError(f"run {run_id} has no trial with a result")
    try:
        return chosen.evaluated(split)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--split") from None


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="The model folder.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: JsonOption = False,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use; 0 uses all.")] = 0,
    draw: Annotated[Path | None, typer.Option(help="Folder for pictures with the detected objects.")] = None,
) -> None:
    """Predict the labels or objects of images with a trained model."""
    from automl_vision.serving.command import predict_files, write_predictions

    rows = predict_files(model, images, threads=threads, drawings=draw)
    if write_predictions(rows, sys.stdout, as_json=as_json):
        raise typer.Exit(2)


@app.command()
def models(
    pattern: Annotated[str, typer.Argument(help="Name, with * and ? as wildcards.")] = "*",
    task: Annotated[str | None, typer.Option(help="Only algorithms of this task.")] = None,
    all_names: Annotated[bool, typer.Option("--all", help="Also list the architectures of timm.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List algorithms with their size and the licence and source of their weights."""
    from automl_vision.cli.tables import print_table
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


@app.command()
def schema() -> None:
    """Print the JSON Schema of job files."""
    from automl_vision.experiment.job_file import job_schema

    typer.echo(json.dumps(job_schema(), indent=2))


@app.command()
def version() -> None:
    """Print the version."""
    from automl_vision.core.version import VERSION

    typer.echo(VERSION)


def _run(run_id: str, workspace: Path | None) -> Run:
    from automl_vision.experiment.run import Run

    return Run(open_workspace(workspace), run_id)


def _follow(run: Run, *, as_json: bool = False) -> None:
    """Show a run until it ends, then its leaderboard and the path of its model."""
    run.wait_for_completion(show_output=True, as_json=as_json)
    board = run.leaderboard()
    if as_json:
        typer.echo(json_text({"event": "leaderboard", "rows": board.to_json(), "model": str(run.model_path)}))
        return
    _show_board(run, board)
    decision = run.folder.record().decision
    if decision is not None:
        typer.echo(decision.reason)
    typer.echo(f"model  {run.model_path}")
