"""The training step: submits runs, resumes those that were interrupted, and chooses the better one by validation."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic import Field

from automl_vision.core.errors import RunFailedError, RunNotFoundError
from automl_vision.core.numbers import finite
from automl_vision.core.records import RunStatus
from automl_vision.core.records.record import Record
from automl_vision.evaluation.metric import find_metric
from automl_vision.experiment.experiment import Experiment, prepared_run
from automl_vision.experiment.run import Run
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.results import DataTaken, Results, Trained, TrainedRun
from automl_vision.pipelines.starts import Start, plan_start, planned_starts
from automl_vision.pipelines.store import digest
from automl_vision.runs.start import start_run

_BEFORE_RESUME = 2.0  # seconds, doubled each time, until a run that ended is resumed


class Begun(Record):
    """How far a training step is; what it decided at its beginning stays."""

    starts: list[Start]
    champion: str = ""
    note: str = ""
    runs: dict[str, str] = Field(default={}, description="id of the run by start")


def training_key(context: PipelineContext, results: Results) -> list[object]:
    """What the result depends on: data and settings; and how often it was asked to train anew."""
    definition, data = context.definition, results.of(DataTaken)
    base = [data.fingerprint, definition.task, definition.training, definition.retraining]
    number = _last_number(context, base)
    if context.again and context.store.load(Trained, _key(base, number)) is not None:
        number += 1
    return [*base, number]


def _key(base: Sequence[object], number: int) -> str:
    return digest([Trained.step, *base, number])


def _last_number(context: PipelineContext, base: Sequence[object]) -> int:
    """The number of the last training with these settings, from 0."""
    number, store = 0, context.store
    while store.state(Trained.step, _key(base, number + 1), Begun) is not None:
        number += 1
    return number


def train(context: PipelineContext, results: Results) -> Trained:
    """Train on a version of the data, and choose the run whose model does best on the validation images.

    A run that was interrupted or failed is resumed, also when this is called again by another process.

    Raises:
        RunFailedError: no run has a model.
    """
    begun = context.store.state(Trained.step, context.key, Begun) or _begin(context)
    context.store.save_state(Trained.step, context.key, begun)
    if begun.note:
        context.reporter.say(begun.note)
    done: list[TrainedRun] = []
    for start in begun.starts:
        run = _run(context, results, begun, start)
        begun = begun.model_copy(update={"runs": {**begun.runs, start: run.id}})
        done.append(_finished(context, run, start))
    return _chosen(context, begun, done)


def _begin(context: PipelineContext) -> Begun:
    starts, note = planned_starts(context)
    champion = context.champion()
    return Begun(starts=starts, champion="" if champion is None else champion.id, note=note)


def _run(context: PipelineContext, results: Results, begun: Begun, start: Start) -> Run:
    """The run of a start: the one that was begun, or a new one, which is known before it starts."""
    known = begun.runs.get(start)
    if known is not None:
        return Run(context.workspace, known)
    spent = sum(context.workspace.run_folder(run).record().seconds for run in begun.runs.values())
    settings = plan_start(context, start, begun.champion, spent, len(begun.starts) - len(begun.runs))
    data = context.workspace.datasets.get(results.of(DataTaken).version)
    config = context.definition.config(training_data=data.manifest, **settings)
    experiment = Experiment(context.workspace, context.definition.name)
    with prepared_run(config, experiment) as (folder, lock):
        runs = {**begun.runs, start: folder.id}
        context.store.save_state(Trained.step, context.key, begun.model_copy(update={"runs": runs}))
        start_run(folder, lock)
    return Run(context.workspace, folder.id)


def _finished(context: PipelineContext, run: Run, start: Start) -> TrainedRun:
    """Follow a run to its end, and resume it where it ends too early."""
    context.reporter.say(f"run {run.id} begins with the {_WEIGHTS[start]}")
    wait = _BEFORE_RESUME
    for tries_left in range(context.definition.retries, -1, -1):
        if run.get_status() in _ENDED_EARLY:
            context.reporter.say(f"run {run.id} was {run.get_status()} and is resumed")
            run.resume()
        context.reporter.follow(run)
        if run.get_status() is RunStatus.COMPLETED or not tries_left:
            break
        time.sleep(wait)
        wait *= 2
    return TrainedRun(run=run.id, start=start, score=_score(run), status=run.get_status())


_ENDED_EARLY = (RunStatus.INTERRUPTED, RunStatus.FAILED, RunStatus.CANCELED)


def _score(run: Run) -> float | None:
    """The primary metric of a run's model on the validation images."""
    if not run.folder.model.exists():
        return None
    best = run.folder.record().best_trial
    scores = {row.trial: row.score for row in run.leaderboard() if row.score is not None}
    found = scores.get(best) if best is not None else None
    return None if found is None else finite(found.value)


def _chosen(context: PipelineContext, begun: Begun, runs: list[TrainedRun]) -> Trained:
    """The better run; of equal ones the one that began with the champion's weights."""
    scored = [run for run in runs if run.score is not None]
    if not scored:
        states = ", ".join(f"{run.run} is {run.status}" for run in runs)
        raise RunFailedError(f"no run of the pipeline has a model: {states}; go on with: automl-vision pipeline train")
    metric = find_metric(context.definition.task, context.definition.config().metric)
    best = max(scored, key=lambda run: metric.score(run.score or 0.0))
    others = [f"run {run.run} from the {_WEIGHTS[run.start]} has {run.score:.4f}" for run in scored if run is not best]
    failed = [f"run {run.run} from the {_WEIGHTS[run.start]} is {run.status}" for run in runs if run.score is None]
    score = f"{metric.words} {best.score:.4f} on validation images"
    return Trained(
        sentence=f"run {best.run} from the {_WEIGHTS[best.start]} has {score}",
        notes=[*([begun.note] if begun.note else []), *others, *failed],
        runs=runs,
        chosen=best.run,
        metric=metric.name,
        champion=begun.champion,
    )


_WEIGHTS = {"champion": "champion's weights", "start": "start weights"}


def still_trained(context: PipelineContext, trained: Trained) -> bool:
    """Whether the chosen run is still there with its model."""
    try:
        return context.workspace.run_folder(trained.chosen).model.exists()
    except RunNotFoundError:
        return False
