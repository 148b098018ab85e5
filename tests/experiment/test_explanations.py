"""Explanations of a trained network point at what decides its classes, and pass the sanity checks of the literature."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.metrics import roc_auc_score
from torch import nn

from automl_vision.core.errors import ExplanationError
from automl_vision.core.files import write_json
from automl_vision.data.dataset import Dataset
from automl_vision.models import attributions
from automl_vision.models.attributions import Subject, guided_backprop, guided_copy, guided_gradcam
from automl_vision.models.segments import region_map, segments
from automl_vision.packaging.package import trained_predictor
from automl_vision.serving.explained_files import explain_files
from automl_vision.serving.explainer import METHODS, Explainer
from automl_vision.serving.faithfulness import faithfulness
from automl_vision.serving.predictor import Predictor
from automl_vision.training.trial import train
from conftest import RecordingReporter, small_trial

PATCH = 12
COLOURS = {"blue": (40, 60, 230), "red": (230, 50, 40)}


def patch_image(name: str, seed: int) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Grey noise with one square of a colour, and the square's place; the class is the colour."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(np.repeat(random.integers(90, 150, (40, 48, 1), dtype=np.uint8), 3, axis=2))
    x, y = (int(random.integers(6, length - PATCH - 6)) for length in image.size)
    box = (x, y, x + PATCH, y + PATCH)
    ImageDraw.Draw(image).rectangle((x, y, x + PATCH - 1, y + PATCH - 1), fill=COLOURS[name])
    return image, box


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    """A classifier of the colours, trained in this process."""
    root = tmp_path_factory.mktemp("patches")
    for name in COLOURS:
        (root / "data" / name).mkdir(parents=True)
        for i in range(32):
            patch_image(name, 100 + i)[0].save(root / "data" / name / f"{i}.png")
    dataset = Dataset.open(root / "data").with_validation(0.25)
    spec = small_trial(root, dataset, number_of_epochs=12, optimizer="adam", learning_rate=4e-3)
    write_json(root / "trial" / "spec.json", spec.model_dump())
    train(spec, RecordingReporter())
    yield trained_predictor(spec.folder)


@pytest.fixture(scope="module")
def explainer(predictor: Predictor) -> Explainer:
    return Explainer(predictor, masks=300)


def ranked_inside(values: NDArray[np.float32], box: tuple[int, int, int, int]) -> float:
    """How often a pixel of the square has a higher value than one elsewhere; 0.5 by chance."""
    is_inside = np.zeros(values.shape, bool)
    is_inside[box[1] : box[3], box[0] : box[2]] = True
    return float(roc_auc_score(is_inside.ravel(), values.ravel()))


@pytest.mark.parametrize("method", METHODS)
def test_a_map_lies_on_what_decides_and_its_deletion_falls_faster_than_at_random(
    explainer: Explainer, predictor: Predictor, method: str
):
    ranked, areas, by_chance = [], [], []
    for name, seed in (("red", 1), ("blue", 2), ("red", 3), ("blue", 4)):
        image, box = patch_image(name, seed)
        (found,) = explainer(image, method, name)
        assert (found.method, found.label, found.box) == (method, name, None)
        assert found.probability > 0.6
        assert (found.attributions.shape, found.attributions.dtype) == ((40, 48), np.float32)
        values = found.attributions
        mass = np.abs(values) if method == "integrated_gradients" else values  # its signs change from pixel to pixel
        ranked.append(ranked_inside(mass, box))
        areas.append(faithfulness(predictor, image, found.attributions, name).deletion_area)
        noise = np.random.default_rng(seed).random((40, 48)).astype(np.float32)
        by_chance.append(faithfulness(predictor, image, noise, name).deletion_area)
    assert np.mean(ranked) > 0.65, ranked
    assert np.mean(areas) < np.mean(by_chance) - 0.02, (areas, by_chance)


def subject_of(network: nn.Module, *, size: int = 32) -> Subject:
    image, _ = patch_image("red", 5)
    pixels = np.asarray(image.resize((size, size)))
    view = (pixels.astype(np.float32) / 255 - 0.5).transpose(2, 0, 1) / 0.5
    return Subject(network, view, 1, np.zeros_like(view), pixels)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "occlusion"])
def test_the_maps_of_gradients_depend_on_the_weights(predictor: Predictor, explainer: Explainer, method: str):
    """Adebayo et al. 2018: a map that stays when the weights are random shows the image, not the model."""
    function = getattr(attributions, method)
    network = explainer._network
    torch.manual_seed(0)
    other = copy.deepcopy(network)
    for module in other.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    maps = [np.maximum(function(subject_of(each)), 0).ravel() for each in (network, network, other)]
    assert np.array_equal(maps[0], maps[1])
    ranks = [np.argsort(np.argsort(values)) for values in maps]
    assert np.corrcoef(ranks[0], ranks[2])[0, 1] < 0.8


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit"])
def test_integrated_gradients_sum_to_the_difference_of_the_logits(name: str):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    subject = subject_of(network, size=160)
    with torch.no_grad():
        images = torch.from_numpy(np.stack([subject.image, subject.baseline]))
        logits = network(images)[:, subject.label]
    difference = float(logits[0] - logits[1])
    total = float(attributions.integrated_gradients(subject).sum())
    assert total == pytest.approx(difference, rel=0.05, abs=0.02 * float(logits.abs().max()))


@pytest.mark.parametrize(
    "activation", [nn.ReLU(inplace=True), nn.ReLU6(inplace=True), nn.SiLU(inplace=True), nn.GELU()]
)
def test_only_positive_gradients_of_active_units_flow_back(activation: nn.Module):
    network = nn.Sequential(nn.Flatten(), activation, nn.Linear(4, 1, bias=False)).eval()
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[1.0, -1.0, 1.0, -1.0]]))
    values = torch.tensor([[2.0, 2.0, -0.5, -0.5]])
    plain, guided = (values.clone().requires_grad_() for _ in range(2))
    network(plain.clone()).sum().backward()
    guided_copy(network)(guided).sum().backward()
    assert guided.grad[0, 0] == plain.grad[0, 0] > 0
    assert guided.grad[0, 1:].tolist() == [0, 0, 0]
    assert isinstance(network[1], type(activation))


def test_networks_that_guided_methods_do_not_suit_are_refused_with_a_reason():
    torch.manual_seed(0)
    vit = subject_of(timm.create_model("test_vit", num_classes=3).eval(), size=160)
    for method in (guided_backprop, guided_gradcam):
        with pytest.raises(ExplanationError, match=r"need a convolutional network.*xrai and occlusion explain it"):
            method(vit)
    with pytest.raises(ExplanationError, match="has none that is known"):
        guided_copy(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()))


def test_segments_follow_borders_and_regions_take_the_best_first():
    pixels = np.full((40, 60, 3), 40, np.uint8)
    pixels[:, 30:] = 200
    pixels[10:20, 5:15] = (250, 20, 20)
    found = segments(pixels.astype(float), scale=50, least=10)
    assert found.max() == 2
    assert len({int(found[0, 0]), int(found[0, 59]), int(found[15, 10])}) == 3
    values = np.zeros((40, 60), np.float32)
    values[10:20, 5:15] = 1
    values[:, 30:] = -1
    regions = region_map(values, pixels)
    assert regions[15, 10] == regions.max() == pytest.approx(1, abs=0.2)
    assert regions[0, 59] == regions.min() == pytest.approx(-1, abs=0.2)


def test_files_show_every_method_side_by_side(explainer: Explainer, tmp_path: Path):
    image, _ = patch_image("red", 1)
    (tmp_path / "bad.png").write_bytes(b"no image")
    images = [("a.png", image), ("bad.png", tmp_path / "bad.png")]
    rows = list(explain_files(explainer, images, tmp_path / "out", method="all"))
    assert [row.get("method") for row in rows] == [*METHODS, None]
    assert "not an image" in rows[-1]["error"]
    assert json.loads((tmp_path / "out" / "explanations.json").read_text()) == rows
    with Image.open(tmp_path / "out" / rows[0]["picture"]) as picture:
        assert picture.width > 3 * 256
    (row,) = explain_files(explainer, images[:1], tmp_path / "one", method="xrai", label="blue")
    assert (row["label"], row["picture"]) == ("blue", "0000-a-xrai.png")
    with Image.open(tmp_path / "one" / row["picture"]) as picture:
        assert picture.size == (96, 40)
    with pytest.raises(ExplanationError, match=r'no class "rad"\. Did you mean "red"'):
        list(explain_files(explainer, images[:1], tmp_path / "two", method="all", label="rad"))
    with pytest.raises(ExplanationError, match=r'named "xray"\. Did you mean "xrai"'):
        explainer(image, "xray")
