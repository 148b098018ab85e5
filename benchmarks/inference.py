"""Images per second and accuracy of every way to run a model's network: a table in Markdown.

    python benchmarks/inference.py RUN_FOLDER... [--cores 1 2] [--batches 1 8 32] [--seconds 0.6] [--images 64]

Each run folder holds `manifest.parquet` and `model`, to which formats were added (`benchmarks/formats.py --keep`); of
refused ones the table says so. "network" is the network alone on inputs that are ready, "arrays" the whole predictor on
decoded images, "files" on image files, of each as many as take about two seconds; "ratio" is of the network to torch
eager at the middle batch size. "share" is that of files in the slower of decoding alone and the network alone, each
with all cores, and "bound" what these cores allow where both have to be done, 1 / (1 / decoding + 1 / network). The
metric is the primary one on the test images, read from their files; for the predictor's choice it is that of the
runtime that was chosen. The fastest of the calls counts, on one core in processor time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from automl_vision import Predictor, load_torch
from automl_vision.core.errors import ModelFolderError
from automl_vision.core.threads import map_in_order
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import load_pixels
from automl_vision.packaging.rescoring import rescored
from automl_vision.serving.device import processor_name
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.runtimes import RUNTIMES, Network

RUNTIME_NAMES = ("onnx", "onnx-int8", "openvino", "openvino-bf16", "openvino-int8")
CHOICE = "predictor's choice"
_LEAST, _MOST = 2, 50  # calls
_LONGEST = 4.0  # seconds of one call, from which on larger batches are left out
_STREAMED = 2.0  # seconds of a call on arrays or files
_LEAST_STREAMED = 8  # images


class Clock:
    """The fastest of some calls."""

    def __init__(self, cores: int, seconds: float) -> None:
        self._now = time.process_time if cores == 1 else time.perf_counter
        self._seconds = seconds

    def best(self, call: Callable[[], object], *, warm: bool = True) -> float:
        """Seconds of the fastest call."""
        if warm:
            call()
        begin, times = time.perf_counter(), list[float]()
        while len(times) < _LEAST or (time.perf_counter() - begin < self._seconds and len(times) < _MOST):
            start = self._now()
            call()
            times.append(self._now() - start)
        return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--cores", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=0.6, help="per measurement")
    parser.add_argument("--images", type=int, default=64, help="for arrays and files, at most")
    parser.add_argument("--ways", nargs="+", help="names of ways, all by default; the first one is the ratio's 1.0")
    parser.add_argument("--no-metric", action="store_true", help="only measure times")
    options = parser.parse_args()
    print(f"{processor_name()}; torch {torch.__version__}")
    sizes = " | ".join(f"network, batch {batch}" for batch in options.batches)
    print(f"| run | cores | way | {sizes} | ratio | arrays | files | share | bound | metric |")
    print("| --- " * (9 + len(options.batches)) + "|")
    for run in options.runs:
        for cores in options.cores:
            os.sched_setaffinity(0, set(range(cores)))
            torch.set_num_threads(cores)
            measured(run, cores, options)


def measured(run: Path, cores: int, options: argparse.Namespace) -> None:
    """Print the rows of a run for a number of cores."""
    model, clock = run / "model", Clock(cores, options.seconds)
    description = ModelDescription.load(model)
    dataset = Dataset.load(run / "manifest.parquet").as_task(description.task).with_classes(description.classes)
    rows = np.flatnonzero(dataset.splits == "test")
    files = [dataset[int(row)].read() for row in rows[: options.images]]
    arrays = [load_pixels(file) for file in files]
    first = Predictor(model, runtime="onnx", threads=cores)
    views = np.concatenate([first.preprocess(file) for file in files[: max(options.batches)]])
    decoding = len(files) / clock.best(partial(decoded, first, files, cores))
    eager, metrics = 0.0, dict[str, str]()
    for name, make in ways(model, cores, files).items():
        if options.ways and name not in options.ways:
            continue
        try:
            predictor = make()
            speeds = network_speeds(predictor.run, views, options.batches, clock)
        except (ModelFolderError, RuntimeError, NotImplementedError) as error:
            print(f"| {run.name} | {cores} | {name} | {str(error).splitlines()[0][:90]} |", flush=True)
            continue
        middle = speeds[options.batches[len(options.batches) // 2]] or next(s for s in reversed(speeds.values()) if s)
        eager = eager or middle
        per_image = len(first.preprocess(files[0]))
        alone = max(speed for speed in speeds.values() if speed) / per_image
        count = max(_LEAST_STREAMED, int(_STREAMED * alone))
        from_arrays, from_files = (
            len(images[:count]) / clock.best(partial(streamed, predictor, images[:count]), warm=False)
            for images in (arrays, files)
        )
        cells = " | ".join("" if speed is None else f"{speed:.1f}" for speed in speeds.values())
        bound = 1 / (1 / alone + 1 / decoding)
        runs = predictor.choice.runtime if name == CHOICE else name
        if runs not in metrics:
            metrics[runs] = "" if options.no_metric else quality(predictor, dataset, rows)
        label = f"{name}: {predictor.choice.runtime}" if name == CHOICE else name
        print(
            f"| {run.name} | {cores} | {label} | {cells} | {middle / eager:.1f} | {from_arrays:.1f} | {from_files:.1f} "
            f"| {from_files / min(alone, decoding):.2f} | {bound / min(alone, decoding):.2f} | {metrics[runs]} |",
            flush=True,
        )
    print(f"| {run.name} | {cores} | decoding alone: {decoding:.1f} |", flush=True)


def ways(model: Path, cores: int, files: Sequence[bytes]) -> dict[str, Callable[[], Predictor]]:
    """By name what makes a predictor."""
    found: dict[str, Callable[[], Predictor]] = {
        "torch eager": partial(torch_predictor, model, bfloat16=False),
        "torch bf16 channels_last": partial(torch_predictor, model, bfloat16=True),
    }
    names = [name for name in RUNTIME_NAMES if name in RUNTIMES]
    found |= {name: partial(asked, model, name, cores) for name in names}
    found[CHOICE] = partial(chosen, model, cores, files)
    return found


def asked(model: Path, name: str, cores: int) -> Predictor:
    """With a runtime; what the passport refused is an error, though it could be run."""
    refused = ModelDescription.load(model).formats.get(name, {}).get("refused")
    if refused is not None:
        raise ModelFolderError(f"refused: {refused}")
    return Predictor(model, runtime=name, threads=cores, score_threshold=MIN_SCORE)


def chosen(model: Path, cores: int, files: Sequence[bytes]) -> Predictor:
    """With the fastest runtime that is proven."""
    predictor = Predictor(model, threads=cores, score_threshold=MIN_SCORE)
    predictor.choose(files[:4])
    return predictor


def torch_predictor(model: Path, *, bfloat16: bool) -> Predictor:
    """The trained network in torch behind the same pre- and postprocessing."""
    description, network = ModelDescription.load(model), load_torch(model)
    if bfloat16:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if description.objects is None:
            network = network.bfloat16()

    def run(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        images = torch.from_numpy(inputs)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            if bfloat16:
                images = images.bfloat16().contiguous(memory_format=torch.channels_last)
            outputs = network(images)
        each = outputs if isinstance(outputs, tuple) else (outputs,)
        return [(o.float() if o.is_floating_point() else o).numpy() for o in each]

    if description.objects is not None:
        description = replace(description, thresholds=(MIN_SCORE,) * len(description.classes), operating_point=None)
    return Predictor.of(model, description, run)


def network_speeds(
    run: Network, views: NDArray[np.float32], batches: Sequence[int], clock: Clock
) -> dict[int, float | None]:
    """Views per second by batch; None where a call would take too long."""
    speeds: dict[int, float | None] = {}
    rate = 0.0
    for batch in batches:
        if rate and batch / rate > _LONGEST:
            speeds[batch] = None
            continue
        inputs = np.ascontiguousarray(views[np.arange(batch) % len(views)])
        rate = batch / clock.best(partial(run, inputs))
        speeds[batch] = rate
    return speeds


def decoded(predictor: Predictor, files: Sequence[bytes], cores: int) -> None:
    """The preprocessing alone, in threads."""
    for _ in map_in_order(predictor.preprocess, files, threads=cores, window=32):
        pass


def streamed(predictor: Predictor, images: Sequence[Any]) -> None:
    """The whole predictor."""
    for _ in islice(predictor.stream_all(images), len(images)):
        pass


def quality(predictor: Predictor, dataset: Dataset, rows: NDArray[np.intp]) -> str:
    """The primary metric with its interval."""
    found = rescored(predictor, dataset, rows)
    return f"{found.metric.name} {found.interval.text(4)}"


if __name__ == "__main__":
    main()
