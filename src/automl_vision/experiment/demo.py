"""The main job on real images: train within a budget, show the leaderboard, predict images that it was not trained on.

Without data it learns to inspect textiles: 2,000 photos of fabric that is flawless, has a local fault, or a global one,
from the PyPI package conformal-clip-data (MIT).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.core.errors import MissingPackageError
from automl_vision.core.files import link_or_copy
from automl_vision.core.late import optional_package
from automl_vision.data.dataset import Dataset
from automl_vision.data.drawing import Tile, class_colours, draw_grid
from automl_vision.data.object import Object
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.experiment import Experiment
from automl_vision.experiment.run import Run
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction
from automl_vision.serving.predictor import Predictor
from automl_vision.workspace.workspace import Workspace

PICTURE = "predictions.png"
"""In the folder of the run, where no other file is wanted."""

_SHOWN, _COLUMNS = 9, 3  # images in the picture


@dataclass(frozen=True)
class Shown:
    """A prediction of an image that the model was not trained on.

    Attributes:
        image: its path, relative to the data.
        truth: what it is labelled with, for people.
        said: what the model says, for people.
        is_right: whether they agree; None for objects, which a person has to look at.
    """

    image: str
    truth: str
    said: str
    is_right: bool | None


@dataclass(frozen=True)
class Demo:
    """What a demo did.

    Attributes:
        run: that trained.
        picture: of the predictions.
        predictions: of as many images, of different parts of the data.
    """

    run: Run
    picture: Path
    predictions: tuple[Shown, ...]


def run_demo(
    workspace: Workspace,
    data: Path | None = None,
    *,
    minutes: float = 4.0,
    picture: Path | None = None,
    say: Callable[[str], None] = print,
) -> Demo:
    """Train on real images within a budget, and predict some that the model was not trained on.

    Args:
        workspace: where.
        data: labelled images in any known format; None takes the textile photos.
        minutes: for the whole run.
        picture: file that the predictions are drawn into; None draws them in the folder of the run.
        say: called with what to tell of the data.

    Raises:
        MissingPackageError: the photos are not installed.
        DataError: the data cannot be used.
        RunFailedError: no model could be trained.
    """
    dataset = Dataset.open(data or textile_images(workspace.path / "demo-images"), allow_outside=data is None)
    say(str(dataset))
    config = AutoMLVisionConfig(task=dataset.task, training_data=dataset, experiment_timeout_hours=minutes / 60)
    run = Experiment(workspace, "demo").submit(config)
    run.wait_for_completion(show_output=True)
    return _shown(run, picture or run.folder.path / PICTURE)


def textile_images(folder: Path) -> Path:
    """Links to the photos of the package, one folder a class.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        textiles: Any = optional_package("conformal_clip_data")
    except MissingPackageError:
        raise MissingPackageError(
            "the photos of the demo are not installed. Install them with: pip install 'automl-vision[demo]', or name "
            "images of your own with --data"
        ) from None
    sources = {
        "flawless": textiles.nominal_dir(),
        "local fault": textiles.local_dir(),
        "global fault": textiles.global_dir(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        photos = folder / name
        if photos.is_symlink():  # the package may have moved
            photos.unlink()
        if not photos.exists():
            link_or_copy(Path(source), photos)
    return folder


def _shown(run: Run, picture: Path) -> Demo:
    """The predictions of a run's model, and a picture of them."""
    dataset = Dataset.load(run.folder.manifest)
    held_out = [row for row, split in enumerate(dataset.splits) if split in ("val", "test")]
    count = min(_SHOWN, len(held_out))
    rows = [held_out[i * len(held_out) // count] for i in range(count)]
    found = Predictor(run.model_path)([dataset[row].read() for row in rows])
    shown, tiles = [], []
    for row, prediction in zip(rows, found, strict=True):
        one = _compared(dataset, row, prediction)
        shown.append(one)
        tiles.append(_tile(dataset, row, prediction, one))
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw_grid(tiles, class_colours(dataset.classes), columns=_COLUMNS).save(picture)
    return Demo(run, picture, tuple(shown))


def _compared(dataset: Dataset, row: int, prediction: AnyPrediction) -> Shown:
    image = str(dataset.table["image"][row].as_py())
    if isinstance(prediction, ObjectPrediction):
        truth = f"{len(dataset.table['objects'][row])} labelled" if "objects" in dataset.table.column_names else ""
        return Shown(image, truth, prediction.label or "nothing", None)
    labels = [str(label) for label in dataset.table["labels"][row].as_py()]
    said = f"{prediction.label or '(none)'} ({prediction.confidence:.1%})"
    return Shown(image, ", ".join(labels) or "(none)", said, set(labels) == set(prediction.predicted))


def _tile(dataset: Dataset, row: int, prediction: AnyPrediction, shown: Shown) -> Tile:
    """An image with what is said of it, and the objects that were found."""
    photo = dataset[row].image()
    mark = {True: "✓ ", False: "✗ ", None: ""}[shown.is_right]
    objects, scores = [], []
    if isinstance(prediction, ObjectPrediction):
        boxes = prediction.objects.boxes.tolist()
        objects = [Object(label, tuple(box)) for label, box in zip(prediction.predicted, boxes, strict=True)]
        scores = prediction.objects.scores.tolist()
    note = f"labelled {shown.truth}" if shown.is_right is not None else shown.truth
    return Tile(np.asarray(photo), photo.size, f"{mark}{shown.said}", note, objects, scores)
