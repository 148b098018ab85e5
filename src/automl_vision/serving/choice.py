"""Which runtime predicts on this machine: as asked, as measured here before, or measured now on the user's images.

Only what is proven takes part: single precision if its answers are those of the reference on the very images that it is
measured on, any other precision if packaging compared it with single precision and accepted it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ModelFolderError
from automl_vision.serving.agreement import disagreement
from automl_vision.serving.device import gpu_names, processor_name, usable_cores
from automl_vision.serving.model_folder import DESCRIPTION_FILE, ModelDescription
from automl_vision.serving.runtimes import PRECISIONS, REFERENCE, RUNTIMES, Network, Runtime, asked_runtimes
from automl_vision.storage.cache_folder import cache_folder

MEASURED_FROM = 16
"""Images that have to come at once before runtimes are measured; fewer would cost more time than they save."""

BATCH = 16
"""Views per batch where nothing was measured."""

_VERSION = 1
_MEASURED = 4  # views per batch while runtimes are compared
_SLOW_SECONDS = 0.03  # per view; from here on single views are compared, for batches gain nothing
_BATCHES = (1, 4, 16)
_SECONDS, _LEAST_CALLS, _MOST_CALLS = 0.06, 2, 10  # per measurement, after a call that warms up
_WORTH = 1.1  # a lower precision must be faster by this factor, or a larger batch by the next one
_WORTH_BATCH = 1.03

Inputs = NDArray[np.float32]
_LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt")


@dataclass(frozen=True)
class Timing:
    """How fast a runtime was.

    Attributes:
        runtime: its name.
        threads: cores that it used.
        batch: views per batch.
        images_per_second: views per second, of the fastest call.
    """

    runtime: str
    threads: int
    batch: int
    images_per_second: float


@dataclass(frozen=True)
class Choice:
    """A runtime, and why.

    Attributes:
        runtime: its name.
        precision: of what it computes.
        threads: cores that it uses.
        batch: views per batch in a stream.
        why: in a sentence without its end.
        measured: of all runtimes, and of several numbers of threads and views for the chosen one.
        left_out: why other runtimes did not take part, by name.
    """

    runtime: str
    precision: str
    threads: int
    batch: int
    why: str
    measured: tuple[Timing, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """What was chosen, why, how fast each runtime was, and why others were left out."""
        cores = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        first = f"{self.runtime} ({self.precision}), {cores}, batches of {self.batch}: {self.why}"
        times = [
            f"  {each.runtime}, threads {each.threads}, batch {each.batch}: {each.images_per_second:.1f} images/s"
            for each in self.measured
        ]
        return [first, *times, *(f"  {name} left out: {reason}" for name, reason in self.left_out.items())]


class Selection:
    """The runtime of a predictor.

    Args:
        folder: the model folder.
        description: of the model.
        runtime: name of a runtime or family that was asked for; None chooses.
        precision: that was asked for; None chooses, or takes that of the name.
        threads: cores to use; 0 chooses.

    Raises:
        ModelFolderError: what was asked for cannot run, or the network cannot be loaded.
    """

    def __init__(
        self, folder: Path, description: ModelDescription, *, runtime: str | None, precision: str | None, threads: int
    ) -> None:
        self._folder, self._description, self._threads = folder, description, threads
        self._lock = threading.Lock()
        usable = asked_runtimes(folder, runtime, precision)
        self._left_out = {} if runtime or precision else _left_out(folder, description)
        self._candidates = [each for each in usable if each.name not in self._left_out] or usable[:1]
        known = None if len(self._candidates) == 1 else self._cached()
        self.is_open = known is None and len(self._candidates) > 1
        if known is not None:
            try:
                self.network, self.choice = RUNTIMES[known.runtime].open(folder, threads=known.threads), known
                return
            except ModelFolderError:
                self.is_open = True
        first = self._candidates[0]
        cores = threads or usable_cores()
        self.network = first.open(folder, threads=cores)
        why = f"runtimes are measured when {MEASURED_FROM} images come at once" if self.is_open else "as asked"
        if not self.is_open and runtime is None and precision is None:
            why = "nothing else can be used here"
        self.choice = Choice(first.name, first.precision, cores, BATCH, why, left_out=self._left_out)

    def measure(self, inputs: Inputs) -> None:
        """Choose the fastest runtime on some inputs (n, 3, height, width), and remember it on this machine.

        It takes a few hundred milliseconds for small networks, and some calls of each runtime for large ones.
        """
        with self._lock:
            if not self.is_open:
                return
            views = inputs[:_MEASURED]  # a tiled image has more
            self.network, self.choice = _measured(
                self._folder, self._description, self._candidates, views, self._threads, dict(self._left_out)
            )
            self.is_open = False
            with suppress(OSError):  # without a home the next process measures again
                _remember(self._cache_file(), self.choice)

    def _cached(self) -> Choice | None:
        """What was measured on this machine before; None where nothing was, or it cannot be used any more."""
        try:
            value = json.loads(self._cache_file().read_text(encoding="utf-8"))
            timings = tuple(Timing(**each) for each in value.pop("measured"))
            choice = Choice(**value, measured=timings)
            usable = isinstance(choice.threads, int) and isinstance(choice.batch, int) and choice.batch > 0
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        names = [each.name for each in self._candidates]
        return choice if usable and choice.runtime in names else None

    def _cache_file(self) -> Path:
        facts = {
            "version": _VERSION,
            "processor": processor_name(),
            "cores": usable_cores(),
            "gpus": gpu_names(),
            "libraries": {name: _version(name) for name in _LIBRARIES},
            "candidates": [each.name for each in self._candidates],
            "threads": self._threads,
            "model": _model_digest(self._folder),
        }
        digest = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()
        return cache_folder() / "runtimes" / f"{digest}.json"


def _remember(file: Path, choice: Choice) -> None:
    """Write a choice, whole or not at all; other processes may do the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(json.dumps(asdict(choice), indent=2) + "\n", encoding="utf-8")
    part.replace(file)


