"""What may go wrong with a detection run and its images, and what is left of it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from automl_vision import AutoMLVisionConfig, Experiment, Predictor, Workspace
from automl_vision.compute.local import LOCK_FILE
from automl_vision.core.errors import PackagingError, ParityError, RunFailedError
from automl_vision.core.files import read_json
from automl_vision.core.records import EvaluationEvent
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.packaging.exporters import EXPORTERS, Exported, Exporter
from automl_vision.packaging.finished_trial import read_finished_trial
from automl_vision.packaging.package import package
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.trial import train
from conftest import RecordingReporter, small_detector_trial, write_objects
from processes import wait_for
from runs_here import resume_here, start_here

DETECTION = "image-object-detection"
FCOS = "fcos_test_efficientnet_fpn"
MakeDetectorSpec = Callable[..., TrialSpec]


def change_line(file: Path, row: int, label: list[dict[str, object]]) -> None:
    """Give an image other objects."""
    lines = file.read_text().splitlines()
    lines[row] = json.dumps({**json.loads(lines[row]), "label": label})
    file.write_text("\n".join(lines) + "\n")


def box(left: float, top: float, right: float, bottom: float) -> dict[str, object]:
    return {"label": "square", "isCrowd": 0, "topX": left, "topY": top, "bottomX": right, "bottomY": bottom}


DEGENERATE = [box(0.5, 0.5, 0.5, 0.9), box(0.5, 0.5, 0.2, 0.9), box(0.3, 0.3, 0.302, 0.302)]
"""A line, an inverted box, and one of a fifth of a pixel, which is a box but is lost on the canvas."""


def truncate(image: Path) -> None:
    image.write_bytes(image.read_bytes()[:900])


def _is_held(lock: Path) -> bool:
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_canceled_detection_run_ends_and_goes_on(tmp_path: Path):
    """With images that cannot be decoded and one whose boxes are none, which it tells and leaves out."""
    data = write_objects(tmp_path / "data", images=18)
    truncate(data.parent / "4.png")
    (data.parent / "5.png").write_bytes(b"no image")
    change_line(data, 7, DEGENERATE)
    epochs_planned = 8
    arguments = {
        "pretrained": False, "number_of_epochs": epochs_planned, "min_size": 64, "precision": "fp32",
        "training_batch_size": 4, "early_stopping": False,
    }  # fmt: skip
    config = AutoMLVisionConfig(task=DETECTION, training_data=data, model_name=FCOS, arguments=arguments, threads=1)
    run, worker = start_here(Experiment(Workspace(tmp_path / "workspace"), "boxes"), config)
    wait_for(lambda: run.get_children() and len(run.get_children()[0].get_evaluations()) > 1)
    run.cancel()
    (trial,) = run.get_children()
    assert run.get_status() == trial.get_status() == "Canceled"
    worker.join()
    assert not run.folder.is_active()
    assert not _is_held(trial.path / LOCK_FILE)
    with pytest.raises(RunFailedError, match="Canceled: canceled by the user"):
        run.wait_for_completion()
    with pytest.raises(RunFailedError, match="has no model"):
        _ = run.model_path
    assert trial.get_evaluations()[-1].epoch < epochs_planned

    resume_here(run)
    assert run.wait_for_completion()["status"] == "Completed"
    epochs = [event.epoch for event in trial.folder.events.read()[0] if isinstance(event, EvaluationEvent)]
    assert sorted(set(epochs)) == list(range(epochs_planned + 1))
    assert len(epochs) <= epochs_planned + 2  # what was saved was not trained again
    reasons = {p["place"]: p["reason"] for p in read_json(run.folder.path / "left_out.json")["problems"]}
    assert {place: reason.partition(" (")[0] for place, reason in reasons.items()} == {
        "4.png": "the image is broken or truncated",
        "data.jsonl:6 (5.png)": "the file is not an image of a known format",
        "data.jsonl:8, object 1": "the box is empty",
        "data.jsonl:8, object 2": "the box is inverted: its right or lower edge comes first",
    }
    board = run.leaderboard()
    assert board.metric == "mean_average_precision"
    assert board[0].score is not None
    assert "mean_average_precision" in run.get_metrics()["val"]
    assert Predictor(run.model_path)(data.parent / "7.png")[0].to_json().keys() == {"boxes"}


def test_images_that_are_gone_or_broken_leave_their_split(tmp_path: Path, detector_spec: MakeDetectorSpec):
    """In training and validation each: an image of nonsense, one that was changed, one that vanished, empty boxes."""
    data = write_objects(tmp_path / "data", images=24)
    for row in (1, 13):
        truncate(data.parent / f"{row}.png")
    for row in (2, 14):
        change_line(data, row, DEGENERATE)
    dataset = Dataset.open(data).with_splits(np.array(["train"] * 12 + ["val"] * 12, "<U8"))
    spec = detector_spec(dataset, number_of_epochs=1, log_validation_loss=True)
    for row in (3, 15):
        (data.parent / f"{row}.png").unlink()
    for row in (4, 16):
        (data.parent / f"{row}.png").write_bytes((data.parent / "7.png").read_bytes())
    reporter = RecordingReporter()
    assert train(spec, reporter).epochs == 1
    assert all(np.isfinite(e.validation_loss) for e in reporter.evaluations if e.validation_loss is not None)
    rows = Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).rows.tolist()
    assert rows == [12, 14, 17, 18, 19, 20, 21, 22, 23]
    per_class = read_json(Path(spec.folder) / "metrics.json")["splits"]["val"]["per_class"]
    assert sum(figures["objects"] for figures in per_class) == sum(len(dataset.objects.rows_of(row)) for row in rows)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained detector, whose images lie in the folder `data` beside it."""
    root = tmp_path_factory.mktemp("trained")
    dataset = Dataset.open(write_objects(root / "data", images=18)).with_validation(0.3)
    spec = small_detector_trial(root, dataset, model_name=FCOS, number_of_epochs=1)
    train(spec, RecordingReporter())
    return Path(spec.folder)


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is exported of it."""
    return read_finished_trial(trained).export(EXPORTERS["onnx"], tmp_path_factory.mktemp("exported"))


class _Copied(Exporter):
    """Writes what was exported before, which takes seconds less."""

    runtime = "onnx"

    def __init__(self, file: Path, change: Callable[[onnx.ModelProto], None] | None = None) -> None:
        self._file, self._change = file, change

    def export(self, exported: Exported, folder: Path) -> Path:
        model = onnx.load(self._file)
        if self._change is not None:
            self._change(model)
        onnx.save(model, folder / self._file.name)
        return folder / self._file.name


def test_validation_images_that_vanish_after_training_cost_no_model(
    trained: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nor do changed ones; those that are as they were suffice to prove the export. Without any there is no model."""
    monkeypatch.setitem(EXPORTERS, "onnx", _Copied(exported))
    images = trained.parent / "data"
    rows = Predictions.load(trained / PREDICTIONS_FILE).rows.tolist()
    kept = {row: (images / f"{row}.png").read_bytes() for row in rows}
    (images / f"{rows[0]}.png").unlink()
    (images / f"{rows[1]}.png").write_bytes((images / f"{rows[2]}.png").read_bytes())
    folder = package(trained, tmp_path / "model")
    assert Predictor(folder).description.parity["images"] == len(rows) - 2
    for row in rows[1:]:
        (images / f"{row}.png").unlink()
    with pytest.raises(PackagingError, match=f"none of {len(rows)} is as it was in training"):
        package(trained, tmp_path / "another")
    assert not (tmp_path / "another").exists()
    for row, content in kept.items():
        (images / f"{row}.png").write_bytes(content)


def _move_boxes(model: onnx.ModelProto) -> None:
    """Another bias of the distances to the boxes' sides, by two cells."""
    (bias,) = [value for value in model.graph.initializer if value.name.endswith("bbox_reg.bias")]
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(2.0), bias.name))


def test_an_export_with_other_boxes_is_refused(
    trained: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(EXPORTERS, "onnx", _Copied(exported, _move_boxes))
    with pytest.raises(ParityError, match=r"no model folder was written.* finds other objects"):
        package(trained, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
