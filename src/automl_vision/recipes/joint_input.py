"""What a network that averages several classifiers is shown: the largest of their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl_vision.recipes.hyperparameters import ClassificationHyperparameters, Hyperparameters

BETWEEN = " + "
"""The names of the members in the name of a joint network."""


@dataclass(frozen=True)
class JointInput:
    """The input of a network that averages several classifiers, in pixels.

    Attributes:
        resize: shorter side to which an image is resized.
        crop: side of the square in the middle of it, the input.
        crops: of each classifier, the side of the square in the middle of the input that shows it the same part of an
            image as before.
    """

    resize: int
    crop: int
    crops: tuple[int, ...]


def joint_input(sizes: Sequence[tuple[int, int]]) -> JointInput:
    """The input that holds what each classifier was trained to see.

    Args:
        sizes: of each classifier, the shorter side to which its images are resized, and the side of the square in their
            middle that it sees.
    """
    resize = max(own for own, _ in sizes)
    crops = [round(crop * resize / own) for own, crop in sizes]
    crop = max(crops)
    return JointInput(resize, crop, tuple(own - (crop - own) % 2 for own in crops))  # in the middle to the pixel


def label_sizes(hyperparameters: Hyperparameters) -> tuple[int, int]:
    """The shorter side to which a classifier's images are resized, and the side of the square that it sees, in pixels.

    Raises:
        TypeError: the hyperparameters are a detector's.
    """
    if not isinstance(hyperparameters, ClassificationHyperparameters):
        raise TypeError(f"{type(hyperparameters).__name__} are not a classifier's")
    return hyperparameters.validation_resize_size, hyperparameters.validation_crop_size
