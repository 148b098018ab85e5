"""Detection and segmentation from labelled images to a model that predicts without torch, on drawn images."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from automl_vision import Predictor
from automl_vision.compute.local import LocalCompute
from automl_vision.core.errors import DataError, TrialError, WeightsUnavailableError
from automl_vision.core.files import read_json
from automl_vision.core.records import Calibration, Evaluation
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.pixel_cache import Pixels, open_pixels
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.packaging.package import package
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.parity import object_parity
from automl_vision.recipes.repeat_factors import draw_images
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.command import predict_files
from automl_vision.serving.observations import Reference
from automl_vision.tasks.task import create_task
from automl_vision.training.distributed import Processes
from automl_vision.training.trial import _Trial, train
from conftest import SMALL_DETECTORS, RecordingReporter, small_detector, write_objects
from processes import kill_trial
from trial_checks import check_resumed_equals_undisturbed

DETECTION = "image-object-detection"
SEGMENTATION = "image-instance-segmentation"

MakeSpec = Callable[..., TrialSpec]
MakeDetectorSpec = Callable[..., TrialSpec]


@pytest.mark.parametrize("task", [DETECTION, SEGMENTATION])
def test_from_images_to_predictions(
    task: str, boxes: Dataset, masks: Dataset, detector_spec: MakeDetectorSpec, tmp_path: Path
):
    dataset = boxes if task == DETECTION else masks
    reporter = RecordingReporter()
    spec = detector_spec(dataset, validation_metric_type="coco_voc", log_validation_loss=True)
    result = train(spec, reporter)
    assert result.primary_metric == "mean_average_precision"
    assert [e.epoch for e in reporter.evaluations] == [0, 1, 2]
    assert all(e.validation_loss is not None and np.isfinite(e.validation_loss) for e in reporter.evaluations)
    assert {"mean_average_precision", "precision", "recall", "coco_map"} <= reporter.evaluations[-1].metrics.keys()
    report = read_json(Path(spec.folder) / "metrics.json")["splits"]["val"]
    assert report["intervals"]["mean_average_precision"]["low"] <= report["metrics"]["mean_average_precision"]
    assert [row["class"] for row in report["per_class"]] == list(dataset.classes)
    assert ("box_mean_average_precision" in report["metrics"]) == (task == SEGMENTATION)

    folder = package(spec.folder, tmp_path / "model")
    predictor = Predictor(folder)
    description = predictor.description
    assert description.parity["equal_share"] >= 0.99
    assert description.parity["largest_box_difference"] <= 0.5
    assert description.preprocessing.canvas is not None
    assert "canvas" in (folder / "card.md").read_text()
    reference = Reference.load(folder)
    assert (reference.right <= reference.answers).all()
    assert reference.observations.features.shape[0] == (dataset.splits == "val").sum()
    rows = np.flatnonzero(dataset.splits == "val").tolist()
    files = [Path(dataset.root) / dataset.table["image"][row].as_py() for row in rows]
    predictions = predictor(files)
    recorded = Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).of_split("val").detections
    for i, prediction in enumerate(predictions):
        shown = recorded.of_image(i).above(0.05).scores
        assert abs(len(prediction.objects.scores) - len(shown)) <= 1  # a score may stand on the threshold
        for value in prediction.to_json()["boxes"]:
            box = value["box"]
            assert 0 <= box["topX"] < box["bottomX"] <= 1
            assert 0 <= box["topY"] < box["bottomY"] <= 1
            assert value["label"] in dataset.classes
            assert ("polygon" in value) == (task == SEGMENTATION)
            for polygon in value.get("polygon", []):
                assert min(polygon) >= 0
                assert max(polygon) <= 1
    if task == DETECTION:
        _the_gate_sees_differences(Predictor(folder, score_threshold=0.05), files)
    else:
        _predicts_without_torch(folder, files[0], tmp_path / "without torch")
    (alone,) = predictor(Image.open(files[0]))
    np.testing.assert_allclose(alone.objects.scores, predictions[0].objects.scores, atol=1e-4)

    listed = list(predict_files(folder, [files[0]], drawings=tmp_path / "drawn"))
    assert listed[0]["filename"] == str(files[0])
    (drawn,) = (tmp_path / "drawn").iterdir()
    before, after = (np.asarray(Image.open(file).convert("RGB")) for file in (files[0], drawn))
    assert before.shape == after.shape
    assert (before != after).any() == bool(listed[0]["boxes"])


def _predicts_without_torch(folder: Path, image: Path, drawn: Path) -> None:
    blocked = ["torch", "torchvision", "timm", "pyarrow", "pydantic", "scipy", "faster_coco_eval", "typer"]
    code = (
        f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "from automl_vision.cli.main import main\n"
        f"sys.argv = ['automl-vision', 'predict', {str(folder)!r}, {str(image)!r}, '--json',"
        f" '--draw', {str(drawn)!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == {"filename", "boxes", "predicted"}
    assert len(list(drawn.iterdir())) == 1


def _the_gate_sees_differences(predictor: Predictor, files: list[Path]) -> None:
    """The gate compares object by object: other boxes, scores, or objects do not pass."""
    exported = [prediction.objects for prediction in predictor(files)]
    found = Detections.join(exported)

    def problem(others: list[Detections], compared_from: float = 0.05) -> str | None:
        return object_parity(found, others, compared_from=compared_from, shown_from=0.1).problem

    assert problem(exported) is None
    assert "finds other objects" in str(problem([replace(o, boxes=o.boxes + 0.6) for o in exported]))
    assert problem([replace(o, boxes=o.boxes + 0.4) for o in exported]) is None
    assert problem([replace(o, scores=np.minimum(o.scores + 0.002, 1)) for o in exported]) is not None
    assert problem([replace(o, labels=1 - o.labels) for o in exported]) is not None
    assert problem([o.take(np.arange(len(o) // 2)) for o in exported]) is not None
    nothing = object_parity(found, [o.take(np.arange(0)) for o in exported], compared_from=1.0, shown_from=1.0)
    assert nothing.is_empty
    assert "nothing to compare" in str(nothing.problem)
    assert problem(exported, compared_from=0.0) is None  # the best few, whatever their scores
    assert problem([replace(o, boxes=o.boxes + 0.6) for o in exported], compared_from=0.0) is not None


def test_tiles_in_training_evaluation_and_prediction(boxes: Dataset, detector_spec: MakeDetectorSpec, tmp_path: Path):
    spec = detector_spec(boxes, model_name="fcos_test_efficientnet_fpn", tile_grid_size="2x1", number_of_epochs=1)
    train(spec, RecordingReporter())
    folder = package(spec.folder, tmp_path / "model")
    predictor = Predictor(folder)
    assert predictor.description.objects is not None
    assert predictor.description.objects.tile_grid == "2x1"
    assert predictor.description.parity["equal_share"] >= 0.99
    file = Path(boxes.root) / boxes.table["image"][1].as_py()
    seen = []
    run = predictor.run
    predictor.run = lambda inputs: seen.append(len(inputs)) or run(inputs)
    predictor([file, file])
    assert seen == [6]  # two images of a whole and two tiles


def test_killed_and_resumed_equals_undisturbed(compute: LocalCompute, boxes: Dataset, detector_spec: MakeDetectorSpec):
    settings = {"number_of_epochs": 3, "augmentation": "standard", "mosaic": 0.3, "model_name": "tood"}
    undisturbed = detector_spec(boxes, "undisturbed", **settings)
    train(undisturbed, RecordingReporter())
    killed = detector_spec(boxes, "killed", **settings)
    kill_trial(compute, killed, after=1)
    train(killed, RecordingReporter())
    first, second = (load_file(Path(s.folder) / "weights.safetensors") for s in (undisturbed, killed))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_repeated_images_are_trained_on_and_resumed(boxes: Dataset, detector_spec: MakeDetectorSpec, tmp_path: Path):
    settings = {"augmentation": "standard", "repeat_factor_threshold": 1.0, "model_name": "tood"}
    check_resumed_equals_undisturbed(detector_spec(boxes, "undisturbed", **settings), tmp_path / "interrupted")

    class Counting:
        def __init__(self, pixels: Pixels) -> None:
            self.pixels, self.rows = pixels, []

        def __getitem__(self, row: int) -> np.ndarray:
            self.rows.append(row)
            return self.pixels[row]

    trial = _Trial(detector_spec(boxes, "watched", **settings), RecordingReporter(), Processes(torch.device("cpu")))
    rows = trial.rows["train"]
    seen = trial.loop.pixels = Counting(trial.pixels)
    trial.loop.train_epoch(1, rows, trial.optimizer, lambda *_: True)
    drawn, _ = draw_images(trial.task.repeat_factors(rows), np.random.default_rng([trial.spec.seed, 1]))
    assert seen.rows == rows[drawn].tolist()
    assert len(set(seen.rows)) < len(seen.rows) == len(rows)


def test_a_trial_that_is_asked_to_stop_keeps_its_best(boxes: Dataset, detector_spec: MakeDetectorSpec):
    reporter = RecordingReporter(stop_after=2)
    spec = detector_spec(boxes, number_of_epochs=50)
    result = train(spec, reporter)
    assert result.stopped == "asked to"
    assert (Path(spec.folder) / "weights.safetensors").exists()


def test_a_budget_is_kept_to(boxes: Dataset, detector_spec: MakeDetectorSpec):
    reporter = RecordingReporter()
    spec = detector_spec(boxes, number_of_epochs=5000, budget_seconds=5.0)
    result = train(spec, reporter)
    assert result.epochs < 5000
    assert any("epochs fit" in message for message in reporter.messages)


def test_epochs_are_planned_by_the_speed_of_the_first(boxes: Dataset, detector_spec: MakeDetectorSpec):
    """A machine that was busy when a step was timed costs no epochs."""
    spec = detector_spec(boxes, number_of_epochs=50, budget_seconds=1000.0)
    trial = _Trial(spec, RecordingReporter(), Processes(torch.device("cpu")))
    trial.pace.validation_seconds = 0.1
    images = int((boxes.splits == "train").sum())
    for seconds, least, most in ((100.0, 8, 10), (1.0, 50, 50), (5000.0, 1, 1)):
        trial.record.evaluations = [Evaluation(epoch=1, metrics={}, images_per_second=images / seconds)]
        trial._fit_into_budget()
        assert least <= trial.plan.epochs <= most


@pytest.mark.parametrize("model_name", ["fasterrcnn_test_efficientnet_fpn", "tood"])
def test_no_object_in_validation_is_no_failure(boxes: Dataset, detector_spec: MakeDetectorSpec, model_name: str):
    counts = np.bincount(boxes.objects.image, minlength=len(boxes))
    splits = np.where(counts == 0, "val", "train").astype("<U8")
    spec = detector_spec(boxes.with_splits(splits), model_name=model_name, number_of_epochs=1)
    result = train(spec, RecordingReporter())
    assert result.score == 0.0
    report = read_json(Path(spec.folder) / "metrics.json")["splits"]["val"]
    assert all(row["average_precision"] is None for row in report["per_class"])


def test_a_metric_that_no_prediction_can_define_is_refused_before_training(
    boxes: Dataset, detector_spec: MakeDetectorSpec
):
    """No drawn object is large by COCO's rule."""
    reporter = RecordingReporter()
    with pytest.raises(TrialError, match="coco_map_large is undefined on these validation images; choose another"):
        train(detector_spec(boxes, primary_metric="coco_map_large", number_of_epochs=1), reporter)
    assert reporter.steps == 0


