"""What the training loop sees of a task; the loop itself knows no task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.late import load
from automl_vision.core.records import Calibration, Report
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import Pixels
from automl_vision.recipes.detector_input import kept_size
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.normalization import Normalization
from automl_vision.serving.model_folder import ObjectSettings, Preprocessing


@dataclass
class Batch:
    """Images with their targets.

    Attributes:
        images: (n, 3, height, width), uint8.
        targets: what the task's loss takes; knows `to(device)`, `len` and slices as a tensor does.
        seed: of random changes that mix images of the batch.
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
class Parity:
    """How far an exported model is from the trained one.

    Attributes:
        figures: differences and their tolerances by name.
        problem: a sentence when they are too far apart, else None.
        is_empty: whether there was nothing to compare.
    """

    figures: dict[str, Any]
    problem: str | None = None
    is_empty: bool = False


Outputs = TypeVar("Outputs", bound=Sized)
"""What a task's model gives for some images."""


class Task(ABC, Generic[Outputs]):
    """One task on one dataset, created for each trial.

    Its life: `train_batch` and `loss` for every step, `evaluation_batch` and `predict` for every validation,
    `metrics` on what was predicted; before the first epoch `warm_start`, where a task starts from a probe; at the end
    `calibrate` and `report`.

    Args:
        dataset: with a split for every image.
        hyperparameters: of the trial.
        geometry: of a detector's input, as it was decided for the trial.
    """

    name: ClassVar[str]
    output_names: ClassVar[tuple[str, ...]]
    """Of the exported network's outputs."""

    largest_batch: ClassVar[int] = 78
    """Images of a training step when none are asked for, at most."""

    def __init__(self, dataset: Dataset, hyperparameters: Hyperparameters, geometry: Geometry | None = None) -> None:
        self.classes = dataset.classes
        self.hyperparameters = hyperparameters
        self.pixel_size = kept_size(hyperparameters, geometry)

    @property
    def primary_metric(self) -> str:
        """The metric that ranks epochs and trials; more is better."""
        return TASKS[self.name].primary_metrics[0]

    @property
    def object_settings(self) -> ObjectSettings | None:
        """From a detector's outputs to objects; None for labels of whole images."""
        return None

    @property
    def starts_from_probe(self) -> bool:
        """Whether `warm_start` gives a linear head its start from pretrained features."""
        return False

    @property
    def interpolates(self) -> bool:
        """Whether weights between the start and the best epoch may be kept."""
        return False

    def warm_start(self, head: nn.Linear, features: NDArray[np.float32], rows: NDArray[np.intp]) -> str:
        """Give the head its start from features of training images; gives a sentence on what was done."""
        raise NotImplementedError(f"{self.name} starts from no probe")

    @property
    def mixes(self) -> bool:
        """Whether `loss` mixes each image of a batch with its counterpart in the reversed batch."""
        return False

    @abstractmethod
    def train_batch(self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...]) -> Batch:
        """Randomly changed training images, one for each row.

        An image's changes depend on the seed and its row alone, so they are the same in any process and in any batch.
        """

    @abstractmethod
    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """Images as the deployed model will see them."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean training loss of a batch, a scalar that gradients flow from."""

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch) -> Outputs:
        """The network's outputs for a batch."""

    @abstractmethod
    def join(self, parts: Sequence[Outputs]) -> Outputs:
        """The outputs of several batches, one after another."""

    @abstractmethod
    def output_arrays(self, outputs: Outputs) -> dict[str, NDArray[Any]]:
        """The outputs as arrays by name, for a file."""

    @abstractmethod
    def preprocessing(self, normalization: Normalization) -> Preprocessing:
        """From an image file to the input of a network that wants its pixels so."""

    @abstractmethod
    def parity(self, outputs: Outputs, exported: Sequence[Any], calibration: Calibration) -> Parity:
        """How far the predictor's answers are from the trained network's outputs for the same images.

        Args:
            outputs: of the trained network.
            exported: the predictor's answer for each image.
            calibration: of the model.
        """

    @abstractmethod
    def reproduction(
        self, outputs: Outputs, recorded: Mapping[str, NDArray[Any]], images: Sequence[int], calibration: Calibration
    ) -> Parity:
        """How far a rebuilt network's outputs are from those that the trial recorded for the same images.

        Tolerances are wider than for an export: the trial may have run on a GPU, where fp32 convolutions are TF32.

        Args:
            outputs: of the rebuilt network.
            recorded: arrays by name as `output_arrays` returned them, of all validation images.
            images: positions of the images among those.
            calibration: of the model.
        """

    @property
    def compared_from(self) -> float:
        """The score from which the exported model must find the same objects; 0 where scores do not decide it."""
        return 0.0

    def with_all_scores(self) -> Task[Outputs]:
        """The same task, whose outputs also hold what it finds with scores near 0."""
        return self

    @abstractmethod
    def validation_loss(self, outputs: Outputs, rows: NDArray[np.intp]) -> float:
        """Mean loss of predicted images without smoothing or weights; NaN when it was not asked for."""

    @abstractmethod
    def calibrate(self, outputs: Outputs, rows: NDArray[np.intp]) -> Calibration:
        """Fit what turns outputs into probabilities and decisions."""

    @abstractmethod
    def metrics(self, outputs: Outputs, rows: NDArray[np.intp], calibration: Calibration) -> dict[str, float]:
        """The metrics of predicted images."""

    @abstractmethod
    def comparison(self, outputs: Outputs, rows: NDArray[np.intp], calibration: Calibration) -> dict[str, Any]:
        """What this trial is compared with others by, as `evaluation.paired.compare` takes it."""

    @abstractmethod
    def report(self, outputs: Outputs, rows: NDArray[np.intp], calibration: Calibration) -> Report:
        """Metrics with intervals, figures by class and data for charts."""


def stack(images: list[Tensor]) -> Tensor:
    """A batch that is channels last in memory."""
    batch = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, memory_format=torch.channels_last)
    return torch.stack(images, out=batch)


def create_task(
    name: str, dataset: Dataset, hyperparameters: Hyperparameters, geometry: Geometry | None = None
) -> Task[Any]:
    """Make the named task on a dataset.

    Args:
        name: the product's name of the task.
        dataset: with a split for every image.
        hyperparameters: of the trial.
        geometry: of a detector's input, as it was decided for the trial; None for classifiers.
    """
    return task_class(name)(dataset, hyperparameters, geometry)


def task_class(name: str) -> type[Task[Any]]:
    """Return the class of the named task."""
    found: type[Task[Any]] = load(TASKS[name].training)
    return found
