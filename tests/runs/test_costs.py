"""A run whose network may take only so long: what is trained, and what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.compute.local import LocalCompute
from automl_vision.core.records import BatchLatency, Speed
from automl_vision.core.tasks import CLASSIFICATION, OBJECT_DETECTION
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.experiment.experiment import run_spec
from automl_vision.recipes.catalog import automode_models
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters, DetectionHyperparameters
from automl_vision.recipes.network_costs import network_costs, relative_latency
from automl_vision.recipes.start_models import start_models
from automl_vision.runs.averaging import chosen_shares
from automl_vision.runs.costs import Costs, limited
from automl_vision.runs.jobs import Jobs
from automl_vision.runs.limits import Limits
from automl_vision.runs.spec import RunSpec
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.portfolio import with_input
from automl_vision.workspace.run_folder import RunFolder
from conftest import SMALL_MODEL, write_objects
from runs_here import small_config, work_here

LITE0, LITE2 = "efficientnet_lite0", "efficientnet_lite2"


def trial(name: str = LITE0, side: int = 224) -> PlannedTrial:
    sizes = dict.fromkeys(("training_crop_size", "validation_resize_size", "validation_crop_size"), side)
    return PlannedTrial(model_name=name, hyperparameters=ClassificationHyperparameters(**sizes))


def speed(milliseconds: float, megabytes: float = 13.0) -> Speed:
    latency = BatchLatency(median_ms=milliseconds, p95_ms=milliseconds, repetitions=10)
    return Speed(batches={1: latency}, bytes=int(megabytes * 1e6))


def test_every_network_that_a_run_may_train_by_itself_was_measured():
    for task in (CLASSIFICATION, OBJECT_DETECTION, "image-instance-segmentation"):
        names = {*automode_models(task), *(row.model for row in start_models(task) if row.source == "package")}
        assert names <= network_costs().keys()


def test_costs_follow_from_one_network_that_was_measured(shapes: Dataset):
    costs = Costs(Limits(9.0, 40.0), trial(), speed(4.0), shapes)
    assert costs.latency(trial()) == 4.0
    assert costs.latency(trial(side=112)) == pytest.approx(1.0)
    assert costs.latency(trial(LITE2)) == pytest.approx(4.0 * relative_latency(LITE2, 1, LITE0, 1))
    assert (costs.size(trial()), costs.size(trial(LITE2))) == (13.0, network_costs()[LITE2].megabytes)
    assert costs.may_fit(trial(), trial())
    assert not costs.may_fit(trial(LITE2, 288))  # it takes too long
    assert not costs.may_fit(trial(), trial(side=112), trial(side=96), trial(side=96))  # too large together
    assert costs.latency(trial("resnet18")) is None
    assert costs.may_fit(trial("resnet18"))  # once it is trained it is measured
    assert not costs.may_fit(trial("resnet18"), trial(LITE2, 288))  # the second one takes too long by itself
    assert f"about {4 * network_costs()[LITE2].latency:.3g} ms" in costs.text(trial(LITE2))


def test_an_image_that_is_cut_into_tiles_costs_all_its_views(boxes: Dataset):
    base = PlannedTrial(model_name="fasterrcnn_efficientnet_lite0_fpn", hyperparameters=DetectionHyperparameters())
    tiles = base.model_copy(update={"hyperparameters": DetectionHyperparameters(tile_grid_size="3x2")})
    costs = Costs(Limits(9.0), base, speed(4.0), boxes)
    assert costs.latency(tiles) == pytest.approx(7 * 4.0)


def test_detectors_are_compared_by_the_input_that_follows_their_boxes(tmp_path: Path):
    dataset = Dataset.open(write_objects(tmp_path), task=OBJECT_DETECTION).with_validation(0.25)
    small, large = (
        PlannedTrial(
            model_name="fasterrcnn_efficientnet_lite0_fpn", hyperparameters=DetectionHyperparameters(min_size=side)
        )
        for side in (320, 640)
    )
    assert Costs(Limits(10.0), small, speed(10.0), dataset).latency(large) == pytest.approx(40.0)
    resized = with_input(small, OBJECT_DETECTION, {}, 256)
    assert resized is not None
    assert resized.hyperparameters.model_dump()["min_size"] == 256
    assert with_input(small, OBJECT_DETECTION, {"min_size": 320}, 256) is None


def test_members_of_an_average_are_those_that_fit_together(shapes: Dataset):
    rows = np.flatnonzero(shapes.splits == "val")
    random = np.random.default_rng(0)
    right = np.where(shapes.targets[rows], 1.0, 0.0)
    outputs = {number: right + random.normal(0, 0.8, right.shape) for number in range(3)}
    scoring = create_scoring(CLASSIFICATION, shapes)
    pairs = chosen_shares(outputs, dict.fromkeys(outputs, 1.0), scoring, rows, lambda members: len(members) < 3)
    assert len(pairs) == 2
    assert len(chosen_shares(outputs, dict.fromkeys(outputs, 1.0), scoring, rows)) == 3


def limited_spec(root: Path, data: Path, **limits: float) -> RunSpec:
    arguments = {"pretrained": False, "linear_probe": False}
    config = AutoMLVisionConfig(
        task=CLASSIFICATION, training_data=str(data), model_name=SMALL_MODEL, arguments=arguments, **limits
    )
    return run_spec(config, Experiment(Workspace(root / "workspace"), "e"), root / "manifest.parquet")


def test_the_input_becomes_smaller_until_the_network_keeps_the_limit(
    tmp_path: Path, shapes: Dataset, shapes_folder: Path, compute: LocalCompute
):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    shapes.save(folder.manifest)

    def jobs(**limits: float) -> Jobs:
        return Jobs(limited_spec(tmp_path, shapes_folder, **limits), folder, compute, shapes, tmp_path / "cache")

    assert limited(jobs())[1] is None
    unlimited, costs = limited(jobs(max_latency_ms=1e6))
    assert unlimited.trials[0].hyperparameters.validation_crop_size == 224
    assert costs is not None
    measured = costs.latency(unlimited.trials[0])
    (folder.path / "costs" / "default.json").unlink()
    smaller, costs = limited(jobs(max_latency_ms=measured / 3))
    side = smaller.trials[0].hyperparameters.validation_crop_size
    assert 96 <= side < 160
    assert smaller.trials[0].hyperparameters.training_crop_size == side
    assert f"its input becomes {side} px" in " ".join(message.text for message in folder.events.messages())
    assert limited(jobs(max_latency_ms=measured / 3))[0] == smaller  # a resumed run measures nothing
    assert not list(folder.path.glob("costs/*/model"))


def test_a_single_trial_is_measured_against_its_limit(tmp_path: Path, shapes_folder: Path):
    config = small_config(shapes_folder, epochs=1).model_copy(update={"max_size_mb": 1000.0})
    run = work_here(Experiment(Workspace(tmp_path / "workspace"), "one"), config)
    assert run.folder.record().model_notes[0].startswith("best with at most 1000 MB: trial 0 (")
    assert not (run.folder.path / "measuring").exists()  # it was measured before training, and is when it is packaged


def test_a_limit_that_nothing_keeps_is_said_and_the_run_ends_with_the_smallest(tmp_path: Path, shapes_folder: Path):
    config = AutoMLVisionConfig(
        task=CLASSIFICATION,
        training_data=str(shapes_folder),
        iterations=3,
        max_latency_ms=0.01,
        arguments={"number_of_epochs": 1, "precision": "fp32"},
    )
    run = work_here(Experiment(Workspace(tmp_path / "workspace"), "auto"), config)
    said = "\n".join(message.text for message in run.folder.events.messages())
    assert "its input becomes 96 px" in said
    assert "it is trained all the same" in said
    assert "not trained, for at most 0.01 ms per image are wanted: efficientnet_lite" in said
    assert "no measured trial has at most 0.01 ms per image" in said
    assert run.get_status() == "Completed"
    assert run.folder.record().model_notes[0].startswith("no measured trial has at most 0.01 ms per image")
    assert {row.sampled["validation_crop_size"] for row in run.leaderboard()} == {96}
    assert run.verdict() is not None
    assert len(run.leaderboard(max_latency_ms=0.01)) == 0
