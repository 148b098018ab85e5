"""Detectors that score every cell: RetinaNet and FCOS, with torchvision's heads, and a task-aligned one-stage one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from automl_vision.models.detectors.backbone import Backbone, anchor_shapes, anchors_of, cell_centres, flatten
from automl_vision.models.detectors.boxes import decode, encode, gather, overlaps, shares_inside
from automl_vision.models.detectors.detector import DetectionTensors, Losses, PyramidDetector
from automl_vision.recipes.geometry import Geometry
from automl_vision.tasks.object_targets import ObjectTargets

_SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # of RetinaNet's anchors
_FOREGROUND, _BACKGROUND = 0.5, 0.4  # overlap with an object
_CENTRE_RADIUS = 1.5  # cells around an object's centre that FCOS learns from
_CROWD_SHARE = 0.5  # of a box that lies in a crowd, from which it is not background
_PRIOR = 0.01  # score of everything at the start


class RetinaNet(PyramidDetector):
    """Anchors and focal loss (Lin et al. 2017)."""

    def __init__(self, backbone: Backbone, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(backbone, geometry, classes=classes, nms_threshold=nms_threshold)
        self.shapes = anchor_shapes(geometry, _SCALES)
        self.head = RetinaNetHead(backbone.channels, len(self.shapes), classes)

    def _outputs(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        outputs = self.head(maps)
        return (
            outputs["cls_logits"].float(),
            outputs["bbox_regression"].float(),
            anchors_of(maps, self.geometry, self.shapes),
        )

    def losses(self, maps: list[Tensor], targets: ObjectTargets) -> Losses:
        """Focal loss of the scores and absolute error of the boxes' codes."""
        logits, deltas, anchors = self._outputs(maps)
        match, foreground, ignored = match_anchors(
            anchors[None], targets, foreground=_FOREGROUND, background=_BACKGROUND, low_quality=True
        )
        wanted = one_hot(targets.labels.gather(1, match), foreground, self.classes)
        count = foreground.sum().clamp(min=1)
        focal = sigmoid_focal_loss(logits, wanted, reduction="none").sum(dim=2)
        codes = encode(gather(targets.boxes, match), anchors[None].expand(len(match), -1, -1))
        return {
            "classification": (focal * ~ignored).sum() / count,
            "box": (deltas - codes).abs().sum(dim=2)[foreground].sum() / count,
        }

    def detect(self, maps: list[Tensor]) -> DetectionTensors:
        """The best anchors after NMS."""
        logits, deltas, anchors = self._outputs(maps)
        return self.best(decode(deltas, anchors[None]), logits.sigmoid(), self.size_of(maps))


