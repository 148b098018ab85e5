"""How long an exported network takes per batch on this machine; without torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.serving.predictor import ImageSource, Predictor
from automl_vision.serving.runtimes import find_runtime

BATCHES = (1, 8)
"""Images per batch that are measured: a single request, and a queue of them."""

_SECONDS = 1.5  # per batch size at most
_WARM_UP_SECONDS, _WARM_UP_CALLS = 0.1, 1  # the first calls allocate memory
_LEAST_CALLS, _ENOUGH_CALLS, _MOST_CALLS = 5, 10, 500
_LEAST_SECONDS = 0.1  # a shorter time may be one in which the processor was slower or faster than usual
_CERTAIN = 0.01  # share of the median to which it is certain enough


@dataclass(frozen=True)
class BatchTime:
    """Milliseconds that a network takes for a whole batch.

    Attributes:
        median_ms, p95_ms: of the repetitions.
        repetitions: measured calls.
    """

    median_ms: float
    p95_ms: float
    repetitions: int


def measure_latency(
    folder: str | Path,
    images: Sequence[ImageSource],
    *,
    threads: int = 1,
    batches: Sequence[int] = BATCHES,
    runtime: str | None = None,
    seconds: float = _SECONDS,
) -> dict[int, BatchTime]:
    """Time the network of a model folder on real images.

    Only the network is timed, from normalised inputs to its outputs: reading, decoding and resizing cost all candidates
    the same. An image that is cut into tiles counts with all its views. With one thread the time is that of the
    processor, which is the latency on a core that nothing else uses: beside other programs clock medians differed
    by factors of 4 to 8, those of the processor's time by 1.03. With several threads it is that of the clock.

    Args:
        folder: of the model.
        images: at least one; repeated where a batch is larger.
        threads: cores to use; 0 uses all.
        batches: numbers of images per batch.
        runtime: name of the runtime; None takes the first one that reads the folder.
        seconds: per batch size at most; after a warm-up, calls are measured until their median is certain to 1 %, but
            at least 10, or 5 that take longer, and at most 500.

    Returns:
        The times by number of images per batch.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
        ImageError: an image cannot be read.
        ValueError: there is no image.
    """
    if not images:
        raise ValueError("a network is measured on real images, and there is none")
    predictor = Predictor(folder, threads=threads, runtime=find_runtime(Path(folder), runtime).name)
    views = [predictor.preprocess(image) for image in images]
    clock = time.process_time if threads == 1 else time.perf_counter
    return {batch: _time(predictor.run, _inputs(views, batch), seconds, clock) for batch in batches}


def _inputs(views: Sequence[NDArray[np.float32]], batch: int) -> list[NDArray[np.float32]]:
    """The batches to take turns with: as many as there are images, each beginning with another one."""
    starts = range(len(views)) if batch == 1 else range(1)
    return [np.concatenate([views[(start + k) % len(views)] for k in range(batch)]) for start in starts]


def _time(
    run: Callable[[NDArray[np.float32]], object],
    inputs: list[NDArray[np.float32]],
    seconds: float,
    clock: Callable[[], float],
) -> BatchTime:
    """Call a network with each of the inputs in turn until the seconds are over."""
    _calls(run, inputs, clock, seconds=_WARM_UP_SECONDS, least=_WARM_UP_CALLS)
    times = _calls(run, inputs, clock, seconds=seconds, least=_LEAST_CALLS)
    return BatchTime(float(np.median(times)), float(np.percentile(times, 95)), len(times))


def _calls(
    run: Callable[[NDArray[np.float32]], object],
    inputs: list[NDArray[np.float32]],
    clock: Callable[[], float],
    *,
    seconds: float,
    least: int,
) -> list[float]:
    """Milliseconds of each call."""
    times: list[float] = []
    begin = time.perf_counter()
    for number in count():
        start = clock()
        run(inputs[number % len(inputs)])
        times.append(1000 * (clock() - start))
        took = time.perf_counter() - begin
        if len(times) >= least and (took > seconds or len(times) >= _MOST_CALLS):
            break
        if took > _LEAST_SECONDS and len(times) % _ENOUGH_CALLS == 0 and _is_certain(times):
            break
    return times


def _is_certain(times: list[float]) -> bool:
    """Whether the 95 % interval of the median, by the notch of a box plot (McGill et al. 1978), is narrow enough."""
    low, median, high = np.percentile(times, (25, 50, 75))
    return bool(1.57 * (high - low) / np.sqrt(len(times)) <= _CERTAIN * median)
