"""A pipeline in Dagster: the same steps, one asset each, in this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from colour_pipelines import colour_context, trained_as

from automl_vision import Workspace
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.dagster_assets import NAMES, asset_key, pipeline_definitions, report_known, versions_of
from automl_vision.pipelines.dagster_server import dagster_environment
from automl_vision.pipelines.dagster_settings import PIPELINE_TAG, dagster_home
from automl_vision.pipelines.running import run_pipeline
from automl_vision.pipelines.steps import STEPS
from colour_models import WORTHLESS, write_colour_images

TRIGGERS = {"schedule": "0 3 * * 1", "labels": {"at_least": 5}, "drift": {"every_minutes": 30}, "fresh_days": 7}


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineContext:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    data = write_colour_images(tmp_path / "data", per_class=10)
    return colour_context(Workspace(tmp_path / "workspace"), data, triggers=TRIGGERS)


def latest(instance: dg.DagsterInstance, context: PipelineContext, name: str) -> dg.AssetMaterialization:
    step = next(step for step in STEPS if step.name == name)
    event = instance.get_latest_materialization_event(asset_key(context.definition, step))
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization


def executed(job: dg.JobDefinition, instance: dg.DagsterInstance, version: str) -> dg.ExecuteInProcessResult:
    """Run a job in a thread of its own: a browser of other tests leaves an event loop running in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(
            job.execute_in_process, partition_key=version, instance=instance, raise_on_error=False
        ).result()


def test_a_new_version_runs_through_all_assets_up_to_the_gate_that_refuses(context: PipelineContext, tmp_path: Path):
    definitions = pipeline_definitions(context.definition, context.workspace)
    job = definitions.resolve_job_def("colours_pipeline")
    new_version, labels, drift = (
        definitions.resolve_sensor_def(f"colours_{name}") for name in ("new_version", "new_labels", "drift")
    )
    with dg.DagsterInstance.ephemeral() as instance:
        sensed = new_version(dg.build_sensor_context(instance))
        assert [request.partition_key for request in sensed.run_requests] == ["colours:1"]
        instance.add_dynamic_partitions(versions_of(context.definition).name, ["colours:1"])
        assert "still the newest" in new_version(dg.build_sensor_context(instance)).skip_message
        assert "next version of a registered dataset" in labels(dg.build_sensor_context(instance)).skip_message
        assert "no endpoint is named" in drift(dg.build_sensor_context(instance)).skip_message

        trained_as(context, "colours-1")
        done = executed(job, instance, "colours:1")
        assert done.success
        served = latest(instance, context, "deploy")
        assert served.partition == "colours:1" and served.metadata["deployment"].value == "colours-1"
        text = str(instance.all_logs(done.run_id))
        assert (
            "get its primary key with: automl-vision endpoints renew-key colours primary" in text
            and "primary key of colours  " not in text
        )

        (tmp_path / "data" / "train" / "red" / "0.png").unlink()
        trained_as(context, "colours-2", weights=WORTHLESS)
        instance.add_dynamic_partitions(versions_of(context.definition).name, ["colours:2"])
        refused = executed(job, instance, "colours:2")
        failed = [event for event in refused.all_events if event.is_step_failure]
        assert [event.step_key for event in failed] == ["colours__comparison"]
        assert "No: " in failed[0].step_failure_data.user_failure_data.description
        assert latest(instance, context, "deploy").partition == "colours:1"


def test_dagster_is_told_what_was_done_without_it(context: PipelineContext, tmp_path: Path):
    trained_as(context, "colours-1")
    assert run_pipeline(context).passed
    with dg.DagsterInstance.ephemeral() as instance:
        assert report_known(instance, context.definition, context.workspace) == len(STEPS) == len(NAMES)
        assert report_known(instance, context.definition, context.workspace) == 0
        assert latest(instance, context, "compare").metadata["answer"].value == "yes"
        assert instance.get_dynamic_partitions(versions_of(context.definition).name) == ["colours:1"]


def ticked(context: PipelineContext, home: Path) -> tuple[list[str | None], str | None]:
    """The versions that the schedule asks to run at a tick, and why it asks for none."""
    definitions = pipeline_definitions(context.definition, context.workspace)
    schedule = definitions.resolve_schedule_def("colours_schedule")
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        dg.build_schedule_context(
            instance, datetime(2026, 1, 5, 3, tzinfo=UTC), repository_def=definitions.get_repository_def()
        ) as now,
    ):
        found = schedule.evaluate_tick(now)
    return [request.partition_key for request in found.run_requests or ()], found.skip_message


def test_the_schedule_starts_nothing_where_nothing_has_changed(context: PipelineContext, tmp_path: Path):
    home = dagster_home(tmp_path)
    assert ticked(context, home) == (["colours:1"], None)
    trained_as(context, "colours-1")
    assert run_pipeline(context).passed
    assert ticked(context, home) == ([], "nothing has changed since colours:1: colours serves colours:1 as colours-1")
    (tmp_path / "data" / "train" / "red" / "0.png").unlink()
    assert ticked(context, home) == (["colours:2"], None)


def test_runs_of_a_pipeline_wait_for_each_other_and_survive_their_process(context: PipelineContext, tmp_path: Path):
    job = pipeline_definitions(context.definition, context.workspace).resolve_job_def("colours_pipeline")
    assert (job.run_tags[PIPELINE_TAG], job.run_tags["dagster/max_retries"]) == ("colours", "2")
    with dg.DagsterInstance.from_config(str(dagster_home(tmp_path))) as instance:
        assert instance.run_retries_enabled and not instance.run_retries_retry_on_asset_or_op_failure
        (limit,) = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
        assert (limit["key"], limit["limit"]) == (PIPELINE_TAG, 1)


def test_the_assets_have_the_rules_of_the_file(context: PipelineContext):
    definitions = pipeline_definitions(context.definition, context.workspace)
    graph = definitions.resolve_asset_graph()
    endpoint = graph.get(asset_key(context.definition, STEPS[-1]))
    assert endpoint.freshness_policy is not None
    run = definitions.resolve_assets_def(asset_key(context.definition, STEPS[2]))
    assert run.op.retry_policy is None, "the step resumes its runs itself, as many times as the file says"
    assert definitions.resolve_schedule_def("colours_schedule").cron_schedule == "0 3 * * 1"


def test_dagster_reports_nothing(tmp_path: Path):
    home = dagster_home(tmp_path)
    settings = yaml.safe_load((home / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False} and settings["nux"] == {"enabled": False}
    assert dagster_environment(tmp_path, tmp_path / "pipeline.yaml")["DAGSTER_DISABLE_TELEMETRY"] == "yes"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
