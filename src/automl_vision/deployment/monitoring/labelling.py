"""Which images of a stream are most worth labelling, written out with the model's predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from automl_vision.core.files import write_text
from automl_vision.core.tasks import TASKS
from automl_vision.deployment.monitoring.comparison import mean_confidence
from automl_vision.deployment.monitoring.store import MonitoringError, Sample
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.two_sample import squared_distances, whitened
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.observations import Observations, Reference

LABELS_FILE, QUEUE_FILE, IMAGES_FOLDER = "labels.jsonl", "queue.parquet", "images"
_NEIGHBOURS = 5


@dataclass(frozen=True)
class _Chosen:
    sample: Sample
    reason: str
    value: float


def write_batch(
    samples: Sequence[Sample], reference: Reference, description: ModelDescription, destination: Path, *, count: int
) -> int:
    """Write the images most worth labelling; see `deployment.drift.labelling_batch`.

    Args:
        samples: with their images.
        reference: of the model that predicted.
        description: of the model.
        destination: a folder that does not exist yet, or is empty.
        count: how many images, at most.

    Raises:
        MonitoringError: the folder is not empty.
    """
    if destination.exists() and any(destination.iterdir()):
        raise MonitoringError(f"{destination} is not empty; name a folder that does not exist yet")
    chosen = _chosen(samples, reference)[:count]
    (destination / IMAGES_FOLDER).mkdir(parents=True, exist_ok=True)
    lines, rows = [], []
    for number, each in enumerate(chosen):
        name = f"{IMAGES_FOLDER}/{number:04d}.jpg"
        assert each.sample.image is not None
        (destination / name).write_bytes(each.sample.image)
        lines.append(json.dumps({"image_url": name, "label": _label(each.sample.prediction, description)}))
        rows.append(
            {
                "image": name,
                "reason": each.reason,
                "value": each.value,
                "time": each.sample.time,
                "request": each.sample.request,
                "predicted": each.sample.prediction["predicted"],
            }
        )
    write_text(destination / LABELS_FILE, "".join(f"{line}\n" for line in lines))
    pq.write_table(pa.Table.from_pylist(rows), destination / QUEUE_FILE)
    return len(rows)


def _chosen(samples: Sequence[Sample], reference: Reference) -> list[_Chosen]:
    """All samples, in turns the least certain and the least known one that is left."""
    new = Observations.join([each.observations for each in samples])
    unsure, unknown = _unsure(new), _unknown(reference.observations, new)
    found: dict[int, _Chosen] = {}
    by_doubt, by_novelty = (np.argsort(-each, kind="stable").tolist() for each in (unsure, unknown))
    for doubtful, novel in zip_longest(by_doubt, by_novelty):
        found.setdefault(doubtful, _Chosen(samples[doubtful], "the model is unsure", float(unsure[doubtful])))
        found.setdefault(novel, _Chosen(samples[novel], "unlike the validation images", float(unknown[novel])))
    return list(found.values())


def _unsure(new: Observations) -> Floats:
    """(images,), 1 less the mean probability or score of an image's answers; 0 where there is none."""
    return np.nan_to_num(1 - mean_confidence(new), nan=0.0)


def _unknown(old: Observations, new: Observations) -> Floats:
    """(images,), distance to the 5th nearest validation image, in units of the usual one among those."""
    if not new.features.shape[1]:
        return np.zeros(len(new))
    points = whitened(Observations.join([old, new]).features.astype(np.float64))
    known, others = points[: len(old)], points[len(old) :]
    k = min(_NEIGHBOURS, len(known) - 1)
    among, beyond = (np.sort(np.sqrt(squared_distances(each, known)), axis=1) for each in (known, others))
    usual = float(np.median(among[:, k])) or 1.0
    return np.asarray(beyond[:, max(k - 1, 0)] / usual)


def _label(prediction: dict[str, Any], description: ModelDescription) -> Any:
    """A prediction as the label of a JSON line."""
    if "boxes" not in prediction:
        predicted = prediction["predicted"]
        return predicted if TASKS[description.task].kind == "labels" else predicted[0]
    return [
        {"label": each["label"], **({"polygon": each["polygon"]} if "polygon" in each else each["box"]), "isCrowd": 0}
        for each in prediction["boxes"]
    ]
