"""A trial that trains nothing: it puts the networks of finished trials into one and reports what that can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_vision.core.errors import TrialError
from automl_vision.core.files import read_json
from automl_vision.core.records import METRICS_FILE, SPEC_FILE, TrialMetrics, TrialResult, read_record
from automl_vision.models.image_model import ImageModel
from automl_vision.models.joint import Trained, joined
from automl_vision.models.model import Model
from automl_vision.models.networks import load_model
from automl_vision.recipes.joint_input import joint_input, label_sizes
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.task import Task, create_task
from automl_vision.training.checkpoint import BEST_WEIGHTS, save_weights
from automl_vision.training.distributed import Processes, open_processes
from automl_vision.training.final_evaluation import finish
from automl_vision.training.loop import Loop, Plan, Stopwatch
from automl_vision.training.opening import open_data
from automl_vision.training.precision import Precision
from automl_vision.training.reporter import Reporter

_BATCH = 32  # images; halved where memory does not suffice


def combine(spec: TrialSpec, reporter: Reporter, *, refit_epochs: float | None = None) -> TrialResult:
    """Average the calibrated logits of finished trials in one network, and evaluate it like any other trial.

    Args:
        spec: with the folders of its members; its sizes are those of `joint_input`.
        reporter: receives messages and progress.
        refit_epochs: that the members were trained on the validation images too; None: they were not.

    Returns:
        The result; network, weights, outputs and metrics are in the spec's folder.

    Raises:
        DataError: the dataset changed, or too few images can be decoded.
        TrialError: a member is not finished.
    """
    with open_processes(spec.processes, spec.device, spec.threads) as processes:
        return _combine(spec, reporter if processes.is_main else Reporter(), processes, refit_epochs=refit_epochs)


def _combine(spec: TrialSpec, reporter: Reporter, processes: Processes, *, refit_epochs: float | None) -> TrialResult:
    watch, folder = Stopwatch(), Path(spec.folder)
    joint = _joined(spec)
    dataset, pixels, _ = open_data(spec, reporter, resumed=False)
    task: Task[Any] = create_task(spec.task, dataset, spec.hyperparameters, None, spec.primary_metric)
    network = joint.network
    model = ImageModel(network, joint.normalization).to(processes.device)
    model.to(memory_format=Precision("fp32", channels_last=True).memory_format)
    plan = Plan(
        epochs=0, batch_size=_BATCH, micro_batch=_BATCH, validation_batch=_BATCH, learning_rate=0.0,
        precision="fp32", channels_last=True,
    )  # fmt: skip
    loop = Loop(model, task, pixels, plan, seed=spec.seed, processes=processes)
    if processes.is_main:
        joint.description.save(folder)
        save_weights(folder / BEST_WEIGHTS, network.state_dict())
    return finish(
        loop, task, dataset.splits, spec, reporter, watch, joint.weights,
        best_epoch=0, fine_tuned_share=1.0, epochs=0, refit_epochs=refit_epochs,
    )  # fmt: skip


def _joined(spec: TrialSpec) -> Model:
    """The networks of finished trials in one.

    Raises:
        TrialError: a trial is not finished.
    """
    trained, sizes = [], []
    for folder, share in zip(map(Path, spec.members), spec.shares, strict=True):
        metrics = read_record(folder / METRICS_FILE, TrialMetrics)
        if metrics is None:
            raise TrialError(f"{folder} is not a finished trial, so its network cannot be averaged with others")
        settings = TrialSpec.model_validate(read_json(folder / SPEC_FILE)).hyperparameters
        resize, crop = label_sizes(settings)
        sizes.append((resize, crop))
        trained.append(Trained(load_model(folder), crop, metrics.calibration.temperature, share))
    return joined(trained, joint_input(sizes), spec.task)
