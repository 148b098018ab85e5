"""Faster R-CNN and Mask R-CNN: one network proposes regions, a second one classifies and refines them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import roi_align

from automl_vision.models.detectors.backbone import Backbone, anchor_shapes, anchors_of, flatten
from automl_vision.models.detectors.boxes import clip, decode, encode, gather, nms_keep
from automl_vision.models.detectors.detector import DetectionTensors, Losses, PyramidDetector, random_keys
from automl_vision.models.detectors.one_stage import match_anchors
from automl_vision.recipes.geometry import Geometry
from automl_vision.tasks.object_targets import ObjectTargets

_ROI_LEVELS_TO = 5  # regions are pooled from features, not from what is made of them
# cells that a region's side has at least on the level that it is pooled from, and samples across a pooled cell: as
# torchvision for wide pyramids, whose weights may be its own; otherwise a coarser level, where one sample says as much
_WIDE_POOLING, _LIGHT_POOLING = (14.0, 2), (7.0, 1)
_WIDE = 256  # channels of a pyramid whose heads are as torchvision's; those of lighter ones have half the width
_POOLED, _MASK_POOLED = 7, 14
_BOX_WEIGHTS = (10.0, 5.0)
_PROPOSED_PER_LEVEL, _SUPPRESSED = 300, 400  # boxes before and in suppression
_LEAST_PROPOSED = 100  # after it; twice the objects of an image where that is more
_PROPOSAL_NMS = 0.7
_SAMPLED_ANCHORS, _SAMPLED_REGIONS = 256, 64
_FOREGROUND_SHARE = 0.25  # of the sampled regions


class FasterRCNN(PyramidDetector):
    """Region proposals, then classes and finer boxes (Ren et al. 2015, Lin et al. 2017)."""

    def __init__(self, backbone: Backbone, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(backbone, geometry, classes=classes, nms_threshold=nms_threshold)
        channels = backbone.channels
        self.proposed = max(_LEAST_PROPOSED, 2 * geometry.detections)
        wide = channels >= _WIDE
        features = 1024 if wide else 512
        self.region_cells, self.samples = _WIDE_POOLING if wide else _LIGHT_POOLING
        self.shapes = anchor_shapes(geometry, (1.0,))
        self.rpn = nn.ModuleDict({"head": RPNHead(channels, len(self.shapes))})
        parts: dict[str, nn.Module] = {
            "box_head": TwoMLPHead(channels * _POOLED**2, features),
            "class_logits": nn.Linear(features, classes + 1),
            "box_deltas": nn.Linear(features, 4),
        }
        nn.init.normal_(parts["class_logits"].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.normal_(parts["box_deltas"].weight, std=0.001)  # type: ignore[arg-type]
        self.roi_heads = nn.ModuleDict(parts)
        self.roi_levels = [level for level in geometry.levels if level <= _ROI_LEVELS_TO]

    def losses(self, maps: list[Tensor], targets: ObjectTargets) -> Losses:
        """Losses of proposals and of regions."""
        objectness, deltas, anchors = self._propose(maps)
        losses = self._proposal_losses(objectness, deltas, anchors, targets)
        with torch.no_grad():
            proposals, _ = self._proposals(objectness, deltas, anchors, self.size_of(maps))
            regions, match, foreground, used = self._sample(proposals, targets)
        losses.update(self._region_losses(maps, regions, match, foreground, used, targets))
        return losses

    def detect(self, maps: list[Tensor]) -> DetectionTensors:
        """The best regions after NMS."""
        proposals, scores = self._proposals(*self._propose(maps), self.size_of(maps))
        logits, deltas = self._classify_regions(maps, proposals)
        probabilities = logits.softmax(dim=2)[..., : self.classes] * (scores > 0).unsqueeze(2)
        return self.best(decode(deltas, proposals, _BOX_WEIGHTS), probabilities, self.size_of(maps))

    def _propose(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Objectness (n, a), deltas (n, a, 4) and anchors (a, 4)."""
        objectness, deltas = self.rpn["head"](maps)
        anchors = anchors_of(maps, self.geometry, self.shapes)
        return flatten(objectness, 1)[..., 0], flatten(deltas, 4), anchors

    def _proposals(
        self, objectness: Tensor, deltas: Tensor, anchors: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Proposed boxes (n, p, 4), best first, with their scores, 0 where there are fewer."""
        chosen, levels = [], []
        start = 0
        for number, cells in enumerate(self._cells(size)):
            count = cells * len(self.shapes)
            top = objectness[:, start : start + count].topk(min(_PROPOSED_PER_LEVEL, count), dim=1)
            chosen.append(top.indices + start)
            levels.append(torch.full_like(top.indices, number))
            start += count
        index, level = torch.cat(chosen, dim=1), torch.cat(levels, dim=1)
        order = objectness.gather(1, index).topk(min(_SUPPRESSED, index.shape[1]), dim=1).indices
        index, level = index.gather(1, order), level.gather(1, order)
        scores = objectness.gather(1, index).sigmoid()
        boxes = clip(decode(gather(deltas, index), anchors[index]), *size)
        kept = nms_keep(boxes, level, _PROPOSAL_NMS) & ((boxes[..., 2:] - boxes[..., :2]).amin(dim=2) > 1e-2)
        scores, order = torch.where(kept, scores, torch.zeros_like(scores)).topk(
            min(self.proposed, scores.shape[1]), dim=1
        )
        return gather(boxes, order), scores

    def _cells(self, size: tuple[int, int]) -> list[int]:
        """Cells of each level; as many as the maps have."""
        cells = []
        height, width = size
        for level in range(1, self.geometry.highest + 1):
            height, width = (height + 1) // 2, (width + 1) // 2
            if level >= self.geometry.lowest:
                cells.append(height * width)
        return cells

    def _proposal_losses(self, objectness: Tensor, deltas: Tensor, anchors: Tensor, targets: ObjectTargets) -> Losses:
        match, foreground, ignored = match_anchors(
            anchors[None], targets, foreground=0.7, background=0.3, low_quality=True
        )
        keys = random_keys(objectness, training=self.training)
        index, taken = _balanced(keys, foreground, ~foreground & ~ignored, _SAMPLED_ANCHORS, share=0.5)
        is_object = foreground.gather(1, index)
        cross_entropy = F.binary_cross_entropy_with_logits(
            objectness.gather(1, index), is_object.float(), reduction="none"
        )
        count = taken.sum().clamp(min=1)
        positive = is_object & taken
        wanted = encode(gather(targets.boxes, match.gather(1, index)), anchors[index])
        errors = F.smooth_l1_loss(gather(deltas, index)[positive], wanted[positive], beta=1 / 9, reduction="sum")
        return {"objectness": (cross_entropy * taken).sum() / count, "proposal": errors / count}

    def _sample(self, proposals: Tensor, targets: ObjectTargets) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Regions to learn from (n, s, 4), the object of each, whether it is foreground, whether it counts."""
        boxes = torch.cat([targets.boxes, proposals], dim=1)
        match, foreground, ignored = match_anchors(boxes, targets, foreground=0.5, background=0.5, low_quality=False)
        padding = torch.zeros_like(foreground)
        padding[:, : targets.valid.shape[1]] = ~targets.valid
        keys = random_keys(match, training=self.training)
        index, used = _balanced(
            keys, foreground, ~foreground & ~ignored & ~padding, _SAMPLED_REGIONS, share=_FOREGROUND_SHARE
        )
        return gather(boxes, index), match.gather(1, index), foreground.gather(1, index) & used, used

    def _region_losses(
        self, maps: list[Tensor], regions: Tensor, match: Tensor, foreground: Tensor, used: Tensor,
        targets: ObjectTargets,
    ) -> Losses:  # fmt: skip
        logits, deltas = self._classify_regions(maps, regions)
        labels = torch.where(foreground, targets.labels.gather(1, match), self.classes)
        cross_entropy = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(used)
        count = used.sum().clamp(min=1)
        wanted = encode(gather(targets.boxes, match), regions, _BOX_WEIGHTS)
        errors = F.smooth_l1_loss(deltas[foreground], wanted[foreground], beta=1 / 9, reduction="sum")
        return {"classification": (cross_entropy * used).sum() / count, "box": errors / count}

    def _classify_regions(self, maps: list[Tensor], regions: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, p, classes + 1), the last for background, and deltas (n, p, 4) of regions (n, p, 4)."""
        n, p = regions.shape[:2]
        features = self.roi_heads["box_head"](self._pool(maps, as_rois(regions), _POOLED))
        logits, deltas = self.roi_heads["class_logits"](features), self.roi_heads["box_deltas"](features)
        return logits.float().reshape(n, p, -1), deltas.float().reshape(n, p, 4)

    def _pool(self, maps: list[Tensor], rois: Tensor, size: int) -> Tensor:
        """Features (r, channels, size, size) of regions (r, 5), each from the level that suits its size."""
        sides = (rois[:, 3:] - rois[:, 1:3]).clamp(min=1e-3).prod(dim=1).sqrt()
        wanted = (sides / self.region_cells + 1e-6).log2().floor().clamp(self.roi_levels[0], self.roi_levels[-1])
        count = rois.shape[0]  # its `len` would be a constant of an exported graph
        pooled = torch.zeros(count, maps[0].shape[1], size, size, device=rois.device)
        for level, features in zip(self.roi_levels, maps, strict=False):
            here = wanted == level
            if torch.compiler.is_exporting():  # a graph cannot take a varying number of regions from each level
                part = roi_align(features, rois, size, 2.0**-level, self.samples, True)
                pooled = torch.where(here[:, None, None, None], part, pooled)
                continue
            (index,) = torch.nonzero(here, as_tuple=True)
            part = roi_align(features.float(), rois[index], size, 2.0**-level, self.samples, True)
            pooled = pooled.index_copy(0, index, part)
        return pooled


class MaskRCNN(FasterRCNN):
    """Faster R-CNN whose regions also get masks (He et al. 2017)."""

    def __init__(self, backbone: Backbone, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(backbone, geometry, classes=classes, nms_threshold=nms_threshold)
        channels = backbone.channels
        inner = channels if channels >= _WIDE else channels // 2
        self.roi_heads["mask_head"] = MaskRCNNHeads(channels, (inner,) * 4, 1)
        predictor = MaskRCNNPredictor(inner, inner, classes)
        nn.init.normal_(predictor.mask_fcn_logits.weight, std=0.01)  # undecided at the start
        self.roi_heads["mask_predictor"] = predictor

    def _region_losses(
        self, maps: list[Tensor], regions: Tensor, match: Tensor, foreground: Tensor, used: Tensor,
        targets: ObjectTargets,
    ) -> Losses:  # fmt: skip
        losses = super()._region_losses(maps, regions, match, foreground, used, targets)
        image, place = torch.nonzero(foreground, as_tuple=True)
        rois = torch.cat([image.unsqueeze(1).to(regions.dtype), regions[image, place]], dim=1)
        objects = match[image, place]
        logits = self._masks(maps, rois)
        chosen = logits[torch.arange(len(rois), device=rois.device), targets.labels[image, objects]]
        wanted = _mask_targets(targets, rois, objects, chosen.shape[-1])
        errors = F.binary_cross_entropy_with_logits(chosen, wanted, reduction="none").mean(dim=(1, 2))
        losses["mask"] = errors.sum() / max(1, len(errors))
        return losses

    def detect(self, maps: list[Tensor]) -> DetectionTensors:
        """The best regions after NMS, with the probabilities of their masks."""
        boxes, scores, labels = super().detect(maps)
        logits = self._masks(maps, as_rois(boxes))
        side = logits.shape[-1]
        index = labels.reshape(-1, 1, 1, 1).expand(-1, 1, side, side)
        chosen = logits.gather(1, index).reshape(boxes.shape[0], boxes.shape[1], side, side)
        return boxes, scores, labels, chosen.sigmoid()

    def _masks(self, maps: list[Tensor], rois: Tensor) -> Tensor:
        """Logits (r, classes, 28, 28) of regions (r, 5)."""
        pooled = self.roi_heads["mask_head"](self._pool(maps, rois, _MASK_POOLED))
        logits: Tensor = self.roi_heads["mask_predictor"](pooled)
        return logits.float()


def as_rois(regions: Tensor) -> Tensor:
    """Regions (n, p, 4) with the number of their image in front, (n * p, 5), as `roi_align` takes them."""
    n, p = regions.shape[:2]
    images = torch.arange(n, device=regions.device, dtype=regions.dtype).view(n, 1, 1).expand(n, p, 1)
    return torch.cat([images, regions], dim=2).reshape(n * p, 5)


def _mask_targets(targets: ObjectTargets, rois: Tensor, objects: Tensor, side: int) -> Tensor:
    """The masks of an object (r,) within each region (r, 5), resampled to a square: (r, side, side)."""
    masks: Any = targets.masks
    chosen = masks[rois[:, 0].long(), objects].unsqueeze(1).float()
    own = torch.arange(len(rois), device=rois.device, dtype=rois.dtype).unsqueeze(1)
    wanted: Tensor = roi_align(chosen, torch.cat([own, rois[:, 1:]], dim=1), side, 1.0, -1, True)[:, 0]
    return wanted


def _balanced(
    keys: Tensor, foreground: Tensor, background: Tensor, count: int, *, share: float
) -> tuple[Tensor, Tensor]:
    """A random choice of at most `count` rows of each image, at most a share of them foreground, which comes first.

    Args:
        keys: (n, a), random in [0, 1).
        foreground, background: (n, a), bool.
        count: rows to choose.
        share: of the foreground.

    Returns:
        Positions (n, count), and whether each was chosen.
    """
    count = min(count, keys.shape[1])
    most = max(1, round(count * share))
    ranked = torch.where(foreground, keys + 2, torch.zeros_like(keys))
    top = ranked.topk(min(most, keys.shape[1]), dim=1)
    priority = torch.where(background, keys, torch.full_like(keys, -1.0))
    priority = priority.scatter(
        1, top.indices, torch.where(top.values > 1, top.values, priority.gather(1, top.indices))
    )
    chosen = priority.topk(count, dim=1)
    return chosen.indices, chosen.values >= 0
