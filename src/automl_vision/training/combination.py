"""A trial that trains nothing: it puts the networks of finished trials into one and reports what that can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import TrialError
from automl_vision.core.files import read_json
from automl_vision.core.records import METRICS_FILE, SPEC_FILE, TrialMetrics, TrialResult, read_record
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, REFIT, Predictions
from automl_vision.models.image_model import ImageModel
from automl_vision.models.joint import Trained, joined
from automl_vision.models.model import Model
from automl_vision.models.networks import load_model
from automl_vision.recipes.joint_input import JointInput, joint_input, label_sizes
from automl_vision.recipes.network import Views
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.task import Task, create_task
from automl_vision.training.checkpoint import BEST_WEIGHTS, save_weights
from automl_vision.training.distributed import Processes, open_processes
from automl_vision.training.final_evaluation import Predict, finish
from automl_vision.training.loop import Loop, Plan, Stopwatch
from automl_vision.training.opening import open_data
from automl_vision.training.precision import Precision
from automl_vision.training.reporter import Reporter

_BATCH = 32  # images; halved where memory does not suffice
_PLAN = Plan(
    epochs=0, batch_size=_BATCH, micro_batch=_BATCH, validation_batch=_BATCH, learning_rate=0.0,
    precision="fp32", channels_last=True,
)  # fmt: skip


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
    mirrored = spec.mirrored or (False,) * len(spec.members)
    described = zip(spec.members, spec.shares, mirrored, strict=True)
    members = [_Member.of(Path(each), share, mirrored=twice) for each, share, twice in described]
    shown = joint_input([member.sizes for member in members])
    joint = joined([member.trained() for member in members], shown, spec.task)
    dataset, pixels, _ = open_data(spec, reporter, resumed=False)
    task: Task[Any] = create_task(spec.task, dataset, spec.hyperparameters, None, spec.primary_metric)

    def loop_of(model: Model) -> Loop:
        shown = ImageModel(model.network, model.normalization).to(processes.device)
        shown.to(memory_format=Precision("fp32", channels_last=True).memory_format)
        return Loop(shown, task, pixels, replace(_PLAN), seed=spec.seed, processes=processes)

    if processes.is_main:
        joint.description.save(folder)
        save_weights(folder / BEST_WEIGHTS, joint.network.state_dict())
    return finish(
        loop_of(joint), task, dataset.splits, spec, reporter, watch, joint.weights,
        predict=_summed(members, shown, spec.task, loop_of),
        best_epoch=0, fine_tuned_share=1.0, epochs=0, refit_epochs=refit_epochs,
    )  # fmt: skip


@dataclass(frozen=True)
class _Member:
    """A finished trial whose network is averaged with others.

    Attributes:
        folder: of the trial.
        sizes: shorter side to which its images are resized, and side of the square that it sees, in pixels.
        temperature: of its logits.
        share: of its calibrated logits in the mean.
        views: which of an image and its mirror image it sees.
    """

    folder: Path
    sizes: tuple[int, int]
    temperature: float
    share: float
    views: Views

    @staticmethod
    def of(folder: Path, share: float, *, mirrored: bool) -> _Member:
        """Read it.

        Raises:
            TrialError: the trial is not finished.
        """
        metrics = read_record(folder / METRICS_FILE, TrialMetrics)
        if metrics is None:
            raise TrialError(f"{folder} is not a finished trial, so its network cannot be averaged with others")
        settings = TrialSpec.model_validate(read_json(folder / SPEC_FILE)).hyperparameters
        views: Views = "both" if mirrored else "image"
        return _Member(folder, label_sizes(settings), metrics.calibration.temperature, share, views)

    def trained(self) -> Trained:
        """Its network, built anew, since what it becomes a part of changes it."""
        return Trained(load_model(self.folder), self.sizes[1], self.temperature, self.share, self.views)

    def recorded(self) -> dict[int, NDArray[np.float32]]:
        """What it adds to the mean of the logits of each image that it has predicted, by row."""
        found = Predictions.load(self.folder / PREDICTIONS_FILE)
        parts = [found.own(split) for split in found.splits if split != REFIT]
        factor = np.float32(self.share / self.temperature)
        return {int(row): factor * own for part in parts for row, own in zip(part.rows, part.logits, strict=True)}


def _summed(members: Sequence[_Member], shown: JointInput, task: str, loop_of: Callable[[Model], Loop]) -> Predict:
    """The outputs of the joint network, from what its members recorded.

    A member that sees the images as before answers as before. Mirror images, and images at another size, are predicted
    by a joint network of those members alone.
    """
    known, others = [], []
    for member, crop in zip(members, shown.crops, strict=True):
        if member.sizes != (shown.resize, shown.crop):
            others.append((member, crop))
        elif member.views == "both":
            half = replace(member, share=member.share / 2)
            known.append(half.recorded())
            others.append((replace(half, views="mirror image"), crop))
        else:
            known.append(member.recorded())
    part = replace(shown, crops=tuple(crop for _, crop in others))
    loop = loop_of(joined([member.trained() for member, _ in others], part, task)) if others else None

    def predict(rows: NDArray[np.intp]) -> Any:
        found = [np.stack([recorded[int(row)] for row in rows]) for recorded in known]
        if loop is not None:
            found.append(loop.outputs(rows.tolist(), precision=loop.precision))
        return np.sum(found, axis=0)

    return predict
