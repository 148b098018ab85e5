"""What both kinds of image classification share: crops, mixing, logits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import center_crop
from automl_vision.data.pixel_cache import Pixels
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters, Hyperparameters
from automl_vision.recipes.normalization import Normalization
from automl_vision.serving.model_folder import Preprocessing
from automl_vision.serving.predictions import Prediction
from automl_vision.tasks.task import Batch, Parity, Task, stack
from automl_vision.tasks.transforms import TrainingTransform, mix

PARITY_TOLERANCE = 1e-4  # of a probability
REPRODUCTION_TOLERANCE = 0.01  # of a probability; TF32 keeps 10 bits of each factor


class ImageLabelTask(Task[NDArray[np.float32]]):
    """A task whose images have labels; its outputs are logits (images, classes)."""

    output_names = ("logits",)
    hyperparameters: ClassificationHyperparameters

    def __init__(self, dataset: Dataset, hyperparameters: Hyperparameters, geometry: Geometry | None = None) -> None:
        super().__init__(dataset, hyperparameters, geometry)
        settings = self.hyperparameters
        self.targets = dataset.targets  # (images, classes), bool
        self._transform = TrainingTransform(
            settings.training_crop_size, scale=settings.random_crop_scale, augmentation=settings.augmentation
        )
        self.class_weights = class_weights(dataset.targets[dataset.splits == "train"], settings.weighted_loss)

    @property
    def starts_from_probe(self) -> bool:
        """Whether the head starts from a logistic regression; it needs pretrained features."""
        return self.hyperparameters.linear_probe and self.hyperparameters.pretrained

    @property
    def interpolates(self) -> bool:
        """Whether weights between the probe and the best epoch may be kept."""
        return self.hyperparameters.weight_interpolation

    @property
    def input_size(self) -> int:
        """Side in pixels of the square that the model sees after training."""
        return self.hyperparameters.validation_crop_size

    def train_batch(self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...]) -> Batch:
        """Randomly changed training images."""
        images = []
        with torch.random.fork_rng(devices=[]):
            for row in rows:
                random = np.random.default_rng([*seed, row])
                torch.default_generator.manual_seed(int(random.integers(2**62)))  # TrivialAugment draws from it
                images.append(self._transform(pixels[row], random))
        return Batch(stack(images), self._targets(rows), (*seed, rows[0]), tuple(rows))

    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """The middle of each image."""
        crops = [center_crop(pixels[row], self.input_size).copy() for row in rows]
        images = stack([torch.from_numpy(crop).permute(2, 0, 1) for crop in crops])
        return Batch(images, self._targets(rows), rows=tuple(rows))

    @property
    def mixes(self) -> bool:
        """Whether mixup or cutmix is on."""
        return self.hyperparameters.mixup_alpha > 0 or self.hyperparameters.cutmix_alpha > 0

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
        """The network's logits for a batch, (n, classes)."""
        outputs: NDArray[np.float32] = network(batch.images).float().cpu().numpy()
        return outputs

    def join(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The logits of several batches."""
        return np.concatenate(parts)

    def output_arrays(self, outputs: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """The logits by name."""
        return {"outputs": outputs}

    def preprocessing(self, normalization: Normalization) -> Preprocessing:
        """The middle of the resized image."""
        settings = self.hyperparameters
        return Preprocessing(
            mean=normalization.mean,
            std=normalization.std,
            short_side=settings.validation_resize_size,
            crop=settings.validation_crop_size,
        )

    def parity(self, outputs: NDArray[np.float32], exported: Sequence[Prediction], calibration: Calibration) -> Parity:
        """The largest difference of a probability."""
        trained = self.probabilities(outputs, calibration)
        difference = float(max(np.abs(a - b.probs).max() for a, b in zip(trained, exported, strict=True)))
        problem = None
        if not difference <= PARITY_TOLERANCE:
            problem = (
                f"the exported model's probabilities differ from the trained model's by up to {difference:.2g}; "
                f"at most {PARITY_TOLERANCE:g} is allowed"
            )
        return Parity({"largest_difference": difference, "tolerance": PARITY_TOLERANCE}, problem)

    def reproduction(
        self,
        outputs: NDArray[np.float32],
        recorded: Mapping[str, NDArray[Any]],
        images: Sequence[int],
        calibration: Calibration,
    ) -> Parity:
        """The largest difference of a probability."""
        mine, theirs = (
            self.probabilities(logits, calibration) for logits in (outputs, recorded["outputs"][list(images)])
        )
        difference = float(np.abs(mine - theirs).max()) if mine.shape == theirs.shape else float("inf")
        problem = None
        if not difference <= REPRODUCTION_TOLERANCE:
            problem = f"probabilities differ by up to {difference:.2g}; at most {REPRODUCTION_TOLERANCE:g} is allowed"
        return Parity({"largest_difference": difference, "tolerance": REPRODUCTION_TOLERANCE}, problem)

    @abstractmethod
    def probabilities(self, outputs: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float64]:
        """Calibrated probabilities (images, classes)."""

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
