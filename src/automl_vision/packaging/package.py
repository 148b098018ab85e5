"""From a finished trial to a model folder whose predictions are proven to equal those of the trained model."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from automl_vision.core.errors import ImageError, PackagingError, ParityError
from automl_vision.core.files import read_json
from automl_vision.core.records import Calibration, SomeRecord, TrialMetrics, TrialResult, read_record
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import DecodedOnDemand
from automl_vision.data.scan import digest_of, is_content_digest
from automl_vision.evaluation.conformal import ERROR_RATES, PredictionSets, prediction_sets
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.models.networks import load_model
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.network import NETWORK_FILE
from automl_vision.recipes.parity import Parity
from automl_vision.serving.card import write_card
from automl_vision.serving.model_folder import WEIGHTS_FILE, ModelDescription, SetThreshold
from automl_vision.serving.predictor import Predictor
from automl_vision.storage.access import read_image_bytes
from automl_vision.tasks.task import Task, create_task

_PARITY_IMAGES, _PARITY_BATCH = 32, 8
_LATENCY_CALLS = 20


def package(trial: str | Path, destination: str | Path, *, provenance: dict[str, Any] | None = None) -> Path:
    """Turn a finished trial into a model folder.

    Builds the network again from the trial's `network.json` and checks that it reproduces the outputs that the trial
    recorded. Then exports it to ONNX, predicts real validation images with the exported model through the predictor,
    starting from their files, and writes no folder if predictions differ by more than the task allows.

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
    trial, destination = Path(trial), Path(destination)
    dataset, task, model = _finished(trial)
    calibration = _record(trial, "metrics.json", TrialMetrics).calibration
    recorded = Predictions.load(trial / PREDICTIONS_FILE).of_split("val")
    files = _unchanged_files(dataset, _parity_rows(dataset, recorded.rows))
    trained = _Trained(model, dataset, files)
    outputs = trained.predict(task)
    reproduction = _reproduction(trained, task, outputs, recorded, calibration)
    staging = destination.with_name(f".{destination.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        size = task.deployment.preprocessing(model.normalization).input_size
        for exporter in EXPORTERS.values():
            exporter.export(
                Exported(model.description.algorithm, model.network, size, task.deployment.output_names), staging
            )
        weights = {name: value.contiguous() for name, value in model.network.state_dict().items()}
        save_file(weights, staging / WEIGHTS_FILE)
        description = _describe(trial, dataset, task, model, provenance or {})
        description.save(staging)
        model.description.save(staging)
        description.parity.update(reproduction)
        for number, runtime in enumerate(EXPORTERS):
            figures = _parity(staging, trained, task, outputs, calibration, runtime=runtime)
            description.parity.update({runtime: figures} if number else figures)  # those of the first one lie flat
        description.latency.update(_latency(staging, description.preprocessing.input_size))
        description.save(staging)
        write_card(description, staging)
        shutil.rmtree(destination, ignore_errors=True)
        staging.replace(destination)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return destination


def trained_predictor(trial: str | Path) -> Predictor:
    """A predictor that runs the network of a finished trial in PyTorch, for trials that were not packaged.

    Raises:
        PackagingError: the trial is not finished.
        ModelFolderError: the trial does not describe its network, or its weights belong to another one.
    """
    trial = Path(trial)
    dataset, task, model = _finished(trial)

    def run(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        with torch.inference_mode():
            outputs = model.network(torch.from_numpy(inputs))
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    return Predictor.of(trial, _describe(trial, dataset, task, model, {}), run)


def _finished(trial: Path) -> tuple[Dataset, Task[Any], Model]:
    """Dataset, task and trained network of a trial.

    Raises:
        PackagingError: the trial is not finished.
        ModelFolderError: the trial does not describe its network, or its weights belong to another one.
    """
    spec = _read(trial, "spec.json")
    for name, kind in (("metrics.json", TrialMetrics), ("result.json", TrialResult)):
        _record(trial, name, kind)
    dataset, model = Dataset.load(spec["manifest"]), load_model(trial)
    hyperparameters = family_of(spec["task"], spec["model_name"]).model_validate(spec["hyperparameters"])
    return dataset, create_task(spec["task"], dataset, hyperparameters, model.description.geometry), model


def _read(trial: Path, name: str) -> Any:
    try:
        return read_json(trial / name)
    except FileNotFoundError:
        raise _unfinished(trial, name) from None


def _record(trial: Path, name: str, kind: type[SomeRecord]) -> SomeRecord:
    record = read_record(trial / name, kind)
    if record is None:
        raise _unfinished(trial, name)
    return record


def _unfinished(trial: Path, name: str) -> PackagingError:
    return PackagingError(f"{trial} is not a finished trial: it has no {name}")


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

    def predict(self, task: Task[Any], *, as_jpeg: bool = False, all_scores: bool = False) -> Any:
        """The network's outputs for the images, decoded from their files; a cache may hold JPEGs, which differ a bit.

        Args:
            task: makes the batches.
            as_jpeg: whether the images go through a JPEG as in such a cache.
            all_scores: whether a detector also returns objects with scores near 0.
        """
        pixels = DecodedOnDemand(self.dataset, task.pixel_size, {}, as_jpeg)
        network = ImageModel(self.model.network, self.model.normalization).eval()
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
        return task.deployment.parity(outputs, exported, calibration, compared_from=compared_from)

    parity = compare(outputs, task.traits.compared_from)
    if parity.is_empty:  # a detector that has not learned much still has to be the same detector
        parity = compare(trained.predict(task, all_scores=True), 0.0)
    if parity.problem is not None:
        raise ParityError(f"no model folder was written: in {len(files)} validation images {parity.problem}")
    return {"images": len(files), **parity.figures}


def _unchanged_files(dataset: Dataset, rows: list[int]) -> dict[int, bytes]:
    """The files of some images by row, without those that are gone or others by now.

    Raises:
        PackagingError: none of them is as it was.
    """
    files = {}
    for row in rows:
        digest = dataset.table["digest"][row].as_py()
        with suppress(ImageError):
            data = read_image_bytes(dataset.root, dataset.table["image"][row].as_py())
            if not is_content_digest(digest) or digest_of(data) == digest:
                files[row] = data
    if not files:
        raise PackagingError(
            f"the exported model must be compared with the trained one on validation images, and none of {len(rows)} "
            f"is as it was in training, such as {dataset.table['image'][rows[0]].as_py()}; put them back"
        )
    return files


def _chunks(rows: list[int]) -> list[list[int]]:
    return [rows[start : start + _PARITY_BATCH] for start in range(0, len(rows), _PARITY_BATCH)]


def _parity_rows(dataset: Dataset, rows: NDArray[np.intp]) -> list[int]:
    """Some of the validation images, of as many shapes as there are."""
    sizes = [dataset.table[name].to_numpy()[rows].tolist() for name in ("width", "height")]
    seen: Counter[tuple[int, int]] = Counter()
    turns = []
    for size in zip(*sizes, strict=True):
        turns.append(seen[size])
        seen[size] += 1
    chosen: list[int] = rows[np.argsort(turns, kind="stable")][:_PARITY_IMAGES].tolist()
    return sorted(chosen)


def _latency(folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Milliseconds of one image through the network on this machine, median and 95th percentile."""
    inputs = np.zeros((1, 3, *size), np.float32)
    figures = {}
    for threads in (1, 0):
        predictor = Predictor(folder, threads=threads)
        times = [_milliseconds(predictor, inputs) for _ in range(_LATENCY_CALLS + 3)][3:]
        name = "1 thread" if threads else "all threads"
        figures[name] = {"median_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95))}
    return figures


def _milliseconds(predictor: Predictor, inputs: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    predictor.run(inputs)
    return 1000 * (time.perf_counter() - start)


def _describe(
    trial: Path, dataset: Dataset, task: Task[Any], model: Model, provenance: dict[str, Any]
) -> ModelDescription:
    spec, result = _read(trial, "spec.json"), _record(trial, "result.json", TrialResult)
    metrics = _record(trial, "metrics.json", TrialMetrics)
    return ModelDescription(
        task=task.name,
        classes=dataset.classes,
        preprocessing=task.deployment.preprocessing(model.normalization),
        temperature=metrics.calibration.temperature,
        thresholds=metrics.calibration.thresholds,
        objects=task.deployment.object_settings,
        model_name=model.description.algorithm,
        architecture=model.description.architecture,
        metrics=metrics.model_dump()["splits"],
        data={
            "fingerprint": spec["fingerprint"],
            "format": dataset.format,
            "images": dataset.summary()["images"],
        },
        weights={"source": result.weights_source, "licence": result.weights_licence},
        provenance={
            **provenance,
            "best_epoch": result.best_epoch,
            "fine_tuned_share": result.fine_tuned_share,
            "parameters": result.parameters,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {name: version(name) for name in ("automl-vision", "torch", "timm", "onnxruntime")},
        },
        prediction_sets=_prediction_sets(trial, task, metrics.calibration),
    )


def _prediction_sets(trial: Path, task: Task[Any], calibration: Calibration) -> tuple[SetThreshold, ...]:
    """The thresholds of a classifier's prediction sets, and what they hold on the test images, if there are any."""
    if task.deployment.object_settings is not None:
        return ()
    predictions = Predictions.load(trial / PREDICTIONS_FILE)
    cases = {}
    for split in predictions.splits:
        part = predictions.of_split(split)
        cases[split] = task.scoring.cases(task.scoring.from_predictions(part), part.rows, calibration)
    is_measured = "test" in cases
    return tuple(
        _set_threshold(prediction_sets(cases["val"], cases["test" if is_measured else "val"], rate), is_measured)
        for rate in ERROR_RATES
    )


def _set_threshold(sets: PredictionSets, is_measured: bool) -> SetThreshold:
    fitted = SetThreshold(sets.error_rate, sets.threshold, sets.fitted_on)
    return replace(fitted, covered=sets.covered.to_json(), mean_size=sets.mean_size) if is_measured else fitted