def test_broken_images_and_bad_boxes_are_left_out(tmp_path: Path, detector_spec: MakeDetectorSpec):
    file = write_objects(tmp_path / "data", images=24)
    lines = file.read_text().splitlines()
    for i, label in ((1, {"topX": 0.5, "topY": 0.5, "bottomX": 0.2, "bottomY": 0.9}),
                     (2, {"topX": 0.5, "topY": 0.5, "bottomX": 0.5, "bottomY": 0.9})):  # fmt: skip
        record = json.loads(lines[i])
        record["label"].append({"label": "square", "isCrowd": 0, **label})
        lines[i] = json.dumps(record)
    file.write_text("\n".join(lines) + "\n")
    (tmp_path / "data" / "4.png").write_bytes((tmp_path / "data" / "4.png").read_bytes()[:900])
    (tmp_path / "data" / "5.png").write_bytes(b"")
    dataset = Dataset.open(file).with_validation(0.3)
    reasons = " ".join(problem.reason for problem in dataset.report.problems)
    assert "inverted" in reasons
    assert "empty" in reasons
    result = train(detector_spec(dataset, number_of_epochs=1), RecordingReporter())
    assert result.epochs == 1


def test_data_that_changed_is_refused(boxes: Dataset, detector_spec: MakeDetectorSpec):
    spec = detector_spec(boxes)
    with pytest.raises(DataError, match="changed since the trial was planned"):
        train(spec.model_copy(update={"fingerprint": "other"}), RecordingReporter())


