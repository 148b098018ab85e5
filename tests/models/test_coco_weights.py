"""torchvision's COCO weights: whole detectors of torchvision under its published file names become ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection as torchvision_detection
from torchvision.models import get_model_weights

from automl_vision.models.model import Model
from automl_vision.models.registry import create_model
from automl_vision.recipes.geometry import Geometry
from conftest import small_detector

DETECTION = "image-object-detection"
SEGMENTATION = "image-instance-segmentation"
REGIONS = {"roi_heads.class_logits", "roi_heads.box_deltas"}
OWN = {  # layers that count classes, or see each class alone in torchvision; they keep their start
    "fasterrcnn_resnet50_fpn": REGIONS,
    "maskrcnn_resnet50_fpn": REGIONS | {"roi_heads.mask_predictor.mask_fcn_logits"},
    "retinanet_resnet50_fpn": {"head.classification_head.cls_logits"},
    "fcos_resnet50_fpn": {"head.classification_head.cls_logits"},
}
SMALL_VARIANCE = 2e-5  # where the small number that a norm adds to it counts


def publish(name: str, home: Path) -> Path:
    """Write the state of a fresh torchvision detector under the file name that torchvision downloads to."""
    torch.manual_seed(0)
    source = getattr(torchvision_detection, name)(weights=None, weights_backbone=None)
    for module in source.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            module.running_var[0] = SMALL_VARIANCE
            module.weight.data[0] = SMALL_VARIANCE**0.5
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    file = folder / get_model_weights(name)["DEFAULT"].url.rpartition("/")[2]
    state = {key: value for key, value in source.state_dict().items() if "num_batches_tracked" not in key}
    torch.save(state, file)
    return file


def our_detector(name: str, **changes: object) -> Model:
    regions = "rcnn" in name
    task = SEGMENTATION if name.startswith("mask") else DETECTION
    hyperparameters = small_detector(task, name, **{"pretrained": True, **changes})
    geometry = Geometry(96, 96, lowest=2, highest=5) if regions else Geometry(96, 96, lowest=3, highest=7)
    return create_model(name, task=task, classes=2, hyperparameters=hyperparameters, geometry=geometry)


def _content(value: Tensor) -> tuple[object, ...]:
    return (tuple(value.shape), value.flatten().double().sum().item(), value.flatten()[:50].numpy().tobytes())


@pytest.mark.parametrize("name", OWN)
def test_a_cached_detector_is_taken_over(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All tensors but the classes' own are torchvision's, and so are the features of an image."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = publish(name, tmp_path)
    model = our_detector(name)
    assert (model.weights.source, model.weights.licence) == ("hub", "bsd-3-clause")
    assert "COCO" in model.weights.name
    assert model.note is None
    known = {_content(value) for value in torch.load(file, weights_only=True).values()}
    own = {key for key, value in model.network.state_dict().items() if _content(value) not in known}
    own = {key for key in own if not key.endswith(("num_batches_tracked", "running_var"))}
    assert {key.rpartition(".")[0] for key in own} == OWN[name]

    theirs = getattr(torchvision_detection, name)(weights="DEFAULT").eval()
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 4 - 2
    with torch.no_grad():
        maps, expected = model.network.eval().backbone(images), theirs.backbone(images)
    expected.pop("pool", None)  # a level without weights that torchvision adds for large boxes
    for ours, wanted in zip(maps, expected.values(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-4 * wanted.abs().max().item())


def test_a_file_is_known_by_its_name(tmp_path: Path):
    """What torchvision published is taken as from its server; a detector of one's own with its norms as they are."""
    name = "retinanet_resnet50_fpn"
    published = publish(name, tmp_path)
    own = published.rename(tmp_path / "own.pth")
    variance = torch.load(own, weights_only=True)["backbone.body.bn1.running_var"]
    assert torch.equal(_first_variance(our_detector(name, weights=str(own))), variance)
    own.rename(published)
    model = our_detector(name, weights=str(published.parent))
    assert (model.weights.source, model.weights.name) == ("file", published.name)
    torch.testing.assert_close(_first_variance(model), variance - 1e-5)


def _first_variance(model: Model) -> Tensor:
    variance: Tensor = model.network.state_dict()["backbone.body.bn1.running_var"]
    return variance
