"""Every task of the table against its contract."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl_vision.core.tasks import TASKS, TaskInfo
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.catalog import ANY, algorithms
from automl_vision.testing import TaskConformance
from automl_vision.testing.tasks import FinishedTrial
from conftest import SMALL_MODEL

SMALL_LABELS: Mapping[str, Any] = {
    "training_crop_size": 32, "validation_resize_size": 32, "validation_crop_size": 32, "training_batch_size": 4,
}  # fmt: skip
SMALL_OBJECTS: Mapping[str, Any] = {"min_size": 64, "training_batch_size": 4}


class PackagedSlowly(TaskConformance):
    @pytest.mark.slow  # the export of a detector takes ten seconds, of a classifier four
    def test_a_small_trial_is_packaged_and_predicts(
        self, trial: FinishedTrial, dataset: Dataset, tmp_path: Path
    ) -> None:
        super().test_a_small_trial_is_packaged_and_predicts(trial, dataset, tmp_path)


class TrainedSlowly(PackagedSlowly):
    @pytest.mark.slow  # five seconds each; `tests/training` trains detectors in the default suite
    def test_a_small_trial_is_trained(self, trial: FinishedTrial) -> None:
        super().test_a_small_trial_is_trained(trial)


def conforms(task: TaskInfo) -> type[TaskConformance]:
    members = {
        "task": task.name,
        "model_name": algorithms(task.name)[0].name.replace(ANY, SMALL_MODEL),
        "hyperparameters": SMALL_OBJECTS if task.labels_objects else SMALL_LABELS,
        "__module__": __name__,
    }
    return type(f"Test_{task.name}", (TrainedSlowly if task.labels_objects else PackagedSlowly,), members)


for _task in list(TASKS.values()):
    globals()[f"Test_{_task.name}"] = conforms(_task)
