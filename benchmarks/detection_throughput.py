"""Images a second of a detector's training step, against its bare network and against torchvision's own step.

    python benchmarks/detection_throughput.py DATA/bccd --model fasterrcnn_efficientnet_lite0_fpn

`ours`: batch from the pixel cache with random changes, loss, backward, optimizer; `step`: the same on one batch that is
ready; `bare`: backbone, pyramid and heads forward and backward on synthetic outputs, regions at random places;
`torchvision`: its own detector class on the same backbone, pyramid and head sizes, in its reference loop's order of
calls. They take turns, the least time of some rounds counts. All with the same images, frozen stages, number format and
layout.
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
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.models.image_model import ImageModel
from automl_vision.models.names import detector_parts
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.tasks.hyperparameters import family_of
from automl_vision.tasks.task import Batch, create_task
from automl_vision.training.loop import set_training_mode
from automl_vision.training.precision import Precision

TASK = "image-object-detection"


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
    if kind == "fasterrcnn":
        channels, features = backbone.out_channels, network.roi_heads["class_logits"].in_features
        return FasterRCNN(
            backbone,
            rpn_anchor_generator=AnchorGenerator(tuple((s,) for s in sizes), (geometry.aspects,) * len(sizes)),
            box_roi_pool=MultiScaleRoIAlign([str(i) for i in range(len(network.roi_levels))], 7, 2),
            box_head=TwoMLPHead(channels * 49, features),
            box_predictor=FastRCNNPredictor(features, classes + 1),
            **settings,
        )
    if kind == "retinanet":
        anchors = tuple(tuple(s * 2 ** (i / 3) for i in range(3)) for s in sizes)
        generator = AnchorGenerator(anchors, (geometry.aspects,) * len(sizes))
        return RetinaNet(backbone, classes, anchor_generator=generator, **settings)
    generator = AnchorGenerator(tuple((s,) for s in sizes), ((1.0,),) * len(sizes))
    return FCOS(backbone, classes, anchor_generator=generator, **settings)


def bare_outputs(network: Any, images: Tensor) -> Tensor:
    """A scalar from all outputs of backbone, pyramid and heads."""
    maps = network.backbone(images)
    if hasattr(network, "rpn"):
        objectness, steps = network.rpn["head"](maps)
        height, width = images.shape[-2:]
        corner = torch.rand(len(images), 64, 2) * torch.tensor([0.7 * width, 0.7 * height])
        logits, boxes = network._look(maps, torch.cat([corner, corner + 0.2 * height], dim=2))
        return sum(o.float().mean() for o in (*objectness, *steps, logits, boxes))  # type: ignore[return-value]
    if hasattr(network, "head"):
        return sum(o.float().mean() for o in network.head(maps).values())  # type: ignore[return-value]
    outputs = [network.class_logits(network.class_branch(m)) for m in maps]
    outputs += [network.box_sides(network.box_branch(m)) for m in maps]
    return sum(o.float().mean() for o in outputs)  # type: ignore[return-value]


def targets_of(batch: Batch) -> list[dict[str, Tensor]]:
    targets = batch.targets
    return [
        {"boxes": targets.boxes[i][targets.valid[i]], "labels": targets.labels[i][targets.valid[i]] + 1}
        for i in range(len(targets))
    ]


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
    dataset = Dataset.open(options.data, task=TASK).with_validation(0.2)
    hyperparameters = family_of(TASK, options.model)()
    task = create_task(TASK, dataset, hyperparameters)
    pixels = open_pixels(dataset, task.pixel_size, Path(tempfile.gettempdir()) / "automl-vision-benchmark-cache")
    source = create_model(
        options.model, task=TASK, classes=len(dataset.classes), hyperparameters=hyperparameters, geometry=task.geometry
    )
    freeze_stages(source.network, hyperparameters.frozen_stages)
    precision = Precision(options.precision, channels_last=True)
    model = ImageModel(source.network, source.normalization).to(memory_format=precision.memory_format)
    set_training_mode(model, freeze_batch_norm=True)
    rows = np.flatnonzero(dataset.splits == "train")[: options.batch].tolist()
    batch = task.train_batch(pixels, rows, seed=(0, 0))
    parts = detector_parts(options.model)
    kind = parts[0] if parts else "tood"
    cpu = torch.device("cpu")

    def whole(batch: Batch) -> Tensor:
        with precision.autocast(cpu):
            return task.loss(model, batch)

    def bare() -> Tensor:
        with precision.autocast(cpu):
            return bare_outputs(model.network, model._normalized(batch.images))

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
