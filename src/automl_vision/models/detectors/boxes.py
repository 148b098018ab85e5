"""Boxes in batches: overlaps, codes, suppression. All shapes are fixed, so that training and export share the code."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LARGEST_LOG = math.log(1000 / 16)  # as torchvision: no box grows beyond this in one step
_SUPPRESSION_ROUNDS = 12


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (n, a, 4) and (n, b, 4), or with one side (a, 4): (n, a, b)."""
    intersection, area_a, area_b = _areas(a, b)
    return intersection / (area_a + area_b - intersection).clamp(min=1e-6)


def shares_inside(a: Tensor, b: Tensor) -> Tensor:
    """The share of each box of (n, a, 4) that lies in each of (n, b, 4): (n, a, b)."""
    intersection, area_a, _ = _areas(a, b)
    return intersection / area_a.clamp(min=1e-6)


def _areas(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    a, b = a.unsqueeze(-2), b.unsqueeze(-3)
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    sides = (high - low).clamp(min=0)
    size_a, size_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    return sides[..., 0] * sides[..., 1], size_a[..., 0] * size_a[..., 1], size_b[..., 0] * size_b[..., 1]


def encode(boxes: Tensor, anchors: Tensor, weights: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Encode boxes as deltas from anchors (Girshick et al. 2014), both (..., 4)."""
    centre, size = _centre_size(anchors)
    box_centre, box_size = _centre_size(boxes)
    moves = (box_centre - centre) / size * weights[0]
    growths = torch.log(box_size.clamp(min=1e-3) / size) * weights[1]
    return torch.cat([moves, growths], dim=-1)


def decode(deltas: Tensor, anchors: Tensor, weights: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Decode deltas from anchors into boxes, both (..., 4)."""
    centre, size = _centre_size(anchors)
    box_centre = deltas[..., :2] / weights[0] * size + centre
    half = torch.exp((deltas[..., 2:] / weights[1]).clamp(max=_LARGEST_LOG)) * size / 2
    return torch.cat([box_centre - half, box_centre + half], dim=-1)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3)
    return boxes[..., :2] + size / 2, size


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes (..., 4) within the canvas."""
    x1, y1, x2, y2 = boxes.unbind(dim=-1)
    return torch.stack([x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)], dim=-1)


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Rows of (n, a, d) by position (n, k): (n, k, d)."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def nms_keep(boxes: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Return which boxes non-maximum suppression (NMS) keeps, (n, k).

    Boxes suppress all later ones of their group that overlap them by more than the threshold, unless they are
    suppressed themselves. Solved by repetition from "all are kept", which reaches the answer of the usual
    one-after-another rule after as many rounds as its chains are long (Cluster-NMS, Zheng et al. 2020); a graph with a
    fixed number of operations can be exported and runs over a batch at once.

    Args:
        boxes: (n, k, 4), best first.
        groups: (n, k), boxes only suppress others of their group.
        threshold: of intersection over union.
    """
    rivals = (overlaps(boxes, boxes) > threshold) & (groups.unsqueeze(1) == groups.unsqueeze(2))
    earlier = torch.ones(boxes.shape[1], boxes.shape[1], dtype=torch.bool, device=boxes.device).triu(1)
    suppresses = (rivals & earlier).to(torch.float32)
    kept = torch.ones(boxes.shape[:2], dtype=torch.float32, device=boxes.device)
    for _ in range(_SUPPRESSION_ROUNDS):
        following = (torch.bmm(kept.unsqueeze(1), suppresses).squeeze(1) < 0.5).to(torch.float32)
        if not torch.compiler.is_exporting() and torch.equal(following, kept):
            break
        kept = following
    return kept > 0.5
