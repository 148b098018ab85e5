"""From the labelling queue into the data, and from a drift alarm into the labelling queue."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from automl_vision.core.errors import PipelineError
from automl_vision.data.dataset import Dataset
from automl_vision.data.joining import joined
from automl_vision.deployment.drift import DriftReport, check_drift, labelling_batch
from automl_vision.deployment.monitoring.labelling import LABELS_FILE, QUEUE_FILE
from automl_vision.deployment.online.endpoint_folder import Endpoints
from automl_vision.pipelines.context import PipelineContext
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.workspace.datasets import DatasetVersion
from automl_vision.workspace.label_queue import LINES_FILE, LabelQueue, QueuedPhoto

if TYPE_CHECKING:
    from automl_vision.labeling.project import LabelingProject


@dataclass(frozen=True)
class TakenLabels:
    """Labels that people have given, and what became of them.

    Attributes:
        count: how many the data did not have.
        least: how many the trigger waits for.
        version: of the data that has them; None if they were too few, or none of them could be used.
    """

    count: int
    least: int
    version: str | None

    @property
    def are_enough(self) -> bool:
        """Whether there were as many as the trigger waits for."""
        return self.count >= self.least

    @property
    def sentence(self) -> str:
        """What became of them, for people."""
        if not self.are_enough:
            return f"{self.count} new labels, {self.least} are wanted"
        if self.version is None:
            return "the new labels are in the data already"
        return f"{self.count} new labels are in {self.version}"


def take_enough_labels(context: PipelineContext) -> TakenLabels:
    """Register the data with the new labels as its next version, once there are as many as the trigger waits for.

    Raises:
        PipelineError: the data is not a registered dataset, which alone can get a next version.
        LabelingError: there is no such labelling project.
        LabelStudioError: its server does not answer.
    """
    count, least = new_labels(context), context.definition.triggers.labels_or_default.at_least
    return TakenLabels(count, least, take_labels(context) if count >= least else None)


def new_labels(context: PipelineContext) -> int:
    """How many labels people have given that the data does not have yet.

    Raises:
        PipelineError: the data is not a registered dataset, which alone can get a next version.
        LabelingError: there is no such labelling project.
        LabelStudioError: its server does not answer.
    """
    project = _labelling_project(context)
    return len(_new_photos(context)) if project is None else project.status().unpulled


def take_labels(context: PipelineContext) -> str | None:
    """Register the data with the new labels as its next version.

    Returns:
        The id of the version; None if there are no new labels.

    Raises:
        PipelineError: the data is not a registered dataset.
        LabelingError: there is no such labelling project.
        LabelStudioError: its server does not answer.
    """
    project = _labelling_project(context)
    if project is None:
        photos = _new_photos(context)
        return None if not photos else _with_photos(context, photos).id
    pulled = project.pull()
    return pulled.version if pulled.is_new else None


def _labelling_project(context: PipelineContext) -> LabelingProject | None:
    """The project that labels come from; None where they come from the queue of the studio."""
    _dataset(context)
    name = context.definition.triggers.labels_or_default.project
    if name is None:
        return None
    from automl_vision.labeling.project import LabelingProject  # only who has such projects has its extra

    return LabelingProject(name, workspace=context.workspace)


def _new_photos(context: PipelineContext) -> list[QueuedPhoto]:
    """The photos of the labelling queue that people labelled and that the data does not have."""
    version = context.workspace.datasets.get(_dataset(context))
    taken = {str(name).rpartition("/")[2] for name in Dataset.load(version).table["image"].to_pylist()}
    photos = context.workspace.label_queue.photos("corrected")
    of_task = [photo for photo in photos if photo.task == context.definition.task]
    return [photo for photo in of_task if Path(photo.file).name not in taken]


def _with_photos(context: PipelineContext, photos: list[QueuedPhoto]) -> DatasetVersion:
    """The next version of the data, with labelled photos of the queue."""
    registry = context.workspace.datasets
    version = registry.get(_dataset(context))
    task, ids = context.definition.task, {photo.id for photo in photos}
    folder = context.store.place("labels", f"{time.time_ns()}")  # anew: labels may have changed since an earlier try
    context.workspace.label_queue.export(folder, task, ids=ids)
    labelled = Dataset.open(folder / LINES_FILE, task=task, is_part=True)
    together = joined(Dataset.load(version), labelled)
    return registry.register(
        together, version.name, description=f"{len(photos)} labels of the queue", parent=version.id
    )


def _dataset(context: PipelineContext) -> str:
    """Name of the registered dataset that the pipeline takes."""
    data = context.definition.data.partition(":")[0]
    if "/" in data or data not in context.workspace.datasets.names():
        raise PipelineError(
            f"labels become the next version of a registered dataset, and {context.definition.data} is a path; "
            "register it with: automl-vision data register PATH NAME, and give its name as data"
        )
    return data


def watch_endpoint(context: PipelineContext) -> tuple[DriftReport, int]:
    """Test whether what the endpoint sees has changed; if so, put photos that are worth labelling into the queue.

    Returns:
        The report, and how many photos were put into the queue.

    Raises:
        PipelineError: the pipeline has no endpoint.
        MonitoringError: no image was kept that could be labelled.
    """
    definition = context.definition
    if definition.endpoint is None:
        raise PipelineError(f"the pipeline {definition.name} names no endpoint, so there is nothing to watch")
    trigger = definition.triggers.drift_or_default
    folder = Endpoints(context.workspace.path).get(definition.endpoint)
    report = check_drift(folder, level=trigger.level)
    if not report.is_alarm:
        return report, 0
    with tempfile.TemporaryDirectory() as temporary:
        batch = Path(temporary) / "batch"
        labelling_batch(folder, batch, report.deployment, count=trigger.to_label)
        deployment = folder.definition().deployment(report.deployment)
        model = ModelDescription.load(folder.model_folder(deployment))
        return report, _queued(context.workspace.label_queue, batch, model, report.model)


def _queued(queue: LabelQueue, batch: Path, model: ModelDescription, name: str) -> int:
    """Put a batch into the queue with what the model said; photos that are there already stay as they are."""
    waiting = {photo.id for photo in queue.photos()}
    lines = [json.loads(line) for line in (batch / LABELS_FILE).read_text(encoding="utf-8").splitlines()]
    requests = pq.read_table(batch / QUEUE_FILE)["request"].to_pylist()
    added = 0
    for line, request in zip(lines, requests, strict=True):
        data, label = (batch / line["image_url"]).read_bytes(), line["label"]
        names = [label] if isinstance(label, str) else label
        predicted = [each["label"] if isinstance(each, dict) else each for each in names]
        objects = [each for each in names if isinstance(each, dict)]
        boxes = [{"label": each["label"], "score": 1.0, **_place(each)} for each in objects]
        photo = queue.describe(
            data, name=str(request), model=name, task=model.task, classes=list(model.classes),
            prediction={"boxes": boxes} if boxes else {}, predicted=list(dict.fromkeys(predicted)),
        )  # fmt: skip
        if photo.id not in waiting:
            queue.add(data, photo)
            waiting.add(photo.id)
            added += 1
    return added


def _place(found: dict[str, object]) -> dict[str, object]:
    """Where an object is, as a prediction says it."""
    if "polygon" in found:
        return {"polygon": found["polygon"]}
    return {"box": {name: found[name] for name in ("topX", "topY", "bottomX", "bottomY")}}
