"""From a finished trial to a model folder whose predictions are proven to equal those of the trained model."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from automl_vision.core.errors import ParityError
from automl_vision.core.records import Calibration, Speed
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import DecodedOnDemand
from automl_vision.evaluation.predictions import Predictions
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.packaging.exporters import EXPORTERS
from automl_vision.packaging.finished_trial import FinishedTrial, read_finished_trial
from automl_vision.packaging.measuring import measure_exported
from automl_vision.packaging.mlmodel import write_mlmodel
from automl_vision.packaging.reference import write_reference
from automl_vision.recipes.network import NETWORK_FILE
from automl_vision.recipes.parity import Parity
from automl_vision.serving.card import write_card
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.speed import measure_latency
from automl_vision.tasks.task import Task

_PARITY_IMAGES, _PARITY_BATCH = 32, 8


def package(trial: str | Path, destination: str | Path, *, provenance: dict[str, Any] | None = None) -> Path:
    """Turn a finished trial into a model folder.

    Builds the network again from the trial's `network.json` and checks that it reproduces the outputs that the trial
    recorded. Then exports it to ONNX, predicts real validation images with the exported model through the predictor,
    starting from their files, and writes no folder if predictions differ by more than the task allows. Latency and size
    of the exported network are recorded in the model's description and in the `speed.json` of the trial, or of the one
    that it refits, which is on the leaderboard.

    Args:
        trial: folder of the trial, with its spec, weights and metrics.
        destination: the model folder to write; it appears whole or not at all.
        provenance: what to record of run and trial.

    Returns:
        The model folder.

    Raises:
        PackagingError: the trial is not finished, or the model cannot be exported.
        ModelFolderError: the trial does not describe its network, or its weights belong to another one.
        ParityError: the rebuilt model differs from what the trial recorded, or the exported one from it.
    """
    destination = Path(destination)
    finished = read_finished_trial(trial)
    task, calibration = finished.task, finished.metrics.calibration
    recorded = finished.own_predictions
    files = finished.validation_files(_PARITY_IMAGES)
    trained = _Trained(finished.model, finished.dataset, files)
    outputs = trained.predict(task)
    reproduction = _reproduction(trained, task, outputs, recorded, calibration)
    with _appearing(destination) as staging:
        weights = {name: value.contiguous() for name, value in finished.model.network.state_dict().items()}
        save_file(weights, staging / WEIGHTS_FILE)
        (staging / WEIGHTS_FILE).chmod(0o644)  # the library makes it readable for its owner alone
        description = replace(
            finished.describe(provenance or {}),
            prediction_sets=finished.set_thresholds(),
            precision_thresholds=finished.precision_thresholds(),
            labeling=finished.labeling_threshold(),
        )
        description.save(staging)
        finished.model.description.save(staging)
        description.parity.update(reproduction)
        exported = {}
        for number, runtime in enumerate(EXPORTERS):
            exported[runtime], figures = _proven_export(staging, finished, trained, outputs, runtime=runtime)
            description.parity.update({runtime: figures} if number else figures)  # those of the first one lie flat
        first = next(iter(EXPORTERS))
        speed = measure_exported(staging, exported[first], list(files.values()), runtime=first)
        description.latency.update(_latency(staging, speed, list(files.values())))
        description.formats[first] = {"file": exported[first].name, "bytes": speed.bytes}
        description.save(staging)
        write_reference(staging, finished)
        write_card(description, staging)
        write_mlmodel(description, staging)
        shutil.rmtree(destination, ignore_errors=True)
        staging.replace(destination)
    speed.save(finished.listed)
    return destination


def trained_predictor(trial: str | Path) -> Predictor:
    """A predictor that runs the network of a finished trial in PyTorch, for trials that were not packaged.

    Raises:
        PackagingError: the trial is not finished.
        ModelFolderError: the trial does not describe its network, or its weights belong to another one.
    """
    finished = read_finished_trial(trial)

    def run(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        with torch.inference_mode():
            outputs = finished.model.network(torch.from_numpy(inputs))
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    return Predictor.of(finished.folder, finished.describe({}), run)


@contextmanager
def _appearing(destination: Path) -> Iterator[Path]:
    """An empty folder beside the destination, which is gone at the end unless it was moved there."""
    staging = destination.with_name(f".{destination.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _latency(folder: Path, speed: Speed, images: Sequence[bytes]) -> dict[str, Any]:
    """Milliseconds of one image by threads, as `model.json` has them: those measured, and those with all threads."""
    others = measure_latency(folder, images, threads=0, batches=(1,), runtime=speed.runtime)
    return {
        name: {"median_ms": times.median_ms, "p95_ms": times.p95_ms}
        for name, times in (("1 thread", speed.batches[1]), ("all threads", others[1]))
    }


@dataclass(frozen=True)
class _Trained:
    """The trained network with the images that it is compared on.

    Attributes:
        model: in evaluation mode.
        dataset: with the images.
        files: of the images, by row.
    """

    model: Model
    dataset: Dataset
    files: dict[int, bytes]

    def predict(self, task: Task[Any], *, as_jpeg: bool = False, all_scores: bool = False, exact: bool = False) -> Any:
        """The network's outputs for the images, decoded from their files; a cache may hold JPEGs, which differ a bit.

        Args:
            task: makes the batches.
            as_jpeg: whether the images go through a JPEG as in such a cache.
            all_scores: whether a detector also returns objects with scores near 0.
            exact: whether to compute in double precision.
        """
        pixels = DecodedOnDemand(self.dataset, task.pixel_size, {}, as_jpeg)
        network = ImageModel(self.model.network, self.model.normalization).eval()
        if exact:
            network = copy.deepcopy(network).double()
        with torch.inference_mode():
            chunks = _chunks(list(self.files))
            batches = (task.evaluation_batch(pixels, chunk) for chunk in chunks)
            return task.join([task.predict(network, batch, all_scores=all_scores) for batch in batches])


def _reproduction(
    trained: _Trained,
    task: Task[Any],
    outputs: Any,
    recorded: Predictions,
    calibration: Calibration,
) -> dict[str, Any]:
    """How far the rebuilt network is from what the trial recorded at its end, for the same images.

    Raises:
        ParityError: further than the task allows.
    """
    if recorded.as_jpeg:
        outputs = trained.predict(task, as_jpeg=True)
    position = {int(row): place for place, row in enumerate(recorded.rows)}
    whole = task.scoring.from_predictions(recorded)
    images = [position[row] for row in trained.files]
    parity = task.deployment.reproduction(outputs, whole, images, calibration)
    if parity.problem is not None:
        raise ParityError(
            f"no model folder was written: the network that {NETWORK_FILE} describes does not reproduce what the trial "
            f"recorded for {len(trained.files)} validation images; {parity.problem}"
        )
    return {f"reproduced_{name}": figure for name, figure in parity.figures.items()}


def _proven_export(
    folder: Path, finished: FinishedTrial, trained: _Trained, outputs: Any, *, runtime: str
) -> tuple[Path, dict[str, Any]]:
    """Export the network and compare it; once more without approximate operators where it differs too much.

    Returns:
        The file, and the figures of the comparison.

    Raises:
        ParityError: it still differs by more than the task allows.
    """
    exporter, calibration = EXPORTERS[runtime], finished.metrics.calibration
    try:
        file = finished.export(exporter, folder)
        return file, _parity(folder, trained, finished.task, outputs, calibration, runtime=runtime)
    except ParityError:
        file = finished.export(exporter, folder, exact=True)
        figures = _parity(folder, trained, finished.task, outputs, calibration, runtime=runtime)
        return file, {**figures, "exact_operators": True}


def _parity(
    folder: Path, trained: _Trained, task: Task[Any], outputs: Any, calibration: Calibration, *, runtime: str
) -> dict[str, Any]:
    """How far predictor and trained model are apart on the files of real validation images.

    Args:
        folder: of the exported model.
        trained: with the images.
        task: of the trial.
        outputs: of the trained network for the images.
        calibration: of the model.
        runtime: that loads the exported model.

    Raises:
        ParityError: further than the task allows.
    """
    files = list(trained.files.values())

    def compare(outputs: Any, compared_from: float) -> Parity:
        exported = Predictor(folder, score_threshold=compared_from, runtime=runtime)(files)
        return task.deployment.parity(
            outputs,
            exported,
            calibration,
            compared_from=compared_from,
            exact=lambda: trained.predict(task, exact=True),
        )

    parity = compare(outputs, task.traits.compared_from)
    if parity.is_empty:  # a detector that has not learned much still has to be the same detector
        parity = compare(trained.predict(task, all_scores=True), 0.0)
    if parity.problem is not None:
        raise ParityError(f"no model folder was written: in {len(files)} validation images {parity.problem}")
    return {"images": len(files), **parity.figures}


def _chunks(rows: list[int]) -> list[list[int]]:
    return [rows[start : start + _PARITY_BATCH] for start in range(0, len(rows), _PARITY_BATCH)]
