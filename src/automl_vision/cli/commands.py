"""The commands: each parses, calls one public function, prints. Heavy imports are late."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from automl_vision.cli.data_commands import add_data
from automl_vision.cli.demo_command import demo
from automl_vision.cli.endpoint_commands import add_endpoints
from automl_vision.cli.evaluation_commands import add_evaluation
from automl_vision.cli.explain_command import explain
from automl_vision.cli.export_command import export
from automl_vision.cli.history_commands import add_history
from automl_vision.cli.label_commands import add_labeling
from automl_vision.cli.machine_commands import add_machine
from automl_vision.cli.model_commands import ListByDefault, add_models
from automl_vision.cli.options import (
    JsonOption,
    ModelFolderArgument,
    PrecisionOption,
    RuntimeOption,
    Unreadable,
    UnreadableOption,
    WorkspaceOption,
    open_model,
    open_run,
    open_workspace,
)
from automl_vision.cli.pipeline_commands import add_pipeline
from automl_vision.cli.plan_command import SeveralMinutes, plan
from automl_vision.cli.score_command import score
from automl_vision.cli.studio_command import studio
from automl_vision.core.numbers import json_text

if TYPE_CHECKING:
    from automl_vision.core.records import RunRecord
    from automl_vision.experiment.run import Run
    from automl_vision.runs.leaderboard import Leaderboard
    from automl_vision.runs.plan import Plan
    from automl_vision.runs.verdict import Verdict

_ORDER = (
    "plan", "train", "predict", "score", "leaderboard", "evaluate", "report", "slices", "calibration",
    "thresholds", "mistakes", "figures", "compare", "explain", "export", "deploy", "serve", "endpoints", "drift",
    "pipeline", "studio", "runs", "watch", "resume", "cancel", "data", "label", "models", "demo", "history",
    "env", "clean", "schema", "version",
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
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Check, show, convert and compare datasets, and keep their versions.", no_args_is_help=True)
app.add_typer(data_app, name="data")
add_data(data_app)
models_app = typer.Typer(
    cls=ListByDefault,
    help="List algorithms; register models, compare, promote and roll back their versions. "
    "Without a command, `automl-vision models PATTERN` lists algorithms.",
)
app.add_typer(models_app, name="models")
add_models(models_app)
add_evaluation(app)
app.command(cls=SeveralMinutes)(plan)
app.command()(explain)
app.command()(score)
app.command()(export)
app.command()(studio)
add_endpoints(app)
add_labeling(app)
add_pipeline(app)
app.command()(demo)
add_machine(app)
add_history(app)
add_history(app)

JsonLinesOption = Annotated[
    bool, typer.Option("--json", help="Print JSON lines: the run, its trials and messages as they change.")
]


NowOption = Annotated[bool, typer.Option("--now", help="Start at once, without waiting for the runs before it.")]


def train(  # noqa: PLR0913, PLR0917 - each one is an option of the command
    job: Annotated[Path | None, typer.Argument(help="A job file in YAML, instead of the options.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Name of the experiment.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; may be repeated."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and return at once.")] = False,
    now: NowOption = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would run and for how long.")] = False,
    print_: Annotated[bool, typer.Option("--print", help="Only print the job in our words, as a job file.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonLinesOption = False,
    settings: dict[str, Any] | None = None,
) -> None:
    """Train a model on labelled images: `train job.yaml`, or `train --training-data FOLDER`."""
    from automl_vision.cli.options import config_from
    from automl_vision.experiment.experiment import Experiment

    name, config, notes = config_from(job, experiment, settings or {}, set_ or [], workspace)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if print_:
        from automl_vision.experiment.job_texts import job_yaml

        typer.echo(job_yaml(config, name), nl=False)
        return
    found = Experiment(open_workspace(workspace), name)
    if plan:
        planned = found.plan(config)
        typer.echo(json_text(planned.model_dump()) if as_json else _plan_text(planned))
        return
    run = found.submit(config, queue=not now)
    typer.echo(json.dumps({"event": "submitted", "run": run.id}) if as_json else f"run {run.id}")
    if not as_json:
        _show_import(run)
    if not detach:
        _follow(run, as_json=as_json)


def _show_import(run: Run) -> None:
    """Say what was noted when a run's data was opened."""
    from automl_vision.cli.import_report import note_lines, unvalidated_lines
    from automl_vision.data.dataset import Dataset

    dataset = Dataset.load(run.folder.spec()["manifest"])
    for line in (*note_lines(dataset.report.notes), *unvalidated_lines(dataset)):
        typer.echo(line, err=True)