def _left_out(folder: Path, description: ModelDescription) -> dict[str, str]:
    """Why runtimes are not used unasked, by name, without those for GPUs where there is none."""
    found = {}
    for runtime in RUNTIMES.values():
        if runtime.on_gpu and not gpu_names():
            continue
        doubt = runtime.doubt(description) if runtime.is_candidate else "only used when asked for"
        if doubt is None and not runtime.reads(folder):
            doubt = runtime.refusal(folder)
        if doubt is not None:
            found[runtime.name] = doubt
    return found


def _model_digest(folder: Path) -> str:
    """Of the description, which names data and training, and of the sizes of the networks; their contents take long."""
    files = sorted(file for file in folder.iterdir() if file.suffix in (".onnx", ".pt") and file.is_file())
    digest = hashlib.blake2b((folder / DESCRIPTION_FILE).read_bytes(), digest_size=16)
    for file in files:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
    return digest.hexdigest()


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _measured(
    folder: Path,
    description: ModelDescription,
    candidates: Sequence[Runtime],
    inputs: Inputs,
    threads: int,
    left_out: dict[str, str],
) -> tuple[Network, Choice]:
    """The fastest of some runtimes."""
    cores = threads or usable_cores()
    reference = RUNTIMES[REFERENCE]
    proven = reference.open(folder, threads=cores) if reference.reads(folder) else None
    wanted = proven(inputs) if proven is not None else None
    batch = _compared_batch(proven, inputs)
    opened: dict[str, Network] = {}
    timings: list[Timing] = []
    for runtime in candidates:
        try:
            network = (
                proven if runtime.name == REFERENCE and proven is not None else runtime.open(folder, threads=cores)
            )
            problem = None
            if runtime.precision == "fp32" and runtime.name != REFERENCE and wanted is not None:
                problem = disagreement(wanted, network(inputs), description)
            if problem is None:
                best = max((each.images_per_second for each in timings), default=0.0)
                timings.append(_timing(network, runtime.name, _repeated(inputs, batch), cores, best))
                opened[runtime.name] = network
        except Exception as error:  # libraries of runtimes raise what they like; another one is used then
            problem = f"it failed ({error})"
        if problem is not None:
            left_out[runtime.name] = problem
    if not timings:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ModelFolderError(f"no runtime that was asked for predicts as {REFERENCE} does ({reasons}); name another")
    won = _winner(timings)
    name, network = won.runtime, opened[won.runtime]
    if not threads and cores > 1:
        network, won = _other_threads(folder, network, won, inputs, timings)
    won = _best_batch(network, won, inputs, timings)
    fastest = f"the fastest of {len(opened)} on this machine" if len(opened) > 1 else "nothing else can be used here"
    precision = RUNTIMES[name].precision
    return network, Choice(name, precision, won.threads, won.batch, fastest, tuple(timings), left_out)


