"""How a model is run for many callers: threads, concurrent passes and batch, as measured on this machine."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.serving.device import usable_cores
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.runtimes import RUNTIMES, Network

_BATCHES = (1, 4, 8)
_SECONDS, _LEAST_PASSES = 0.15, 2  # per measurement and thread, after a pass that warms up
_WORTH = 1.05  # several passes at once, or larger batches, must be faster by this factor
_REMOTE_RUNNERS = 4  # passes that are asked for at once, for the other server makes batches of its own
_MOST_DELAY = 0.005  # seconds; at most half the time of a pass is waited
_WORTH_WAITING = 1.2  # batches must be faster by this factor


@dataclass(frozen=True)
class Plan:
    """How a model is run.

    Attributes:
        runtime: its name.
        threads: cores that one pass uses.
        runners: passes at once.
        batch: views per pass, at most.
        delay: seconds that a batch waits for images that are being decoded, at most.
        images_per_second: views per second that were measured this way.
    """

    runtime: str
    threads: int
    runners: int
    batch: int
    delay: float
    images_per_second: float

    @property
    def sentence(self) -> str:
        """The plan, for people."""
        passes = f"{self.runners} passes at once" if self.runners > 1 else "one pass at a time"
        cores = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        waits = f", waiting up to {1000 * self.delay:.1f} ms for a batch" if self.delay else ""
        return (
            f"{self.runtime}, {passes} on {cores}, batches of up to {self.batch}{waits}: "
            f"{self.images_per_second:,.0f} images/s without decoding"
        )


def open_planned(folder: Path, *, threads: int = 0, runtime: str | None = None) -> tuple[Predictor, Plan]:
    """Open a model and measure how it is run fastest when many images wait.

    Measured are one pass at a time that uses all cores, and as many passes at once as there are cores, each on one of
    them; then larger batches.

    Args:
        folder: the model folder.
        threads: cores to use in all; 0 uses all that this process may use.
        runtime: as of a predictor.

    Raises:
        ModelFolderError: the folder is not a usable model folder, or the runtime cannot be used here.
    """
    cores = threads or usable_cores()
    together = Predictor(folder, threads=cores, runtime=runtime)
    choice = together.choose()
    predictor, runners, rate = together, 1, _rate(together, 1, 1)
    if cores > 1 and not _is_on_gpu(choice.runtime):
        alone = Predictor(folder, threads=1, runtime=choice.runtime)
        several = _rate(alone, cores, 1)
        if several > rate * _WORTH:
            predictor, runners, rate = alone, cores, several
    return predictor, _batched(predictor, choice.runtime, cores if runners == 1 else 1, runners, rate)


def open_remote(folder: Path, name: str, network: Network) -> tuple[Predictor, Plan]:
    """A model whose network runs elsewhere, and the batch with which it is fastest.

    Args:
        folder: the model folder.
        name: of what runs it.
        network: maps inputs to outputs; any number of threads may call it.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
    """
    predictor = Predictor.of(folder, ModelDescription.load(folder), network)
    return predictor, _batched(predictor, name, 1, _REMOTE_RUNNERS, _rate(predictor, _REMOTE_RUNNERS, 1))


def _batched(predictor: Predictor, runtime: str, threads: int, runners: int, rate: float) -> Plan:
    """The plan with the smallest of the fastest batches.

    Args:
        predictor: to measure with.
        runtime, threads, runners: of the plan.
        rate: views per second one at a time.
    """
    rates = {1: rate}
    for batch in _BATCHES[1:]:
        rates[batch] = _rate(predictor, runners, batch)
        if rates[batch] < rate / _WORTH:
            break
    best = max(rates.values())
    batch = min(size for size, found in rates.items() if found * _WORTH >= best)
    delay = min(_MOST_DELAY, 0.5 * runners / rate) if rates[batch] > rate * _WORTH_WAITING else 0.0
    return Plan(runtime, threads, runners, batch, delay, rates[batch])


def _is_on_gpu(runtime: str) -> bool:
    return runtime in RUNTIMES and RUNTIMES[runtime].on_gpu


def _rate(predictor: Predictor, runners: int, batch: int) -> float:
    """Views per second of some threads that each run passes of a batch."""
    inputs = _noise(predictor, batch)
    predictor.run(inputs)
    passes = [0] * runners
    barrier = threading.Barrier(runners + 1)

    def work(number: int) -> None:
        barrier.wait()
        end = time.perf_counter() + _SECONDS
        while passes[number] < _LEAST_PASSES or time.perf_counter() < end:
            predictor.run(inputs)
            passes[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(runners)]
    for thread in threads:
        thread.start()
    barrier.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(passes) * batch / (time.perf_counter() - begin)


def _noise(predictor: Predictor, views: int) -> NDArray[Any]:
    size = predictor.description.preprocessing.input_size
    return np.random.default_rng(0).normal(size=(views, 3, *size)).astype(np.float32)
