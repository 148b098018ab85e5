"""The default algorithm: the first row of the table that a machine can have; its rows are what they say they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
from torchvision.models import get_model_weights

from automl_vision import AutoMLVisionConfig
from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, OBJECT_DETECTION, TASKS
from automl_vision.experiment.start import start_of
from automl_vision.models.detectors.dfine_source import DFINE_REPOSITORIES
from automl_vision.recipes.catalog import BUNDLED_WEIGHTS, architecture_of, find_algorithm
from automl_vision.recipes.hyperparameters import DFineHyperparameters
from automl_vision.recipes.start_models import StartModel, choose_start, is_at_hand, start_models, weights_in_reach

PERMISSIVE = {"apache-2.0", "mit", "bsd-3-clause"}
ROWS = list(dict.fromkeys(row for task in TASKS for row in start_models(task)))


def everything(_: StartModel) -> bool:
    return True


def packages_only(row: StartModel) -> bool:
    return row.source == "package"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.model)
def test_a_row_names_weights_that_exist_under_a_permissive_licence(row: StartModel):
    assert row.licence in PERMISSIVE
    assert row.evidence.startswith(("measured: ", "published: "))
    architecture = architecture_of(row.model, row.tasks[0])
    if row.source == "package":
        assert row.name == BUNDLED_WEIGHTS[architecture].distribution
    elif row.source == "torchvision":
        assert get_model_weights(row.model)["DEFAULT"].url.endswith(f"/{row.name}")
    elif row.model == "dfine":
        assert row.name == DFINE_REPOSITORIES[DFineHyperparameters().model_size]
        assert row.licence == find_algorithm("dfine", OBJECT_DETECTION).licence
    else:
        config = timm.get_pretrained_cfg(architecture)
        assert config is not None
        assert (config.hf_hub_id, config.license) == (row.name, row.licence)


@pytest.mark.parametrize("task", TASKS)
def test_the_last_row_needs_nothing_but_the_product(task: str):
    last = start_models(task)[-1]
    assert (last.model, last.source, last.device, last.minutes) == (TASKS[task].default_model, "package", "any", 0)
    assert weights_in_reach(last)
    assert choose_start(task, has_gpu=False, minutes=60, in_reach=lambda row: row == last).model == last.model


@pytest.mark.parametrize(
    ("task", "has_gpu", "minutes", "model"),
    [
        (CLASSIFICATION, False, 60, "hgnetv2_b1.ssld_stage2_ft_in1k"),
        (CLASSIFICATION, True, 60, "convnext_tiny.in12k_ft_in1k"),
        (CLASSIFICATION, False, 1, "efficientnet_lite0"),
        (OBJECT_DETECTION, False, 1, "fasterrcnn_tf_mobilenetv2_100_fpn"),
        (OBJECT_DETECTION, True, 60, "dfine"),
        (OBJECT_DETECTION, True, 5, "fasterrcnn_tf_mobilenetv2_100_fpn"),
        (INSTANCE_SEGMENTATION, True, 60, "maskrcnn_resnet50_fpn"),
        (INSTANCE_SEGMENTATION, False, 60, "maskrcnn_tf_mobilenetv2_100_fpn"),
    ],
)
def test_device_time_and_reach_decide(task: str, has_gpu: bool, minutes: float, model: str):
    pytest.importorskip("transformers")
    assert choose_start(task, has_gpu=has_gpu, minutes=minutes, in_reach=everything).model == model


def test_the_reason_says_what_was_passed_over():
    start = choose_start(CLASSIFICATION, has_gpu=False, minutes=60, in_reach=packages_only)
    assert "hgnetv2_b1.ssld_stage2_ft_in1k has its weights at timm/hgnetv2_b1" in start.reason
    assert "without a GPU; its weights are installed (apache-2.0)" in start.reason
    start = choose_start(
        OBJECT_DETECTION, has_gpu=True, minutes=60, accepts=lambda name: name != "dfine", in_reach=everything
    )
    assert "dfine does not have the settings that are given" in start.reason


def test_a_row_whose_package_is_missing_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    start = choose_start(OBJECT_DETECTION, has_gpu=True, minutes=60, in_reach=lambda row: "lite0" in row.model)
    assert start.model == "fasterrcnn_efficientnet_lite0_fpn"
    assert "dfine needs the package transformers" in start.reason
    assert (
        "fasterrcnn_tf_mobilenetv2_100_fpn needs the package automl-vision-coco-weights (make weights" in start.reason
    )


_CHOOSING = """
import sys
from automl_vision import AutoMLVisionConfig
from automl_vision.core.tasks import TASKS
from automl_vision.experiment.start import start_of
from automl_vision.recipes.start_models import choose_start
for task in TASKS:
    for has_gpu in (False, True):
        choose_start(task, has_gpu=has_gpu, minutes=60, in_reach=lambda row: row.source == "package")
    start_of(AutoMLVisionConfig(task=task, training_data="data", compute_target="cpu"))
print(*sys.modules)
"""


def test_choosing_loads_neither_torch_nor_timm():
    """The studio's server and every submit choose, and loading them takes seconds."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", _CHOOSING]
    done = subprocess.run(command, env=offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "timm"} & set(done.stdout.split())


def test_weights_that_were_fetched_before_need_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    row = start_models(CLASSIFICATION)[0]
    assert not is_at_hand(row)
    folder = tmp_path / f"models--{row.name.replace('/', '--')}" / "snapshots" / "0"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert is_at_hand(row)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    row = start_models(INSTANCE_SEGMENTATION)[0]
    assert not is_at_hand(row)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / row.name).touch()
    assert is_at_hand(row)


@pytest.mark.parametrize(
    "settings",
    [{"model_name": "resnet18"}, {"arguments": {"pretrained": False}}, {"arguments": {"weights": "w.safetensors"}}],
)
def test_what_the_user_says_of_algorithm_or_weights_decides(settings: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("automl_vision.recipes.start_models.weights_in_reach", everything)
    config = AutoMLVisionConfig(task=CLASSIFICATION, training_data="data", **settings)
    assert start_of(config).model == settings.get("model_name", "efficientnet_lite0")


def test_a_config_without_an_algorithm_gets_the_machines_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("automl_vision.recipes.start_models.weights_in_reach", everything)
    config = AutoMLVisionConfig(task=CLASSIFICATION, training_data="data", compute_target="cpu")
    assert start_of(config).model == "hgnetv2_b1.ssld_stage2_ft_in1k"
    short = AutoMLVisionConfig(task=CLASSIFICATION, training_data="data", experiment_timeout_hours=0.02)
    assert start_of(short).model == "efficientnet_lite0"
