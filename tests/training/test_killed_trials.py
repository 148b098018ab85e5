"""A trial that is killed goes on where it stood, to the same end as one that was left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from automl_vision.compute.local import LocalCompute
from automl_vision.core.files import read_json
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.recipes.trial_spec import TrialSpec
from conftest import small_trial
from processes import finish, kill_trial, start_trial

MakeSpec = Callable[..., TrialSpec]
KILLED = {
    "number_of_epochs": 4, "augmentation": "trivial_augment", "random_crop_scale": 0.5, "drop_rate": 0.2,
    "training_batch_size": 2, "optimizer": "adamw", "learning_rate": 0.003,
}  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(compute: LocalCompute, shapes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> TrialSpec:
    """A trial that was left alone, in a process of its own, as the ones that are killed."""
    spec = small_trial(tmp_path_factory.mktemp("undisturbed"), shapes, **KILLED)
    assert finish(compute, start_trial(compute, spec)) is None
    return spec


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_killed_trial_resumes_to_the_same_metrics(
    compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec, undisturbed: TrialSpec, epoch: int
):
    killed = make_spec(shapes, cache=undisturbed.cache, **KILLED)
    kill_trial(compute, killed, after=epoch)
    assert finish(compute, start_trial(compute, killed)) is None
    first, second = (read_json(Path(spec.folder) / "metrics.json") for spec in (undisturbed, killed))
    assert first == second
    outputs = [Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).logits for spec in (undisturbed, killed)]
    np.testing.assert_array_equal(*outputs)