def add_train(*, called: bool) -> None:
    """Add `train`, with its options derived from the config only when it is called."""
    from automl_vision.cli.options import with_config_options

    def listed() -> None:
        """Train a model on labelled images."""

    app.command("train")(with_config_options(train) if called else listed)


@app.command()
def resume(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    now: NowOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Continue a run that was interrupted, canceled or failed; finished work is kept."""
    _follow(open_run(run_id, workspace).resume(queue=not now), as_json=as_json)


@app.command()
def cancel(run_id: Annotated[str, typer.Argument(help="Id of the run.")], workspace: WorkspaceOption = None) -> None:
    """Stop a run and its trials."""
    run = open_run(run_id, workspace)
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

    run = open_run(run_id, workspace)
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
        outline, record = run.folder.outline(), run.folder.record()
        rows.append(
            {
                "run": run_id,
                "task": outline.task,
                "status": record.status if as_json else _status(record),
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
    max_ms: Annotated[
        float | None, typer.Option(help="Maximum milliseconds per image of the trials that are shown.")
    ] = None,
    max_mb: Annotated[
        float | None, typer.Option(help="Maximum megabytes of the exported file of the trials that are shown.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="First measure latency and size of trials that are not measured yet.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials of a run, best first, with intervals, latency and size, and which are as good as the best."""
    run = open_run(run_id, workspace)
    if measure:
        typer.echo("measuring latency and size; each network takes some seconds", err=True)
        run.measure()
    limits = {"max_latency_ms": max_ms, "max_size_mb": max_mb}
    try:
        board = run.leaderboard(metric or (), **limits)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        typer.echo(json_text(board.to_json(), indent=2))
        if board.note:
            typer.echo(board.note, err=True)
        return
    _show_board(board, run.verdict(**limits))


def _show_board(board: Leaderboard, verdict: Verdict | None) -> None:
    """Print a leaderboard, and what paired tests say of its trials."""
    from automl_vision.cli.tables import print_table

    print_table(board.columns(), board.cells())
    judged = verdict.sentence if verdict is not None else ""
    if board.note and judged:
        judged = f"of these, {judged}"
    for sentence in (board.measured_on, board.note, judged):
        if sentence:
            typer.echo(sentence)


@app.command()
def predict(  # noqa: PLR0913 - each one is an option of the command
    model: ModelFolderArgument,
    images: Annotated[
        list[str], typer.Argument(help="Image files, or folders of them; or one video, or rtsp://HOST/PATH.")
    ],
    *,
    as_json: JsonOption = False,
    out: Annotated[Path | None, typer.Option(help="Write JSON lines into a file.")] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Folder for drawn pictures; of a video a file such as drawn.mp4.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames of a video per second; all by default.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with the images that come into the folder.")] = False,
    reconnect: Annotated[
        float | None, typer.Option(min=0, help="Seconds to go on trying a lost stream; 300 by default.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use; 0 uses all.")] = 0,
    error_rate: Annotated[
        float | None, typer.Option(help="Show sets of labels that miss at most this share of the truth.")
    ] = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    on_unreadable: UnreadableOption = Unreadable.SKIP,
    workspace: WorkspaceOption = None,
) -> None:
    """Predict the labels or objects of images, of a video or of a camera with a trained model."""
    from automl_vision.serving.command import PredictOptions, predict_sources

    settings = {"threads": threads, "error_rate": error_rate, "runtime": runtime, "precision": precision}
    options = PredictOptions(as_json, out, draw, settings, on_unreadable is Unreadable.ERROR, fps, watch, reconnect)
    if code := predict_sources(open_model(model, workspace), images, options):
        raise typer.Exit(code)


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


def _plan_text(plan: Plan) -> str:
    """A plan in sentences, for a run that would start now."""
    return "\n".join([f"{plan.sentence}; {plan.ready(time.time())}", *(f"  {reason}" for reason in plan.reasons)])


def _status(record: RunRecord) -> str:
    """The status of a run, of a queued one with what it waits for."""
    return record.status if record.in_line is None else f"{record.status} ({record.in_line.sentence})"


def _follow(run: Run, *, as_json: bool = False) -> None:
    """Show a run until it ends, then its leaderboard and the path of its model."""
    run.wait_for_completion(show_output=True, as_json=as_json)
    board = run.leaderboard()
    if as_json:
        typer.echo(json_text({"event": "leaderboard", "rows": board.to_json(), "model": str(run.model_path)}))
        return
    _show_board(board, run.verdict())
    decision = run.folder.record().decision
    if decision is not None:
        typer.echo(decision.reason)
    typer.echo(f"model  {run.model_path}")
