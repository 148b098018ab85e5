"""What the training loop sees of a task; the loop itself knows no task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.names import PRIMARY_METRICS
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import center_crop
from automl_vision.data.pixel_cache import Pixels
from automl_vision.tasks.hyperparameters import ClassificationHyperparameters
from automl_vision.tasks.transforms import TrainingTransform, mix


@dataclass
class Batch:
    """Images with their targets.

    Attributes:
        images: (n, 3, height, width), uint8.
        targets: (n, classes), float32, 0 or 1.
        seed: of random changes that mix images of the batch.
    """

    images: Tensor
    targets: Tensor
    seed: tuple[int, ...] = ()

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        images, targets = (t.to(device, non_blocking=True) for t in (self.images, self.targets))
        return Batch(images, targets, self.seed)


@dataclass(frozen=True)
class Calibration:
    """What turns outputs into decisions, fitted on validation images.

    Attributes:
        temperature: the logits are divided by it.
        thresholds: (classes,), a label is predicted at or above its threshold; empty where the largest wins.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return {"temperature": self.temperature, "thresholds": list(self.thresholds)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Calibration:
        """The calibration back from JSON values."""
        return Calibration(value["temperature"], tuple(value["thresholds"]))


@dataclass(frozen=True)
class Report:
    """How good a model is on one split.

    Attributes:
        metrics: value by name.
        intervals: {"value", "low", "high"} by name, for the metrics that stand on the leaderboard.
        per_class: one row a class.
        charts: data of charts by name, such as the confusion matrix.
    """

    metrics: dict[str, float]
    intervals: dict[str, dict[str, float]]
    per_class: list[dict[str, Any]]
    charts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return vars(self)


class Task(ABC):
    """One task on one data set, made anew for each trial.

    Its life: `train_batch` and `loss` for every step, `evaluation_batch` and `predict` for every validation,
    `metrics` on what was predicted; before the first epoch `warm_start`; at the end `calibrate` and `report`.

    Args:
        dataset: with a split for every image.
        hyperparameters: of the trial.
    """

    name: ClassVar[str]

    def __init__(self, dataset: Dataset, hyperparameters: ClassificationHyperparameters) -> None:
        self.classes = dataset.classes
        self.hyperparameters = hyperparameters
        self.targets = dataset.targets  # (images, classes), bool
        self._transform = TrainingTransform(
            hyperparameters.training_crop_size,
            scale=hyperparameters.random_crop_scale,
            augmentation=hyperparameters.augmentation,
        )
        self.class_weights = class_weights(dataset.targets[dataset.splits == "train"], hyperparameters.weighted_loss)

    @property
    def primary_metric(self) -> str:
        """The metric that ranks epochs and trials; more is better."""
        return PRIMARY_METRICS[self.name][0]

    @property
    def starts_from_probe(self) -> bool:
        """Whether `warm_start` gives a linear head its start from pretrained features."""
        return self.hyperparameters.linear_probe and self.hyperparameters.pretrained

    @property
    def interpolates(self) -> bool:
        """Whether weights between the start and the best epoch may be kept."""
        return self.hyperparameters.weight_interpolation

    @property
    def short_side(self) -> int:
        """Pixels of the shorter side at which images are kept."""
        return self.hyperparameters.validation_resize_size

    @property
    def input_size(self) -> int:
        """Side in pixels of the square that the model sees after training."""
        return self.hyperparameters.validation_crop_size

    @property
    def mixes(self) -> bool:
        """Whether `loss` mixes each image of a batch with its counterpart in the reversed batch."""
        return self.hyperparameters.mixup_alpha > 0 or self.hyperparameters.cutmix_alpha > 0

    def train_batch(self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...]) -> Batch:
        """Randomly changed training images.

        An image's changes depend on the seed and its row alone, so they are the same in any process and in any batch.
        """
        images = []
        with torch.random.fork_rng(devices=[]):
            for row in rows:
                random = np.random.default_rng([*seed, row])
                torch.default_generator.manual_seed(int(random.integers(2**62)))  # TrivialAugment draws from it
                images.append(self._transform(pixels[row], random))
        return Batch(_stack(images), self._targets(rows), (*seed, rows[0]))

    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """Images as the deployed model will see them."""
        crops = [center_crop(pixels[row], self.input_size).copy() for row in rows]
        return Batch(_stack([torch.from_numpy(crop).permute(2, 0, 1) for crop in crops]), self._targets(rows))

    def mixed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images and targets after mixup or cutmix, if those are on."""
        return mix(
            batch.images,
            batch.targets,
            mixup_alpha=self.hyperparameters.mixup_alpha,
            cutmix_alpha=self.hyperparameters.cutmix_alpha,
            random=np.random.default_rng([*batch.seed, 1]),
        )

    def predict(self, network: nn.Module, batch: Batch) -> NDArray[np.float32]:
        """The network's outputs for a batch: logits (n, classes)."""
        outputs: NDArray[np.float32] = network(batch.images).float().cpu().numpy()
        return outputs

    def _targets(self, rows: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.targets[list(rows)].astype(np.float32))

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean training loss of a batch, a scalar that gradients flow from."""

    @abstractmethod
    def validation_loss(self, outputs: NDArray[np.float32], rows: NDArray[np.intp]) -> float:
        """Mean loss of predicted images without smoothing or weights."""

    @abstractmethod
    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """Give the head its start from features of training images; gives a sentence on what was done."""

    @abstractmethod
    def calibrate(self, outputs: NDArray[np.float32], rows: NDArray[np.intp]) -> Calibration:
        """Fit what turns outputs into probabilities and decisions."""

    @abstractmethod
    def metrics(
        self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration
    ) -> dict[str, float]:
        """All metrics of predicted images."""

    @abstractmethod
    def report(self, outputs: NDArray[np.float32], rows: NDArray[np.intp], calibration: Calibration) -> Report:
        """Metrics with intervals, figures by class and data for charts."""


def _stack(images: list[Tensor]) -> Tensor:
    """A batch that is channels last in memory."""
    batch = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, memory_format=torch.channels_last)
    return torch.stack(images, out=batch)


def class_weights(targets: NDArray[np.bool_], mode: int) -> NDArray[np.float32]:
    """Weights of the classes by their counts: 0 ones; 2 total / (classes x count); 1 the root of that.

    Args:
        targets: (images, classes) of the training images.
        mode: as in `weighted_loss`.
    """
    counts = np.maximum(targets.sum(axis=0), 1)
    weights = counts.sum() / (len(counts) * counts)
    return np.asarray({0: np.ones_like(weights), 1: np.sqrt(weights), 2: weights}[mode], np.float32)


_MODULES = ("classification", "multi_label")
_TASKS: dict[str, type[Task]] = {}


def register_task(task: type[Task]) -> type[Task]:
    """Register the decorated task under its name."""
    _TASKS[task.name] = task
    return task


def create_task(name: str, dataset: Dataset, hyperparameters: ClassificationHyperparameters) -> Task:
    """The named task on a data set.

    Args:
        name: the product's name of the task.
        dataset: with a split for every image.
        hyperparameters: of the trial.
    """
    return task_class(name)(dataset, hyperparameters)


def task_class(name: str) -> type[Task]:
    """The class of the named task."""
    for module in _MODULES:  # they register themselves
        import_module(f"automl_vision.tasks.{module}")
    return _TASKS[name]
