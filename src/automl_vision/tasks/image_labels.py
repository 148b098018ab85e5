"""What both kinds of image classification share: crops, mixing, the probe, logits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.data.images import center_crop
from automl_vision.data.pixel_cache import Pixels
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.tasks.probe import fit_probe
from automl_vision.tasks.task import Batch, Task, TaskSetup, TaskTraits, augmentation_streams, stack
from automl_vision.tasks.transforms import TrainingTransform, mix


class ImageLabelTask(Task[NDArray[np.float32]]):
    """A task whose images have labels; its outputs are logits (images, classes)."""

    hyperparameters: ClassificationHyperparameters

    def __init__(self, setup: TaskSetup) -> None:
        super().__init__(setup)
        settings = self.hyperparameters
        self.targets = setup.dataset.targets  # (images, classes), bool
        self._transform = TrainingTransform(
            settings.training_crop_size, scale=settings.random_crop_scale, augmentation=settings.augmentation
        )
        self.traits = TaskTraits(
            mixes=settings.mixup_alpha > 0 or settings.cutmix_alpha > 0,
            starts_from_probe=settings.linear_probe and settings.pretrained,
            interpolates=settings.weight_interpolation,
        )
        self.class_weights = class_weights(self.targets[setup.dataset.splits == "train"], settings.weighted_loss)

    @property
    @abstractmethod
    def outcomes(self) -> int:
        """The outcomes over which label smoothing spreads a part of the target."""

    @abstractmethod
    def losses(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Losses (images,) of logits (images, classes) with soft targets; each class counts by its weight."""

    def train_batch(
        self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...], repeats: Sequence[int] = ()
    ) -> Batch:
        """Augmented training images."""
        images = []
        with torch.random.fork_rng(devices=[]):
            for row, random in zip(rows, augmentation_streams(seed, rows, repeats), strict=True):
                torch.default_generator.manual_seed(int(random.integers(2**62)))  # TrivialAugment draws from it
                images.append(self._transform(pixels[row], random))
        return Batch(stack(images), self._targets(rows), (*seed, rows[0]), tuple(rows))

    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """The centre crop of each image."""
        crops = [center_crop(pixels[row], self.hyperparameters.validation_crop_size).copy() for row in rows]
        images = stack([torch.from_numpy(crop).permute(2, 0, 1) for crop in crops])
        return Batch(images, self._targets(rows), rows=tuple(rows))

    def mixed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images and targets after mixup or CutMix, if they are enabled."""
        return mix(
            batch.images,
            batch.targets,
            mixup_alpha=self.hyperparameters.mixup_alpha,
            cutmix_alpha=self.hyperparameters.cutmix_alpha,
            random=np.random.default_rng([*batch.seed, 1]),
        )

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean loss with mixup or CutMix, label smoothing and class weights."""
        images, targets = self.mixed(batch)
        smoothing = self.hyperparameters.label_smoothing
        targets = (1 - smoothing) * targets + smoothing / self.outcomes
        weights = torch.from_numpy(self.class_weights).to(targets.device)
        return self.losses(network(images).float(), targets, weights).mean()

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """Logistic regression on the features; with several labels per image, one per label."""
        weights = torch.from_numpy(self.class_weights)
        probe = fit_probe(features, self.targets[rows], lambda z, y: self.losses(z, y, weights))
        head.weight.data.copy_(torch.from_numpy(probe.weight))
        head.bias.data.copy_(torch.from_numpy(probe.bias))
        return f"the head starts from a logistic regression on {len(rows)} images (penalty {probe.strength:g})"

    def predict(
        self,
        network: nn.Module,
        batch: Batch,
        *,
        all_scores: bool = False,  # noqa: ARG002 - logits have all classes
    ) -> NDArray[np.float32]:
        """The network's logits for a batch, (n, classes)."""
        outputs: NDArray[np.float32] = network(batch.images).float().cpu().numpy()
        return outputs

    def join(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The logits of several batches."""
        return np.concatenate(parts)

    def _targets(self, rows: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.targets[list(rows)].astype(np.float32))


def class_weights(targets: NDArray[np.bool_], mode: int) -> NDArray[np.float32]:
    """Weights of the classes by their counts: 0 ones; 2 total / (classes x count); 1 the root of that.

    Args:
        targets: (images, classes) of the training images.
        mode: as in `weighted_loss`.
    """
    counts = np.maximum(targets.sum(axis=0), 1)
    weights = counts.sum() / (len(counts) * counts)
    return np.asarray({0: np.ones_like(weights), 1: np.sqrt(weights), 2: weights}[mode], np.float32)
