"""A pipeline as Dagster's assets: one per step, partitioned by version of the data, with sensors and a schedule.

Nothing is computed here: each asset does the step of its name, whose result is kept as after `automl-vision pipeline`.
"""

# without postponed annotations, for Dagster reads those of its functions
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

import dagster as dg

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.experiment.run import Run
from automl_vision.pipelines.context import Counter, PipelineContext
from automl_vision.pipelines.dagster_settings import PIPELINE_TAG
from automl_vision.pipelines.definition import PipelineDefinition
from automl_vision.pipelines.labels import take_enough_labels, watch_endpoint
from automl_vision.pipelines.results import DataTaken, StepResult
from automl_vision.pipelines.running import known_results, run_pipeline, run_step
from automl_vision.pipelines.steps import STEPS, Step, find_step
from automl_vision.workspace.workspace import Workspace

NAMES = {
    "data": "dataset_version",
    "check": "data_gate",
    "train": "run",
    "evaluate": "evaluation_gate",
    "register": "candidate",
    "compare": "comparison",
    "promote": "champion",
    "deploy": "endpoint",
}
"""The asset that each step makes."""

QUEUE = "labelling_queue"
_KINDS = {"data": "parquet", "train": "pytorch", "register": "mlflow", "promote": "mlflow", "deploy": "onnx"}
_PATIENCE = 300.0  # seconds that a step waits for a sensor that looks at the data


