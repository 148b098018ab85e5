"""RF-DETR's losses: the library's, after a matching of queries and objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import box_convert, generalized_box_iou
from transformers import RfDetrConfig
from transformers.loss.loss_lw_detr import LwDetrImageLoss
from transformers.loss.loss_rf_detr import (
    RfDetrImageLoss,
    pair_wise_dice_loss,
    pair_wise_sigmoid_cross_entropy_loss,
    sample_point,
)

from automl_vision.models.detectors.detector import Losses

_TERMS = {
    "loss_ce": ("classification", "class_loss_coefficient"),
    "loss_bbox": ("box", "bbox_loss_coefficient"),
    "loss_giou": ("overlap", "giou_loss_coefficient"),
    "loss_mask_ce": ("mask", "mask_class_loss_coefficient"),
    "loss_mask_dice": ("dice", "mask_dice_loss_coefficient"),
}
"""Our name of each of the library's losses, and its weight in the configuration."""

Found = dict[str, Tensor]
Matches = list[tuple[Tensor, Tensor]]


def matched_losses(
    stages: Sequence[Found], labels: list[dict[str, Tensor]], config: RfDetrConfig, *, training: bool
) -> Losses:
    """The weighted losses by kind, summed over stages.

    Args:
        stages: `logits`, `pred_boxes` and, with masks, `pred_masks` of the first stage and of each layer.
        labels: the objects of each image: `class_labels`, `boxes`, `masks`.
        config: of the network, with the weights.
        training: whether the queries are in groups, each of which is matched to all objects.
    """
    groups = config.group_detr if training else 1  # the library's own function takes groups in evaluation too
    matcher = QueryMatcher(config)
    with_masks = "pred_masks" in stages[0]
    common = (matcher, config.num_labels, config.focal_alpha)
    criterion: Any
    if with_masks:
        parts = ["labels", "boxes", "masks"]
        criterion = RfDetrImageLoss(*common, parts, groups, config.mask_point_sample_ratio)
    else:
        parts = ["labels", "boxes"]
        criterion = LwDetrImageLoss(*common, parts, groups)
    # of this process: the library adds those of others, which do not wait where one process alone measures
    count = max(1, groups * sum(len(image["boxes"]) for image in labels))
    losses: Losses = {}
    with _same_points(stages[0]["logits"].device, fixed=not training):
        for stage in stages:
            matches = matcher(stage, labels, groups)
            for part in parts:
                for name, value in criterion.get_loss(part, stage, labels, matches, count).items():
                    kind, weight = _TERMS[name]
                    losses[kind] = losses.get(kind, 0) + getattr(config, weight) * value.sum()
    if with_masks:  # without objects they have no loss, and several processes wait for every parameter's gradient
        losses["mask"] = losses["mask"] + 0 * torch.stack([stage["pred_masks"].mean() for stage in stages]).sum()
    return losses


class QueryMatcher:
    """Finds the query of each object, within each group of queries, that costs least by class, box and mask.

    The library's matcher of masks takes the number of points to compare from the shape of the boxes instead of the
    masks': of the medium size, 14 times as many in a batch of 16 images, which it then compares across images.

    Args:
        config: of the network, with the weights of the costs.
    """

    def __init__(self, config: RfDetrConfig) -> None:
        self._config = config

    @torch.no_grad()
    def __call__(self, outputs: Found, targets: list[dict[str, Tensor]], group_detr: int) -> Matches:
        """Positions of queries and of their objects, for each image.

        Args:
            outputs: of a stage, for all images.
            targets: the objects of each image.
            group_detr: into how many groups the queries fall.
        """
        matches = []
        for image, target in enumerate(targets):
            cost = self._cost({name: outputs[name][image] for name in outputs}, target)
            cost = torch.nan_to_num(cost, nan=1e9, posinf=1e9, neginf=-1e9).cpu()
            size = len(cost) // group_detr
            pairs = [linear_sum_assignment(group) for group in torch.split(cost, size)]
            queries = torch.cat([torch.as_tensor(rows) + k * size for k, (rows, _) in enumerate(pairs)])
            matches.append((queries, torch.cat([torch.as_tensor(columns) for _, columns in pairs])))
        return matches

    def _cost(self, found: Found, target: dict[str, Tensor]) -> Tensor:
        """The cost (queries, objects) of an image's pairs."""
        config, boxes = self._config, found["pred_boxes"]
        corners, wanted = (box_convert(each, "cxcywh", "xyxy") for each in (boxes, target["boxes"]))
        cost: Tensor = (
            config.class_cost * _class_cost(found["logits"])[:, target["class_labels"]]
            + config.bbox_cost * torch.cdist(boxes, target["boxes"], p=1)
            - config.giou_cost * generalized_box_iou(corners, wanted)
        )
        if "pred_masks" in found:
            height, width = found["pred_masks"].shape[1:]
            points = torch.rand(1, max(1, height * width // config.mask_point_sample_ratio), 2, device=cost.device)
            logits = sample_point(found["pred_masks"][None], points, align_corners=False)[0]
            inside = sample_point(target["masks"][None].float(), points, align_corners=False, mode="nearest")[0]
            cost = (
                cost
                + config.mask_class_loss_coefficient * pair_wise_sigmoid_cross_entropy_loss(logits, inside)
                + config.mask_dice_loss_coefficient * pair_wise_dice_loss(logits, inside)
            )
        return cost


def _class_cost(logits: Tensor) -> Tensor:
    """What a query would gain in the focal loss by an object of each class, (queries, classes)."""
    scores = logits.sigmoid()
    positive = 0.25 * (1 - scores) ** 2 * -(scores + 1e-8).log()
    return positive - 0.75 * scores**2 * -(1 - scores + 1e-8).log()


@contextmanager
def _same_points(device: torch.device, *, fixed: bool) -> Iterator[None]:
    """Masks are compared at random points; in evaluation always at the same ones."""
    if not fixed:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
