"""How many more labels: a dataset's learning curve, and what it says of labels to come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.experiment.probed import probed
from automl_vision.labeling.learning_curve import LEVEL, LearningCurve
from automl_vision.labeling.probed_curve import probed_curve
from automl_vision.labeling.trained_curve import trained_curve


def learning_curve(
    dataset: Dataset,
    *,
    model: str | None = None,
    settings: Mapping[str, Any] | None = None,
    level: float = LEVEL,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> LearningCurve:
    """How a dataset's metric grows with its labels, and how many more bring a wanted gain.

    Without a model it is the metric of a linear probe on frozen features, in seconds; with one, of a few short
    trainings of it. The metrics are measured on the validation images; if there are none, some are held out.

    Args:
        dataset: labelled.
        model: name of an algorithm, as `list_models` has it; objects need one.
        settings: hyperparameters of the trainings.
        level: how often the intervals are meant to hold what comes out, in (0, 1).
        seed: of the parts that are learned from.
        cache: folder for features; None uses the user's cache.
        progress: called with (images done, images in all), or trainings.

    Raises:
        DataError: there are too few labels, the level is not in (0, 1), or objects are labelled and no model is named.
        UnknownModelError: the task has no such algorithm.
        FeaturesUnavailableError: features cannot be computed on this machine.
        TrialError: a training failed.
    """
    if not 0 < level < 1:
        raise DataError(f"level is how often an interval holds what comes out, above 0 and below 1, not {level:g}")
    if model is not None:
        return trained_curve(dataset, model, settings=settings, level=level, seed=seed, progress=progress)
    if has_objects(dataset.task):
        raise DataError(
            f"a curve of {dataset.task} takes trainings; name an algorithm with model, such as those of: "
            f"automl-vision models --task {dataset.task}"
        )
    return probed_curve(probed(dataset, cache=cache, progress=progress), dataset.classes, level=level, seed=seed)
