"""A config as YAML, Python and a command: each gives back an equal config."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import automl_vision
from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.cli.options import config_from, with_config_options
from automl_vision.core.errors import ConfigError
from automl_vision.experiment.experiment import run_spec
from automl_vision.experiment.job_file import read_job, read_job_values
from automl_vision.experiment.job_texts import job_command, job_of_run, job_python, job_values, job_yaml
from conftest import write_shape_folders

SetOption = Annotated[list[str] | None, typer.Option("--set")]
NUMBERS = st.floats(-6, -0.01)
DISTRIBUTIONS = {
    "learning_rate": st.one_of(
        st.tuples(NUMBERS, NUMBERS).filter(lambda p: p[0] < p[1]).map(
            lambda p: {"type": "loguniform", "low": p[0], "high": p[1]}),
        st.lists(st.floats(1e-6, 1), min_size=1, max_size=4, unique=True).map(
            lambda v: {"type": "choice", "values": v}),
        st.just({"type": "normal", "mu": 0.5, "sigma": 0.1}),
    ),
    "number_of_epochs": st.sampled_from([
        {"type": "quniform", "low": 1, "high": 9, "q": 1}, {"type": "choice", "values": [3, 7]}]),
    "optimizer": st.just({"type": "choice", "values": ["sgd", "adamw"]}),
    "weight_decay": st.floats(0, 1),
    "amsgrad": st.booleans(),
}  # fmt: skip
FLAT = st.fixed_dictionaries({}, optional=DISTRIBUTIONS).filter(lambda s: any(isinstance(v, dict) for v in s.values()))
ALTERNATIVES = st.lists(st.sampled_from(["resnet18", "resnet50", "vits16r224"]), min_size=2, max_size=3, unique=True)
SPACES = st.one_of(
    FLAT,
    st.tuples(ALTERNATIVES, FLAT).map(
        lambda p: {"model": {"type": "choice", "values": [{"model_name": name, **p[1]} for name in p[0]]}}
    ),
)
SAMPLINGS = st.one_of(
    st.fixed_dictionaries({"type": st.just("random"), "space": SPACES, "seed": st.integers(0, 99)}),
    st.fixed_dictionaries({"type": st.just("bayesian"), "space": SPACES, "algorithm": st.sampled_from(["tpe", "gp"])}),
)
POLICIES = st.sampled_from([
    {"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 3}, {"type": "median_stopping"},
    {"type": "truncation_selection", "truncation_percentage": 25, "exclude_finished_jobs": True}, {"type": "none"},
])  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
OPTIONAL = {
    "validation_data": st.sampled_from(["photos:3", "s3://bucket/val.jsonl", "/data/val set"]),
    "validation_data_size": st.floats(0.05, 0.9),
    "compute_target": st.sampled_from(["local", "cpu", "ray://host:10001"]),
    "iterations": st.integers(1, 1000),
    "max_concurrent_iterations": st.integers(1, 100),
    "primary_metric": st.sampled_from(["accuracy", "auc_macro", "log_loss"]),
    "experiment_timeout_hours": st.floats(1e-6, 1e5),
    "seed": st.integers(0, 2**31 - 1),
    "max_bad_share": st.floats(0, 1),
    "allow_outside": st.booleans(),
    "threads": st.integers(0, 64),
    "policy": POLICIES,
}
FIXED = st.fixed_dictionaries({}, optional={
    "momentum": st.floats(0, 1), "early_stopping": st.booleans(), "checkpoint_filename": TEXTS,
    "layers_to_freeze": st.none() | st.integers(1, 9), "augmentation": st.sampled_from(["none", "flip"]),
})  # fmt: skip


def made(data: str, optional: dict[str, Any], arguments: dict[str, Any], sampling: dict[str, Any] | None):
    values: dict[str, Any] = {"task": "image-classification", "training_data": data, **optional}
    values |= {"arguments": arguments} if arguments else {}
    values |= {} if sampling is None else {"hyperparameter_sampling": sampling, "iterations": 7}
    return AutoMLVisionConfig(**values)


CONFIGS = st.builds(
    made,
    st.sampled_from(["flowers:2", "https://host/data.zip", "/data/my photos", "/data/été #1"]),
    st.fixed_dictionaries({}, optional=OPTIONAL),
    FIXED,
    st.none() | SAMPLINGS,
)
JOBS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def same(found: AutoMLVisionConfig, config: AutoMLVisionConfig) -> None:
    assert found == config
    assert (found.automode, found.most_trials, found.metric) == (config.automode, config.most_trials, config.metric)


@JOBS
@given(CONFIGS, st.sampled_from(["default", "field trial 2"]))
def test_the_yaml_is_read_back_as_an_equal_config(tmp_path_factory: pytest.TempPathFactory, config, name):
    file = tmp_path_factory.mktemp("job") / "job.yaml"
    file.write_text(job_yaml(config, name), encoding="utf-8")
    experiment, found, _ = read_job(file)
    assert experiment == name
    same(found, config)
    assert read_job_values(file.read_text(encoding="utf-8"), Path("/"))["task"] == "image-classification"


@JOBS
@given(CONFIGS)
def test_the_python_makes_an_equal_config(config):
    text = job_python(config, "e", workspace=Path("/ws"))
    names: dict[str, Any] = {}
    start, _, submitted = text.partition("run = ")
    exec(compile(start, "job", "exec"), names)
    same(names["config"], config)
    assert submitted.startswith("Experiment(Workspace('/ws'), 'e').submit(config)")
    assert {name for name in names if name in automl_vision.__all__} >= {"AutoMLVisionConfig", "Experiment"}


@JOBS
@given(CONFIGS.filter(lambda c: c.hyperparameter_sampling is None and c.policy is None))
def test_the_command_is_read_as_an_equal_config(config):
    found = []

    def train(set_: SetOption = None, settings: dict[str, Any] | None = None) -> None:
        found.append(config_from(None, None, settings or {}, set_ or [], None)[1])

    app = typer.Typer()
    app.command()(with_config_options(train))
    words = shlex.split(job_command(config, workspace=Path("/ws")))
    assert words[-2:] == ["--workspace", "/ws"]
    result = CliRunner().invoke(app, words[2:-2], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    same(found[0], config)


def test_a_search_space_takes_the_job_file():
    config = made("photos:1", {}, {}, {"space": {"learning_rate": {"type": "uniform", "low": 0.1, "high": 0.2}}})
    assert job_command(config, workspace=Path("/ws")) == "automl-vision train job.yaml --workspace /ws"


@JOBS
@given(CONFIGS)
def test_a_run_gives_back_the_job_that_made_it(tmp_path_factory: pytest.TempPathFactory, config):
    experiment = Experiment(Workspace(tmp_path_factory.getbasetemp() / "ws"), "e")
    spec = run_spec(config, experiment, Path("/manifest.parquet"), data_version="photos:1")
    values = job_of_run(spec)
    again = AutoMLVisionConfig(**{name: value for name, value in values.items() if name != "experiment"})
    assert run_spec(again, experiment, Path("/manifest.parquet"), data_version="photos:1") == spec
    assert values["experiment"] == "e"


def test_a_dataset_that_was_opened_has_no_job_file(tmp_path: Path):
    config = AutoMLVisionConfig(
        task="image-classification", training_data=Dataset.open(write_shape_folders(tmp_path / "data"))
    )
    with pytest.raises(ConfigError, match="give its path or its registered name") as caught:
        job_values(config)
    assert caught.value.problems[0].path == ("training_data",)
