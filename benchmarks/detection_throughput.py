"""Images a second of a detector's training step, against its bare network and against torchvision's own step.

    python benchmarks/detection_throughput.py DATA/bccd --model fasterrcnn_efficientnet_lite0_fpn
    python benchmarks/detection_throughput.py DATA/car-damage --model maskrcnn_efficientnet_lite0_fpn

`ours`: batch from the pixel cache with random changes, loss, backward, optimizer; `step`: the same on one batch that is
ready; `bare`: backbone, pyramid and heads forward and backward on synthetic outputs, regions at random places (masks of
as many of them as a step of the untrained detector learns from); `torchvision`: its own detector class on the same
backbone, pyramid and head sizes, in its reference loop's order of calls. They take turns, the least time of some rounds
counts. All with the same images, frozen stages, number format and layout.
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from automl_vision.core.tasks import INSTANCE_SEGMENTATION, OBJECT_DETECTION
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.models.detectors.rcnn import as_rois
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.recipes.catalog import family_of, find_algorithm
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.tasks.task import Batch, create_task
from automl_vision.training.loop import set_training_mode
from automl_vision.training.precision import Precision


class NamedMaps(nn.Module):
    """Our backbone with the interface of torchvision's."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone, self.out_channels = backbone, backbone.channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict((str(i), m) for i, m in enumerate(self.backbone(images)))


def torchvision_detector(kind: str, network: Any, classes: int) -> nn.Module:
    """torchvision's detector on a copy of our backbone, with its own settings otherwise."""
    backbone, geometry = NamedMaps(copy.deepcopy(network.backbone)), network.geometry
    sizes = [geometry.anchor_scale * 2**level for level in geometry.levels]
    settings: dict[str, Any] = {"min_size": min(geometry.size), "max_size": max(geometry.size)}
    if kind in ("fasterrcnn", "maskrcnn"):
        channels, features = backbone.out_channels, network.roi_heads["class_logits"].in_features
        pooled = [str(i) for i in range(len(network.roi_levels))]
        settings |= {
            "rpn_anchor_generator": AnchorGenerator(tuple((s,) for s in sizes), (geometry.aspects,) * len(sizes)),
            "box_roi_pool": MultiScaleRoIAlign(pooled, 7, 2),
            "box_head": TwoMLPHead(channels * 49, features),
            "box_predictor": FastRCNNPredictor(features, classes + 1),
        }
        if kind == "fasterrcnn":
            return FasterRCNN(backbone, **settings)
        inner = network.roi_heads["mask_head"][0][0].out_channels
        return MaskRCNN(
            backbone,
            mask_roi_pool=MultiScaleRoIAlign(pooled, 14, 2),
            mask_head=MaskRCNNHeads(channels, (inner,) * 4, 1),
            mask_predictor=MaskRCNNPredictor(inner, inner, classes + 1),
            **settings,
        )
    if kind == "retinanet":
        anchors = tuple(tuple(s * 2 ** (i / 3) for i in range(3)) for s in sizes)
        generator = AnchorGenerator(anchors, (geometry.aspects,) * len(sizes))
        return RetinaNet(backbone, classes, anchor_generator=generator, **settings)
    generator = AnchorGenerator(tuple((s,) for s in sizes), ((1.0,),) * len(sizes))
    return FCOS(backbone, classes, anchor_generator=generator, **settings)


def foreground_of(network: Any, images: Tensor, batch: Batch) -> int:
    """Regions whose masks a step of the untrained detector learns from."""
    with torch.no_grad():
        maps = network.backbone(images)
        proposals, _ = network._proposals(*network._propose(maps), network.size_of(maps))
        _, _, foreground, _ = network._sample(proposals, batch.targets)
    return int(foreground.sum())


