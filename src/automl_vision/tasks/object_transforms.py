"""Augmentation of training images with their objects, by torchvision's v2 transforms, reproducible by a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.ops import masks_to_boxes
from torchvision.transforms.v2 import RandomIoUCrop
from torchvision.transforms.v2 import functional as F

from automl_vision.serving.objects import FILL
from automl_vision.tasks.object_targets import ImageObjects, join_objects

LEAST_VISIBLE = 0.25  # share of a box that must stay visible
LEAST_SIDE = 2.0  # pixels
_SCALES = (0.6, 1.6)  # of the image that fills the canvas
_IOU_CROP = RandomIoUCrop()
_BRIGHTNESS, _CONTRAST, _SATURATION = 0.25, 0.25, 0.3


@dataclass(frozen=True)
class ObjectTransform:
    """Scale jitter, crop, mirroring and colour of one image after another.

    Attributes:
        canvas: height and width.
        augmentation: "none", "flip" or "standard".
        vertical_flip: whether images are also turned upside down.
        iou_crop: share of the images that are first cut so that an object overlaps the part by some least amount.
    """

    canvas: tuple[int, int]
    augmentation: str
    vertical_flip: bool = False
    iou_crop: float = 0.0

    def __call__(
        self, pixels: NDArray[np.uint8], objects: ImageObjects, random: np.random.Generator
    ) -> tuple[Tensor, ImageObjects]:
        """The canvas (3, height, width), uint8, and the objects on it, in its pixels."""
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        if random.random() < self.iou_crop and len(objects):
            image, objects = _iou_cropped(image, objects, random)
        scale = 1.0
        if self.augmentation == "standard":
            scale = math.exp(random.uniform(math.log(_SCALES[0]), math.log(_SCALES[1])))
        image, objects = scaled_onto(image, objects, self.canvas, scale, random)
        if self.augmentation != "none" and random.random() < 0.5:
            image, objects = _mapped(F.horizontal_flip, image, objects)
        if self.vertical_flip and random.random() < 0.5:
            image, objects = _mapped(F.vertical_flip, image, objects)
        if self.augmentation == "standard":
            image = _coloured(image, random)
        return image, objects


def scaled_onto(
    image: Tensor, objects: ImageObjects, canvas: tuple[int, int], scale: float, random: np.random.Generator | None
) -> tuple[Tensor, ImageObjects]:
    """An image at a scale, cut to the canvas where it is larger, placed on it where it is smaller.

    Args:
        image: (3, height, width).
        objects: in its pixels.
        canvas: height and width.
        scale: 1 fills the canvas as far as the image's aspect allows.
        random: chooses the place; None takes the upper left.
    """
    height, width = image.shape[1:]
    factor = scale * min(canvas[0] / height, canvas[1] / width)
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    cut = [min(side, limit) for side, limit in zip(size, canvas, strict=True)]
    source = [max(1, round(c * full / s)) for c, s, full in zip(cut, size, (height, width), strict=True)]
    places = [(full - part, limit - c) for full, part, limit, c in
              zip((height, width), source, canvas, cut, strict=True)]  # fmt: skip
    chosen = [
        (int(random.integers(inner + 1)), int(random.integers(outer + 1))) if random is not None else (0, 0)
        for inner, outer in places
    ]
    areas = _areas(objects.boxes)
    (top, pad_top), (left, pad_left) = chosen
    image, objects = _mapped(F.crop, image, objects, top=top, left=left, height=source[0], width=source[1])
    shares = _areas(objects.boxes) / areas.clamp(min=1e-6)
    if cut != list(source):
        image, objects = _mapped(F.resize, image, objects, size=cut, antialias=True)
    padding = [pad_left, pad_top, canvas[1] - cut[1] - pad_left, canvas[0] - cut[0] - pad_top]
    if any(padding):
        image, objects = _mapped(F.pad, image, objects, padding=padding, fill=FILL)
    return image, filter_visible(objects, shares)


def _iou_cropped(image: Tensor, objects: ImageObjects, random: np.random.Generator) -> tuple[Tensor, ImageObjects]:
    """A random part of an image by torchvision's `RandomIoUCrop` (Liu et al. 2016), which draws from torch."""
    boxes = tv_tensors.BoundingBoxes(objects.boxes, format="XYXY", canvas_size=(image.shape[1], image.shape[2]))
    masks = None if objects.masks is None else tv_tensors.Mask(objects.masks)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(random.integers(2**62)))
        part, cut, masks = _IOU_CROP(tv_tensors.Image(image), boxes, masks)
    moved = cut.as_subclass(Tensor)
    shares = _areas(moved) / _areas(objects.boxes).clamp(min=1e-6)
    kept = ImageObjects(moved, objects.labels, objects.crowd, None if masks is None else masks.as_subclass(Tensor))
    return part.as_subclass(Tensor), filter_visible(kept, shares)


