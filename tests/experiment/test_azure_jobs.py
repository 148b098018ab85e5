"""Image jobs of Azure Machine Learning in our words: what they become, what is noted, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from automl_vision import Dataset, azure
from automl_vision.core.errors import ConfigError, DataError
from automl_vision.experiment.azure_job import is_azure_job, translate
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.job_file import read_job
from automl_vision.experiment.job_texts import job_yaml
from automl_vision.search.policies import BanditPolicy, TruncationSelectionPolicy
from automl_vision.search.samplers import BayesianParameterSampling, GridParameterSampling, RandomParameterSampling
from command_line import run_command
from conftest import write_shape_folders

DETECTION = """\
$schema: https://example.org/autoMLJob.schema.json
type: automl
experiment_name: fridge
description: boxes in a fridge
compute: azureml:gpu-cluster
task: image_object_detection
log_verbosity: debug
primary_metric: mean_average_precision
target_column_name: label
training_data:
  path: data/training
  type: mltable
validation_data:
  path: data/validation
  type: mltable
limits:
  timeout_minutes: 90
  max_trials: 12
  max_concurrent_trials: 2
training_parameters:
  early_stopping: True
  evaluation_frequency: 1
sweep:
  sampling_algorithm: random
  early_termination:
    type: bandit
    evaluation_interval: 2
    slack_factor: 0.2
    delay_evaluation: 6
search_space:
  - model_name:
      type: choice
      values: [yolov5]
    learning_rate:
      type: uniform
      min_value: 0.0001
      max_value: 0.01
    model_size:
      type: choice
      values: ['small', 'medium']
  - model_name:
      type: choice
      values: [fasterrcnn_resnet50_fpn]
    learning_rate:
      type: uniform
      min_value: 0.0001
      max_value: 0.001
    optimizer:
      type: choice
      values: ['sgd', 'adam', 'adamw']
    min_size:
      type: choice
      values: [600, 800]
"""

PIPELINE = """\
type: pipeline
experiment_name: pipeline-with-images
settings:
  default_compute: azureml:gpu-cluster
inputs:
  photos:
    type: mltable
    path: data/training
