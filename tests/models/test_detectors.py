"""Detectors learn, give fixed shapes, and take published weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from automl_vision.core.errors import UnknownModelError, WeightsUnavailableError
from automl_vision.models.detectors.backbone import anchor_shapes, anchors_of
from automl_vision.models.detectors.boxes import clip, decode, encode, overlaps, shares_inside
from automl_vision.models.detectors.one_stage import match_anchors
from automl_vision.models.detectors.rcnn import _balanced
from automl_vision.models.image_model import ImageModel, pretrained_norms
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.recipes.catalog import architecture_of, own_models
from automl_vision.recipes.geometry import Geometry
from automl_vision.tasks.object_targets import ObjectTargets
from conftest import scene, small_detector

DETECTION = "image-object-detection"
SEGMENTATION = "image-instance-segmentation"
ALGORITHMS = [
    (DETECTION, "fasterrcnn_test_efficientnet_fpn"),
    (DETECTION, "retinanet_test_efficientnet_fpn"),
    (DETECTION, "fcos_test_resnet_fpn"),
    (DETECTION, "tood"),
    (SEGMENTATION, "maskrcnn_test_efficientnet_fpn"),
]
GEOMETRY = Geometry(96, 128, lowest=3, highest=6, detections=20)


def detector(task: str, name: str, *, geometry: Geometry = GEOMETRY, **changes: object) -> ImageModel:
    torch.manual_seed(0)
    model = create_model(
        name, task=task, classes=2, hyperparameters=small_detector(task, name, **changes), geometry=geometry
    )
    return ImageModel(model.network, model.normalization)


@pytest.mark.parametrize(("task", "name"), ALGORITHMS)
def test_a_detector_learns_what_it_is_shown(task: str, name: str):
    smaller = 1 if name.startswith("fcos") else 2  # FCOS learns too little from so few cells
    geometry = Geometry(96 // smaller, 128 // smaller, lowest=3, highest=6, detections=20)
    model = detector(task, name, geometry=geometry)
    images, targets = scene(smaller)
    # RetinaNet's heads start from nearly nothing: without a warm-up they take small steps, and more of them
    rate, steps = (1e-3, 40) if name.startswith("retinanet") else (3e-3, 30)
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    history = []
    for _ in range(steps):
        losses: dict[str, Tensor] = model(images, targets)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert history[-1] < 0.75 * history[0]
    model.eval()
    with torch.no_grad():
        losses, outputs = model(images, targets)
        again = model(images)
    assert all(torch.equal(a, b) for a, b in zip(outputs, again, strict=True))
    boxes, scores, labels = outputs[:3]
    assert boxes.shape == (3, 20, 4)
    assert (scores.diff(dim=1) <= 0).all()
    assert ((labels >= 0) & (labels < 2)).all()
    assert overlaps(boxes[1, :5], targets.boxes[1, :1]).max() > 0.3
    assert scores[1, 0] > scores[2, 0]  # nothing is in the third image


@pytest.mark.parametrize("name", ["retinanet_test_efficientnet_fpn", "fcos_test_efficientnet_fpn", "tood"])
def test_a_crowd_is_no_background(name: str):
    """Cells in a crowd give no gradient for their scores."""
    images, targets = scene()
    with_crowd = detector(DETECTION, name)(images, targets)["classification"]
    without = ObjectTargets(targets.boxes, targets.labels, targets.valid, torch.zeros_like(targets.crowd))
    as_background = detector(DETECTION, name)(images, without)["classification"]
    assert with_crowd < as_background


def test_frozen_stages_of_a_detector_are_those_of_its_backbone():
    model = detector(DETECTION, "fasterrcnn_test_efficientnet_fpn")
    frozen = freeze_stages(model.network, 2)
    assert frozen
    assert all(name.startswith("backbone.body.") for name in frozen)
    parameters = dict(model.network.named_parameters())
    assert not any(parameters[name].requires_grad for name in frozen)
    assert parameters["rpn.head.cls_logits.weight"].requires_grad
    assert set(map(id, pretrained_norms(model))) == {
        id(m) for m in model.network.backbone.body.modules() if isinstance(m, torch.nn.BatchNorm2d)
    }


def test_weights_of_another_backbone_are_refused(tmp_path: Path):
    torch.save({"backbone.fpn.inner_blocks.0.0.weight": torch.zeros(3)}, tmp_path / "coco.pth")
    name = "fasterrcnn_test_efficientnet_fpn"
    hyperparameters = small_detector(DETECTION, name, pretrained=True, weights=str(tmp_path / "coco.pth"))
    with pytest.raises(WeightsUnavailableError, match="do not fit this detector"):
        create_model(name, task=DETECTION, classes=2, hyperparameters=hyperparameters, geometry=GEOMETRY)


def test_a_backbones_own_weights_start_a_detector():
    name = "retinanet_efficientnet_lite0_fpn"
    hyperparameters = small_detector(DETECTION, name, pretrained=True)
    model = create_model(name, task=DETECTION, classes=2, hyperparameters=hyperparameters, geometry=GEOMETRY)
    assert model.weights.source == "package"
    assert model.weights.licence == "apache-2.0"
    assert model.network.backbone.body.bn1.running_mean.abs().sum() > 0


@pytest.mark.parametrize("name", ["fasterrcnn_test_vit_fpn", "retinanet_vit_small_patch16_224_fpn"])
def test_a_network_without_a_pyramid_is_refused(name: str):
    with pytest.raises(UnknownModelError, match="no features of stride"):
        create_model(
            name, task=DETECTION, classes=2, hyperparameters=small_detector(DETECTION, name), geometry=GEOMETRY
        )


@pytest.mark.parametrize("task", [DETECTION, SEGMENTATION])
def test_every_own_name_has_an_architecture(task: str):
    for name in own_models(task):
        assert architecture_of(name, task=task)
    for missing in ("fasterrcnn_resnet18_fpn", "retinanet_resnet50_fpn", "yolov5"):
        assert (missing in own_models(task)) == (task == DETECTION)


def test_the_nms_threshold_reaches_the_network():
    network = detector(DETECTION, "tood", nms_iou_threshold=0.3).network
    assert network.nms_threshold == 0.3
    assert network.geometry.detections == GEOMETRY.detections


def test_without_a_hub_one_sentence_names_the_ways_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Neither torchvision's server nor the hub answers, nor is anything in a cache."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    name = "fasterrcnn_resnet50_fpn"
    hyperparameters = small_detector(DETECTION, name, pretrained=True)
    with pytest.raises(WeightsUnavailableError) as caught:
        create_model(name, task=DETECTION, classes=2, hyperparameters=hyperparameters, geometry=GEOMETRY)
    for way in ("weights=PATH", "fasterrcnn_efficientnet_lite0_fpn", "pretrained=0"):
        assert way in str(caught.value)


def test_codes_and_boxes_are_inverse():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2, 30, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + torch.rand(2, 30, 2, generator=generator) * 40 + 2], dim=2)
    anchors = torch.cat([corner.flip(1), corner.flip(1) + 20], dim=2)
    torch.testing.assert_close(decode(encode(boxes, anchors, (10.0, 5.0)), anchors, (10.0, 5.0)), boxes)
    clipped = clip(boxes * 2 - 20, 60, 80)
    assert clipped.amin() >= 0
    assert clipped[..., 2].amax() <= 80


def test_overlaps_are_torchvisions():
    from torchvision.ops import box_iou

    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + torch.rand(40, 2, generator=generator) * 40], dim=1)
    torch.testing.assert_close(overlaps(boxes, boxes), box_iou(boxes, boxes))
    whole = torch.tensor([[0.0, 0, 200, 200]])
    torch.testing.assert_close(shares_inside(boxes, whole), torch.ones(40, 1))


def test_matching_is_torchvisions():
    """For the images of a batch at once, what torchvision's matcher finds for one."""
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    _, targets = scene()
    maps = [torch.zeros(3, 1, 96 // 2**level, 128 // 2**level) for level in GEOMETRY.levels]
    anchors = anchors_of(maps, GEOMETRY, anchor_shapes(GEOMETRY, (1.0,)))
    match, foreground, ignored = match_anchors(anchors[None], targets, foreground=0.5, background=0.4, low_quality=True)
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    for i in (1,):
        truth = targets.boxes[i, targets.valid[i]]
        expected = matcher(box_iou(truth, anchors))
        assert torch.equal(foreground[i], expected >= 0)
        assert torch.equal(ignored[i], expected == Matcher.BETWEEN_THRESHOLDS)
        assert torch.equal(match[i][foreground[i]], expected[expected >= 0])


def test_anchors_are_torchvisions_but_for_half_a_cell():
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    geometry = Geometry(64, 96, lowest=3, highest=4, anchor_scale=4.0)
    maps = [torch.zeros(1, 1, 8, 12), torch.zeros(1, 1, 4, 6)]
    ours = anchors_of(maps, geometry, anchor_shapes(geometry, (1.0, 2.0)))
    generator = AnchorGenerator(((32, 64), (64, 128)), ((0.5, 1.0, 2.0),) * 2)
    (theirs,) = generator(ImageList(torch.zeros(1, 3, 64, 96), [(64, 96)]), maps)
    half = torch.cat([torch.full((8 * 12 * 6,), 4.0), torch.full((4 * 6 * 6,), 8.0)])[:, None]
    assert (ours - half - theirs).abs().max() <= 0.5  # torchvision rounds its base anchors


def test_a_balanced_choice():
    keys = torch.rand(2, 100, generator=torch.Generator().manual_seed(0))
    foreground = torch.zeros(2, 100, dtype=torch.bool)
    foreground[0, :40], foreground[1, :3] = True, True
    background = ~foreground
    background[1, 20:] = False
    index, used = _balanced(keys, foreground, background, 32, share=0.25)
    chosen = [foreground[i][index[i][used[i]]] for i in range(2)]
    assert [int(c.sum()) for c in chosen] == [8, 3]
    assert [len(c) for c in chosen] == [32, 20]  # the second image has only 17 background boxes
    assert chosen[0][:8].all()
    assert len(set(index[0].tolist())) == 32


def test_the_pyramid_goes_as_far_as_the_geometry_says():
    for highest in (5, 6, 7):
        geometry = Geometry(128, 128, lowest=2, highest=highest)
        name = "retinanet_test_efficientnet_fpn"
        model = create_model(
            name, task=DETECTION, classes=2, hyperparameters=small_detector(DETECTION, name), geometry=geometry
        )
        maps: Any = model.network.backbone(torch.zeros(1, 3, 128, 128))
        assert [m.shape[-1] for m in maps] == [128 // 2**level for level in range(2, highest + 1)]
