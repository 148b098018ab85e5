"""Steps and predictions of one model. The loop knows no task: it sees `task.loss` and `task.predict` alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
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
from automl_vision.models.image_model import ImageModel, pretrained_norms
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
    """What is fixed before the first step and kept over a resume.

    Attributes:
        epochs: passes planned; the last may be a part of one.
        batch_size: images whose gradients make one optimizer step.
        micro_batch: images that run at once, over all processes.
        validation_batch: images that validate at once in a process.
        learning_rate: highest of the schedule.
        precision: name of the number format.
        channels_last: the memory layout.
        evaluation_frequency: epochs between validations.
    """

    epochs: float
    batch_size: int
    micro_batch: int
    validation_batch: int
    learning_rate: float
    precision: str
    channels_last: bool
    evaluation_frequency: int = 1

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch, whole or not."""
        return math.ceil(self.epochs)

    def share(self, epoch: int) -> float:
        """Share of an epoch, counted from 1, that is planned: above 0, at most 1."""
        return min(1.0, self.epochs - epoch + 1)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return asdict(self)


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
    """Batches in order, on the device; made by worker processes where a GPU would wait for them.

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
    """Rows in pieces of `size`; a single one that is left over joins the piece before, for batch norm needs two."""
    steps = chunks(rows, size)
    if len(steps) > 1 and len(steps[-1]) == 1 and size > 1:
        single = steps.pop()
        steps[-1] += single
    return steps


def set_training_mode(model: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Training mode, but pretrained batch norms that are frozen, or whose parameters are, keep their statistics."""
    model.train()
    for module in pretrained_norms(model):
        fixed = all(not parameter.requires_grad for parameter in module.parameters())
        if freeze_batch_norm or fixed:
            module.eval()


def moving_batch_norms(model: nn.Module) -> list[nn.Module]:
    """The batch norms whose statistics move."""
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]


def _out_of_memory() -> RuntimeError:
    return RuntimeError("out of memory in a process of the trial")