jobs:
  vision_node:
    type: automl
    task: image_classification
    primary_metric: accuracy
    limits: {timeout_minutes: 180, max_trials: 10}
    target_column_name: label
    training_data: ${{parent.inputs.photos}}
    search_space:
      - model_name: {type: choice, values: [seresnext, resnet50]}
        layers_to_freeze: {type: choice, values: [0, 2]}
    sweep: {sampling_algorithm: grid}
    outputs:
      best_model: {type: mlflow_model}
  register_model_node:
    type: command
    component: file:./components/register.yaml
    inputs:
      model: ${{parent.jobs.vision_node.outputs.best_model}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "job.yml"
    file.write_text(text)
    return file


def labels(**settings: Any) -> dict[str, Any]:
    """A job for labels of images."""
    return {"type": "automl", "task": "image_classification", "training_data": {"path": "photos"}, **settings}


def test_a_sweep_over_two_families_keeps_its_meaning(tmp_path: Path) -> None:
    experiment, config, notes = read_job(written(tmp_path, DETECTION))
    assert (experiment, config.task) == ("fridge", "image-object-detection")
    assert config.training_data == str(tmp_path / "data/training")
    assert config.validation_data == str(tmp_path / "data/validation")
    assert (config.experiment_timeout_hours, config.iterations, config.max_concurrent_iterations) == (1.5, 12, 2)
    assert config.policy == BanditPolicy(slack_factor=0.2, evaluation_interval=2, delay_evaluation=6)
    assert config.arguments == {"early_stopping": True, "evaluation_frequency": 1}
    assert isinstance(config.hyperparameter_sampling, RandomParameterSampling)
    (choice,) = config.hyperparameter_sampling.search_space.to_json().values()
    first, second = choice["values"]
    assert first["optimizer"] == "sgd"  # the default there, which its learning rates were meant for
    assert first["learning_rate"] == {"type": "uniform", "low": 0.0001, "high": 0.01}
    assert second["optimizer"] == {"type": "choice", "values": ["sgd", "adam", "adamw"]}
    said = " ".join(notes)
    assert "gpu-cluster is not asked" in said and "meant for sgd" in said and "2 trials run at once" in said


def test_what_is_printed_is_read_again_as_the_same(tmp_path: Path) -> None:
    experiment, config, _ = read_job(written(tmp_path, DETECTION))
    again = tmp_path / "ours.yaml"
    again.write_text(job_yaml(config, experiment))
    assert read_job(again) == (experiment, config, ())


def test_the_image_node_of_a_pipeline_is_run(tmp_path: Path) -> None:
    experiment, config, notes = read_job(written(tmp_path, PIPELINE))
    assert (experiment, config.training_data) == ("pipeline-with-images", str(tmp_path / "data/training"))
    assert isinstance(config.hyperparameter_sampling, GridParameterSampling)
    space = config.hyperparameter_sampling.search_space.to_json()
    assert space["layers_to_freeze"]["values"] == [0, 2]
    assert "jobs: vision_node is run; not run: register_model_node" in notes


def test_a_job_with_trials_alone_is_for_automode() -> None:
    values = translate(labels(limits={"max_trials": 10}, sweep={"sampling_algorithm": "random"})).values
    assert AutoMLVisionConfig(**values).automode


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("choice('sgd', 'adamw')", {"type": "choice", "values": ["sgd", "adamw"]}),
        ("choice([1, 2])", {"type": "choice", "values": [1, 2]}),
        ("uniform(0.001, 0.01)", {"type": "uniform", "low": 0.001, "high": 0.01}),
        ("Uniform(0.001, 0.01)", {"type": "uniform", "low": 0.001, "high": 0.01}),
        ("loguniform(-6, -2)", {"type": "loguniform", "low": -6, "high": -2}),
        ("quniform(0, 10, 2)", {"type": "quniform", "low": 0, "high": 10, "q": 2}),
        ("normal(5, 1)", {"type": "normal", "mu": 5, "sigma": 1}),
        ("qlognormal(0, 1, 0.5)", {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 0.5}),
        ("randint(4)", {"type": "randint", "upper": 4}),
        ({"type": "Uniform", "min_value": 0, "max_value": 1}, {"type": "uniform", "min_value": 0, "max_value": 1}),
        (3, 3),
        ("resnet50", "resnet50"),
    ],
)
def test_expressions_are_distributions(expression: Any, meant: Any) -> None:
    space = {"momentum": expression, "model_name": {"type": "choice", "values": ["resnet50", "resnet18"]}}
    sampling = translate(labels(search_space=[space])).values["hyperparameter_sampling"]
    assert sampling == {"type": "random", "space": {**space, "momentum": meant}}


@pytest.mark.parametrize(
    ("name", "ours", "value"),
    [
        ("gradient_accumulation_step", "grad_accumulation_step", 2),
        ("learning_rate_scheduler", "lr_scheduler", "step"),
        ("ams_gradient", "amsgrad", True),
        ("number_of_epochs", "number_of_epochs", 3),
        ("weighted_loss", "weighted_loss", 1),
    ],
)
def test_settings_have_our_names(name: str, ours: str, value: Any) -> None:
    assert AutoMLVisionConfig(**translate(labels(training_parameters={name: value})).values).arguments[ours] == value


def test_schedulers_and_optimizers_may_be_in_capitals() -> None:
    given = {"learning_rate_scheduler": "WARMUP_COSINE", "optimizer": "SGD", "random_seed": 7, "layers_to_freeze": 0}
    config = AutoMLVisionConfig(**translate(labels(training_parameters=given)).values)
    ours = {"lr_scheduler": "warmup_cosine", "optimizer": "sgd", "layers_to_freeze": 0}
    assert (config.arguments, config.seed) == (ours, 7)


