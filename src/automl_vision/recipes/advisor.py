"""Advice on detectors by the objects of a dataset: input size, tiles and augmentation; NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import INSTANCE_SEGMENTATION
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.detector_input import (
    SHORT_SIDES,
    SMALL_SIDE,
    enlarged_side,
    image_sizes,
    small_share,
    wanted_side,
)
from automl_vision.recipes.geometry import fit_canvas
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.repeat_factors import factors_of

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_TILES = 6  # across or down
_WORTHWHILE = 1.2  # times the default input; less shows hardly more
_OVERLAP = 0.25
_RARE = 0.1  # of the training images; a class on fewer may be drawn more often
_OFTEN = 0.2  # of the images, up to which classes are then drawn more often
_SEVERAL, _MANY = 2.0, 10.0  # objects on an image: enough to paste some, and so many that four images are too many
_COMPOSED = 0.5  # of the images that are then put together from several


@dataclass(frozen=True)
class Advice:
    """What suits the training boxes of a dataset.

    Attributes:
        sides: quantiles (5, 25, 50, 75 and 95 %) of the root of the boxes' areas, in pixels of the images.
        settings: hyperparameters to give; empty when the defaults suit.
        cost: pixels that the network sees of an image, relative to the default settings.
        sentences: the same for people.
    """

    sides: tuple[float, ...]
    settings: dict[str, Any]
    cost: float
    sentences: tuple[str, ...]


def advise(dataset: Dataset) -> Advice:
    """Look at the training boxes and say whether a larger input or tiles are worth their cost.

    The default input makes the side of a small box (the smallest tenth) 20 pixels where 600 pixels of shorter side
    suffice for that. Where they do not, tiles are proposed, as few as reach it; where the images themselves have no
    more pixels, nothing helps and that is said.

    Args:
        dataset: with objects.

    Raises:
        DataError: it has none among its training images, crowds apart.
    """
    objects, sizes, training = dataset.objects, image_sizes(dataset), np.isin(dataset.splits, ("train", ""))
    small = small_share(dataset, sizes, training)
    if small is None:
        raise DataError("advice on small objects needs labelled objects; the training images have none")
    boxes = objects.bbox[training[objects.image] & ~objects.iscrowd]
    sides = np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1.0))
    shorter = float(np.median(sizes[training].min(axis=1)))
    side = wanted_side(dataset, sizes, training)
    sentences = [
        f"boxes: a twentieth has sides below {np.quantile(sides, 0.05):.0f} px, half below {np.median(sides):.0f} px, "
        f"in images of {shorter:.0f} px on the shorter side",
        f"default input: {side} px on the shorter side, where the side of a small box has {small * side:.0f} px",
    ]
    settings: dict[str, Any] = {}
    cost = 1.0
    if small * side < 0.75 * SMALL_SIDE:
        settings, cost = _tiles(small, side, shorter, sizes[training])
        sentences.append(_sentence(settings, cost, small, shorter))
    else:
        sentences.append("the default input suits; no tiles are needed")
    quantiles = tuple(float(value) for value in np.quantile(sides, _QUANTILES))
    return Advice(quantiles, settings, cost, tuple(sentences))


def suggestions(dataset: Dataset, hyperparameters: Hyperparameters) -> list[dict[str, Any]]:
    """Changes of a detector's settings that its objects suggest, each of which only a trial can judge.

    Small boxes suggest a larger input, and tiles where the images have more pixels than the input; masks of several
    objects an image that objects are pasted into other images; few objects that four images become one; a class on
    few images that those are drawn more often.

    Args:
        dataset: with objects and splits.
        hyperparameters: of the detector.

    Returns:
        Hyperparameters by name, the most promising change first.
    """
    objects, training = dataset.objects, np.isin(dataset.splits, ("train", ""))
    mine = training[objects.image]
    if not (mine & ~objects.iscrowd).any():
        return []
    found: list[dict[str, Any]] = []
    side = enlarged_side(dataset, hyperparameters)
    if side is not None:
        found.append({"min_size": side})
    known = type(hyperparameters).model_fields
    tiles = {name: value for name, value in advise(dataset).settings.items() if name in known}
    if tiles:
        found.append(tiles)
    each = mine.sum() / training.sum()
    if dataset.task == INSTANCE_SEGMENTATION and each >= _SEVERAL:
        found.append({"copy_paste": _COMPOSED})
    if each < _MANY:
        found.append({"mosaic": _COMPOSED})
    factors = factors_of(objects, np.flatnonzero(training), _OFTEN)
    if factors.max() > math.sqrt(_OFTEN / _RARE):
        found.append({"repeat_factor_threshold": _OFTEN})
    return found


def _tiles(small: float, side: int, shorter: float, sizes: NDArray[np.float64]) -> tuple[dict[str, Any], float]:
    """The fewest tiles at which small boxes are large enough, as far as the images have the pixels, and their cost."""
    useful = min(SMALL_SIDE / small, max(shorter, float(side)))  # of the shorter side, in pixels
    if useful < _WORTHWHILE * side:
        return {}, 1.0
    across_shorter = min(_MOST_TILES, int(np.ceil((useful / side - _OVERLAP) / (1 - _OVERLAP))))  # two at least
    height, width = fit_canvas(sizes, side, 2 * SHORT_SIDES[1])
    across_longer = min(
        _MOST_TILES, max(across_shorter, round(across_shorter * max(height, width) / min(height, width)))
    )
    down, across = (across_shorter, across_longer) if width >= height else (across_longer, across_shorter)
    settings = {"min_size": side, "tile_grid_size": f"{across}x{down}", "tile_overlap_ratio": _OVERLAP}
    return settings, float(across * down + 1)


def _sentence(settings: dict[str, Any], cost: float, small: float, shorter: float) -> str:
    if not settings:
        return (
            f"small boxes have {small * shorter:.0f} px in the images themselves, so a larger input or tiles would add "
            "no detail; enlarged, they may still suit the pretrained features better, which only a trial can show"
        )
    given = ", ".join(f"{name}={value}" for name, value in settings.items())
    return (
        f"for small boxes: {given}; training an epoch takes about 1.0 times, "
        f"validation and prediction {cost:.1f} times as long"
    )
