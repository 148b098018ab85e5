"""Repeat-factor sampling: images with rare classes are drawn more often (Gupta, Dollár and Girshick 2019, LVIS)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.objects import Objects
from automl_vision.data.ragged import ranges

MOST_REPEATS = 4.0
"""The largest factor: a class that few images have would otherwise fill the epoch with the same few images."""


def repeat_factors(
    image: NDArray[np.int64], label: NDArray[np.int32], threshold: float, *, images: int
) -> NDArray[np.float64]:
    """How often each image is to be drawn, relative to an image that has only frequent classes or no objects.

    A class in a share f of the images has the factor sqrt(threshold / f), at least 1 and at most `MOST_REPEATS`. An
    image has the largest factor of its classes.

    Args:
        image: (objects,), the image of each object, from 0 to `images` - 1.
        label: (objects,), the class of each object, 0 or above.
        threshold: share of the images below which a class is rare, from 0 to 1.
        images: how many there are, including those without objects.

    Returns:
        (images,), from 1 to `MOST_REPEATS`.
    """
    classes = int(label.max(initial=0)) + 1
    image_of, label_of = np.divmod(np.unique(image * classes + label), classes)  # each class of each image once
    shares = np.bincount(label_of)[label_of] / images
    factors = np.ones(images)
    np.maximum.at(factors, image_of, np.clip(np.sqrt(threshold / shares), 1.0, MOST_REPEATS))
    return factors


def factors_of(objects: Objects, rows: NDArray[np.intp], threshold: float) -> NDArray[np.float64]:
    """The repeat factors of a dataset's training images; crowds do not count, as they are not learned.

    Args:
        objects: of the dataset.
        rows: of the training images.
        threshold: as for `repeat_factors`.

    Returns:
        (rows,), from 1 to `MOST_REPEATS`.
    """
    place = np.full(max(int(rows.max(initial=-1)), int(objects.image.max(initial=-1))) + 1, -1)
    place[rows] = np.arange(len(rows))
    image = place[objects.image]
    learned = (image >= 0) & ~objects.iscrowd
    return repeat_factors(image[learned], objects.label[learned], threshold, images=len(rows))


def draw_images(
    factors: NDArray[np.float64], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw as many images as there are, in random order, by systematic sampling.

    An image is expected n x factor / (sum of factors) times, and drawn that number rounded down or up. If all factors
    are 1, each image is drawn once, in the order of `random.permutation`.

    Args:
        factors: (n,), above 0, at least one.
        random: decides which images are drawn, and their order.

    Returns:
        The images, (n,), from 0 to n - 1; and how often each was drawn before, (n,), 0 for the first time.
    """
    count = len(factors)
    draw = random.spawn(1)[0]  # leaves `random`, and with it the order, as it is
    queue = draw.permutation(count)  # in a fixed order, neighbours would exclude each other in every epoch
    offset = float(draw.random(dtype=np.float32))  # 24 bits: its sum with a whole number is exact
    ends = np.cumsum(factors[queue])
    ends *= count / ends[-1]
    ends[-1] = count
    times = np.empty(count, np.int64)
    times[queue] = np.diff(np.floor(ends + offset), prepend=0.0)
    order = random.permutation(count)
    drawn = np.repeat(np.arange(count), times)[order]
    return drawn, ranges(np.zeros(count, np.int64), times)[order]
