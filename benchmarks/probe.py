"""The linear probe with and without a least spread of features, on several sets and small parts of them: a table.

    python benchmarks/probe.py FOLDER [FOLDER ...] [--cache FOLDER] [--spreads 0 1 3]

Features are those of the default backbone, frozen; they are kept in the cache. The probe is fitted on training images,
all of them or 30 and 10 of each class, and scored on the test images as the deployed model sees them. Printed are the
accuracy (of many labels their intersection over union), the log loss, and how large a weight becomes; then means over
the sets, and the worst one, as differences and ratios to the first spread.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from automl_vision import Dataset
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.multi_label import label_set_iou
from automl_vision.tasks.probe import fit_probe

PARTS = (0, 30, 10)  # images of each class; 0 takes all
BATCH = 32


def features_of(folder: Path, cache: Path) -> dict[str, Any]:
    """Features of all images and of their mirror images, with labels and splits."""
    kept = cache / f"{folder.name}.npz"
    if not kept.exists():
        dataset = Dataset.open(folder)
        clean, mirror = forward(dataset, cache)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, clean=clean, mirror=mirror, targets=dataset.targets, splits=dataset.splits, task=dataset.task)
    return dict(np.load(kept))


def forward(
    dataset: Dataset, cache: Path, network: str = "efficientnet_lite0", size: int = 224
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pooled features of a frozen network, (images, features): of the centre crops and of their mirror images.

    As in a trial, they come from the fastest runtime that gives PyTorch's features.
    """
    from automl_vision.data.pixel_cache import open_pixels
    from automl_vision.models.frozen import Features, frozen_file, open_frozen
    from automl_vision.models.image_model import ImageModel
    from automl_vision.models.registry import create_model
    from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
    from automl_vision.tasks.task import create_task

    sizes = dict.fromkeys(("training_crop_size", "validation_resize_size", "validation_crop_size"), size)
    settings = ClassificationHyperparameters(**sizes)
    model = create_model(network, task=CLASSIFICATION, classes=2, hyperparameters=settings)
    image_model = ImageModel(model.network, model.normalization).eval().to(memory_format=torch.channels_last)
    task = create_task(dataset.task, dataset, settings)
    pixels = open_pixels(dataset, size, cache / "pixels")
    file = frozen_file(model.description.architecture, model.weights, (size, size))
    first = task.evaluation_batch(pixels, list(range(2))).images
    extract = (file and open_frozen(Features(image_model), file, first, precision="fp32")) or image_model.features
    parts: tuple[list[Any], list[Any]] = ([], [])
    with torch.inference_mode():
        for start in range(0, len(dataset), BATCH):
            images = task.evaluation_batch(pixels, list(range(start, min(start + BATCH, len(dataset))))).images
            for part, seen in zip(parts, (images, images.flip(3)), strict=True):
                part.append(extract(seen).float().numpy())
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def losses(task: str) -> Any:
    def one(logits: Tensor, targets: Tensor) -> Tensor:
        return -(targets * logits.log_softmax(1)).sum(1)

    def many(logits: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)

    return one if task == CLASSIFICATION else many


def test_score(logits: NDArray[np.float32], truth: NDArray[np.bool_], task: str) -> tuple[float, float]:
    """Accuracy or intersection over union, and log loss."""
    loss = losses(task)(torch.from_numpy(logits), torch.from_numpy(truth.astype(np.float32))).mean().item()
    if task == CLASSIFICATION:
        return float((logits.argmax(1) == truth.argmax(1)).mean()), loss
    return float(label_set_iou(logits > 0, truth).mean()), loss


def _part(targets: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Positions of at most so many images of each class; 0 takes all."""
    if not count:
        return np.arange(len(targets))
    random = np.random.default_rng(count)
    chosen = [random.permutation(np.flatnonzero(column))[:count] for column in targets.T]
    return np.unique(np.concatenate(chosen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, default=Path(".probe-cache"))
    parser.add_argument("--spreads", type=float, nargs="+", default=[0, 1, 3])
    options = parser.parse_args()
    print("| data | of each class | least spread | test | log loss | penalty | largest weight |")
    print("| --- " * 7 + "|")
    compared = defaultdict(list)
    for folder in options.folders:
        known = features_of(folder, options.cache)
        task, truth = str(known["task"]), known["targets"].astype(bool)
        train, test = (np.flatnonzero(known["splits"] == split) for split in ("train", "test"))
        both = (known["clean"] + known["mirror"]) / 2
        for count in PARTS:
            rows = train[_part(truth[train], count)]
            scores = []
            for spread in options.spreads:
                found = fit_probe(both[rows], truth[rows], losses(task), least_spread=spread)
                gained, loss = test_score(known["clean"][test] @ found.weight.T + found.bias, truth[test], task)
                scores.append((gained, loss))
                largest = np.abs(found.weight).max()
                words = f"{gained:.3f} | {loss:.3f} | {found.strength:g} | {largest:.1f}"
                print(f"| {folder.name} | {count or 'all'} | {spread:g} | {words} |", flush=True)
                compared[count, spread].append((gained - scores[0][0], loss / scores[0][1]))
    print("\n| of each class | least spread | gain | worst gain | log loss | worst log loss |")
    print("| --- " * 6 + "|")
    for (count, spread), pairs in compared.items():
        gains, ratios = np.array(pairs).T
        figures = f"{gains.mean():+.4f} | {gains.min():+.4f} | {ratios.mean():.3f} | {ratios.max():.3f}"
        print(f"| {count or 'all'} | {spread:g} | {figures} |")


if __name__ == "__main__":
    main()
