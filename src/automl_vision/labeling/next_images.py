"""What to label next: the images whose labels would teach a model most, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.image_list import ImageList
from automl_vision.data.scan import Progress
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.value_range import ValueRange
from automl_vision.doctor.features import FeatureStore
from automl_vision.doctor.label_errors import principal_components
from automl_vision.experiment.linear_probe import STRENGTHS, fit_for
from automl_vision.formats.listing import list_images
from automl_vision.labeling.choosing import Chosen, choose, doubt_of, shares_of
from automl_vision.labeling.doubts import LEAST_SCORE, Doubts
from automl_vision.labeling.pool import Location, Pool, open_pool, require_images
from automl_vision.labeling.queue import LabelingQueue, QueuedImage
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import ObjectPrediction, Prediction
from automl_vision.serving.predictor import Predictor

Floats = NDArray[np.float64]

COVER, UNSURE = "cover", "unsure"
"""Groups of a queue: images that stand for many others, and images that the model is unsure about."""

STRENGTH = STRENGTHS[1]
"""Inverse penalty of the probe; few labels are too few to choose one by."""

Reason = tuple[str, str, tuple[float, float, float, float] | None]
"""Group, sentence and tile."""

_NAMED = 3  # labels of an image, in a reason


def label_next(
    data: Location,
    *,
    model: str | PathLike[str] | None = None,
    labelled: Dataset | str | PathLike[str] | None = None,
    unlabelled: bool = False,
    count: int = 100,
    cache: Path | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> LabelingQueue:
    """Choose the images to label next, the most useful first, each with the reason.

    Half of them stand for many others, and half are those that a model is unsure about: by its calibrated
    probabilities, or without a model by a linear probe on the labels that are there. Without labels all stand for
    others. Images that resemble labelled ones, or each other, are left for later. See `labeling.choosing` for the rule
    and its sources.

    Args:
        data: folder, list of images, archive, URL, or a dataset whose images all wait for a label. Of a folder that has
            labels, the images without one; see `labeling.pool.open_pool`.
        model: a model folder.
        labelled: what is labelled already, or what `Dataset.open` takes; None takes the labels in `data`, if any.
        unlabelled: whether all images of `data` wait for a label, whatever their folders are called.
        count: how many images, at most; at least 1.
        cache: folder for features; None uses the user's cache.
        threads: cores for the model; 0 uses all.
        progress: called with (steps done, steps in all); an image counts once for its features and once for the model.

    Raises:
        DataError: there is no image without a label, or `count` is below 1.
        FeaturesUnavailableError: features cannot be computed on this machine.
        ModelFolderError: the folder is not a usable model folder.
    """
    if count < 1:
        raise DataError(f"count is at least 1, not {count}")
    known = labelled if isinstance(labelled, Dataset) or labelled is None else Dataset.open(labelled)
    if unlabelled and not isinstance(data, Dataset | ImageList):
        data = list_images(data, labels=False)
    pool, known = open_pool(data, known)
    require_images(pool, getattr(data, "root", data))
    steps = _Steps(progress, len(pool) * (1 if model is None else 2))
    view = _viewed(pool, known, cache, steps)
    if model is not None:
        return _by_model(view, Path(model), count, threads, steps)
    if known is not None and not has_objects(known.task):
        return _by_probe(view, known, count)
    task = "" if known is None else known.task
    return _queue(view, choose(view.inputs, count, labelled=view.labelled), task=task)


class _Steps:
    """One progress over several passes."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def report(self, done: int, _: int) -> None:
        """Report within a pass."""
        if self._progress is not None:
            self._progress(min(self._before + done, self._total), self._total)

    def finish(self, count: int) -> None:
        """A pass over some images is over."""
        self._before += count
        self.report(0, 0)


@dataclass(frozen=True)
class _View:
    """The pool and the labelled images in the same components.

    Attributes:
        pool: images that have features.
        inputs: (pool, components).
        labelled: (labelled, components); None without any.
        rows: of the labelled images in their dataset.
    """

    pool: Pool
    inputs: Floats
    labelled: Floats | None
    rows: NDArray[np.int64]


def _viewed(pool: Pool, known: Dataset | None, cache: Path | None, steps: _Steps) -> _View:
    store = FeatureStore(cache)
    range_: ValueRange | None = None if known is None else known.value_range
    own = store.features(pool.root, pool.images, pool.digests, value_range=range_, progress=steps.report)
    steps.finish(len(pool))
    rows, theirs = np.zeros(0, np.int64), np.zeros((0, own.shape[1]), np.float32)
    if known is not None:
        rows = np.flatnonzero(known.splits != LEFT_OUT)
        images, digests = (known.table[name].take(rows).to_pylist() for name in ("image", "digest"))
        theirs = store.features(known.root, images, digests, value_range=range_)
        rows, theirs = rows[np.isfinite(theirs).all(axis=1)], theirs[np.isfinite(theirs).all(axis=1)]
    readable = np.flatnonzero(np.isfinite(own).all(axis=1))
    if not len(readable):
        raise DataError("no image of the pool can be decoded")
    inputs = principal_components(np.concatenate([own[readable], theirs]))
    labelled = inputs[len(readable) :] if len(rows) else None
    return _View(pool.take(readable), inputs[: len(readable)], labelled, rows)


