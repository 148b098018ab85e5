"""The job file of a run: read again, it describes the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl_vision import (
    AutoMLVisionConfig,
    BanditPolicy,
    Dataset,
    Experiment,
    GridParameterSampling,
    RandomParameterSampling,
    Workspace,
    choice,
    loguniform,
)
from automl_vision.experiment.experiment import run_spec
from automl_vision.experiment.job_file import job_of, read_job
from conftest import SMALL_MODEL

TASK = "image-classification"
SEARCH = RandomParameterSampling(
    [{"model_name": choice(SMALL_MODEL), "learning_rate": loguniform(-6, -2)}, {"model_name": choice("resnet18")}]
)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_name": SMALL_MODEL, "arguments": {"number_of_epochs": 3, "optimizer": "sgd"}, "seed": 7},
        {"experiment_timeout_hours": 0.5},
        {"model_name": SMALL_MODEL, "experiment_timeout_hours": 0.5},
        {"iterations": 4, "primary_metric": "f1_macro"},
        {"hyperparameter_sampling": SEARCH, "iterations": 9, "policy": BanditPolicy(slack_factor=0.1)},
        {"hyperparameter_sampling": SEARCH, "experiment_timeout_hours": 2.0, "max_concurrent_iterations": 2},
        {"hyperparameter_sampling": GridParameterSampling({"learning_rate": choice(0.01, 0.02)}), "threads": 2},
        {"validation_data_size": 0.3, "max_bad_share": 0.5, "compute_target": "cpu"},
    ],
)
def test_the_job_of_a_run_describes_the_same_run(config: dict[str, Any], shapes: Dataset, tmp_path: Path):
    manifest = tmp_path / "shapes.parquet"
    shapes.save(manifest)
    experiment = Experiment(Workspace(tmp_path / "workspace"), "two words")
    spec = run_spec(AutoMLVisionConfig(task=TASK, training_data=str(manifest), **config), experiment, manifest)
    job = tmp_path / "job.yaml"
    job.write_text(job_of(spec))
    name, again = read_job(job)
    assert name == "two words"
    assert run_spec(again, experiment, manifest) == spec
