"""What must hold for the trials of any detector, however it is built."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from automl_vision.compute.compute import Job
from automl_vision.compute.local import LocalCompute
from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.trial import train
from conftest import RecordingReporter


class _Copying(RecordingReporter):
    """Copies a trial's folder when an epoch has been validated and is not saved yet, as an interruption leaves it."""

    def __init__(self, folder: Path, copy: Path) -> None:
        super().__init__()
        self._folder, self._copy = folder, copy

    def evaluation(self, evaluation: Evaluation) -> None:
        super().evaluation(evaluation)
        if evaluation.epoch == 2:
            shutil.copytree(self._folder, self._copy)


def check_resumed_equals_undisturbed(undisturbed: TrialSpec, interrupted: Path) -> None:
    """A trial of two epochs has the same weights when it goes on in another folder after the first one."""
    train(undisturbed, _Copying(Path(undisturbed.folder), interrupted))
    resumed = RecordingReporter()
    train(undisturbed.model_copy(update={"folder": str(interrupted)}), resumed)
    assert [evaluation.epoch for evaluation in resumed.evaluations] == [2]
    first, second = (load_file(folder / "weights.safetensors") for folder in (Path(undisturbed.folder), interrupted))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def check_two_processes_train_it(spec: TrialSpec) -> None:
    """A trial for two processes is trained by two."""
    compute = LocalCompute(["automl_vision.training.trial"])
    job = compute.submit(Job("automl_vision.training.job:run_trial", {"spec": spec.model_dump()}, Path(spec.folder)))
    while job.is_running():
        compute.wait([job], 60)
    assert job.failure() is None
    assert read_json(Path(spec.folder) / "result.json")["processes"] == 2