def _by_probe(view: _View, known: Dataset, count: int) -> LabelingQueue:
    """By a linear probe on the labels that are there; by cover alone where they are too few for one."""
    one = TASKS[known.task].one_label
    truth = known.targets[view.rows]
    if view.labelled is None or (truth.any(axis=0).sum() if one else truth.any()) < (2 if one else 1):
        return _queue(view, choose(view.inputs, count, labelled=view.labelled), task=known.task)
    predict = fit_for(one_label=one)(view.labelled, truth, STRENGTH)
    return _by_chances(view, predict(view.inputs), known.classes, task=known.task, count=count)


def _by_model(view: _View, model: Path, count: int, threads: int, steps: _Steps) -> LabelingQueue:
    """By the calibrated predictions of a packaged model."""
    description = ModelDescription.load(model)
    of_objects = description.objects is not None
    predictor = Predictor(model, threads=threads, score_threshold=LEAST_SCORE if of_objects else None)
    found, at = [], []
    readers = [lambda i=i: view.pool.read(i) for i in range(len(view.pool))]
    for i, prediction in enumerate(predictor.stream_all(readers)):
        steps.report(i + 1, 0)
        if not isinstance(prediction, ImageError):
            found.append(prediction)
            at.append(i)
    kept = np.array(at, np.intp)
    view = _View(view.pool.take(kept), view.inputs[kept], view.labelled, view.rows)
    if not found:
        raise DataError("the model can read no image of the pool")
    if of_objects:
        objects = [prediction.objects for prediction in found if isinstance(prediction, ObjectPrediction)]
        doubts = Doubts.of(Detections.join(objects), description.thresholds, description.classes)
        return _by_doubts(view, doubts, description, count)
    chances = np.stack([prediction.probs for prediction in found if isinstance(prediction, Prediction)])
    return _by_chances(view, chances, description.classes, task=description.task, count=count)


def _by_chances(view: _View, chances: Floats, classes: Sequence[str], *, task: str, count: int) -> LabelingQueue:
    """By the probabilities of classes, (pool, classes)."""
    one = TASKS[task].one_label
    chosen = choose(view.inputs, count, doubt=doubt_of(chances, one_label=one), labelled=view.labelled)

    def reason(i: int) -> Reason:
        return UNSURE, _hesitation(chances[i], classes, one_label=one), None

    return _queue(view, chosen, reason, task=task)


def _hesitation(chances: Floats, classes: Sequence[str], *, one_label: bool) -> str:
    if one_label:
        first, second = np.argsort(-chances)[:2].tolist()
        return f"unsure between {classes[first]} ({chances[first]:.0%}) and {classes[second]} ({chances[second]:.0%})"
    doubtful = np.argsort(np.abs(chances - 0.5), kind="stable")[:_NAMED].tolist()
    return f"unsure whether it shows {', '.join(f'{classes[i]} ({chances[i]:.0%})' for i in doubtful)}"


def _by_doubts(view: _View, doubts: Doubts, description: ModelDescription, count: int) -> LabelingQueue:
    """By the doubts of a detector."""
    chosen = choose(view.inputs, count, doubt=shares_of(doubts.of_images()), labelled=view.labelled)
    canvas = description.preprocessing.input_size

    def reason(i: int) -> Reason:
        width, height = view.pool.sizes[i].tolist()
        return doubts.group(i), doubts.reason(i), doubts.tile(i, (width, height), canvas)

    return _queue(view, chosen, reason, task=description.task)


def _cover(view: _View, stands_for: int) -> Reason:
    """The reason of an image that was chosen for what resembles it."""
    others = stands_for - 1
    known = "" if view.labelled is None else ", unlike those that are labelled"
    if others < 1:
        return COVER, f"unlike the other images{known}", None
    return COVER, f"stands for {others} similar image{'s' if others > 1 else ''}{known}", None


def _queue(view: _View, chosen: Chosen, reason: Callable[[int], Reason] | None = None, *, task: str) -> LabelingQueue:
    """The chosen images with their reasons.

    Args:
        view: of the images.
        chosen: of them.
        reason: of an image that was chosen for the model's doubt.
        task: of the labels.
    """
    images = []
    for i, score, by_doubt, alike in zip(*(column.tolist() for column in vars(chosen).values()), strict=True):
        group, sentence, tile = reason(i) if reason is not None and by_doubt else _cover(view, alike)
        images.append(QueuedImage(view.pool.images[i], sentence, group, score, tile))
    return LabelingQueue(tuple(images), view.pool.root, task, view.pool.notes)
