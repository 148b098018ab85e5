"""Training steps and predictions of one model. The loop only calls `task.loss` and `task.predict`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from automl_vision.core.errors import TrialError
from automl_vision.data.pixel_cache import Pixels
from automl_vision.models.frozen_stages import FrozenStages
from automl_vision.models.image_model import ImageModel, pretrained_norms
from automl_vision.recipes.repeat_factors import draw_images
from automl_vision.tasks.task import Batch, Task
from automl_vision.training.batch_size import is_out_of_memory
from automl_vision.training.distributed import Processes, shard
from automl_vision.training.precision import Precision
from automl_vision.training.schedules import learning_rate_factor

OnStep = Callable[[int, float], bool]
"""Called after each step with (images done, mean loss so far); False ends the epoch."""

_LOADER_WORKERS = 4  # on a GPU; on a CPU the model itself uses every core


@dataclass
class Plan:
    """What is decided before the first step and kept when a trial is resumed.

    Attributes:
        epochs: planned passes over the training images; the last one may be partial.
        batch_size: images whose gradients make one optimizer step.
        micro_batch: images per forward pass, over all processes.
        validation_batch: images per validation batch of a process.
        learning_rate: highest of the schedule.
        precision: name of the number format.
        channels_last: the memory layout.
        evaluation_frequency: epochs between validations.
        converted_stages: whether frozen stages are computed by OpenVINO.
    """

    epochs: float
    batch_size: int
    micro_batch: int
    validation_batch: int
    learning_rate: float
    precision: str
    channels_last: bool
    evaluation_frequency: int = 1
    converted_stages: bool = False

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch, whole or not."""
        return math.ceil(self.epochs)

    def share(self, epoch: int) -> float:
        """Share of an epoch, counted from 1, that is planned: above 0, at most 1."""
        return min(1.0, self.epochs - epoch + 1)


@dataclass(frozen=True)
class TrainedEpoch:
    """What was trained of an epoch.

    Attributes:
        loss: mean over the images.
        images: trained on, those that were drawn repeatedly counted each time.
        seconds: that it took.
        finished: whether its planned part was trained to the end.
    """

    loss: float
    images: int
    seconds: float
    finished: bool

    @property
    def images_per_second(self) -> float:
        """The speed of training."""
        return self.images / self.seconds


class _LazyBatches(TorchDataset[Batch]):
    """Batches made when a loader asks for them."""

    def __init__(self, make: Callable[[list[int]], Batch], groups: Sequence[list[int]]) -> None:
        self._make, self._groups = make, groups

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, index: int) -> Batch:
        return self._make(self._groups[index])


def load_batches(
    make: Callable[[list[int]], Batch], groups: Sequence[list[int]], device: torch.device
) -> Iterator[Batch]:
    """Batches in order, on the device; worker processes make them where a GPU would otherwise wait.

    Args:
        make: from rows to a batch.
        groups: the rows of each batch.
        device: where the batches go.
    """
    workers = _LOADER_WORKERS if device.type == "cuda" and len(groups) > _LOADER_WORKERS else 0
    loader: DataLoader[Batch] = DataLoader(_LazyBatches(make, groups), batch_size=None, num_workers=workers)
    for batch in loader:
        yield batch.to(device)


def chunks(rows: Sequence[int], size: int) -> list[list[int]]:
    """Rows in pieces of at most `size`."""
    return [list(rows[start : start + size]) for start in range(0, len(rows), size)]


def training_steps(rows: Sequence[int], size: int) -> list[list[int]]:
    """Rows in pieces of `size`; a single row left over joins the piece before it, since batch norm needs two images."""
    steps = chunks(rows, size)
    if len(steps) > 1 and len(steps[-1]) == 1 and size > 1:
        single = steps.pop()
        steps[-1] += single
    return steps


