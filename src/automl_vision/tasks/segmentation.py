"""Instance segmentation: detection whose objects also have masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automl_vision.core.tasks import INSTANCE_SEGMENTATION
from automl_vision.data.masks import MaskCode
from automl_vision.data.objects import Objects
from automl_vision.data.pixel_cache import Pixels
from automl_vision.recipes.hyperparameters import MaskHyperparameters
from automl_vision.tasks.detection import DetectionTask
from automl_vision.tasks.object_targets import ImageObjects
from automl_vision.tasks.object_transforms import ObjectTransform, copy_paste


class SegmentationTask(DetectionTask):
    """Masks with classes."""

    name = INSTANCE_SEGMENTATION
    hyperparameters: MaskHyperparameters

    def _training_image(
        self, pixels: Pixels, row: int, transform: ObjectTransform, random: np.random.Generator
    ) -> tuple[Tensor, ImageObjects]:
        made = super()._training_image(pixels, row, transform, random)
        if random.random() >= self.hyperparameters.copy_paste:
            return made
        other = int(random.choice(self._training_rows))
        return copy_paste(made, self._transformed(pixels, other, transform, random), random)

    def _masks(self, row: int, size: Sequence[int]) -> Tensor:
        """Masks (objects, height, width), uint8, at the size at which the image is kept."""
        height, width = size
        index = self.objects.rows_of(row)
        masks = np.zeros((len(index), height, width), np.uint8)
        scale = np.array([width / self.sizes[row, 1], height / self.sizes[row, 0]])
        for i, number in enumerate(index):
            masks[i] = drawn_mask(self.objects, number, (height, width), scale)
        return torch.from_numpy(masks)


def drawn_mask(objects: Objects, index: int, size: tuple[int, int], scale: NDArray[np.float64]) -> NDArray[np.uint8]:
    """An object's mask (height, width) at another size than its image's.

    Args:
        objects: of the dataset.
        index: of the object.
        size: height and width wanted.
        scale: across and down, from the image's pixels to the wanted ones.
    """
    from faster_coco_eval.core import mask

    known = objects.rle.get(index)
    if known is None:
        polygons = [(polygon.reshape(-1, 2) * scale).ravel().tolist() for polygon in objects.segments(index)]
        drawn: NDArray[np.uint8] = mask.decode(mask.merge(mask.frPyObjects(polygons, *size)))
        return drawn
    full = MaskCode.from_text(known).decode()
    rows, columns = (
        np.minimum(((np.arange(side) + 0.5) / factor).astype(int), limit - 1)
        for side, factor, limit in zip(size, scale[::-1], full.shape, strict=True)
    )
    return full[np.ix_(rows, columns)].astype(np.uint8)
