"""What detectors of the transformers library share, whose queries are matched to the objects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torchvision.ops import box_convert

from automl_vision.models.detectors.boxes import overlaps
from automl_vision.models.detectors.one_stage import in_crowd
from automl_vision.tasks.object_targets import ObjectTargets

_ALONE = 0.1  # overlap with every object, up to which a box in a crowd is nobody's
_HIDDEN = -20.0  # logit of such a box: no loss as background, and no match for an object
_NO_SHAPE_CHECKS = "TRANSFORMERS_DISABLE_TORCH_CHECK"  # the library's own switch

Size = tuple[int, int]


def hub_labels(targets: ObjectTargets, size: Size) -> list[dict[str, Tensor]]:
    """The objects of each image, crowds left out, as the library wants them: centre and size in shares."""
    height, width = size
    scale = targets.boxes.new_tensor([width, height, width, height])
    boxes = box_convert(targets.boxes / scale, "xyxy", "cxcywh")
    return [
        {"class_labels": labels[valid], "boxes": box[valid]}
        for labels, box, valid in zip(targets.labels, boxes, targets.valid, strict=True)
    ]


def on_canvas(boxes: Tensor, size: Size) -> Tensor:
    """Corners (..., 4) in pixels from centre and size in shares."""
    height, width = size
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1) * boxes.new_tensor([width, height, width, height])


def hide_crowds(logits: Tensor, boxes: Tensor, targets: ObjectTargets, size: Size) -> Tensor:
    """Logits by which boxes that lie in a crowd, and on no object, are not learned as background.

    Args:
        logits: (n, layers, queries, classes).
        boxes: (n, layers, queries, 4), centre and size in shares.
        targets: with crowds.
        size: height and width of the images.
    """
    if not bool(targets.crowd.any()):
        return logits
    corners = on_canvas(boxes.detach(), size).flatten(1, 2)
    alone = (overlaps(corners, targets.boxes) * targets.valid.unsqueeze(1)).amax(dim=2) < _ALONE
    hidden = (in_crowd(corners, targets) & alone).view(logits.shape[:3])
    return torch.where(hidden.unsqueeze(3), logits.new_full((), _HIDDEN), logits)


def traced_from_code(network: nn.Module, example: Tensor) -> ExportedProgram:
    """The program of a network, read from its code: when it is run, the library's code fixes the number of images.

    Args:
        network: of the library, or one that runs it.
        example: images whose number may change.
    """
    with _without_shape_checks():
        return torch.export.export(network, (example,), dynamic_shapes=({0: Dim("batch")},), strict=True)


@contextmanager
def _without_shape_checks() -> Iterator[None]:
    """The library's checks of shapes are off, for ONNX has no operator for them."""
    before = os.environ.get(_NO_SHAPE_CHECKS)
    os.environ[_NO_SHAPE_CHECKS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_SHAPE_CHECKS]
        else:
            os.environ[_NO_SHAPE_CHECKS] = before
