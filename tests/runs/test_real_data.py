"""Slow checks on the real image sets; `make check` runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Predictor, Run, Workspace
from automl_vision.core.files import read_json
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.trial import train
from conftest import RecordingReporter

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clothing_run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a minute and a half on the clothing photos."""
    config = AutoMLVisionConfig(
        task="image-classification", training_data=real_data / "clothing", experiment_timeout_hours=1.5 / 60
    )
    run = Experiment(Workspace(tmp_path_factory.mktemp("real")), "clothing").submit(config)
    run.wait_for_completion()
    return run


@pytest.mark.parametrize(
    ("name", "task", "images", "classes"),
    [
        ("clothing", "image-classification", {"train": 900, "val": 225, "test": 245}, 10),
        ("ppe-labels", "image-classification-multi-label", {"train": 450, "val": 110, "test": 90}, 5),
    ],
)
def test_the_sets_open_as_their_readme_says(
    real_data: Path, name: str, task: str, images: dict[str, int], classes: int
):
    opened = Dataset.open(real_data / name)
    dataset = opened.apply(opened.check(checks=["unreadable-image", "truncated-image"]))
    assert dataset.task == task
    assert dataset.summary()["images"] == images
    assert len(dataset.classes) == classes
    assert not dataset.report.problems


def test_a_budget_is_kept_and_gives_a_model(clothing_run: Run):
    details = clothing_run.get_details()
    assert details["ended"] - details["created"] < 1.6 * 90
    report = clothing_run.get_best_child().folder.metrics().splits["test"]
    assert report.metrics["accuracy"] > 0.78
    assert report.metrics["expected_calibration_error"] < 0.1


def test_the_model_equals_the_trial_on_all_test_photos(clothing_run: Run):
    predictor = Predictor(clothing_run.model_path)
    dataset = Dataset.load(clothing_run.folder.manifest)
    recorded = clothing_run.get_best_child().get_predictions().of_split("test")
    files = [Path(dataset.root) / image for image in recorded.table["image"].to_pylist()]
    expected = predictor.decode(recorded.logits)
    differences = [np.abs(a.probs - b.probs).max() for a, b in zip(predictor(files), expected, strict=True)]
    assert max(differences) <= 1e-4


def test_an_environment_with_three_libraries_predicts(clothing_run: Run, real_data: Path, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", ROOT], check=True)
    folder = real_data / "clothing" / "test" / "hat"
    command = [tmp_path / "env" / "bin" / "automl-vision", "predict", clothing_run.model_path, folder, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    here = Predictor(clothing_run.model_path)([Path(row["filename"]) for row in rows])
    for row, prediction in zip(rows, here, strict=True):
        np.testing.assert_allclose(row["probs"], prediction.probs, atol=1e-5)
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode != 0


def test_a_multi_label_run_beats_its_own_probe(real_data: Path, tmp_path: Path):
    config = AutoMLVisionConfig(
        task="image-multi-labeling", training_data=real_data / "ppe-labels", experiment_timeout_hours=2.5 / 60
    )
    start = time.monotonic()
    run = Experiment(Workspace(tmp_path), "ppe").submit(config)
    run.wait_for_completion()
    evaluations = run.get_children()[0].get_evaluations()
    assert evaluations[0]["epoch"] == 0
    assert run.leaderboard()[0].score.value >= evaluations[0].metrics["iou"] - 0.01
    assert time.monotonic() - start < 300


def test_labels_of_objects_train_a_multi_label_classifier(real_data: Path, make_spec: Callable[..., TrialSpec]):
    """One short epoch on photos of damaged cars, whose outlined damages become an image's labels."""
    objects = Dataset.open(real_data / "car-damage", task="image-instance-segmentation").with_validation(0.2)
    dataset = objects.as_task("image-classification-multi-label")
    assert dataset.classes == objects.classes
    for row in range(0, len(dataset), 25):
        wanted = {objects.classes[label] for label in objects.objects.label[objects.objects.rows_of(row)]}
        assert {name for name, on in zip(dataset.classes, dataset.targets[row], strict=True) if on} == wanted
    settings = {"model_name": "efficientnet_lite0", "pretrained": True, "linear_probe": True, "number_of_epochs": 1}
    sizes = dict.fromkeys(("training_crop_size", "validation_resize_size", "validation_crop_size"), 128)
    spec = make_spec(dataset, **settings, **sizes, threads=2)
    reporter = RecordingReporter()
    result = train(spec, reporter)
    assert result.primary_metric == "iou"
    assert [evaluation.epoch for evaluation in reporter.evaluations] == [0, 1]
    report = read_json(Path(spec.folder) / "metrics.json")["splits"]["val"]
    assert report["metrics"]["iou"] == result.score
    assert [row["class"] for row in report["per_class"]] == list(dataset.classes)
    assert max(row["f1"] for row in report["per_class"]) > 0.5
