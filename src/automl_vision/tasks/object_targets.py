"""The targets of a detector: the objects of a batch of images, padded to the same number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class ObjectTargets:
    """The objects of a batch, padded to the largest number per image.

    Attributes:
        boxes: (n, objects, 4), float32, x1, y1, x2, y2 in pixels of the canvas.
        labels: (n, objects), int64.
        valid: (n, objects), bool; False for padding and crowds.
        crowd: (n, objects), bool; regions where nothing counts as background.
        masks: (n, objects, height, width), uint8, 0 or 1 on the canvas; None for a task without masks.
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor
    crowd: Tensor
    masks: Tensor | None = None

    def to(self, device: torch.device) -> ObjectTargets:
        """The targets on a device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        masks = None if self.masks is None else moved(self.masks)
        return ObjectTargets(moved(self.boxes), moved(self.labels), moved(self.valid), moved(self.crowd), masks)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, images: slice) -> ObjectTargets:
        masks = None if self.masks is None else self.masks[images]
        return ObjectTargets(self.boxes[images], self.labels[images], self.valid[images], self.crowd[images], masks)


@dataclass
class ImageObjects:
    """The objects of one image.

    Attributes:
        boxes: (objects, 4), float32, x1, y1, x2, y2 in pixels.
        labels: (objects,), int64.
        crowd: (objects,), bool.
        masks: (objects, height, width), uint8, or None.
    """

    boxes: Tensor
    labels: Tensor
    crowd: Tensor
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> ImageObjects:
        """Some of the objects."""
        masks = None if self.masks is None else self.masks[index]
        return ImageObjects(self.boxes[index], self.labels[index], self.crowd[index], masks)


def join_objects(parts: Sequence[ImageObjects]) -> ImageObjects:
    """The objects of some parts of one image, all with masks or all without."""
    masks = [part.masks for part in parts if part.masks is not None]
    return ImageObjects(
        torch.cat([part.boxes for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat([part.crowd for part in parts]),
        torch.cat(masks) if masks else None,
    )


def pad_objects(images: Sequence[ImageObjects]) -> ObjectTargets:
    """Pad the objects of several images to the largest number per image, at least one."""
    most = max(1, *(len(objects) for objects in images))
    boxes = torch.zeros(len(images), most, 4)
    labels = torch.zeros(len(images), most, dtype=torch.int64)
    valid = torch.zeros(len(images), most, dtype=torch.bool)
    crowd = torch.zeros(len(images), most, dtype=torch.bool)
    masks = None
    with_masks = [objects.masks for objects in images if objects.masks is not None]
    if with_masks:
        masks = torch.zeros(len(images), most, *with_masks[0].shape[1:], dtype=torch.uint8)
    for i, objects in enumerate(images):
        count = len(objects)
        boxes[i, :count], labels[i, :count] = objects.boxes, objects.labels
        valid[i, :count], crowd[i, :count] = ~objects.crowd, objects.crowd
        if masks is not None and objects.masks is not None:
            masks[i, :count] = objects.masks
    return ObjectTargets(boxes, labels, valid, crowd, masks)
