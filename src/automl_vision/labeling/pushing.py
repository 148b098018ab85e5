"""Sending a project what its server lacks: tasks in the order of the queue, predictions, links that have expired."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from automl_vision.core.errors import ImageError
from automl_vision.data.scan import Progress
from automl_vision.deployment.label_studio import labeling_predictor, shown_prediction
from automl_vision.labeling.addresses import AddressError, Addresses, is_expiring
from automl_vision.labeling.records import ProjectRecord, Pushed, WantedImage
from automl_vision.labeling.server_project import ServerProject
from automl_vision.labeling.task_reading import DIGEST, as_data
from automl_vision.storage.access import read_image_bytes

_BATCH = 50  # tasks per request: what a crash may cost, and how many images are in memory
_RENEWED_AFTER = 24 * 3600  # seconds; links are signed for a week

Predict = Callable[[Sequence[WantedImage]], list[dict[str, Any] | None]]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class _Task:
    """What is kept of a task on the server.

    Attributes:
        number: of the task.
        data: of the task.
        models: names of those that predicted.
        label: number and results of the prediction that shows the label of the dataset; None without one.
    """

    number: int
    data: dict[str, Any]
    models: frozenset[str]
    label: tuple[int, list[Any]] | None


def push(
    project: ServerProject,
    record: ProjectRecord,
    wanted: Sequence[WantedImage],
    *,
    model: tuple[str, Path] | None = None,
    progress: Progress | None = None,
) -> Pushed:
    """Send what the server lacks; what is there by its contents is not sent again.

    Args:
        project: on the server.
        record: of the project.
        wanted: images in order.
        model: name and folder of the model whose predictions are shown; None shows the dataset's labels.
        progress: called with (images done, images in all).
    """
    addresses, problems = Addresses(Path(record.files), urlsplit(record.server).path), dict[str, str]()
    project.offer(record.classes)  # first: the server drops predictions of classes that cannot be chosen
    for root in record.roots:
        project.serve_files(Path(root))
    labels_of = f"labels of {record.dataset}"
    there = _tasks_by_digest(project, labels_of)
    predict = None if model is None else _predict_with(*model, problems)
    sent = _add_missing(project, wanted, there, addresses, labels_of, predict, problems, progress)
    added = _add_predictions(project, wanted, there, labels_of, model[0] if model else None, predict)
    renewed = _renew_links(project, wanted, there, addresses, problems)
    if model or any(one.labels for one in wanted):  # the server refuses a version that no prediction has
        project.set(model_version=model[0] if model else labels_of)
    if any(one.reason or one.score is not None for one in wanted):
        project.order_by_rank()
    return Pushed(sent, added, renewed, problems)


def _tasks_by_digest(project: ServerProject, labels_of: str) -> dict[str, _Task]:
    found = {}
    for task in project.predicted_tasks():
        data, predictions = as_data(task), task.get("predictions") or []
        label = next(((each["id"], each["result"]) for each in predictions if each["model_version"] == labels_of), None)
        models = frozenset(str(each["model_version"]) for each in predictions)
        found[str(data.get(DIGEST))] = _Task(int(task["id"]), data, models, label)
    return found


def _add_missing(
    project: ServerProject,
    wanted: Sequence[WantedImage],
    there: dict[str, _Task],
    addresses: Addresses,
    labels_of: str,
    predict: Predict | None,
    problems: dict[str, str],
    progress: Progress | None,
) -> int:
    """Add the images that the server lacks; returns how many."""
    shown = []
    for rank, one in enumerate(wanted):
        if one.digest in there:
            continue
        try:
            shown.append((one, _data(one, rank, addresses.of(one.location))))
        except AddressError as error:
            problems[one.image] = str(error)
    if shown and shown[0][1]["image"].startswith("/"):
        project.require_image(shown[0][1]["image"])
    done = 0
    for batch in _batches(shown):
        images = [one for one, _ in batch]
        predicted = [None] * len(batch) if predict is None else predict(images)
        project.add_tasks(
            [
                {"data": data, "predictions": [each for each in (entry, _label(one, labels_of)) if each is not None]}
                for (one, data), entry in zip(batch, predicted, strict=True)
            ]
        )
        done += len(batch)
        if progress:
            progress(done, len(shown))
    return len(shown)


def _data(one: WantedImage, rank: int, address: str) -> dict[str, Any]:
    """The data of a task."""
    data = {
        "image": address, DIGEST: one.digest, "reference": one.image, "rank": rank, "reason": one.reason,
        "group": one.group, "split": one.split, "score": one.score,
    }  # fmt: skip
    return {**data, "signed": int(time.time())} if is_expiring(address) else data


def _label(one: WantedImage, labels_of: str) -> dict[str, Any] | None:
    """The label that an image has in the dataset, as a prediction that people may take over."""
    return {"result": one.labels, "score": 1.0, "model_version": labels_of} if one.labels else None


def _add_predictions(
    project: ServerProject,
    wanted: Sequence[WantedImage],
    there: dict[str, _Task],
    labels_of: str,
    model: str | None,
    predict: Predict | None,
) -> int:
    """Add predictions that tasks lack, and replace labels that are others by now; returns how many were added."""
    present = [(one, there[one.digest]) for one in wanted if one.digest in there]
    added = 0
    if predict is not None:
        for batch in _batches([(one, task) for one, task in present if model not in task.models]):
            predicted = predict([one for one, _ in batch])
            pairs = zip(batch, predicted, strict=True)
            entries = [{**entry, "task": task.number} for (_, task), entry in pairs if entry is not None]
            added += project.add_predictions(entries)
    changed = [(one, task) for one, task in present if one.labels != (task.label[1] if task.label else [])]
    for batch in _batches(changed):
        entries = [
            {**entry, "task": task.number} for one, task in batch if (entry := _label(one, labels_of)) is not None
        ]
        added += project.add_predictions(entries)  # first, so that a crash leaves one too many, never none
        for _, task in batch:
            if task.label is not None:
                project.remove_prediction(task.label[0])
    return added


def _renew_links(
    project: ServerProject,
    wanted: Sequence[WantedImage],
    there: dict[str, _Task],
    addresses: Addresses,
    problems: dict[str, str],
) -> int:
    """Sign links anew that are a day old; returns how many."""
    renewed = 0
    for one in wanted:
        task = there.get(one.digest)
        signed = None if task is None else task.data.get("signed")
        if task is None or signed is None or time.time() - signed < _RENEWED_AFTER:
            continue
        try:
            changed = {"image": addresses.of(one.location), "signed": int(time.time())}
        except AddressError as error:
            problems[one.image] = str(error)
            continue
        project.change_data(task.number, {**task.data, **changed})
        renewed += 1
    return renewed


def _predict_with(name: str, folder: Path, problems: dict[str, str]) -> Predict:
    """Predicts images as Label Studio shows it; None for an image that cannot be read.

    The network is opened with the first images, for most calls have none.
    """
    opened = cache(partial(labeling_predictor, folder))

    def predict(images: Sequence[WantedImage]) -> list[dict[str, Any] | None]:
        files: list[bytes] = []
        found: list[dict[str, Any] | None] = [None] * len(images)
        places = []
        for place, one in enumerate(images):
            try:
                files.append(read_image_bytes("/", one.location))
                places.append(place)
            except ImageError as error:
                problems[one.image] = str(error)
        predictor = opened()
        for place, prediction in zip(places, predictor(files, unreadable="return"), strict=True):
            if isinstance(prediction, ImageError):
                problems[images[place].image] = str(prediction)
            else:
                found[place] = shown_prediction(prediction, predictor.description.task, name)
        return found

    return predict


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
