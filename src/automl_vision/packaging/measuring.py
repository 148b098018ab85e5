"""Latency and size of a trial's exported network, of a trial that is not packaged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from automl_vision.core.records import BatchLatency, Speed
from automl_vision.packaging.exporters import EXPORTERS
from automl_vision.packaging.finished_trial import read_finished_trial
from automl_vision.serving.device import processor_name, usable_cores
from automl_vision.serving.speed import BATCHES, measure_latency

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
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        runtime, exporter = next(iter(EXPORTERS.items()))
        file = finished.export(exporter, scratch)
        finished.describe({}).save(scratch)
        speed = measure_exported(scratch, file, images, runtime=runtime)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    speed.save(finished.folder)
    return speed


def measure_exported(folder: Path, file: Path, images: Sequence[bytes], *, runtime: str) -> Speed:
    """Measure an exported network with one thread: the figure that load and core count of a machine change least.

    Args:
        folder: of the model.
        file: the exported network.
        images: files of images; the first 8 are used.
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
