"""Images per second of a real epoch against the whole model's bare forward, backward and step on synthetic tensors.

Both run in this process, in turns, in the same precision, so that the machine's mood hits both. A real epoch reads
images from the pixel cache, crops, augments, normalises, trains, averages the weights and sets the rate. Its first
stages may be frozen, which the bare one's never are, so it may be the faster one.

    python benchmarks/training_throughput.py [--images 320] [--rounds 3] [--rows efficientnet_lite0:4:openvino]
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from automl_vision.compute.local import CPU_SETTINGS
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.models.frozen_stages import open_frozen_stages
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.serving.device import computes_bfloat16
from automl_vision.tasks.task import create_task
from automl_vision.training.loop import Loop, Plan, chunks, set_training_mode
from automl_vision.training.optimizers import create_optimizer

BATCH = 32
WITH_WEIGHTS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
ROWS = ("efficientnet_lite0:0", "efficientnet_lite0:4", "efficientnet_lite0:4:openvino", "resnet18:0")


def parsed_row(text: str) -> tuple[str, int, bool]:
    """A network, its number of frozen stages, and whether OpenVINO computes them, from `NAME:LAYERS[:openvino]`."""
    name, layers, *runtime = text.split(":")
    return name, int(layers), runtime == ["openvino"]


def photos(folder: Path, images: int) -> Dataset:
    """Smooth made images of many sizes in two classes, as JPEG."""
    random = np.random.default_rng(0)
    for i in range(images):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        size = (int(random.integers(280, 640)), int(random.integers(280, 640)))
        target = folder / "ab"[i % 2]
        target.mkdir(exist_ok=True)
        small.resize(size, Image.Resampling.BICUBIC).save(target / f"{i}.jpg", quality=88)
    return Dataset.open(folder).with_validation(0.1)


def bare_epoch(model: ImageModel, steps: list[int], loop: Loop) -> float:
    """Seconds of forward, backward and step on synthetic tensors, one step a size."""
    network = model.network
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-6, momentum=0.9, nesterov=True)
    size = loop.task.hyperparameters.training_crop_size
    inputs = torch.randn(BATCH, 3, size, size).contiguous(memory_format=loop.precision.memory_format)
    labels = torch.randint(0, len(loop.task.classes), (BATCH,))
    set_training_mode(model, freeze_batch_norm=True)
    start = time.perf_counter()
    for n in steps:
        optimizer.zero_grad(set_to_none=True)
        with loop.precision.autocast(torch.device("cpu")):
            loss = F.cross_entropy(network(inputs[:n]).float(), labels[:n])
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def real_epoch(loop: Loop, rows: np.ndarray, optimizer: torch.optim.Optimizer, epoch: int) -> float:
    """Seconds of an epoch of the product's own loop."""
    start = time.perf_counter()
    loop.train_epoch(epoch, rows, optimizer, lambda *_: True)
    return time.perf_counter() - start


def compare(name: str, layers: int, *, converted: bool, dataset: Dataset, cache: Path, rounds: int) -> None:
    """Print one line of the table."""
    hyperparameters = ClassificationHyperparameters(optimizer="sgd", pretrained=name in WITH_WEIGHTS)
    made = create_model(name, task=CLASSIFICATION, classes=len(dataset.classes), hyperparameters=hyperparameters)
    # as after loading weights: the norms keep their statistics
    hyperparameters = hyperparameters.model_copy(update={"pretrained": True})
    precision = "bf16" if computes_bfloat16() else "fp32"
    image_model = ImageModel(made.network, made.normalization).to(memory_format=torch.channels_last)
    whole = copy.deepcopy(image_model)
    freeze_stages(image_model.network, layers)
    task = create_task(dataset.task, dataset, hyperparameters)
    plan = Plan(100, BATCH, BATCH, BATCH, 1e-6, precision, True)
    pixels = open_pixels(dataset, hyperparameters.validation_resize_size, cache)
    loop = Loop(image_model, task, pixels, plan, seed=0)
    rows = np.flatnonzero(dataset.splits == "train")
    if converted:
        images = task.evaluation_batch(pixels, rows[:8].tolist()).images
        loop.frozen_stages = open_frozen_stages(made, image_model, images, precision=precision)
        if loop.frozen_stages is None:
            raise SystemExit(f"the stages of {name} cannot be converted")
    optimizer = create_optimizer(image_model, hyperparameters, 1e-6)
    steps = [len(chunk) for chunk in chunks(rows.tolist(), BATCH)]
    bare_epoch(whole, steps[:2], loop)
    real_epoch(loop, rows[: 2 * BATCH], optimizer, 1)
    ratios, speeds = [], []
    for round_ in range(rounds):
        bare = bare_epoch(whole, steps, loop)
        real = real_epoch(loop, rows, optimizer, round_ + 2)
        ratios.append(bare / real)
        speeds.append((len(rows) / bare, len(rows) / real))
    bare_speed, real_speed = np.median(np.array(speeds), axis=0)
    frozen = f"{layers}, through OpenVINO" if converted else str(layers)
    cells = [name, frozen, f"{bare_speed:.1f}", f"{real_speed:.1f}", f"{np.median(ratios):.2f}"]
    print(f"| {' | '.join(cells)} | {min(ratios):.2f} to {max(ratios):.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", type=parsed_row, default=[parsed_row(text) for text in ROWS])
    options = parser.parse_args()
    if not CPU_SETTINGS.items() <= os.environ.items():  # as every trial has them; they count from a process's start
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | CPU_SETTINGS)
    print("| model | frozen stages | bare images/s | real images/s | ratio (median) | range |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        dataset = photos(Path(folder) / "data", options.images)
        for name, layers, converted in options.rows:
            compare(
                name, layers, converted=converted, dataset=dataset, cache=Path(folder) / "cache", rounds=options.rounds
            )


if __name__ == "__main__":
    main()
