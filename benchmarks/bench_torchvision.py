"""torchvision's reference training of Faster R-CNN as a contender of the bench, from the product's own weights.

Detector, losses, optimizer, rates and schedule are those of torchvision's `references/detection`: SGD with momentum, a
rate of 0.02 for 16 images, a linear start, two steps down at 16 and 22 of 26 epochs, horizontal flips, and frozen
stem and first stage. As many epochs are made as fit into the time, at least one, and the last weights count.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from automl_vision.core.records import Calibration
from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.evaluation.predictions import Predictions, object_columns, prediction_table
from bench_contenders import BACKBONE, Job, Outcome, start_model

_SIDE = 800  # shorter side of the input, torchvision's own
_BATCH = 2  # of a processor in torchvision's reference
_RATE_OF_IMAGE = 0.02 / 16
_STEPS_DOWN = (16 / 26, 22 / 26)
_WARMUP = 1000  # steps, an epoch at most
_TIMED = 4  # steps by which the epochs are planned; the first one does not count
_UNPLANNED = 600.0  # seconds where the job has no limit


class _Pyramid(nn.Module):
    """timm's backbone below torchvision's pyramid; batch norms keep their statistics, the early stages all weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model(BACKBONE, features_only=True, out_indices=(1, 2, 3, 4))
        start = start_model(2)
        missing = self.body.load_state_dict(start.network.state_dict(), strict=False).missing_keys
        assert not missing, missing
        for part in (self.body.conv_stem, self.body.bn1, self.body.blocks[0]):
            part.requires_grad_(False)
        self.out_channels = 256
        self.fpn = FeaturePyramidNetwork(self.body.feature_info.channels(), 256, LastLevelMaxPool())
        self.normalization = start.normalization

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        maps: OrderedDict[str, Tensor] = self.fpn(OrderedDict((str(i), m) for i, m in enumerate(self.body(images))))
        return maps

    def train(self, mode: bool = True) -> _Pyramid:
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def reference_detector(job: Job, side: int = _SIDE) -> Outcome:
    """torchvision's reference Faster R-CNN.

    Args:
        job: what to train on, boxes.
        side: shorter side of the input in pixels; torchvision's own 800 takes long without a GPU.
    """
    if job.dataset.task != OBJECT_DETECTION:
        raise SystemExit(f"torchvision's reference is for boxes here, not for {job.dataset.task}")
    begun = time.monotonic()
    torch.manual_seed(job.seed)
    dataset, random = job.dataset, np.random.default_rng(job.seed)
    rows = {split: np.flatnonzero(dataset.splits == split) for split in ("train", "val", "test")}
    pyramid = _Pyramid()
    network = FasterRCNN(
        pyramid, len(dataset.classes) + 1, min_size=side, image_mean=list(pyramid.normalization.mean),
        image_std=list(pyramid.normalization.std),
    ).train()  # fmt: skip
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=_RATE_OF_IMAGE * _BATCH, momentum=0.9, weight_decay=1e-4)
    seconds = []
    for _ in range(_TIMED):  # at no rate, so nothing is learned
        start = time.monotonic()
        _step(network, None, *_batch(dataset, random.permutation(rows["train"])[:_BATCH], random))
        seconds.append(time.monotonic() - start)
    steps = max(1, len(rows["train"]) // _BATCH)
    images = sum(len(rows[split]) for split in ("val", "test"))
    predicting = images * float(np.median(seconds[1:])) / _BATCH / 2  # without the way back
    left = begun + (job.seconds or _UNPLANNED) - time.monotonic() - predicting
    epochs = max(1, int(left / (steps * float(np.median(seconds[1:])))))
    warmup = min(_WARMUP, steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, 1e-3 + step / warmup) * 0.1 ** sum(step >= part * epochs * steps for part in _STEPS_DOWN),
    )
    for _ in range(epochs):
        order = random.permutation(rows["train"])
        for step in range(steps):
            _step(network, optimizer, *_batch(dataset, order[step * _BATCH : (step + 1) * _BATCH], random))
            schedule.step()
    network.eval()
    parts = [_predicted(network, dataset, rows[split], split) for split in ("val", "test")]
    return Outcome(Predictions.join(parts), {"epochs": epochs})


def _step(network: nn.Module, optimizer: torch.optim.Optimizer | None, images: list[Tensor], targets: Any) -> None:
    loss = sum(network(images, targets).values())
    loss.backward()
    if optimizer is not None:
        optimizer.step()
    network.zero_grad()


def _image(dataset: Dataset, row: int) -> Tensor:
    """(3, height, width), 0 to 1."""
    return torch.from_numpy(np.asarray(dataset[row].image().convert("RGB")).copy()).permute(2, 0, 1) / 255


def _batch(dataset: Dataset, rows: np.ndarray, random: np.random.Generator) -> tuple[list[Tensor], list[Any]]:
    """Images and targets as torchvision takes them, half of them mirrored."""
    images, targets, objects = [], [], dataset.objects
    for row in rows.tolist():
        image = _image(dataset, row)
        mine = [i for i in objects.rows_of(row) if not objects.iscrowd[i]]
        boxes = torch.from_numpy(objects.bbox[mine].reshape(-1, 4).astype(np.float32))
        labels = torch.from_numpy(objects.label[mine].astype(np.int64)) + 1
        boxes[:, 0::2].clamp_(0, image.shape[2])
        boxes[:, 1::2].clamp_(0, image.shape[1])
        if random.random() < 0.5:
            image = image.flip(2)
            boxes[:, [0, 2]] = image.shape[2] - boxes[:, [2, 0]]
        valid = ((boxes[:, 2:] - boxes[:, :2]) > 0.5).all(dim=1)
        images.append(image)
        targets.append({"boxes": boxes[valid], "labels": labels[valid]})
    return images, targets


def _predicted(network: nn.Module, dataset: Dataset, rows: np.ndarray, split: str) -> Predictions:
    found = []
    with torch.inference_mode():
        for row in rows.tolist():
            one = {name: value.numpy() for name, value in network([_image(dataset, row)])[0].items()}
            nowhere = np.zeros(len(one["labels"]), np.int64)
            boxes, scores = one["boxes"].astype(np.float64), one["scores"].astype(np.float64)
            found.append(Detections.from_unsorted(1, nowhere, one["labels"] - 1, boxes, scores))
    images = dataset.table["image"].take(rows).combine_chunks()
    table = prediction_table(split, rows, images, object_columns(Detections.join(found)))
    calibration = Calibration(
        thresholds=(0.5,) * len(dataset.classes)
    )  # of what is shown, which no figure here depends on
    return Predictions(table, dataset.task, dataset.classes, calibration)
