"""Augmentation of training images as uint8 pixels; the same seed makes the same changes in any process."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

_ASPECTS = (3 / 4, 4 / 3)
_TRIES = 10


def random_crop_box(height: int, width: int, *, scale: float, random: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop (Szegedy et al. 2014).

    Args:
        height, width: of the image in pixels.
        scale: least share of the image's area, in (0, 1].
        random: source of the choice.
    """
    for _ in range(_TRIES):
        area = height * width * random.uniform(scale, 1.0)
        aspect = math.exp(random.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        crop_width, crop_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = int(random.integers(0, height - crop_height + 1))
            left = int(random.integers(0, width - crop_width + 1))
            return top, left, crop_height, crop_width
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def resized_crop(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], size: int) -> Tensor:
    """Cut a box and resize it to a square, bilinear with antialiasing.

    Args:
        pixels: (height, width, 3), uint8.
        box: top, left, height, width.
        size: side in pixels.

    Returns:
        (3, size, size), uint8, channels last in memory.
    """
    top, left, height, width = box
    # the batch axis comes before the permutation, or torch would not take the image for channels last
    crop = torch.from_numpy(pixels[top : top + height, left : left + width].copy())[None].permute(0, 3, 1, 2)
    return F.interpolate(crop, (size, size), mode="bilinear", antialias=True)[0]


class TrainingTransform:
    """Random crop, flip and TrivialAugment (Müller and Hutter 2021) of one image after another."""

    def __init__(self, size: int, *, scale: float, augmentation: str) -> None:
        self._size, self._scale, self._augmentation = size, scale, augmentation
        # on Pillow images the operations are four times as fast as on tensors
        self._trivial = v2.TrivialAugmentWide(fill=[128, 128, 128])

    def __call__(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
        """Transform (height, width, 3) pixels to (3, size, size), uint8.

        TrivialAugment draws from torch's own generator, which the caller seeds.
        """
        height, width = pixels.shape[:2]
        box = random_crop_box(height, width, scale=self._scale, random=random)
        image = resized_crop(pixels, box, self._size)
        if self._augmentation == "none":
            return image
        if random.random() < 0.5:
            image = image.flip(2)
        if self._augmentation == "trivial_augment":
            augmented = self._trivial(Image.fromarray(image.permute(1, 2, 0).numpy()))
            image = torch.from_numpy(np.array(augmented)).permute(2, 0, 1)
        return image


def mix(
    images: Tensor, targets: Tensor, *, mixup_alpha: float, cutmix_alpha: float, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2017) or CutMix (Yun et al. 2019) of a batch with itself in reverse order.

    Where both are wanted, each batch takes one of them by chance.

    Args:
        images: (n, 3, height, width), uint8.
        targets: (n, classes), float.
        mixup_alpha, cutmix_alpha: parameters of the beta distributions; 0 switches one off.
        random: source of the choice.

    Returns:
        Images, uint8, and targets.
    """
    wanted = [name for name, alpha in (("mixup", mixup_alpha), ("cutmix", cutmix_alpha)) if alpha > 0]
    if not wanted:
        return images, targets
    kind = wanted[int(random.integers(len(wanted)))]
    alpha = mixup_alpha if kind == "mixup" else cutmix_alpha
    share = float(random.beta(alpha, alpha))
    if kind == "mixup":
        whole = round(share * 128)  # in 128ths, so that 16-bit integers hold the sum
        mixed = images.short().mul_(whole).add_(images.flip(0).short().mul_(128 - whole)).add_(64)
        images = mixed.bitwise_right_shift_(7).byte()
        share = whole / 128
    else:
        height, width = images.shape[-2:]
        cut = math.sqrt(1 - share)
        y, x = random.integers(height), random.integers(width)
        top, bottom = max(0, int(y - cut * height / 2)), min(height, int(y + cut * height / 2))
        left, right = max(0, int(x - cut * width / 2)), min(width, int(x + cut * width / 2))
        images = images.clone()
        images[..., top:bottom, left:right] = images.flip(0)[..., top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    return images, torch.lerp(targets.flip(0), targets, share)