def set_training_mode(model: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Set training mode, except for pretrained batch norms that are frozen, or whose parameters are."""
    model.train()
    for module in pretrained_norms(model):
        fixed = all(not parameter.requires_grad for parameter in module.parameters())
        if freeze_batch_norm or fixed:
            module.eval()


def moving_batch_norms(model: nn.Module) -> list[nn.Module]:
    """The batch norms whose running statistics are updated."""
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]


def _out_of_memory() -> RuntimeError:
    return RuntimeError("out of memory in a process of the trial")


class Loop:
    """Trains a model epoch by epoch and predicts with it.

    Args:
        model: on its device, in its memory format.
        task: makes batches, losses and predictions.
        pixels: images by row.
        plan: batch sizes, rate and precision.
        seed: of every random choice.
        processes: that train together; by default this one alone.

    Attributes:
        frozen_stages: compute the first part of the model, in training and in predictions of the same precision.
    """

    def __init__(
        self,
        model: ImageModel,
        task: Task[Any],
        pixels: Pixels,
        plan: Plan,
        *,
        seed: int,
        processes: Processes | None = None,
    ) -> None:
        self.model, self.task, self.pixels, self.plan = model, task, pixels, plan
        self._seed = seed
        self._device = next(model.parameters()).device
        self.precision = Precision(plan.precision, plan.channels_last)
        decay = task.hyperparameters.ema_decay
        self.ema = ModelEmaV3(model, decay=decay, use_warmup=True) if decay > 0 else None
        self.processes = processes or Processes(self._device)
        self._parallel = self.processes.parallel(model)
        self._moving: list[nn.Module] = []
        self.frozen_stages: FrozenStages | None = None

    @property
    def averaged(self) -> ImageModel:
        """The model to validate and keep: the moving average, where there is one."""
        if self.ema is None:
            return self.model
        module: ImageModel = self.ema.module
        return module

    def train_epoch(
        self, epoch: int, rows: NDArray[np.intp], optimizer: optim.Optimizer, on_step: OnStep
    ) -> TrainedEpoch:
        """Train for one epoch, or its planned part, on images whose draw and order depend on seed and epoch only.

        Args:
            epoch: counted from 1.
            rows: of the training images; an epoch has as many, some of them repeatedly if the task wants that.
            optimizer: of the model's parameters.
            on_step: called after each step; the epoch ends when it returns False.

        Raises:
            TrialError: training diverged.
        """
        start = time.monotonic()
        self.task.epoch_begins((epoch - 1) / self.plan.epochs)
        single = self.plan.micro_batch == 1  # one image has no statistics of a batch
        set_training_mode(self.model, freeze_batch_norm=single or self.task.hyperparameters.freezes_batch_norm)
        self._moving = moving_batch_norms(self.model)
        # for dropout; a resumed epoch draws the same, another process of the trial draws its own
        torch.manual_seed(1_000_003 * (self._seed + 1) + epoch + 7_368_787 * self.processes.index)
        drawn, repeats = draw_images(self.task.repeat_factors(rows), np.random.default_rng([self._seed, epoch]))
        steps = training_steps(range(len(drawn)), self.plan.batch_size)
        whole = len(steps)
        steps = steps[: max(1, round(self.plan.share(epoch) * whole))]
        micro_batches = [training_steps(step, self.plan.micro_batch) for step in steps]
        make = self._training_batch(epoch, rows[drawn], repeats)
        batches = load_batches(make, list(chain(*micro_batches)), self._device)
        done, total_loss, goes_on = 0, 0.0, True
        for number, step in enumerate(steps):
            self._set_rate(optimizer, epoch - 1 + (number + 1) / whole)
            loss = self._step([len(part) for part in micro_batches[number]], batches, optimizer)
            if not math.isfinite(loss):
                raise TrialError(
                    f"the loss is no longer finite in epoch {epoch}: training diverged; "
                    f"give a learning_rate below {self.plan.learning_rate:g}"
                )
            if self.ema is not None:
                self.ema.update(self.model, step=(epoch - 1) * whole + number + 1)
            done += len(step)
            total_loss += loss * len(step)
            goes_on = self.processes.decides(partial(on_step, done, total_loss / done))
            if not goes_on:
                break
        return TrainedEpoch(total_loss / done, done, time.monotonic() - start, finished=goes_on)

    def outputs(self, rows: Sequence[int], *, precision: Precision | None = None) -> Any:
        """Predict evaluation images with the averaged model; the form of the outputs is the task's own.

        Args:
            rows: of the manifest.
            precision: of the computation; the training's own by default.
        """
        model = self.averaged.eval()
        parts = self._inference(rows, lambda batch: self.task.predict(model, batch), precision or self.precision)
        return self.task.join(parts)

    def features(
        self, rows: Sequence[int], on_step: Callable[[int], None], extract: Callable[[Tensor], Tensor] | None = None
    ) -> NDArray[np.float32]:
        """Features of evaluation images, each the mean over the image and its mirror image, (rows, features).

        Args:
            rows: of the manifest.
            on_step: called with the number of images that are done.
            extract: computes features of images; by default the model itself.
        """
        features = extract or self.model.eval().features
        done = 0

        def mean_features(batch: Batch) -> NDArray[np.float32]:
            nonlocal done
            both = features(batch.images).float() + features(batch.images.flip(3)).float()
            done += len(both) * self.processes.count
            on_step(min(done, len(rows)))
            means: NDArray[np.float32] = (both / 2).cpu().numpy()
            return means

        return np.concatenate(self._inference(rows, mean_features, self.precision))

    def _inference(self, rows: Sequence[int], function: Callable[[Batch], Any], precision: Precision) -> list[Any]:
        """Apply a function to evaluation batches without gradients; out of memory halves the batches."""
        while True:
            groups = chunks(rows, self.plan.validation_batch)
            own = range(self.processes.index, len(groups), self.processes.count)
            lacking = False  # the error itself would keep its frames, and with them the memory
            try:
                with torch.inference_mode(), self._computing(self.averaged, precision):
                    make = partial(self.task.evaluation_batch, self.pixels)
                    batches = load_batches(make, [groups[i] for i in own], self._device)
                    results = {i: function(batch) for i, batch in zip(own, batches, strict=True)}
            except RuntimeError as failure:
                if not is_out_of_memory(failure):
                    raise
                lacking = True
            if not self.processes.any(lacking):
                return self.processes.gathered(results)
            if self.plan.validation_batch == 1:
                raise _out_of_memory()
            self.plan.validation_batch //= 2

    @contextmanager
    def _computing(self, model: ImageModel, precision: Precision) -> Iterator[None]:
        """The context of a pass through the model in a precision."""
        stages = self.frozen_stages if precision == self.precision else None
        with precision.autocast(self._device), nullcontext() if stages is None else stages.within(model):
            yield

    def _training_batch(
        self, epoch: int, rows: NDArray[np.intp], repeats: NDArray[np.int64]
    ) -> Callable[[list[int]], Batch]:
        """Make this process's batch from the places of all; its random changes are those of training in one process.

        Args:
            epoch: counted from 1.
            rows: of the images that were drawn for the epoch, by place.
            repeats: how often each was drawn before.
        """
        share, least, seed = self._shard, self._least, (self._seed, epoch)

        def make(places: list[int]) -> Batch:
            own = share(places) or places[:least]  # without a share, a few whose loss is multiplied by 0
            batch = self.task.train_batch(self.pixels, rows[own].tolist(), seed=seed, repeats=repeats[own].tolist())
            return replace(batch, seed=(*seed, int(rows[places[0]])))

        return make

    def _step(self, sizes: list[int], batches: Iterator[Batch], optimizer: optim.Optimizer) -> float:
        """One optimizer step over this process's shards of micro-batches of these sizes; returns the mean loss."""
        optimizer.zero_grad(set_to_none=True)
        processes, total = self.processes, 0.0
        for number, size in enumerate(sizes):
            batch = next(batches)
            own = len(self._shard(range(size)))
            with processes.accumulating(self._parallel, more=number + 1 < len(sizes)):
                loss = self._loss(batch) * (own / sum(sizes))
                self._backward(loss * processes.count)  # as the mean over processes is taken of the gradients
            total += loss.item()
        self._average_statistics()
        largest = self.task.hyperparameters.max_gradient_norm
        if largest < math.inf:
            nn.utils.clip_grad_norm_(self.model.parameters(), largest)
        optimizer.step()
        return processes.total(total)

    def _loss(self, batch: Batch) -> Tensor:
        """The loss of a batch; if one process is out of memory, all raise."""
        lacking = False  # the error itself would keep its frames, and with them the memory
        try:
            with self._computing(self.model, self.precision):
                loss = self.task.loss(self._parallel, batch)
        except RuntimeError as failure:
            if not is_out_of_memory(failure):
                raise
            lacking = True
        if self.processes.any(lacking):
            raise _out_of_memory()
        return loss

    def _backward(self, loss: Tensor) -> None:
        """Compute gradients. Processes exchange them meanwhile, so a single one cannot retry with a smaller batch."""
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if self.processes.count == 1 or not is_out_of_memory(error):
                raise
            raise TrialError("out of memory in the backward pass; give a smaller training_batch_size") from error

    @property
    def _least(self) -> int:
        """The minimum number of images per process: batch statistics need two."""
        return 2 if self._moving else 1

    @property
    def _shard(self) -> Callable[[Sequence[int]], list[int]]:
        """From the rows of all processes to those of this one."""
        count = self.processes.count
        return partial(shard, index=self.processes.index, count=count, paired=self.task.traits.mixes, least=self._least)

    def _average_statistics(self) -> None:
        """Average the running statistics of batch norms, each of which sees only the images of its process."""
        statistics = [buffer for module in self._moving for buffer in module.buffers() if buffer.is_floating_point()]
        self.processes.average(statistics)

    def _set_rate(self, optimizer: optim.Optimizer, epoch: float) -> None:
        factor = learning_rate_factor(epoch, self.plan.epochs, self.task.hyperparameters)
        for group in optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * factor * group["lr_scale"]


class Stopwatch:
    """Measures the seconds of work, including those before an interruption."""

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._start