def filter_visible(objects: ImageObjects, shares: Tensor | None = None) -> ImageObjects:
    """The objects whose boxes are not too thin and which are visible enough."""
    sides = (objects.boxes[:, 2:] - objects.boxes[:, :2]).amin(dim=1) if len(objects) else torch.zeros(0)
    good = sides >= LEAST_SIDE
    if shares is not None:
        good &= shares >= LEAST_VISIBLE
    if objects.masks is not None:
        good &= objects.masks.bool().any(dim=2).any(dim=1)
    return objects.take(torch.nonzero(good)[:, 0])


def mosaic(parts: list[tuple[Tensor, ImageObjects]], random: np.random.Generator) -> tuple[Tensor, ImageObjects]:
    """One canvas from the quarters of four (Bochkovskiy et al. 2020).

    Args:
        parts: four canvases of one size with their objects.
        random: chooses where the quarters meet.
    """
    height, width = parts[0][0].shape[1:]
    y, x = (int(random.integers(side // 4, 3 * side // 4 + 1)) for side in (height, width))
    whole = torch.full_like(parts[0][0], FILL)
    pieces = []
    corners = ((0, 0, y, x), (0, x, y, width), (y, 0, height, x), (y, x, height, width))
    for (image, objects), (top, left, bottom, right) in zip(parts, corners, strict=True):
        areas = _areas(objects.boxes)
        part, cut = _mapped(F.crop, image, objects, top=top, left=left, height=bottom - top, width=right - left)
        whole[:, top:bottom, left:right] = part
        padding = [left, top, width - right, height - bottom]
        _, placed = _mapped(F.pad, part, cut, padding=padding, fill=FILL)
        pieces.append(filter_visible(placed, _areas(cut.boxes) / areas.clamp(min=1e-6)))
    return whole, join_objects(pieces)


def copy_paste(
    onto: tuple[Tensor, ImageObjects], source: tuple[Tensor, ImageObjects], random: np.random.Generator
) -> tuple[Tensor, ImageObjects]:
    """Some objects of one image cut out along their masks and put in front of those of another (Ghiasi et al. 2021).

    Objects that are partly covered keep their visible part and the box around it; if too little is visible, they are
    dropped.

    Args:
        onto: canvas and objects with masks.
        source: another canvas of its size with objects with masks.
        random: chooses the objects.
    """
    (image, objects), (other, candidates) = onto, source
    chosen = torch.from_numpy(random.random(len(candidates)) < 0.5) & ~candidates.crowd
    pasted = candidates.take(torch.nonzero(chosen)[:, 0])
    assert objects.masks is not None
    assert pasted.masks is not None
    front = pasted.masks.bool().any(dim=0)
    image = torch.where(front, other, image)
    areas = objects.masks.flatten(1).sum(dim=1)
    masks = objects.masks * ~front
    seen = masks.flatten(1).sum(dim=1)
    boxes = objects.boxes.clone()
    behind = torch.nonzero((seen < areas) & (seen > 0))[:, 0]
    around = masks_to_boxes(masks[behind]) + torch.tensor([0.0, 0.0, 1.0, 1.0])  # the last pixel has a width, too
    boxes[behind] = torch.cat(
        [boxes[behind, :2].maximum(around[:, :2]), boxes[behind, 2:].minimum(around[:, 2:])], dim=1
    )
    visible = filter_visible(ImageObjects(boxes, objects.labels, objects.crowd, masks), seen / areas.clamp(min=1))
    return image, join_objects([visible, pasted])


def _mapped(function: object, image: Tensor, objects: ImageObjects, **settings: object) -> tuple[Tensor, ImageObjects]:
    """A function of torchvision's v2 on image, boxes and masks alike; boxes are clipped to the image."""
    call = function  # the functional kernels choose by the type of what they are given
    size = (image.shape[1], image.shape[2])
    new_image: Tensor = call(image, **settings)  # type: ignore[operator]
    plain = {name: value for name, value in settings.items() if name not in ("antialias", "fill")}
    boxes = tv_tensors.BoundingBoxes(objects.boxes, format="XYXY", canvas_size=size)
    moved = F.clamp_bounding_boxes(call(boxes, **plain))  # type: ignore[operator]
    masks = objects.masks
    if masks is not None:
        masks = call(tv_tensors.Mask(masks), **plain).as_subclass(Tensor)  # type: ignore[operator]
    return new_image, ImageObjects(moved.as_subclass(Tensor), objects.labels, objects.crowd, masks)


def _coloured(image: Tensor, random: np.random.Generator) -> Tensor:
    changes = (
        (F.adjust_brightness, _BRIGHTNESS),
        (F.adjust_contrast, _CONTRAST),
        (F.adjust_saturation, _SATURATION),
    )
    for change, strength in changes:
        factor = 1 + strength * float(random.uniform(-1, 1))
        if random.random() < 0.5:
            image = change(image, factor)
    return image


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
