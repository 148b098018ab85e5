"""A task that the package does not know: three classes, a record of the task and one of the algorithm, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision import Dataset, Predictor
from automl_vision.core.files import read_json, write_json
from automl_vision.core.tasks import CLASSIFICATION, TASKS, TaskInfo, normalize_task, register_task
from automl_vision.evaluation.classification import METRICS, ClassificationCases
from automl_vision.evaluation.metric import mean_metric
from automl_vision.evaluation.scoring.classification import ClassificationScoring
from automl_vision.packaging.package import package
from automl_vision.recipes import catalog
from automl_vision.recipes.deployment import ClassificationDeployment
from automl_vision.tasks.classification import ClassificationTask
from automl_vision.tasks.task import Batch
from automl_vision.training.trial import train
from conftest import RecordingReporter

NAME = "image-grading"


def _closeness(cases: ClassificationCases) -> NDArray[np.float64]:
    return np.asarray(1 - np.abs(cases.predicted - cases.truth) / (cases.probabilities.shape[1] - 1))


class GradingTask(ClassificationTask):
    """Classes in an order: a far miss costs more than a near one."""

    name = NAME

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean squared distance of the expected grade from the true one."""
        grades = torch.arange(len(self.classes), dtype=torch.float32)
        expected = network(batch.images).float().softmax(dim=1) @ grades
        return (expected - batch.targets @ grades).square().mean()


class GradingScoring(ClassificationScoring):
    """Ranks by `closeness`, which is 1 for the right grade and 0 for the farthest."""

    METRICS = {
        "closeness": mean_metric("closeness", "mean closeness to the true grade", "this test", _closeness)
    } | METRICS


class GradingDeployment(ClassificationDeployment):
    """As a classifier."""


@pytest.fixture
def grading() -> Iterator[TaskInfo]:
    """The task, registered for one test."""
    own = f"{__name__}:{{}}"
    task = TaskInfo(
        name=NAME,
        title="grading",
        kind="label",
        labels_objects=False,
        primary_metric="closeness",
        default_model="efficientnet_lite0",
        training=own.format("GradingTask"),
        scoring=own.format("GradingScoring"),
        deployment=own.format("GradingDeployment"),
        aliases=("grading",),
    )
    algorithms = list(catalog._ALGORITHMS)
    register_task(task)
    catalog.register_algorithm(replace(catalog.algorithms(CLASSIFICATION)[0], tasks=(NAME,)))
    yield task
    del TASKS[NAME]
    catalog._ALGORITHMS[:] = algorithms


def test_a_registered_task_is_trained_scored_and_deployed(
    grading: TaskInfo, shapes: Dataset, make_spec: Callable[..., Any], tmp_path: Path
):
    dataset = replace(shapes, task=NAME).with_validation(0.25)
    spec = make_spec(dataset, number_of_epochs=2)
    assert normalize_task("grading") == spec.task == NAME
    result = train(spec, RecordingReporter())
    assert result.primary_metric == "closeness"
    metrics = read_json(Path(spec.folder) / "metrics.json")["splits"]["val"]["metrics"]
    assert metrics["accuracy"] <= metrics["closeness"] <= 1
    write_json(Path(spec.folder) / "spec.json", spec.model_dump())
    predictor = Predictor(package(spec.folder, tmp_path / "model"))
    assert predictor.description.task == NAME
    assert predictor(np.full((40, 48, 3), 120, np.uint8))[0].label in dataset.classes