def bare_outputs(network: Any, images: Tensor, masks: int) -> Tensor:
    """A scalar from all outputs of backbone, pyramid and heads, masks of so many regions among them."""
    maps = network.backbone(images)
    if hasattr(network, "rpn"):
        objectness, deltas = network.rpn["head"](maps)
        height, width = images.shape[-2:]
        corner = torch.rand(len(images), 64, 2) * torch.tensor([0.7 * width, 0.7 * height])
        regions = torch.cat([corner, corner + 0.2 * height], dim=2)
        outputs = [*objectness, *deltas, *network._classify_regions(maps, regions)]
        if masks:
            outputs.append(network._masks(maps, as_rois(regions)[:masks]))
        return sum(o.float().mean() for o in outputs)  # type: ignore[return-value]
    if hasattr(network, "head"):
        return sum(o.float().mean() for o in network.head(maps).values())  # type: ignore[return-value]
    outputs = [network.class_logits(network.class_branch(m)) for m in maps]
    outputs += [network.box_sides(network.box_branch(m)) for m in maps]
    return sum(o.float().mean() for o in outputs)  # type: ignore[return-value]


def targets_of(batch: Batch) -> list[dict[str, Tensor]]:
    targets = batch.targets
    made = []
    for i in range(len(targets)):
        valid = targets.valid[i]
        made.append({"boxes": targets.boxes[i][valid], "labels": targets.labels[i][valid] + 1})
        if targets.masks is not None:
            made[-1]["masks"] = targets.masks[i][valid]
    return made


def measure(steps: dict[str, Callable[[], Tensor]], optimizers: dict[str, Any], rounds: int) -> dict[str, float]:
    """Least seconds of each step with backward and optimizer."""
    seconds = dict.fromkeys(steps, float("inf"))
    for round_ in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            loss = step()
            optimizers[name].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[name].step()
            if round_:
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of a set")
    parser.add_argument("--model", default="fasterrcnn_efficientnet_lite0_fpn")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    options = parser.parse_args()
    name = INSTANCE_SEGMENTATION if options.model.startswith("maskrcnn") else OBJECT_DETECTION
    kind = find_algorithm(options.model, name).name.partition("_")[0]
    dataset = Dataset.open(options.data, task=name).with_validation(0.2)
    hyperparameters = family_of(name, options.model)()
    task = create_task(name, dataset, hyperparameters, decide_geometry(dataset, hyperparameters))
    pixels = open_pixels(dataset, task.pixel_size, Path(tempfile.gettempdir()) / "automl-vision-benchmark-cache")
    source = create_model(
        options.model, task=name, classes=len(dataset.classes), hyperparameters=hyperparameters, geometry=task.geometry
    )
    freeze_stages(source.network, hyperparameters.frozen_stages)
    precision = Precision(options.precision, channels_last=True)
    model = ImageModel(source.network, source.normalization).to(memory_format=precision.memory_format)
    set_training_mode(model, freeze_batch_norm=True)
    rows = np.flatnonzero(dataset.splits == "train")[: options.batch].tolist()
    batch = task.train_batch(pixels, rows, seed=(0, 0))
    masks = foreground_of(model.network, model.normalized(batch.images), batch) if kind == "maskrcnn" else 0
    cpu = torch.device("cpu")

    def whole(batch: Batch) -> Tensor:
        with precision.autocast(cpu):
            return task.loss(model, batch)

    def bare() -> Tensor:
        with precision.autocast(cpu):
            return bare_outputs(model.network, model.normalized(batch.images), masks)

    steps: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: whole(task.train_batch(pixels, rows, seed=(0, 0))),
        "step": lambda: whole(batch),
        "bare": bare,
    }
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizers = dict.fromkeys(steps, torch.optim.AdamW(trained, 1e-6))
    if kind != "tood":
        theirs = torchvision_detector(kind, model.network, len(dataset.classes)).train()
        theirs.to(memory_format=precision.memory_format)
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        targets, images = targets_of(batch), [image.float() / 255 for image in batch.images]
        if kind in ("retinanet", "fcos"):
            targets = [{**t, "labels": t["labels"] - 1} for t in targets]

        def reference() -> Tensor:
            with precision.autocast(cpu):
                return sum(theirs(images, targets).values())  # type: ignore[no-any-return]

        steps["torchvision"] = reference
        optimizers["torchvision"] = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], 1e-6)
    seconds = measure(steps, optimizers, options.rounds)
    speeds = {name: options.batch / value for name, value in seconds.items()}
    print(f"{options.model}, {options.data.name}, {task.geometry.size}, batch {options.batch}, {precision}, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    for name, speed in speeds.items():
        print(f"{name:12} {speed:6.2f} images/s  {speed / speeds['bare']:.2f} of bare")


if __name__ == "__main__":
    main()