class _Log:
    """Tells a step's progress in the log of a Dagster run."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def say(self, text: str) -> None:
        """Log a sentence."""
        self._log.info(text)

    def confide(self, what: str, owner: str, secret: str) -> None:  # noqa: ARG002 - Dagster keeps its logs
        """Say only how to get a key."""
        name = what.partition(" ")[0]
        self._log.info(f"{owner} is new; get its {what} with: automl-vision endpoints renew-key {owner} {name}")

    @contextmanager
    def counting(self, what: str) -> Iterator[Counter]:
        """Log how many were done at the end."""
        last = (0, 0)

        def count(done: int, total: int) -> None:
            nonlocal last
            last = (done, total)

        yield count
        if last[1]:
            self._log.info(f"{last[0]:,} of {last[1]:,} {what}")

    def follow(self, run: Run) -> None:
        """Wait until the run is at rest."""
        run.wait_for_completion(raise_on_error=False)
        self._log.info(f"run {run.id} is {run.get_status()}")


def versions_of(definition: PipelineDefinition) -> dg.DynamicPartitionsDefinition:
    """The partitions: one per version of the data."""
    return dg.DynamicPartitionsDefinition(name=f"{definition.name}_versions")


def asset_key(definition: PipelineDefinition, step: Step) -> dg.AssetKey:
    """The asset of a step."""
    return dg.AssetKey([_plain(definition.name), NAMES[step.name]])


def metadata_of(result: StepResult) -> dict[str, Any]:
    """What Dagster shows of a result."""
    values: dict[str, Any] = {"result": dg.MetadataValue.text(result.sentence)}
    if result.notes:
        values["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in result.notes))
    for name, value in result.model_dump(mode="json").items():
        if name in ("sentence", "notes", "made", "passed", "key"):
            continue
        if isinstance(value, bool | int | float | str) and value != "":
            values[name] = round(value, 1) if isinstance(value, float) and name == "seconds" else value
        elif isinstance(value, dict | list) and value:
            values[name] = dg.MetadataValue.json(value)
    return values


def pipeline_definitions(definition: PipelineDefinition, workspace: Workspace) -> dg.Definitions:
    """Everything that Dagster shows and starts of a pipeline."""
    assets: list[dg.AssetsDefinition] = []
    for step in STEPS:
        assets.append(_asset(step, assets[-1:], definition, workspace))
    job = dg.define_asset_job(
        f"{_plain(definition.name)}_pipeline",
        selection=[each.key for each in assets],
        description="From a version of the data to the endpoint.",
        tags={PIPELINE_TAG: definition.name, "dagster/max_retries": str(definition.retries)},
    )
    jobs, asking = [job], None
    if definition.endpoint is not None:
        assets.append(_queue_asset(assets[-1], definition, workspace))
        asking = dg.define_asset_job(f"{_plain(definition.name)}_ask_for_labels", selection=[assets[-1].key])
        jobs.append(asking)
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        sensors=list(_sensors(definition, workspace, job, asking)),
        schedules=list(_schedules(definition, workspace, job)),
        executor=dg.in_process_executor,
    )


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)


def _asset(
    step: Step, before: Sequence[dg.AssetsDefinition], definition: PipelineDefinition, workspace: Workspace
) -> dg.AssetsDefinition:
    days = definition.triggers.fresh_days if step is STEPS[-1] else None

    @dg.asset(
        key=asset_key(definition, step),
        deps=list(before),
        partitions_def=versions_of(definition),
        group_name=_plain(definition.name),
        description=step.title,
        kinds={_KINDS[step.name]} if step.name in _KINDS else None,
        freshness_policy=None if days is None else dg.FreshnessPolicy.time_window(fail_window=timedelta(days=days)),
    )
    def work(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        found = PipelineContext(
            definition, workspace, _Log(context.log), version=context.partition_key, patience=_PATIENCE
        )
        try:
            result = run_step(found, step.name).result
        except AutoMLVisionError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        if not result.passed:
            raise dg.Failure(description=result.sentence, metadata=metadata_of(result), allow_retries=False)
        return dg.MaterializeResult(metadata=metadata_of(result), data_version=dg.DataVersion(result.key))

    return work


def _queue_asset(
    endpoint: dg.AssetsDefinition, definition: PipelineDefinition, workspace: Workspace
) -> dg.AssetsDefinition:
    """Photos that wait for labels, which a drift alarm brings."""

    @dg.asset(
        key=dg.AssetKey([_plain(definition.name), QUEUE]),
        deps=[endpoint],
        group_name=_plain(definition.name),
        description="Photos that are worth labelling since what the endpoint sees has changed",
    )
    def queue(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        report, added = watch_endpoint(PipelineContext(definition, workspace, _Log(context.log)))
        return dg.MaterializeResult(
            metadata={"result": report.sentence, "alarm": report.is_alarm, "photos added": added}
        )

    return queue


def _newest(definition: PipelineDefinition, workspace: Workspace, log: Any) -> str:
    """The newest version of the data, which is registered first if it is new."""
    context = PipelineContext(definition, workspace, _Log(log))
    outcome = run_pipeline(context, until="data")
    taken = outcome.done[0].result
    assert isinstance(taken, DataTaken), "the first step takes the data"
    return taken.version


Seen: TypeAlias = dg.SensorResult | dg.RunRequest | dg.SkipReason


def _sensors(
    definition: PipelineDefinition, workspace: Workspace, job: Any, asking: Any
) -> Iterator[dg.SensorDefinition]:
    triggers, name = definition.triggers, _plain(definition.name)
    if triggers.new_version_minutes is not None:
        look = partial(_see_new_version, definition, workspace)
        yield _sensor(
            f"{name}_new_version",
            look,
            job,
            triggers.new_version_minutes,
            "Runs the pipeline on a new version of the data",
        )
    if triggers.labels is not None:
        description = f"Takes new labels into the data once there are {triggers.labels.at_least}, and runs the pipeline"
        yield _sensor(f"{name}_new_labels", partial(_see_labels, definition, workspace), job, 1, description)
    if triggers.drift is not None and asking is not None:
        description = "Puts photos into the labelling queue when what the endpoint sees has changed"
        look = partial(_see_drift, definition, workspace)
        yield _sensor(f"{name}_drift", look, asking, triggers.drift.every_minutes, description)


def _sensor(
    name: str, look: Callable[[dg.SensorEvaluationContext], Seen], job: Any, minutes: float, description: str
) -> dg.SensorDefinition:
    """A sensor that looks every so many minutes; an error of ours is why it skips its turn."""

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=round(60 * minutes),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def looking(context: dg.SensorEvaluationContext) -> Seen:
        try:
            return look(context)
        except AutoMLVisionError as error:
            return dg.SkipReason(str(error))

    return looking


def _see_new_version(definition: PipelineDefinition, workspace: Workspace, context: dg.SensorEvaluationContext) -> Seen:
    version = _newest(definition, workspace, context.log)
    if version in context.instance.get_dynamic_partitions(versions_of(definition).name or ""):
        return dg.SkipReason(f"{version} is still the newest version")
    return _request(definition, version)


def _see_labels(definition: PipelineDefinition, workspace: Workspace, context: dg.SensorEvaluationContext) -> Seen:
    taken = take_enough_labels(PipelineContext(definition, workspace, _Log(context.log)))
    if taken.version is None:
        return dg.SkipReason(taken.sentence)
    return _request(definition, taken.version)  # not by a look at the data, which has to wait while a run trains


def _see_drift(definition: PipelineDefinition, workspace: Workspace, context: dg.SensorEvaluationContext) -> Seen:
    from automl_vision.deployment.drift import drift

    report = drift(definition.endpoint or "", level=definition.triggers.drift_or_default.level, workspace=workspace)
    if not report.is_alarm:
        return dg.SkipReason(report.sentence)
    context.log.info(report.sentence)
    return dg.RunRequest(run_key=f"{report.deployment} {report.until}")


def _schedules(definition: PipelineDefinition, workspace: Workspace, job: Any) -> Iterator[dg.ScheduleDefinition]:
    if definition.triggers.schedule is None:
        return

    @dg.schedule(
        name=f"{_plain(definition.name)}_schedule",
        job=job,
        cron_schedule=definition.triggers.schedule,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def planned(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            version = _newest(definition, workspace, context.log)
            results, following = known_results(PipelineContext(definition, workspace))
        except AutoMLVisionError as error:
            return dg.SkipReason(str(error))
        if following is None:  # a run would only make what is served look new to the freshness rule
            return dg.SkipReason(f"nothing has changed since {version}: {[*results.values()][-1].sentence}")
        context.instance.add_dynamic_partitions(versions_of(definition).name or "", [version])
        return dg.RunRequest(partition_key=version)

    yield planned


def _request(definition: PipelineDefinition, version: str) -> dg.SensorResult:
    """Ask for a run of the pipeline on a version."""
    partitions = versions_of(definition)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=version, partition_key=version)],
        dynamic_partitions_requests=[partitions.build_add_request([version])],
    )


def report_known(instance: dg.DagsterInstance, definition: PipelineDefinition, workspace: Workspace) -> int:
    """Tell Dagster what was done without it, as after `automl-vision pipeline run`; returns how many results."""
    told = 0
    context = PipelineContext(definition, workspace)
    for taken in context.store.all(DataTaken):
        instance.add_dynamic_partitions(versions_of(definition).name or "", [taken.version])
        for name, result in known_results(context, taken)[0].items():
            key = asset_key(definition, find_step(name))
            if not result.passed or _is_told(instance, key, taken.version, result.key):
                continue
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    key,
                    partition=taken.version,
                    metadata=metadata_of(result),
                    description=result.sentence,
                    tags={"dagster/data_version": result.key},
                )
            )
            told += 1
    return told


def _is_told(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str, result: str) -> bool:
    """Whether Dagster knows a result."""
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    if not records or records[0].asset_materialization is None:
        return False
    return (records[0].asset_materialization.tags or {}).get("dagster/data_version") == result
