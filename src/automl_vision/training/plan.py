"""What a trial decides before its first step: batch sizes by memory, number format and memory layout by measurement."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from automl_vision.data.pixel_cache import Pixels
from automl_vision.models.frozen_stages import FrozenStages, open_frozen_stages
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.task import Batch, Task
from automl_vision.training.batch_size import activation_bytes, batch_size_for, is_out_of_memory
from automl_vision.training.loop import Plan, set_training_mode
from automl_vision.training.optimizers import default_learning_rate
from automl_vision.training.precision import Precision, fastest_precision, measure
from automl_vision.training.reporter import Reporter

_MEASURED_BATCH = 8
_ROUNDS = 2
_SAVED = 0.12  # of the time of a step that OpenVINO saves, at least
_TRAINING_SHARE = 0.5  # of a trial's time that goes into steps, at least
_GAINED = 0.97  # time of a step with converted stages over that without them, from which on they are not used


def make_plan(
    spec: TrialSpec,
    network: Model,
    model: ImageModel,
    task: Task[Any],
    pixels: Pixels,
    rows: NDArray[np.intp],
    reporter: Reporter,
) -> tuple[Plan, float, FrozenStages | None]:
    """Decide what is kept over all epochs and over a resume.

    Args:
        spec: of the trial.
        network: that is trained, with the origin of its weights.
        model: the same on its device, with frozen stages marked.
        task: makes example batches and their loss.
        pixels: images by row.
        rows: of the training images.
        reporter: receives the timings.

    Returns:
        The plan, the seconds of training per image, and what computes the frozen stages if PyTorch does not.
    """
    hyperparameters = spec.hyperparameters
    device = model.scale.device
    wanted = hyperparameters.training_batch_size
    if wanted is None:
        example = task.evaluation_batch(pixels, rows[:1].tolist()).to(device)
        fitting = batch_size_for(activation_bytes(model, example.images), device, len(rows))
        wanted = min(fitting, task.largest_batch)
    batch = task.train_batch(pixels, rows[: min(_MEASURED_BATCH, wanted)].tolist(), seed=(0, 0)).to(device)
    precision, seconds = _fastest(spec, model, task, batch, reporter)
    rate, step = hyperparameters.learning_rate, wanted * hyperparameters.grad_accumulation_step
    plan = Plan(
        epochs=hyperparameters.number_of_epochs,
        batch_size=step,
        micro_batch=wanted,
        validation_batch=hyperparameters.validation_batch_size or 2 * wanted,
        learning_rate=rate
        if rate is not None
        else default_learning_rate(
            spec.task,
            spec.model_name,
            hyperparameters.optimizer,
            step,
            pretrained=hyperparameters.pretrained or spec.start_from is not None,
        ),
        precision=precision.name,
        channels_last=precision.channels_last,
        evaluation_frequency=hyperparameters.evaluation_frequency,
    )
    expected = _training_seconds(spec, len(rows) * seconds)
    if device.type == "cpu" and not spec.head_only:
        stages = open_frozen_stages(network, model, batch.images, precision=precision.name, saved=_SAVED * expected)
        step_seconds = math.inf if stages is None else _with_stages(stages, spec, model, task, batch, precision)
        if step_seconds < _GAINED * seconds:
            share = step_seconds / seconds
            reporter.message(f"OpenVINO computes the frozen stages: a step takes {share:.0%} of the time")
            return replace(plan, converted_stages=True), step_seconds, stages
    return plan, seconds, None


def _with_stages(
    stages: FrozenStages, spec: TrialSpec, model: ImageModel, task: Task[Any], batch: Batch, precision: Precision
) -> float:
    """Seconds of training per image where other code computes the frozen stages."""
    step = _step_of(spec, model, task, batch, stages)
    return measure(step, [precision], batch.images.device, rounds=_ROUNDS)[str(precision)] / len(batch.images)


def _training_seconds(spec: TrialSpec, epoch_seconds: float) -> float:
    """Seconds that the steps of a trial take, by those of an epoch and by its time."""
    most = math.inf if spec.budget_seconds is None else _TRAINING_SHARE * spec.budget_seconds
    return min(spec.hyperparameters.number_of_epochs * epoch_seconds, most)


def _fastest(
    spec: TrialSpec, model: ImageModel, task: Task[Any], batch: Batch, reporter: Reporter
) -> tuple[Precision, float]:
    """The fastest precision and its seconds per image, on a copy of the model; out of memory, with fewer images.

    Where nothing but a head is trained, the network computes features, and a step is a forward pass.
    """
    hyperparameters, images = spec.hyperparameters, len(batch.images)
    size = "x".join(map(str, batch.images.shape[2:]))
    trained = sum(parameter.requires_grad for parameter in model.parameters())
    part = "forward" if spec.head_only else f"{trained} tensors trained"
    try:
        chosen, seconds = fastest_precision(
            _step_of(spec, model, task, batch),
            hyperparameters.precision,
            batch.images.device,
            cache=Path(spec.cache),
            key=f"{spec.model_name} {size} pixels {images} images, {part}",
        )
    except RuntimeError as error:
        if not is_out_of_memory(error) or images == 1:
            raise
        return _fastest(spec, model, task, batch.first(images // 2), reporter)
    timings = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    reporter.message(f"precision {chosen} (a step of {images} images: {timings})")
    return chosen, seconds[str(chosen)] / images


def _step_of(
    spec: TrialSpec, model: ImageModel, task: Task[Any], batch: Batch, stages: FrozenStages | None = None
) -> Callable[[Precision], None]:
    """A training step in a precision, on a copy of the model."""
    hyperparameters, device = spec.hyperparameters, batch.images.device
    trained = copy.deepcopy(model)
    set_training_mode(trained, freeze_batch_norm=len(batch.images) == 1 or hyperparameters.freezes_batch_norm)

    def step(precision: Precision) -> None:
        trained.to(memory_format=precision.memory_format)
        trained.zero_grad()
        batch.images = batch.images.contiguous(memory_format=precision.memory_format)
        converted = nullcontext() if stages is None else stages.within(trained)
        with precision.autocast(device), torch.set_grad_enabled(not spec.head_only), converted:
            loss = task.loss(trained, batch)
        if not spec.head_only:
            loss.backward()  # type: ignore[no-untyped-call]

    return step
