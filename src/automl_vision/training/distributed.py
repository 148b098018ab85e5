"""The processes that train one trial together, by distributed data parallel through Accelerate.

Every process holds the same weights and sees its shard of each batch; gradients are averaged, weighted by the shards.
What is decided, reported or written is so by the main process alone, and the others follow. With one process nothing
of Accelerate is loaded and every method is trivial.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from automl_vision.compute.multiprocess import RENDEZVOUS
from automl_vision.core.errors import TrialError
from automl_vision.core.system import core_count

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")

_TIMEOUT = timedelta(minutes=30)  # the others wait while the main process fits the probe or computes metrics


def shard(rows: Sequence[int], index: int, count: int, *, paired: bool, least: int = 1) -> list[int]:
    """The part of a batch that one of `count` processes sees; sizes differ by one image, or by one pair.

    A batch that is too small for all of them leaves the last ones without any.

    Args:
        rows: of the whole batch.
        index: of the process.
        count: of processes.
        paired: keep the first image with the last one, the second with the last but one, and so on, in this order.
            Mixing a batch with itself in reverse then makes the same images as in one process.
        least: images for each process that gets some.
    """
    count = min(count, max(1, len(rows) // least))
    if index >= count:
        return []
    if not paired:
        return list(rows[index::count])
    last = len(rows) - 1
    return [row for place, row in enumerate(rows) if min(place, last - place) % count == index]


class Processes:
    """The processes of a trial, as one of them sees them.

    Args:
        device: of this process.
        accelerator: of several processes; none: this one is alone.
    """

    def __init__(self, device: torch.device, accelerator: Accelerator | None = None) -> None:
        self.device = device
        self._accelerator = accelerator
        self.index = 0 if accelerator is None else accelerator.process_index
        self.count = 1 if accelerator is None else accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process decides, reports and writes."""
        return self.index == 0

    def parallel(self, model: nn.Module) -> nn.Module:
        """The model as it is trained: its backward pass averages the gradients over the processes."""
        if self._accelerator is None:
            return model
        wrapped: nn.Module = self._accelerator.prepare_model(model, device_placement=False)
        return wrapped

    def accumulating(self, model: nn.Module, *, more: bool) -> AbstractContextManager[None]:
        """While gradients are added up, with more batches of the same step to come, they are not exchanged."""
        if self._accelerator is None or not more:
            return nullcontext()
        context: AbstractContextManager[None] = self._accelerator.no_sync(model)
        return context

    def total(self, value: float) -> float:
        """The sum over the processes."""
        if self._accelerator is None:
            return value
        summed: Tensor = self._accelerator.reduce(torch.tensor(value, dtype=torch.float64), "sum")
        return float(summed)

    def any(self, value: bool) -> bool:
        """Whether it is true in any process."""
        return self.total(float(value)) > 0

    def decides(self, function: Callable[[], bool]) -> bool:
        """What the main process decides."""
        return self.any(self.is_main and function())

    def from_main(self, function: Callable[[], T]) -> T:
        """The value that a function returns in the main process; the others do not call it."""
        if self._accelerator is None:
            return function()
        from accelerate.utils import broadcast_object_list

        values = [function() if self.is_main else None]
        value: T = broadcast_object_list(values, from_process=0)[0]
        return value

    def gathered(self, results: dict[int, T]) -> list[T]:
        """The results of all processes, in the order of their numbers."""
        if self._accelerator is not None:
            from accelerate.utils import gather_object

            results = dict(gather_object(list(results.items())))
        return [results[number] for number in sorted(results)]

    def wait(self) -> None:
        """Until all processes have come here; what the main process wrote before can then be read."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()

    def copy_from_main(self, tensors: Iterable[Tensor]) -> None:
        """Make tensors the same as in the main process."""
        if self._accelerator is not None:
            for tensor in tensors:
                torch.distributed.broadcast(tensor.detach(), src=0)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Make tensors their mean over the processes."""
        if self._accelerator is not None:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor.detach())
                tensor.detach().div_(self.count)


@contextmanager
def open_processes(count: int, device: str, threads: int) -> Iterator[Processes]:
    """Join the processes that train a trial, as far as this process was started as one of several.

    Rank and number are those of `RANK`, `WORLD_SIZE` and `LOCAL_RANK`, which `launch`, a cluster or torchrun set.

    Args:
        count: of processes that the trial asks for; a process started alone trains alone, with the same batches.
        device: "auto", "cpu" or "cuda"; each process gets the CUDA device of its local rank.
        threads: of all processes on this machine together; 0: all cores.

    Raises:
        TrialError: other processes were started than the trial asks for.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started == 1:
        if threads:
            torch.set_num_threads(threads)
        yield Processes(device_for(device))
        return
    if started != count:
        raise TrialError(f"the trial asks for {count} processes and {started} were started")
    accelerator = _accelerator(device, started)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(started)))
    torch.set_num_threads(max(1, (threads or core_count()) // here))
    try:
        with warnings.catch_warnings():
            # kernels may give the gradient of a depthwise layer other strides over its one channel, which is harmless
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            yield Processes(accelerator.device, accelerator)
    finally:
        torch.distributed.destroy_process_group()


def device_for(name: str) -> torch.device:
    """The device of a process that trains alone."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _accelerator(device: str, count: int) -> Accelerator:
    """Accelerate over the processes that were started; gloo between CPUs, NCCL between GPUs.

    Raises:
        TrialError: there are fewer GPUs than processes on this machine.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    cpu = device_for(device).type == "cpu"
    local_rank = int(os.environ["LOCAL_RANK"])
    if not cpu and local_rank >= torch.cuda.device_count():
        raise TrialError(
            f"each process needs a GPU of its own, and process {local_rank} finds {torch.cuda.device_count()}; "
            "ask for fewer processes, or for the device cpu"
        )
    torch.distributed.init_process_group(
        "gloo" if cpu else "cpu:gloo,cuda:nccl",
        init_method=os.environ.get(RENDEZVOUS, "env://"),
        rank=int(os.environ["RANK"]),
        world_size=count,
        timeout=_TIMEOUT,
    )
    options = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="OMP_NUM_THREADS")  # threads are set by the caller
        return Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[options])
