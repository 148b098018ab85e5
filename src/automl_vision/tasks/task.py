"""The contract between the training loop and a task; the loop itself does not depend on the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.late import load
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import Pixels
from automl_vision.evaluation.scoring.scoring import Outputs, Scoring, create_scoring
from automl_vision.recipes.deployment import Deployment, create_deployment
from automl_vision.recipes.detector_input import kept_size
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.scoring_settings import scoring_settings


@dataclass
class Batch:
    """Images with their targets.

    Attributes:
        images: (n, 3, height, width), uint8.
        targets: of the task's loss; supports `to(device)`, `len` and slicing, as a tensor does.
        seed: of augmentation that mixes images of the batch.
        rows: of the manifest, one or more images each.
        sizes: height and width at which each row's image is kept.
    """

    images: Tensor
    targets: Any
    seed: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        images = self.images.to(device, non_blocking=True)
        return Batch(images, self.targets.to(device), self.seed, self.rows, self.sizes)

    def first(self, images: int) -> Batch:
        """The first images, for a step that is only timed."""
        return Batch(self.images[:images], self.targets[:images], self.seed)


@dataclass(frozen=True)
class TaskTraits:
    """The ways in which a task differs for the training loop and for packaging.

    Attributes:
        mixes: `loss` mixes each image of a batch with its counterpart in the reversed batch.
        starts_from_probe: `warm_start` initialises a linear head from pretrained features.
        interpolates: weights between the start and the best epoch may be kept.
        compared_from: the score from which the exported model must find the same objects; 0 where scores do not
            decide it.
    """

    mixes: bool = False
    starts_from_probe: bool = False
    interpolates: bool = False
    compared_from: float = 0.0


@dataclass(frozen=True)
class TaskSetup:
    """What a task depends on.

    Attributes:
        dataset: with a split for every image.
        hyperparameters: of the trial.
        geometry: of a detector's input, as it was decided for the trial; None for classifiers.
        primary_metric: ranks epochs; None for the task's own.
    """

    dataset: Dataset
    hyperparameters: Hyperparameters
    geometry: Geometry | None = None
    primary_metric: str | None = None


class Task(ABC, Generic[Outputs]):
    """One task on one dataset: what training needs of it. A new one is created for each trial.

    `train_batch` and `loss` are called for every step, `evaluation_batch`, `predict` and `join` for every validation,
    `warm_start` before the first epoch, where a task starts from a probe. What is predicted goes to `scoring`, the
    trained model to `deployment`.

    Args:
        setup: what the task depends on.

    Attributes:
        traits: the ways in which tasks differ.
        scoring: metrics and reports of outputs.
    """

    name: ClassVar[str]

    largest_batch: ClassVar[int] = 78
    """The maximum number of images per training step when the user names none."""

    def __init__(self, setup: TaskSetup) -> None:
        self.classes = setup.dataset.classes
        self.hyperparameters = setup.hyperparameters
        self.geometry = setup.geometry
        self.pixel_size = kept_size(setup.hyperparameters, setup.geometry)
        self.traits = TaskTraits()
        settings = scoring_settings(setup.hyperparameters, setup.primary_metric)
        self.scoring: Scoring[Outputs] = create_scoring(self.name, setup.dataset, settings)

    @property
    def deployment(self) -> Deployment:
        """Preprocessing, settings and parity of the deployed model."""
        return create_deployment(self.name, self.hyperparameters, self.geometry)

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """Initialise the head from features of training images; returns a sentence on what was done."""
        raise NotImplementedError(f"{self.name} does not start from a probe")

    def epoch_begins(self, share: float) -> None:
        """Change the augmentation as training goes on; called before each epoch. By default it stays.

        Args:
            share: of the planned epochs that are done, from 0 to below 1.
        """

    def repeat_factors(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """How often each training image is drawn, relative to the others, (rows,); by default all equally often.

        Args:
            rows: of all training images.
        """
        return np.ones(len(rows))

    @abstractmethod
    def train_batch(
        self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...], repeats: Sequence[int] = ()
    ) -> Batch:
        """Augmented training images, one per row.

        An image's augmentation depends only on the seed, its row and its repeat, so it is the same in any process and
        batch; `augmentation_streams` has its random numbers.

        Args:
            pixels: images by row.
            rows: of the manifest.
            seed: of the epoch.
            repeats: how often each row was drawn before in the epoch; none: not at all.
        """

    @abstractmethod
    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """Images as the deployed model will see them."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean training loss of a batch, a scalar that gradients flow from."""

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch, *, all_scores: bool = False) -> Outputs:
        """The network's outputs for a batch.

        Args:
            network: in evaluation mode.
            batch: of evaluation images.
            all_scores: keep objects with scores near 0 too.
        """

    @abstractmethod
    def join(self, parts: Sequence[Outputs]) -> Outputs:
        """The outputs of several batches, one after another."""


def augmentation_streams(
    seed: tuple[int, ...], rows: Sequence[int], repeats: Sequence[int] = ()
) -> list[np.random.Generator]:
    """The random numbers of each training image of a batch; an image that is drawn again is augmented differently.

    Args:
        seed: of the epoch.
        rows: of the manifest.
        repeats: how often each row was drawn before in the epoch; none: not at all.
    """
    keys = [(repeat,) if repeat else () for repeat in repeats or [0] * len(rows)]
    seeds = [np.random.SeedSequence([*seed, row], spawn_key=key) for row, key in zip(rows, keys, strict=True)]
    return [np.random.default_rng(each) for each in seeds]


def stack(images: list[Tensor]) -> Tensor:
    """A batch that is channels last in memory."""
    batch = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, memory_format=torch.channels_last)
    return torch.stack(images, out=batch)


def create_task(
    name: str,
    dataset: Dataset,
    hyperparameters: Hyperparameters,
    geometry: Geometry | None = None,
    primary_metric: str | None = None,
) -> Task[Any]:
    """Make the named task on a dataset.

    Args:
        name: the product's name of the task.
        dataset: with a split for every image.
        hyperparameters: of the trial.
        geometry: of a detector's input, as it was decided for the trial; None for classifiers.
        primary_metric: ranks epochs; None for the task's own.
    """
    return task_class(name)(TaskSetup(dataset, hyperparameters, geometry, primary_metric))


def task_class(name: str) -> type[Task[Any]]:
    """Return the class of the named task."""
    found: type[Task[Any]] = load(TASKS[name].training)
    return found