def _compared_batch(network: Network | None, inputs: Inputs) -> int:
    if network is None:
        return 1
    seconds = 1 / _timing(network, REFERENCE, inputs[:1], 1, 0.0).images_per_second
    return 1 if seconds > _SLOW_SECONDS else _MEASURED


def _winner(timings: Sequence[Timing]) -> Timing:
    """The fastest one; a lower precision only where it is faster than a higher one by more than noise."""
    best: Timing | None = None
    for each in sorted(timings, key=lambda each: PRECISIONS.index(RUNTIMES[each.runtime].precision)):
        is_lower = best is not None and RUNTIMES[best.runtime].precision != RUNTIMES[each.runtime].precision
        if best is None or each.images_per_second > best.images_per_second * (_WORTH if is_lower else 1.0):
            best = each
    assert best is not None
    return best


def _other_threads(
    folder: Path, network: Network, won: Timing, inputs: Inputs, timings: list[Timing]
) -> tuple[Network, Timing]:
    """The network with one thread where the others only cost time, as they do for very small networks."""
    alone = RUNTIMES[won.runtime].open(folder, threads=1)
    timing = _timing(alone, won.runtime, _repeated(inputs, won.batch), 1, won.images_per_second)
    timings.append(timing)
    return (alone, timing) if timing.images_per_second > won.images_per_second else (network, won)


def _best_batch(network: Network, won: Timing, inputs: Inputs, timings: list[Timing]) -> Timing:
    """The number of views per batch with which the network is fastest; of equally fast ones the smallest."""
    others = (1, 2) if won.batch == 1 and 1 / won.images_per_second > _SLOW_SECONDS else _BATCHES
    found = [won]
    for batch in others:
        if batch != won.batch:
            found.append(_timing(network, won.runtime, _repeated(inputs, batch), won.threads, won.images_per_second))
    timings.extend(found[1:])
    best = max(each.images_per_second for each in found)
    good = [each for each in found if each.images_per_second * _WORTH_BATCH >= best]
    return min(good, key=lambda each: each.batch)


def _repeated(inputs: Inputs, batch: int) -> Inputs:
    return inputs[np.arange(batch) % len(inputs)]


def _timing(run: Callable[[Inputs], object], name: str, inputs: Inputs, threads: int, best: float) -> Timing:
    """The fastest of some calls: what slows a call down is something else on the machine.

    With one thread it is processor time, which other programs change least. What is twice as slow as the best so far
    is not called again.
    """
    clock = time.process_time if threads == 1 and not RUNTIMES[name].on_gpu else time.perf_counter
    run(inputs)
    begin, times = time.perf_counter(), list[float]()
    while len(times) < _LEAST_CALLS or (time.perf_counter() - begin < _SECONDS and len(times) < _MOST_CALLS):
        start = clock()
        run(inputs)
        times.append(max(clock() - start, 1e-9))
        if len(inputs) / times[-1] < best / 2:
            break
    return Timing(name, threads, len(inputs), len(inputs) / min(times))


def handed_over() -> Choice:
    """What a predictor says of a network that it did not load itself."""
    return replace(Choice("given", "fp32", usable_cores(), BATCH, ""), why="the network was handed over")