class Loop:
    """Trains a model for one epoch after another and predicts with it.

    Args:
        model: on its device, in its memory format.
        task: gives batches, loss and predictions.
        pixels: images by row.
        plan: batch sizes, rate and precision.
        seed: of every random choice.
        processes: that train together; none: this one alone.
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

    @property
    def averaged(self) -> ImageModel:
        """The model to validate and keep: the moving average, where there is one."""
        if self.ema is None:
            return self.model
        module: ImageModel = self.ema.module
        return module

    def train_epoch(
        self, epoch: int, rows: NDArray[np.intp], optimizer: optim.Optimizer, on_step: OnStep
    ) -> tuple[float, bool]:
        """One pass over the training rows, or its planned part, in an order that depends on seed and epoch alone.

        Args:
            epoch: counted from 1.
            rows: of the training images.
            optimizer: of the model's parameters.
            on_step: told after each step; ends the epoch by False.

        Returns:
            Mean loss, and whether the epoch was finished.

        Raises:
            TrialError: training diverged.
        """
        single = self.plan.micro_batch == 1  # one image has no statistics of a batch
        set_training_mode(self.model, freeze_batch_norm=single or self.task.hyperparameters.freezes_batch_norm)
        self._moving = moving_batch_norms(self.model)
        # for dropout; a resumed epoch draws the same, another process of the trial draws its own
        torch.manual_seed(1_000_003 * (self._seed + 1) + epoch + 7_368_787 * self.processes.index)
        order = np.random.default_rng([self._seed, epoch]).permutation(rows).tolist()
        steps = training_steps(order, self.plan.batch_size)
        whole = len(steps)
        steps = steps[: max(1, round(self.plan.share(epoch) * whole))]
        micro_batches = [training_steps(step, self.plan.micro_batch) for step in steps]
        batches = load_batches(self._training_batch(epoch), list(chain(*micro_batches)), self._device)
        done, total_loss = 0, 0.0
        for number, step in enumerate(steps):
            self._set_rate(optimizer, epoch - 1 + (number + 1) / whole)
            loss = self._step([len(rows) for rows in micro_batches[number]], batches, optimizer)
            if not math.isfinite(loss):
                raise TrialError(
                    f"the loss is no longer finite in epoch {epoch}: training diverged; "
                    f"give a learning_rate below {self.plan.learning_rate:g}"
                )
            if self.ema is not None:
                self.ema.update(self.model, step=(epoch - 1) * whole + number + 1)
            done += len(step)
            total_loss += loss * len(step)
            mean = total_loss / done
            if not self.processes.decides(partial(on_step, done, mean)):
                return mean, False
        return total_loss / done, True

    def outputs(self, rows: Sequence[int], *, precision: Precision | None = None) -> Any:
        """What the averaged model gives for evaluation images, in the task's own form.

        Args:
            rows: of the manifest.
            precision: of the computation; the training's own by default.
        """
        model = self.averaged.eval()
        parts = self._inference(rows, lambda batch: self.task.predict(model, batch), precision or self.precision)
        return self.task.join(parts)

    def features(self, rows: Sequence[int], on_step: Callable[[int], None]) -> NDArray[np.float32]:
        """Features of evaluation images, each the mean over the image and its mirror image, (rows, features)."""
        model = self.model.eval()
        done = 0

        def mean_features(batch: Batch) -> NDArray[np.float32]:
            nonlocal done
            both = model.features(batch.images).float() + model.features(batch.images.flip(3)).float()
            done += len(both) * self.processes.count
            on_step(min(done, len(rows)))
            means: NDArray[np.float32] = (both / 2).cpu().numpy()
            return means

        return np.concatenate(self._inference(rows, mean_features, self.precision))

    def _inference(self, rows: Sequence[int], function: Callable[[Batch], Any], precision: Precision) -> list[Any]:
        """A function of evaluation batches without gradients; out of memory, with half the images at once."""
        while True:
            groups = chunks(rows, self.plan.validation_batch)
            own = range(self.processes.index, len(groups), self.processes.count)
            lacking = False  # the error itself would keep its frames, and with them the memory
            try:
                with torch.inference_mode(), precision.autocast(self._device):
                    batches = load_batches(self._evaluation_batch, [groups[i] for i in own], self._device)
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

    def _training_batch(self, epoch: int) -> Callable[[list[int]], Batch]:
        """From the rows of all processes to the batch of this one, random for the whole as in one process."""
        share, least = self._shard, self._least

        def make(rows: list[int]) -> Batch:
            own = share(rows) or rows[:least]  # without a share, some that count for nothing
            batch = self.task.train_batch(self.pixels, own, seed=(self._seed, epoch))
            return replace(batch, seed=(self._seed, epoch, rows[0]))

        return make

    def _evaluation_batch(self, rows: list[int]) -> Batch:
        return self.task.evaluation_batch(self.pixels, rows)

    def _step(self, sizes: list[int], batches: Iterator[Batch], optimizer: optim.Optimizer) -> float:
        """One optimizer step over micro-batches of these sizes, shards of which come; gives the mean loss."""
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
        """The loss of a batch; when any process is out of memory, all of them are."""
        lacking = False  # the error itself would keep its frames, and with them the memory
        try:
            with self.precision.autocast(self._device):
                loss = self.task.loss(self._parallel, batch)
        except RuntimeError as failure:
            if not is_out_of_memory(failure):
                raise
            lacking = True
        if self.processes.any(lacking):
            raise _out_of_memory()
        return loss

    def _backward(self, loss: Tensor) -> None:
        """Gradients; several processes exchange them on the way, so that none of them can step back alone."""
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if self.processes.count == 1 or not is_out_of_memory(error):
                raise
            raise TrialError("out of memory in the backward pass; give a smaller training_batch_size") from error

    @property
    def _least(self) -> int:
        """Images that a process needs: one has no statistics of a batch."""
        return 2 if self._moving else 1

    @property
    def _shard(self) -> Callable[[Sequence[int]], list[int]]:
        """From the rows of all processes to those of this one."""
        count = self.processes.count
        return partial(shard, index=self.processes.index, count=count, paired=self.task.mixes, least=self._least)

    def _average_statistics(self) -> None:
        """Batch norms that are not frozen see the images of their process alone; what they keep is the mean."""
        statistics = [buffer for module in self._moving for buffer in module.buffers() if buffer.is_floating_point()]
        self.processes.average(statistics)

    def _set_rate(self, optimizer: optim.Optimizer, epoch: float) -> None:
        factor = learning_rate_factor(epoch, self.plan.epochs, self.task.hyperparameters)
        for group in optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * factor * group["lr_scale"]


class Stopwatch:
    """Seconds of work, with those before an interruption."""

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._start
