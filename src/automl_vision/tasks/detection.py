"""Object detection: every image has any number of objects, each with a class and a box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.data.detections import Detections
from automl_vision.data.pixel_cache import Pixels
from automl_vision.evaluation.scoring.detection import DetectionOutputs, image_sizes
from automl_vision.recipes.deployment import DetectionDeployment
from automl_vision.recipes.detector_input import tile_grid
from automl_vision.recipes.geometry import MULTI_SCALE, Geometry, rounded_side
from automl_vision.recipes.hyperparameters import DetectorHyperparameters, OneStageHyperparameters
from automl_vision.recipes.parity import COMPARED_FROM
from automl_vision.recipes.repeat_factors import factors_of
from automl_vision.serving.objects import MIN_SCORE, Box, postprocess, view_pixels, views
from automl_vision.tasks.object_targets import ImageObjects, pad_objects
from automl_vision.tasks.object_transforms import LEAST_VISIBLE, ObjectTransform, filter_visible, mosaic
from automl_vision.tasks.task import Batch, Task, TaskSetup, TaskTraits, augmentation_streams, stack

_MOSAICS_UNTIL = 0.8  # of the epochs


class DetectionTask(Task[DetectionOutputs]):
    """Boxes with classes; the losses are the detector's own."""

    name = OBJECT_DETECTION
    largest_batch = 4
    hyperparameters: DetectorHyperparameters

    geometry: Geometry

    def __init__(self, setup: TaskSetup) -> None:
        if setup.geometry is None:
            raise TypeError("a detector's task needs the geometry that was decided for its trial")
        super().__init__(setup)
        dataset = setup.dataset
        self.objects = dataset.objects
        self.sizes = image_sizes(dataset)
        self._training_rows = np.flatnonzero(dataset.splits == "train")
        self._mosaic = self.hyperparameters.mosaic
        self.traits = TaskTraits(compared_from=COMPARED_FROM)

    @property
    def deployment(self) -> DetectionDeployment:
        """Preprocessing, postprocessing and parity of the deployed model."""
        deployment = super().deployment
        assert isinstance(deployment, DetectionDeployment)
        return deployment

    def epoch_begins(self, share: float) -> None:
        """Make no mosaics towards the end, for real images do not look like them (YOLOX, Ge et al. 2021)."""
        self._mosaic = self.hyperparameters.mosaic if share < _MOSAICS_UNTIL else 0.0

    def repeat_factors(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """By the rarest class of each image."""
        return factors_of(self.objects, rows, self.hyperparameters.repeat_factor_threshold)

    def train_batch(
        self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...], repeats: Sequence[int] = ()
    ) -> Batch:
        """Augmented training images; for a tiled image, one of its views."""
        settings, canvas = self.hyperparameters, self._training_canvas((*seed, rows[0]))
        transform = ObjectTransform(canvas, settings.augmentation, settings.vertical_flip, settings.iou_crop)
        streams = zip(rows, augmentation_streams(seed, rows, repeats), strict=True)
        made = [self._training_image(pixels, row, transform, random) for row, random in streams]
        images, objects = zip(*made, strict=True)
        return Batch(stack(list(images)), pad_objects(objects), (*seed, rows[0]), tuple(rows))

    def _training_canvas(self, seed: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a training batch; with `multi_scale` each batch has its own."""
        height, width = self.geometry.size
        settings = self.hyperparameters
        if not (isinstance(settings, OneStageHyperparameters) and settings.multi_scale):
            return height, width
        factor = np.random.default_rng([*seed, 1]).uniform(*MULTI_SCALE)
        return rounded_side(height * factor, settings.side_step), rounded_side(width * factor, settings.side_step)

    def _training_image(
        self, pixels: Pixels, row: int, transform: ObjectTransform, random: np.random.Generator
    ) -> tuple[Tensor, ImageObjects]:
        if random.random() >= self._mosaic:
            return self._transformed(pixels, row, transform, random)
        others = random.choice(self._training_rows, 3).tolist()
        return mosaic([self._transformed(pixels, each, transform, random) for each in (row, *others)], random)

    def _transformed(
        self, pixels: Pixels, row: int, transform: ObjectTransform, random: np.random.Generator
    ) -> tuple[Tensor, ImageObjects]:
        image = pixels[row]
        parts = views(image.shape[0], image.shape[1], tile_grid(self.hyperparameters))
        view = parts[int(random.integers(len(parts)))]
        left, top, right, bottom = view
        return transform(image[top:bottom, left:right], self._view_objects(row, image.shape[:2], view), random)

    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """Each image on the canvas, and its tiles."""
        images, objects, sizes = [], [], []
        grid = tile_grid(self.hyperparameters)
        for row in rows:
            image = pixels[row]
            sizes.append((image.shape[0], image.shape[1]))
            for view in views(image.shape[0], image.shape[1], grid):
                images.append(torch.from_numpy(view_pixels(image, view, self.geometry.size)).permute(2, 0, 1))
                objects.append(self._on_canvas(self._view_objects(row, image.shape[:2], view), view))
        return Batch(stack(images), pad_objects(objects), rows=tuple(rows), sizes=tuple(sizes))

    def _view_objects(self, row: int, size: Sequence[int], view: Box) -> ImageObjects:
        """The objects of a part of an image, in pixels of that part.

        Args:
            row: of the manifest.
            size: height and width of the image as it is kept.
            view: left, top, right and bottom in its pixels.
        """
        mine = self.objects.rows_of(row)
        scale = np.array([size[1] / self.sizes[row, 1], size[0] / self.sizes[row, 0]] * 2)
        index = np.arange(mine.start, mine.stop)
        boxes = torch.from_numpy((self.objects.bbox[index] * scale).astype(np.float32))
        labels = torch.from_numpy(self.objects.label[index].astype(np.int64))
        crowd = torch.from_numpy(self.objects.iscrowd[index])
        whole = ImageObjects(boxes, labels, crowd, self._masks(row, size))
        left, top, right, bottom = view
        limit = torch.tensor([right - left, bottom - top] * 2, dtype=torch.float32)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=1e-6)
        cut = (boxes - torch.tensor([left, top] * 2, dtype=torch.float32)).clamp(min=0).minimum(limit)
        masks = None if whole.masks is None else whole.masks[:, top:bottom, left:right]
        shares = (cut[:, 2:] - cut[:, :2]).prod(dim=1) / areas
        return ImageObjects(cut, labels, crowd, masks).take(torch.nonzero(shares >= LEAST_VISIBLE)[:, 0])

    def _masks(self, row: int, size: Sequence[int]) -> Tensor | None:  # noqa: ARG002 - masks override it
        """Masks of an image's objects at the size at which the image is kept; None for boxes."""
        return None

    def _on_canvas(self, objects: ImageObjects, view: Box) -> ImageObjects:
        """The objects of a view where `view_pixels` places it: at the upper left, shrunk if it is too large."""
        left, top, right, bottom = view
        factor = min(1.0, self.geometry.height / (bottom - top), self.geometry.width / (right - left))
        boxes = objects.boxes * factor if factor < 1 else objects.boxes
        masks = objects.masks
        if masks is not None:
            canvas = torch.zeros(len(masks), *self.geometry.size, dtype=torch.uint8)
            height, width = round((bottom - top) * factor), round((right - left) * factor)
            if factor < 1:
                masks = masks[:, _nearest(height, masks.shape[1])][:, :, _nearest(width, masks.shape[2])]
            canvas[:, :height, :width] = masks
            masks = canvas
        return filter_visible(ImageObjects(boxes, objects.labels, objects.crowd, masks))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The sum of the detector's losses."""
        losses: dict[str, Tensor] = network(batch.images, batch.targets)
        return torch.stack(list(losses.values())).sum()

    def predict(self, network: nn.Module, batch: Batch, *, all_scores: bool = False) -> DetectionOutputs:
        """The detections in each image, in pixels of the image file."""
        loss = float("nan")
        if self.hyperparameters.log_validation_loss:
            losses, outputs = network(batch.images, batch.targets)
            loss = float(sum(losses.values()))
        else:
            outputs = network(batch.images)
        arrays = [output.float().cpu().numpy() for output in outputs]
        per_row = len(batch.images) // len(batch.rows)
        settings = self.deployment.postprocessing(0.0 if all_scores else MIN_SCORE)
        parts = []
        for i, (row, kept) in enumerate(zip(batch.rows, batch.sizes, strict=True)):
            of_row = range(i * per_row, (i + 1) * per_row)
            original = (int(self.sizes[row, 0]), int(self.sizes[row, 1]))
            parts.append(postprocess([[a[j] for a in arrays] for j in of_row], kept, original, settings))
        return DetectionOutputs(Detections.join(parts), loss)

    def join(self, parts: Sequence[DetectionOutputs]) -> DetectionOutputs:
        """The outputs of several batches."""
        return DetectionOutputs.join(parts)


def _nearest(wanted: int, there: int) -> Tensor:
    """Which of `there` rows of a picture a picture with `wanted` rows shows."""
    return ((torch.arange(wanted) + 0.5) * there / wanted).long().clamp(max=there - 1)
