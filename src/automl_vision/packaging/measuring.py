"""Latency and size of a trial's exported network: of a finished trial that is not packaged, and before any training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automl_vision.core.records import BatchLatency, Speed
from automl_vision.data.dataset import Dataset
from automl_vision.models.registry import create_model
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.packaging.finished_trial import read_finished_trial, to_export
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.device import processor_name, usable_cores
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictor import ImageSource
from automl_vision.serving.speed import BATCHES, measure_latency
from automl_vision.tasks.task import create_task

_IMAGES = max(BATCHES)
_THREADS = 1


def measure_trial(trial: str | Path, scratch: Path) -> Speed:
    """Export a finished trial's network, measure it on real validation images, and delete the export.

    The file is that of the first exporter, which the predictor uses. Whether it predicts the same as the trained
    network is not compared; packaging does that.

    Args:
        trial: folder of the trial, which gets `speed.json`.
        scratch: folder for the export; what an interrupted measurement left in it is deleted.

    Raises:
        PackagingError: the trial is not finished, cannot be exported, or its images are gone.
        ModelFolderError: the trial does not describe its network, or its weights belong to another one.
    """
    finished = read_finished_trial(trial)
    images = list(finished.validation_files(_IMAGES).values())
    exported = to_export(finished.task, finished.model)
    return _measured(exported, finished.describe({}), images, scratch, finished.folder)


def measure_planned(spec: TrialSpec, scratch: Path) -> Speed:
    """Export the network that a trial would train, measure it, and delete the export.

    Its weights are random and its image is grey, for neither changes how long it takes: docs/decisions/0035.

    Args:
        spec: of the trial, whose folder gets `speed.json`.
        scratch: folder for the export; what an interrupted measurement left in it is deleted.

    Raises:
        PackagingError: the network cannot be exported.
        UnknownModelError: the package that has the algorithm is not installed.
    """
    dataset = Dataset.load(spec.manifest)
    untrained = spec.hyperparameters.model_copy(update={"pretrained": False, "weights": None})
    model = create_model(
        spec.model_name,
        task=spec.task,
        classes=len(dataset.classes),
        hyperparameters=untrained,
        geometry=spec.geometry,
    )
    model.network.eval()
    task = create_task(spec.task, dataset, spec.hyperparameters, spec.geometry)
    preprocessing = task.deployment.preprocessing(model.normalization)
    description = ModelDescription(
        task=spec.task,
        classes=dataset.classes,
        preprocessing=preprocessing,
        temperature=1.0,
        thresholds=(),
        model_name=spec.model_name,
        architecture=model.description.architecture,
        objects=task.deployment.object_settings,
    )
    grey = np.full((*preprocessing.input_size, 3), 114, np.uint8)
    return _measured(to_export(task, model), description, [grey], scratch, Path(spec.folder))


def _measured(
    exported: Exported, description: ModelDescription, images: Sequence[ImageSource], scratch: Path, folder: Path
) -> Speed:
    """Export a network into a scratch folder, measure it, and write `speed.json` into a folder."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        runtime, exporter = next(iter(EXPORTERS.items()))
        file = exporter.export(exported, scratch)
        description.save(scratch)
        speed = measure_exported(scratch, file, images, runtime=runtime)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    speed.save(folder)
    return speed


def measure_exported(folder: Path, file: Path, images: Sequence[ImageSource], *, runtime: str) -> Speed:
    """Measure an exported network with one thread: the figure that load and core count of a machine change least.

    Args:
        folder: of the model.
        file: the exported network.
        images: the first 8 are used.
        runtime: that loads the file.
    """
    times = measure_latency(folder, images[:_IMAGES], threads=_THREADS, runtime=runtime)
    batches = {
        batch: BatchLatency(median_ms=each.median_ms, p95_ms=each.p95_ms, repetitions=each.repetitions)
        for batch, each in times.items()
    }
    return Speed(
        runtime=runtime,
        threads=_THREADS,
        batches=batches,
        bytes=file.stat().st_size,
        cpu=processor_name(),
        cores=usable_cores(),
    )
