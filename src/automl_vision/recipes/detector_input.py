"""What a detector looks at, decided from a dataset and hyperparameters; and the size at which images are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.dataset import Dataset
from automl_vision.data.images import PixelSize
from automl_vision.recipes.geometry import CANVAS_STEP, Geometry, fit_canvas, fit_geometry, rounded_side
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectionHyperparameters,
    DetectorHyperparameters,
    Hyperparameters,
    OneStageHyperparameters,
    RFDetrHyperparameters,
)
from automl_vision.serving.objects import TileGrid

SMALL_SIDE = 20.0  # pixels that the side of a small box should have on the canvas
SHORT_SIDES = (320, 600)  # of a canvas that follows the boxes
_SMALL_QUANTILE = 0.1
_MOST_ENLARGED = 1.0  # times the images' own size; beyond it there is no more detail
_ENLARGED = 1.5  # times the default side, for the pretrained features' sake: they were trained on larger objects


def decide_geometry(dataset: Dataset, hyperparameters: Hyperparameters) -> Geometry | None:
    """The geometry of a trial's input, None for classifiers; it is decided once per trial and then passed on.

    Args:
        dataset: with splits; of a run, its manifest, from which unusable images have been left out.
        hyperparameters: of the trial.
    """
    if not isinstance(hyperparameters, DetectorHyperparameters):
        return None
    return detector_geometry(dataset, hyperparameters)


def kept_size(hyperparameters: Hyperparameters, geometry: Geometry | None) -> PixelSize:
    """The size at which a trial's images are decoded and kept.

    Args:
        hyperparameters: of the trial.
        geometry: decided for the trial; None for classifiers.
    """
    if isinstance(hyperparameters, ClassificationHyperparameters):
        return hyperparameters.validation_resize_size
    if not isinstance(hyperparameters, DetectorHyperparameters) or geometry is None:
        raise TypeError(f"no task trains with {type(hyperparameters).__name__} and the geometry {geometry}")
    grid = tile_grid(hyperparameters)
    return geometry.size if grid is None else grid.whole_size(geometry.size)


def tile_grid(hyperparameters: DetectorHyperparameters) -> TileGrid | None:
    """The tiles that the hyperparameters ask for."""
    return TileGrid.parse(hyperparameters.tile_grid_size, hyperparameters.tile_overlap_ratio)


def detector_geometry(dataset: Dataset, hyperparameters: DetectorHyperparameters) -> Geometry:
    """Canvas, levels and anchors for the training images of a dataset.

    Args:
        dataset: with splits; images without one count as training images.
        hyperparameters: an input size that they name is taken.
    """
    training = np.isin(dataset.splits, ("train", ""))
    sizes = image_sizes(dataset)
    canvas = _canvas(dataset, hyperparameters, sizes, training)
    objects = dataset.objects
    mine = training[objects.image] & ~objects.iscrowd
    image = objects.image[mine]
    box = objects.bbox[mine]
    seen = np.array(canvas, np.float64)
    grid = tile_grid(hyperparameters)
    whole = np.array(grid.whole_size(canvas) if grid is not None else canvas, np.float64)
    scale = (whole / sizes[image]).min(axis=1, keepdims=True)
    shapes = np.stack([box[:, 3] - box[:, 1], box[:, 2] - box[:, 0]], axis=1) * scale
    shapes = np.minimum(shapes, seen)
    return fit_geometry(
        shapes,
        np.bincount(image, minlength=len(dataset))[training] if len(dataset) else np.zeros(0, np.int64),
        canvas,
        most_detections=hyperparameters.box_detections_per_image,
    )


def _canvas(
    dataset: Dataset, hyperparameters: DetectorHyperparameters, sizes: NDArray[np.float64], training: NDArray[np.bool_]
) -> tuple[int, int]:
    if isinstance(hyperparameters, RFDetrHyperparameters):  # its windows of patches mix rows and columns elsewhere
        side = rounded_side(hyperparameters.side, hyperparameters.side_step)
        return side, side
    sizes_trained = sizes[training]
    if isinstance(hyperparameters, OneStageHyperparameters):
        if hyperparameters.image_size is not None:
            return fit_canvas(sizes_trained, hyperparameters.image_size, hyperparameters.image_size)
        return fit_canvas(sizes_trained, wanted_side(dataset, sizes, training), 2 * SHORT_SIDES[1])
    assert isinstance(hyperparameters, DetectionHyperparameters)
    short = hyperparameters.min_size or wanted_side(dataset, sizes, training)
    return fit_canvas(sizes_trained, short, hyperparameters.max_size)


def wanted_side(dataset: Dataset, sizes: NDArray[np.float64], training: NDArray[np.bool_]) -> int:
    """Pixels of the canvas' shorter side at which small boxes are large enough, within what is affordable.

    Args:
        dataset: with objects.
        sizes: (images, 2), height and width.
        training: (images,), which of them count.
    """
    small = small_share(dataset, sizes, training)
    return SHORT_SIDES[0] if small is None else _affordable_side(small, sizes[training])


def _affordable_side(small: float, sizes: NDArray[np.float64]) -> int:
    wanted = SMALL_SIDE / max(small, 1e-6)
    there = float(np.median(sizes.min(axis=1)))
    highest = float(np.clip(_MOST_ENLARGED * there, *SHORT_SIDES))
    return CANVAS_STEP * round(float(np.clip(wanted, SHORT_SIDES[0], highest)) / CANVAS_STEP)


def small_share(dataset: Dataset, sizes: NDArray[np.float64], training: NDArray[np.bool_]) -> float | None:
    """Side of a small box, the 10 % quantile, as a share of its image's shorter side; None without boxes.

    Args:
        dataset: with objects.
        sizes: (images, 2), height and width.
        training: (images,), which of them count.
    """
    objects = dataset.objects
    mine = training[objects.image] & ~objects.iscrowd
    if not mine.any():
        return None
    box = objects.bbox[mine]
    sides = np.sqrt(np.maximum((box[:, 2:] - box[:, :2]).prod(axis=1), 1.0))
    return float(np.quantile(sides / sizes[objects.image[mine]].min(axis=1), _SMALL_QUANTILE))


def enlarged_side(dataset: Dataset, hyperparameters: Hyperparameters) -> int | None:
    """A larger shorter side of the input, in pixels, that may suit small boxes; None where there is none to try.

    Enlarged images have no more detail, but small objects come nearer to the sizes that pretrained features know (Hu
    and Ramanan 2017, "Finding Tiny Faces").

    Args:
        dataset: with splits; images without one count as training images.
        hyperparameters: an input size or tiles that they name leave nothing to try.
    """
    if not isinstance(hyperparameters, DetectionHyperparameters) or hyperparameters.min_size is not None:
        return None
    training, sizes = np.isin(dataset.splits, ("train", "")), image_sizes(dataset)
    small = small_share(dataset, sizes, training)
    if small is None or tile_grid(hyperparameters) is not None:
        return None
    side = _affordable_side(small, sizes[training])
    return CANVAS_STEP * round(_ENLARGED * side / CANVAS_STEP) if small * side < SMALL_SIDE else None


def image_sizes(dataset: Dataset) -> NDArray[np.float64]:
    """(images, 2), height and width, at least 1."""
    columns = [dataset.table[name].to_numpy().astype(np.float64) for name in ("height", "width")]
    return np.asarray(np.maximum(np.stack(columns, axis=1), 1.0))