@pytest.mark.parametrize(
    ("metric", "ours"),
    [("accuracy", "accuracy"), ("AUC_weighted", "auc_weighted"), ("norm_macro_recall", "balanced_accuracy"),
     ("average_precision_score_weighted", "average_precision_weighted"), ("precision_score_macro", "precision_macro")],
)  # fmt: skip
def test_metrics_have_our_names(metric: str, ours: str) -> None:
    assert AutoMLVisionConfig(**translate(labels(primary_metric=metric)).values).metric == ours


def test_samplings_and_policies_have_our_names() -> None:
    early = {"type": "truncation_selection", "truncation_percentage": 20, "evaluation_interval": 1}
    space = [{"momentum": "uniform(0.5, 0.9)"}]
    job = labels(search_space=space, sweep={"sampling_algorithm": "Bayesian", "early_termination": early})
    config = AutoMLVisionConfig(**translate({**job, "limits": {"max_trials": 3}}).values)
    assert isinstance(config.hyperparameter_sampling, BayesianParameterSampling)
    assert config.policy == TruncationSelectionPolicy(truncation_percentage=20)


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    text = DETECTION.replace("max_value: 0.01", "max_value: 0.01\n    momentum: uniform(0.5)").replace(
        "max_trials: 12", "max_trails: 12"
    )
    with pytest.raises(ConfigError) as caught:
        read_job(written(tmp_path, text))
    said = str(caught.value)
    assert 'line 18: limits has no "max_trails"' in said
    assert 'momentum: "uniform(0.5)" is no distribution; such as uniform(0.001, 0.01)' in said


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"type": "automl", "task": "forecasting"}, "this product is for images"),
        ({"type": "automl", "task": "image_classification"}, "training_data is missing"),
        ({"type": "pipeline", "jobs": {"a": {"type": "command"}}}, "this one has none"),
        (labels(training_data="${{parent.inputs.x}}"), "the pipeline has no input named x"),
        (labels(training_data="${{parent.jobs.x.outputs.y}}"), "is made by another node"),
        (labels(blocked_models=["x"]), '"blocked_models" is no part of an image job'),
        (labels(limits={"timeout_minutes": "long"}), "timeout_minutes is a number"),
        (labels(search_space=["x"]), "alternative 0 is a mapping of names"),
    ],
)
def test_what_cannot_be_read_is_refused(job: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match="mistake") as caught:
        translate(job)
    assert said in str(caught.value)


def test_what_has_no_meaning_is_named() -> None:
    found = translate(labels(training_parameters={"advanced_settings": "{}", "number_of_workers": 4}, resources={}))
    assert found.values.get("arguments") is None
    assert len(found.notes) == 3


def test_a_file_of_ours_is_none_of_azures() -> None:
    assert not is_azure_job({"task": "image-classification", "training_data": "x"})
    assert not is_azure_job(yaml.safe_load("- a"))


def test_a_target_column_is_read(tmp_path: Path) -> None:
    photos = write_shape_folders(tmp_path / "photos")
    rows = [f"{file.relative_to(tmp_path)},{file.parent.name}" for file in sorted(photos.rglob("*.png"))]
    (tmp_path / "list.csv").write_text("\n".join(["file,kind", *rows]))
    job = {**labels(training_data={"path": "list.csv"}), "target_column_name": "kind"}
    config = read_job(written(tmp_path, yaml.safe_dump(job))).config
    assert isinstance(config.training_data, Dataset)
    assert config.training_data.classes == ("circle", "cross", "square")


def test_data_of_a_store_is_found_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "azureml://subscriptions/0/workspaces/w/datastores/blobs/paths/UI/fridge/train"
    job = written(tmp_path, yaml.safe_dump(labels(training_data={"path": address})))
    with pytest.raises(DataError, match="no copy of it was found") as caught:
        read_job(job)
    assert "AUTOML_VISION_DATASTORES=blobs=FOLDER" in str(caught.value)
    (tmp_path / "fridge" / "train").mkdir(parents=True)
    assert read_job(job).config.training_data == str(tmp_path / "fridge/train")
    mounted = tmp_path / "mounted"
    (mounted / "UI" / "fridge" / "train").mkdir(parents=True)
    monkeypatch.setenv("AUTOML_VISION_DATASTORES", f"other=/x:blobs={mounted}")
    assert read_job(job).config.training_data == str(mounted / "UI/fridge/train")
    job.write_text(yaml.safe_dump(labels(training_data={"path": "azureml://datastores/blobs/paths/../../etc"})))
    with pytest.raises(DataError, match="leads out of its data store"):
        read_job(job)


