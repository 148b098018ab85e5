"""Features of images by a bundled network, as a job: the data room asks for them and stays without torch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automl_vision.core.errors import ImageError
from automl_vision.core.files import atomic_path, write_json
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.data.images import center_crop, load_pixels
from automl_vision.data.scan import parallel_map
from automl_vision.data.value_range import ValueRange
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.serving.device import computes_bfloat16
from automl_vision.storage.access import read_image_bytes

MODEL = "efficientnet_lite0"  # its weights are installed with the product
SIDE = 224  # pixels
_BATCH = 32
_TRIALS = 2


def write_features(
    *, root: str, images: Sequence[str], output: str, progress: str, value_range: dict[str, Any] | None = None
) -> None:
    """Write the features of images, each the mean over the image and its mirror.

    Args:
        root: where relative paths start.
        images: paths or URLs.
        output: NumPy file to write: (images, features), float16; NaN for an image that cannot be decoded.
        progress: JSON file with the number of images that are done.
        value_range: of the dataset, as JSON values.

    Raises:
        WeightsUnavailableError: the bundled weights are not installed.
    """
    made = create_model(
        MODEL, task=CLASSIFICATION, classes=1, hyperparameters=ClassificationHyperparameters.model_validate({})
    )
    model = ImageModel(made.network, made.normalization).eval().to(memory_format=torch.channels_last)
    pixels = parallel_map(partial(_pixels, root=root, value_range=ValueRange.from_json(value_range)), images)
    dtype = None
    parts: list[NDArray[np.float16]] = []
    for batch in _batches(pixels):
        dtype = dtype or _faster(model, batch)
        parts.append(_features(model, batch, dtype))
        write_json(Path(progress), {"done": sum(map(len, parts))})
    with atomic_path(Path(output)) as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate(parts) if parts else np.zeros((0, 1), np.float16))


def _pixels(image: str, *, root: str, value_range: ValueRange | None) -> NDArray[np.uint8] | None:
    """The middle of an image, (SIDE, SIDE, 3), or None when it cannot be decoded."""
    try:
        return center_crop(load_pixels(read_image_bytes(root, image), size=SIDE, value_range=value_range), SIDE)
    except ImageError:
        return None


def _batches(pixels: Iterator[NDArray[np.uint8] | None]) -> Iterator[list[NDArray[np.uint8] | None]]:
    while batch := list(islice(pixels, _BATCH)):
        yield batch


def _features(model: ImageModel, batch: list[NDArray[np.uint8] | None], dtype: torch.dtype) -> NDArray[np.float16]:
    """(images, features)."""
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)
    stacked = np.stack([blank if pixels is None else pixels for pixels in batch])
    images = torch.from_numpy(stacked).permute(0, 3, 1, 2)  # channels last in memory as it is
    found = _forward(model, images, dtype).numpy()
    found[[pixels is None for pixels in batch]] = np.nan
    return found.astype(np.float16)


@torch.inference_mode()
def _forward(model: ImageModel, images: Tensor, dtype: torch.dtype) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        both = model.features(images) + model.features(images.flip(-1))
    return both.float() / 2


def _faster(model: ImageModel, batch: list[NDArray[np.uint8] | None]) -> torch.dtype:
    """The number format in which a batch takes less time; they take turns, where the processor has both."""
    if not computes_bfloat16():
        return torch.float32
    seconds = {torch.bfloat16: float("inf"), torch.float32: float("inf")}
    for round_ in range(_TRIALS + 1):
        for dtype, least in seconds.items():
            start = time.perf_counter()
            _features(model, batch, dtype)
            if round_:  # the first round warms up
                seconds[dtype] = min(least, time.perf_counter() - start)
    return min(seconds, key=lambda dtype: seconds[dtype])
