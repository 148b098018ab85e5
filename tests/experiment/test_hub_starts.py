"""Runs that start from weights of a hub, which answers on loopback with real architectures and random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from automl_vision import Predictor
from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, OBJECT_DETECTION
from automl_vision.recipes.start_models import StartModel, start_models
from conftest import write_objects, write_shape_folders
from loopback_hub import hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
_SUBMIT = """
import json, sys
from automl_vision import AutoMLVisionConfig, Experiment, Workspace
run = Experiment(Workspace(sys.argv[1]), "hub").submit(AutoMLVisionConfig(**json.loads(sys.argv[2])))
run.wait_for_completion()
trial = run.get_children()[0]
print(json.dumps({"model": str(run.folder.model), "result": trial.get_details()["result"], "name": trial.model_name,
                  "messages": [getattr(event, "text", "") for event in run.folder.events.read()[0]]}))
"""


def submitted(tmp_path: Path, **config: object) -> dict[str, Any]:
    """A run by a process that knows the hub on loopback alone."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        clean.pop(name, None)
    with hub(tmp_path / "hub") as (endpoint, _):
        environment = clean | {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "cache")}
        arguments = [sys.executable, "-c", _SUBMIT, str(tmp_path / "workspace"), json.dumps(config)]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("row", start_models(CLASSIFICATION)[:2], ids=lambda row: row.model)
def test_a_classifier_starts_from_the_hub_and_is_packaged(tmp_path: Path, row: StartModel):
    """Without a GPU the second row is the default; the first one is named."""
    torch.manual_seed(0)
    folder = tmp_path / "hub" / row.name
    folder.mkdir(parents=True)
    save_file(timm.create_model(row.model, pretrained=False).state_dict(), folder / "model.safetensors")
    sizes = dict.fromkeys(("training_crop_size", "validation_resize_size", "validation_crop_size"), 64)
    named = {} if row.device == "cpu" else {"model_name": row.model}
    data = write_shape_folders(tmp_path / "data")
    run = submitted(
        tmp_path, task=CLASSIFICATION, training_data=str(data), compute_target="cpu",
        arguments={**sizes, "number_of_epochs": 1}, **named,
    )  # fmt: skip
    assert run["name"] == row.model
    assert run["result"]["weights_source"] == f"hub: {row.name}"
    assert run["result"]["weights_licence"] == row.licence
    assert run["result"]["epochs"] == 1
    told = f"{row.model} is the default here: without a GPU; its weights come from {row.name} ({row.licence})"
    assert (told in run["messages"]) == (row.device == "cpu")
    predictor = Predictor(run["model"])
    assert predictor.description.parity["largest_difference"] <= predictor.description.parity["tolerance"]
    assert predictor([next(data.rglob("*.png"))])[0].probs.sum() == pytest.approx(1, abs=1e-4)


def test_dfine_starts_from_the_hub_and_is_packaged(tmp_path: Path):
    pytest.importorskip("transformers")
    from transformers import DFineForObjectDetection

    from automl_vision.models.detectors.dfine_source import published_config

    row = start_models(OBJECT_DETECTION)[0]
    torch.manual_seed(0)
    DFineForObjectDetection(published_config("medium")).save_pretrained(tmp_path / "hub" / row.name)
    run = submitted(
        tmp_path, task=OBJECT_DETECTION, training_data=str(write_objects(tmp_path / "data", images=12)),
        compute_target="cpu", model_name=row.model, arguments={"image_size": 96, "number_of_epochs": 1},
    )  # fmt: skip
    assert run["result"]["weights_source"] == f"hub: {row.name}"
    assert run["result"]["weights_licence"] == row.licence
    assert Predictor(run["model"]).description.parity


@pytest.mark.parametrize(("name", "task"), [("rfdetr", OBJECT_DETECTION), ("rfdetr_seg", INSTANCE_SEGMENTATION)])
def test_rfdetr_starts_from_the_hub_and_is_packaged(tmp_path: Path, name: str, task: str):
    """Files and tensors have the names of the published ones."""
    pytest.importorskip("transformers")
    from transformers import RfDetrForInstanceSegmentation, RfDetrForObjectDetection

    from automl_vision.models.detectors.rfdetr_source import RFDETR_REPOSITORIES, published_config

    kind = RfDetrForInstanceSegmentation if name == "rfdetr_seg" else RfDetrForObjectDetection
    repository = RFDETR_REPOSITORIES[name]["nano"]
    torch.manual_seed(0)
    kind(published_config(name, "nano")).save_pretrained(tmp_path / "hub" / repository)
    pixels = {"do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (tmp_path / "hub" / repository / "preprocessor_config.json").write_text(json.dumps(pixels))
    data = write_objects(tmp_path / "data", images=12, masks=name == "rfdetr_seg")
    run = submitted(
        tmp_path, task=task, training_data=str(data), compute_target="cpu", model_name=name,
        arguments={"model_size": "nano", "image_size": 96, "number_of_epochs": 1},
    )  # fmt: skip
    assert run["result"]["weights_source"] == f"hub: {repository}"
    assert run["result"]["weights_licence"] == "apache-2.0"
    predictor = Predictor(run["model"])
    assert predictor.description.parity["objects"] > 0
    assert predictor.description.parity["equal_share"] >= 0.99
    (found,) = predictor([next((tmp_path / "data").glob("*.png"))])
    assert (found.objects.masks is not None) == (name == "rfdetr_seg")