def test_an_asset_is_a_registered_name(tmp_path: Path) -> None:
    found = read_job(written(tmp_path, yaml.safe_dump(labels(training_data={"path": "azureml:fridge:3"}))))
    assert found.config.training_data == "fridge:3"
    assert "registered here" in found.notes[0]
    with pytest.raises(DataError, match="data asset of Azure's"):
        Dataset.open("azureml:fridge:3")


def test_the_command_prints_notes_and_the_job(tmp_path: Path) -> None:
    job = written(tmp_path, DETECTION)
    done = run_command("train", str(job), "--print", environment={"AUTOML_VISION_WORKSPACE": str(tmp_path / "ws")})
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["task"] == "image-object-detection"
    assert "note: compute: gpu-cluster is not asked" in done.stderr
    assert not (tmp_path / "ws").exists()


def test_a_script_of_the_second_sdk_makes_the_same_config_as_its_file(tmp_path: Path) -> None:
    job = azure.image_object_detection(
        compute="gpu-cluster",
        experiment_name="fridge",
        training_data={"path": str(tmp_path / "data/training"), "type": "mltable"},
        validation_data=tmp_path / "data/validation",
        primary_metric="mean_average_precision",
    )
    job.set_limits(timeout_minutes=90, max_trials=12, max_concurrent_trials=2)
    job.set_training_parameters(early_stopping=True, evaluation_frequency=1)
    first = azure.SearchSpace(
        model_name=azure.Choice(["yolov5"]),
        learning_rate=azure.Uniform(0.0001, max_value=0.01),
        model_size=azure.Choice(["small", "medium"]),
    )
    second = azure.SearchSpace(
        model_name=azure.Choice(["fasterrcnn_resnet50_fpn"]),
        learning_rate=azure.Uniform(0.0001, 0.001),
        optimizer=azure.Choice(["sgd", "adam", "adamw"]),
        min_size=azure.Choice([600, 800]),
    )
    job.extend_search_space([first, second])
    early = azure.BanditPolicy(evaluation_interval=2, slack_factor=0.2, delay_evaluation=6)
    job.set_sweep(sampling_algorithm="Random", early_termination=early)
    assert job_yaml(job.to_config()) == job_yaml(read_job(written(tmp_path, DETECTION)).config)
    assert "gpu-cluster is not asked" in job.notes[0]


def test_the_config_of_the_first_sdk_is_ours(shapes: Dataset) -> None:
    space = {"model_name": azure.Choice(["resnet18", "resnet50"]), "learning_rate": azure.LogUniform(-6, -2)}
    config = azure.AutoMLImageConfig(
        task="image-classification-multilabel",
        compute_target=object(),
        training_data=shapes,
        hyperparameter_sampling=azure.RandomParameterSampling(space),
        policy=azure.BanditPolicy(evaluation_interval=2, slack_factor=0.2),
        iterations=5,
        experiment_timeout_hours=2,
        arguments=["--early_stopping", 1],
    )
    assert (config.task, config.compute_target) == ("image-classification-multi-label", "local")
    assert (config.iterations, config.arguments) == (5, {"early_stopping": 1})
    with pytest.raises(ConfigError, match='"featurization" has no meaning here'):
        azure.AutoMLImageConfig(task="image-classification", training_data=shapes, featurization="auto")


def test_a_script_submits_to_a_workspace(tmp_path: Path) -> None:
    job = azure.image_classification(training_data=tmp_path / "nowhere", primary_metric="accuracy")
    with pytest.raises(DataError, match="nowhere"):
        job.submit(tmp_path / "ws")
