"""What a trial decides before its first step: batch sizes by memory, number format and memory layout by measurement."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from automl_vision.data.pixel_cache import Pixels
from automl_vision.models.image_model import ImageModel
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.task import Batch, Task
from automl_vision.training.batch_size import activation_bytes, batch_size_for, is_out_of_memory
from automl_vision.training.loop import Plan, set_training_mode
from automl_vision.training.optimizers import default_learning_rate
from automl_vision.training.precision import Precision, fastest_precision
from automl_vision.training.reporter import Reporter

_MEASURED_BATCH = 8


def make_plan(
    spec: TrialSpec, model: ImageModel, task: Task[Any], pixels: Pixels, rows: NDArray[np.intp], reporter: Reporter
) -> tuple[Plan, float]:
    """Decide what is kept over all epochs and over a resume.

    Args:
        spec: of the trial.
        model: on its device, with frozen stages marked.
        task: makes example batches and their loss.
        pixels: images by row.
        rows: of the training images.
        reporter: receives the timings.

    Returns:
        The plan, and the seconds of training per image.
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
    return plan, seconds


def _fastest(
    spec: TrialSpec, model: ImageModel, task: Task[Any], batch: Batch, reporter: Reporter
) -> tuple[Precision, float]:
    """The fastest precision and its seconds per image, on a copy of the model; out of memory, with fewer images.

    Where nothing but a head is trained, the network computes features, and a step is a forward pass.
    """
    hyperparameters, images = spec.hyperparameters, len(batch.images)
    trained = copy.deepcopy(model)
    set_training_mode(trained, freeze_batch_norm=images == 1 or hyperparameters.freezes_batch_norm)
    device = batch.images.device

    def step(precision: Precision) -> None:
        trained.to(memory_format=precision.memory_format)
        trained.zero_grad()
        batch.images = batch.images.contiguous(memory_format=precision.memory_format)
        with precision.autocast(device), torch.set_grad_enabled(not spec.head_only):
            loss = task.loss(trained, batch)
        if not spec.head_only:
            loss.backward()  # type: ignore[no-untyped-call]

    size = "x".join(map(str, batch.images.shape[2:]))
    part = "forward" if spec.head_only else f"{hyperparameters.frozen_stages} stages frozen"
    try:
        chosen, seconds = fastest_precision(
            step,
            hyperparameters.precision,
            device,
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