def test_an_earlier_trials_weights_are_a_start(boxes: Dataset, detector_spec: MakeDetectorSpec, tmp_path: Path):
    first = detector_spec(boxes, "first", number_of_epochs=1)
    train(first, RecordingReporter())
    weights = Path(first.folder) / "weights.safetensors"
    second = detector_spec(boxes, "second", number_of_epochs=1, learning_rate=0.0, start_from=str(weights), ema_decay=0)
    train(second, RecordingReporter())
    for name, value in load_file(weights).items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(load_file(Path(second.folder) / "weights.safetensors")[name], value), name
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsUnavailableError, match=r"does not fit .* tensors are missing, such as"):
        train(detector_spec(boxes, "third", start_from=str(tmp_path / "other.safetensors")), RecordingReporter())


def test_multi_label_training_from_objects(boxes: Dataset, make_spec: MakeSpec):
    dataset = boxes.as_task("image-classification-multi-label")
    result = train(make_spec(dataset, number_of_epochs=1), RecordingReporter())
    assert result.primary_metric == "iou"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"box_detections_per_image": 3}, lambda task: task.geometry.detections == 3),
        ({"min_size": 160}, lambda task: min(task.geometry.size) == 160),
        ({"min_size": 600, "max_size": 128}, lambda task: max(task.geometry.size) == 128),
        (
            {"validation_iou_threshold": 0.7},
            lambda task: task.scoring.thresholds(Calibration(thresholds=(0.2,))).iou == 0.7,
        ),
        ({"box_score_threshold": 0.6}, lambda task: task.scoring.calibrate(None, None).thresholds == (0.6, 0.6)),
        (
            {"tile_predictions_nms_threshold": 0.7, "tile_grid_size": "2x2"},
            lambda task: task.deployment.postprocessing().tile_nms == 0.7,
        ),
        (
            {"tile_overlap_ratio": 0.5, "tile_grid_size": "3x2"},
            lambda task: task.deployment.postprocessing().grid.overlap == 0.5,
        ),
    ],
)
def test_hyperparameters_reach_the_detector(boxes: Dataset, changes: dict[str, object], check: Callable[..., bool]):
    hyperparameters = small_detector(DETECTION, SMALL_DETECTORS[DETECTION], **changes)
    assert check(create_task(DETECTION, boxes, hyperparameters, decide_geometry(boxes, hyperparameters)))


def test_multi_scale_gives_each_batch_its_size(boxes: Dataset, tmp_path: Path):
    sizes = set()
    for multi_scale in (False, True):
        hyperparameters = small_detector(DETECTION, "tood", image_size=160, multi_scale=multi_scale)
        task = create_task(DETECTION, boxes, hyperparameters, decide_geometry(boxes, hyperparameters))
        pixels = open_pixels(boxes, task.pixel_size, tmp_path)
        seen = {tuple(task.train_batch(pixels, [1, 2], seed=(0, i)).images.shape[2:]) for i in range(8)}
        assert all(side % 32 == 0 for size in seen for side in size)
        assert len(seen) > 1 if multi_scale else seen == {task.geometry.size}
        sizes |= seen
    assert len(sizes) > 1
