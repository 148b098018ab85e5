"""What a model saw on its validation images, for later comparison with what it sees where it is deployed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError
from automl_vision.core.threads import map_in_order
from automl_vision.data.dataset import Dataset
from automl_vision.packaging.finished_trial import FinishedTrial
from automl_vision.serving.device import usable_cores
from automl_vision.serving.observations import Observations, Observer, Reference
from automl_vision.serving.processors import Inputs
from automl_vision.storage.access import read_image_bytes

_MOST_IMAGES = 400
_SECONDS = 8.0  # the images come in random order, so that fewer of them are as good a sample
_LEAST_IMAGES = 50  # however long they take


def write_reference(folder: Path, finished: FinishedTrial, *, seconds: float = _SECONDS) -> None:
    """Observe validation images with the exported network, and write what is kept of them into the model folder.

    A model that was trained on them too is surer of them than of new ones; then test images are observed, if there are
    any.

    Args:
        folder: of the model.
        finished: the trial that it is made of.
        seconds: after which no further image is observed, once there are 50.
    """
    split = "test" if finished.result.refit_epochs is not None and "test" in finished.cases else "val"
    cases, rows = finished.cases[split], finished.predictions.of_split(split).rows
    shown, count = cases.candidates.shown(cases.score_thresholds), len(rows)
    judged = {
        "answers": np.bincount(shown.image, minlength=count),
        "right": np.bincount(shown.image[shown.right], minlength=count),
        "confidence": np.bincount(shown.image, shown.score, minlength=count),
    }
    order = np.random.default_rng(0).permutation(count)[:_MOST_IMAGES]
    positions, found = [], []
    for position, observations in _observed(folder, finished.dataset, rows, order, time.monotonic() + seconds):
        positions.append(position)
        found.append(observations)
    if found:
        values = {name: each[positions].astype(np.float32) for name, each in judged.items()}
        Reference(Observations.join(found), **values).save(folder)


def _observed(
    folder: Path, dataset: Dataset, rows: NDArray[np.int64], order: NDArray[np.int64], end: float
) -> Iterator[tuple[int, Observations]]:
    """Positions of images among the rows, and what is kept of them, until the time is up."""
    observer = Observer(folder, threads=0)
    images = dataset.table["image"]

    def inputs(position: int) -> tuple[int, Inputs | None]:
        with suppress(ImageError):  # gone since the training
            return position, observer.processor.preprocess(
                read_image_bytes(dataset.root, images[int(rows[position])].as_py())
            )
        return position, None

    cores = usable_cores()
    for number, (position, each) in enumerate(map_in_order(inputs, order.tolist(), threads=cores, window=2 * cores)):
        if number >= _LEAST_IMAGES and time.monotonic() > end:
            return
        if each is not None:
            yield position, observer.observe(each)[0]
