"""Weights of a model that told other classes apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from automl_vision.core.errors import WeightsUnavailableError
from automl_vision.models.networks import start_from
from automl_vision.models.registry import create_model
from automl_vision.recipes.geometry import Geometry
from automl_vision.serving.model_folder import ModelDescription, Preprocessing
from conftest import SMALL_MODEL, small_detector, small_hyperparameters

LABELS, OBJECTS = "image-classification", "image-object-detection"
EARLIER = ("cat", "dog", "fox")


def network(task: str, name: str, classes: int):
    is_detector = task == OBJECTS
    settings = small_detector(task, name) if is_detector else small_hyperparameters()
    geometry = Geometry(64, 96, lowest=3, highest=6, anchor_scale=2.5) if is_detector else None
    return create_model(name, task=task, classes=classes, hyperparameters=settings, geometry=geometry)


def test_weights_of_a_wider_network_do_not_fit_because_the_classes_differ_too(tmp_path: Path):
    earlier = network(LABELS, "mobilenetv2_035", len(EARLIER))
    save_file(earlier.network.state_dict(), tmp_path / "weights.safetensors")
    ModelDescription(LABELS, EARLIER, Preprocessing((0.5,) * 3, (0.5,) * 3, canvas=(64, 96)), 1.0, (), "a", "a").save(
        tmp_path
    )
    with pytest.raises(WeightsUnavailableError, match="does not fit"):
        start_from(network(LABELS, "mobilenetv2_050", 4), tmp_path / "weights.safetensors", (*EARLIER, "owl"))


@pytest.mark.parametrize(
    ("task", "name", "classes", "rows", "anew"),
    [
        (LABELS, SMALL_MODEL, ("cat", "owl", "dog", "fox"), {0: 0, 2: 1, 3: 2}, 0),
        (LABELS, SMALL_MODEL, ("dog", "owl", "cat"), {0: 1, 2: 0}, 0),
        (LABELS, SMALL_MODEL, ("fox", "cat"), {0: 2, 1: 0}, 0),
        (OBJECTS, "fasterrcnn_test_efficientnet_fpn", ("dog", "owl"), {1: 2, 0: 0}, 0),
        (OBJECTS, "retinanet_test_efficientnet_fpn", ("dog", "owl"), {}, 2),
    ],
    ids=["new", "one for another", "gone", "detector", "several rows a class"],
)
def test_the_classes_that_stay_keep_their_weights(
    task: str, name: str, classes: tuple[str, ...], rows: dict[int, int], anew: int, tmp_path: Path
):
    earlier = network(task, name, len(EARLIER))
    state = {key: torch.randn_like(value) if value.is_floating_point() else value
             for key, value in earlier.network.state_dict().items()}  # fmt: skip
    save_file(state, tmp_path / "weights.safetensors")
    earlier.description.save(tmp_path)
    preprocessing = Preprocessing((0.5,) * 3, (0.5,) * 3, canvas=(64, 96))
    ModelDescription(task, EARLIER, preprocessing, 1.0, (), name, name).save(tmp_path)
    model = network(task, name, len(classes))
    said = start_from(model, tmp_path / "weights.safetensors", classes)
    found = model.network.state_dict()
    changed = [key for key, value in found.items() if not torch.equal(value, state[key])]
    weights, bias = changed
    for new, old in rows.items():
        assert torch.equal(found[weights][new], state[weights][old]) and found[bias][new] == state[bias][old]
    assert (f"{anew} tensors start anew" in said) == bool(anew)
    assert "new: owl" in said or "owl" not in classes