class FCOS(PyramidDetector):
    """Cells near an object's centre predict the distances to its sides (Tian et al. 2019)."""

    def __init__(self, backbone: Backbone, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(backbone, geometry, classes=classes, nms_threshold=nms_threshold)
        self.head = FCOSHead(backbone.channels, 1, classes)

    def _outputs(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        outputs = self.head(maps)
        centres, strides = cell_centres(maps, self.geometry)
        distances = outputs["bbox_regression"].float()
        boxes = boxes_around(centres, distances * strides[:, None])
        return outputs["cls_logits"].float(), outputs["bbox_ctrness"].float()[..., 0], boxes, centres, strides

    def losses(self, maps: list[Tensor], targets: ObjectTargets) -> Losses:
        """Focal loss of the scores, GIoU of the boxes, cross-entropy of the centre-ness."""
        logits, centreness, boxes, centres, strides = self._outputs(maps)
        match, foreground = _match_cells(centres, strides, targets, self.geometry.anchor_scale)
        ignored = in_crowd(cells_as_boxes(centres, strides)[None], targets) & ~foreground
        wanted = one_hot(targets.labels.gather(1, match), foreground, self.classes)
        matched = gather(targets.boxes, match)
        count = foreground.sum().clamp(min=1)
        focal = sigmoid_focal_loss(logits, wanted, reduction="none").sum(dim=2)
        sides = distances_to(centres, matched)[foreground]
        across, down = sides[:, [0, 2]], sides[:, [1, 3]]
        ideal = torch.sqrt(
            (across.amin(1) / across.amax(1).clamp(min=1e-6)) * (down.amin(1) / down.amax(1).clamp(min=1e-6))
        )
        return {
            "classification": (focal * ~ignored).sum() / count,
            "box": generalized_box_iou_loss(boxes[foreground], matched[foreground], reduction="sum") / count,
            "centreness": F.binary_cross_entropy_with_logits(centreness[foreground], ideal, reduction="sum") / count,
        }

    def detect(self, maps: list[Tensor]) -> DetectionTensors:
        """The best cells after NMS; a score is the root of class score times centre-ness."""
        logits, centreness, boxes, _, _ = self._outputs(maps)
        scores = torch.sqrt(logits.sigmoid() * centreness.sigmoid().unsqueeze(2))
        return self.best(boxes, scores, self.size_of(maps))


class TaskAligned(PyramidDetector):
    """A one-stage detector whose cells learn by how well they classify and locate (TOOD, Feng et al. 2021).

    The scores learn the overlap of the box that they come with (varifocal loss, Zhang et al. 2021), so that they rank
    boxes by both. Two branches of two convolutions with batch norms, shared by all levels.
    """

    normed_pyramid = True

    def __init__(self, backbone: Backbone, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(backbone, geometry, classes=classes, nms_threshold=nms_threshold)
        channels = backbone.channels
        self.class_branch, self.box_branch = _branch(channels), _branch(channels)
        self.class_logits = nn.Conv2d(channels, classes, 1)
        self.box_sides = nn.Conv2d(channels, 4, 1)
        self.level_scale = nn.Parameter(torch.full((len(geometry.levels),), geometry.anchor_scale / 2).log())
        nn.init.constant_(self.class_logits.bias, -math.log((1 - _PRIOR) / _PRIOR))  # type: ignore[arg-type]
        for layer in (self.class_logits, self.box_sides):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(self.box_sides.bias)  # type: ignore[arg-type]

    def _outputs(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        centres, strides = cell_centres(maps, self.geometry)
        logits = flatten([self.class_logits(self.class_branch(m)) for m in maps], self.classes)
        raw = [self.box_sides(self.box_branch(m)).float() + s for m, s in zip(maps, self.level_scale, strict=True)]
        sides = flatten(raw, 4).clamp(max=8).exp()
        return logits, boxes_around(centres, sides * strides[:, None]), centres, strides

    def losses(self, maps: list[Tensor], targets: ObjectTargets) -> Losses:
        """Varifocal loss of the scores and GIoU of the boxes, both weighted by the alignment."""
        logits, boxes, centres, strides = self._outputs(maps)
        with torch.no_grad():
            match, quality = _align(logits, boxes, centres, targets)
            foreground = quality > 0
            ignored = in_crowd(cells_as_boxes(centres, strides)[None], targets) & ~foreground
            wanted = one_hot(targets.labels.gather(1, match), foreground, self.classes) * quality.unsqueeze(2)
            weight = torch.where(wanted > 0, wanted, 0.75 * logits.sigmoid() ** 2) * ~ignored.unsqueeze(2)
            count = quality.sum().clamp(min=1)
        scores = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight
        located = generalized_box_iou_loss(boxes[foreground], gather(targets.boxes, match)[foreground])
        return {
            "classification": scores.sum() / count,
            "box": 2.0 * (located * quality[foreground]).sum() / count,
        }

    def detect(self, maps: list[Tensor]) -> DetectionTensors:
        """The best cells after NMS."""
        logits, boxes, _, _ = self._outputs(maps)
        return self.best(boxes, logits.sigmoid(), self.size_of(maps))


def _branch(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.SiLU()]
    return nn.Sequential(*layers)


def one_hot(labels: Tensor, foreground: Tensor, classes: int) -> Tensor:
    """Wanted scores (n, a, classes): 1 for the class of a foreground box."""
    return F.one_hot(labels, classes).float() * foreground.unsqueeze(2)


def boxes_around(centres: Tensor, sides: Tensor) -> Tensor:
    """Boxes (n, a, 4) from distances to left, top, right and bottom (n, a, 4), in pixels."""
    return torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], dim=-1)


def distances_to(centres: Tensor, boxes: Tensor) -> Tensor:
    """Distances of centres (a, 2) to the sides of boxes (n, a, 4): left, top, right, bottom."""
    return torch.cat([centres - boxes[..., :2], boxes[..., 2:] - centres], dim=-1)


def cells_as_boxes(centres: Tensor, strides: Tensor) -> Tensor:
    """Boxes (a, 4) of the cells themselves."""
    half = strides[:, None] / 2
    return torch.cat([centres - half, centres + half], dim=1)


def in_crowd(boxes: Tensor, targets: ObjectTargets) -> Tensor:
    """Whether boxes (1 or n, a, 4) lie mostly in a crowd, (n, a)."""
    if not bool(targets.crowd.any()):
        return torch.zeros(len(targets.crowd), boxes.shape[1], dtype=torch.bool, device=boxes.device)
    shares = shares_inside(boxes, targets.boxes) * targets.crowd.unsqueeze(1)
    return shares.amax(dim=2) > _CROWD_SHARE


def match_anchors(
    anchors: Tensor, targets: ObjectTargets, *, foreground: float, background: float, low_quality: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The object of each anchor by overlap, as torchvision's `Matcher` finds it, for a whole batch.

    Args:
        anchors: (1 or n, a, 4).
        targets: with room for m objects.
        foreground, background: overlaps from and below which an anchor counts.
        low_quality: whether each object also takes the anchors that overlap it most.

    Returns:
        Position of the object (n, a), whether it is foreground, and whether it is neither.
    """
    overlap = overlaps(anchors, targets.boxes) * targets.valid.unsqueeze(1)
    best, match = overlap.max(dim=2)
    is_foreground = best >= foreground
    if low_quality:
        most = overlap.amax(dim=1, keepdim=True)
        favourite = (overlap == most) & (most > 0)
        is_foreground = is_foreground | favourite.any(dim=2)
    ignored = ~is_foreground & ((best >= background) | in_crowd(anchors, targets))
    return match, is_foreground, ignored


def _match_cells(centres: Tensor, strides: Tensor, targets: ObjectTargets, scale: float) -> tuple[Tensor, Tensor]:
    """The object of each cell: the smallest whose centre is near and whose size suits the level, (n, a)."""
    boxes = targets.boxes.unsqueeze(1)  # (n, 1, m, 4)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    reach = torch.minimum(_CENTRE_RADIUS * strides[:, None, None], (boxes[..., 2:] - boxes[..., :2]) / 2)
    near = ((centres[:, None] - middle).abs() <= reach).all(dim=3)
    side = (boxes[..., 2:] - boxes[..., :2]).amax(dim=3)
    low, high = strides * scale / 2**0.5, strides * scale * 2**0.5
    low = torch.where(strides == strides.min(), torch.zeros_like(low), low)
    high = torch.where(strides == strides.max(), torch.full_like(high, math.inf), high)
    suits = (side >= low[:, None]) & (side < high[:, None])
    candidate = near & suits & targets.valid.unsqueeze(1)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    smallest, match = torch.where(candidate, area, torch.full_like(area, math.inf)).min(dim=2)
    return match, torch.isfinite(smallest)


_TOP_CELLS = 13  # of an object, as in the paper
_LOCATION_POWER = 6.0


def _align(logits: Tensor, boxes: Tensor, centres: Tensor, targets: ObjectTargets) -> tuple[Tensor, Tensor]:
    """The object of each cell and the score it should have, 0 for background; both (n, a).

    An object's cells are those inside it with the highest score times overlap to the sixth. The best of them should
    score its overlap, the others less in proportion.
    """
    overlap = overlaps(boxes, targets.boxes)  # (n, a, m)
    labels = targets.labels.unsqueeze(1).expand(-1, logits.shape[1], -1)
    alignment = logits.sigmoid().gather(2, labels) * overlap**_LOCATION_POWER
    inside = (distances_to(centres[:, None], targets.boxes.unsqueeze(1)).amin(dim=3) > 0) & targets.valid.unsqueeze(1)
    alignment = torch.where(inside, alignment, torch.zeros_like(alignment))
    least = alignment.topk(min(_TOP_CELLS, alignment.shape[1]), dim=1).values[:, -1:]
    chosen = inside & (alignment >= least) & (alignment > 0)
    owner = torch.where(chosen, overlap, torch.full_like(overlap, -1.0)).max(dim=2)
    match, is_chosen = owner.indices, owner.values >= 0
    chosen = chosen & F.one_hot(match, chosen.shape[2]).bool()
    alignment = torch.where(chosen, alignment, torch.zeros_like(alignment))
    best_alignment = alignment.amax(dim=1, keepdim=True).clamp(min=1e-9)
    best_overlap = torch.where(chosen, overlap, torch.zeros_like(overlap)).amax(dim=1, keepdim=True)
    quality = (alignment / best_alignment * best_overlap).amax(dim=2)
    return match, torch.where(is_chosen, quality.clamp(min=1e-4), torch.zeros_like(quality))
