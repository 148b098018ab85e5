"""True and found objects of many images, as columns, with their overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.masks import MaskCode

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrueObjects:
    """What there is in some images.

    Attributes:
        sizes: (images, 2), height and width in pixels.
        image: (n,), position of the image, sorted.
        label: (n,), position of the class.
        bbox: (n, 4), x1, y1, x2, y2 in pixels.
        crowd: (n,), bool, a region of many objects: what is found in it counts for nothing.
        difficult: (n,), bool, not counted by Pascal VOC's rule, whether found or missed.
        masks: (n,) run-length codes as texts, or None when boxes count.
    """

    sizes: NDArray[np.int64]
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    bbox: Floats
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    masks: list[str] | None = None

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(self.sizes)

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class FoundObjects:
    """What a model finds in some images.

    Attributes:
        images: how many images were looked at.
        image: (n,), position of the image, sorted; within an image the best come first.
        label: (n,), position of the class.
        bbox: (n, 4), x1, y1, x2, y2 in pixels.
        score: (n,), 0 to 1.
        masks: (n,) run-length codes as texts, or None when boxes count.
        loss: mean loss over the images, NaN when unknown.
    """

    images: int
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    bbox: Floats
    score: Floats
    masks: list[str] | None = None
    loss: float = float("nan")

    def __len__(self) -> int:
        return self.images

    @staticmethod
    def join(parts: Sequence[FoundObjects]) -> FoundObjects:
        """The objects of several batches of images, one after another."""
        starts = np.cumsum([0, *(part.images for part in parts)])
        images = int(starts[-1])
        masks = [mask for part in parts for mask in part.masks or []] if parts[0].masks is not None else None
        return FoundObjects(
            images=images,
            image=np.concatenate([part.image + start for part, start in zip(parts, starts, strict=False)]),
            label=np.concatenate([part.label for part in parts]),
            bbox=np.concatenate([part.bbox for part in parts]).reshape(-1, 4),
            score=np.concatenate([part.score for part in parts]),
            masks=masks,
            loss=sum(part.loss * part.images for part in parts) / max(images, 1),
        )

    def above(self, score: float) -> FoundObjects:
        """Those with at least a score."""
        kept = np.flatnonzero(self.score >= score)
        masks = None if self.masks is None else [self.masks[i] for i in kept.tolist()]
        return replace(
            self,
            image=self.image[kept],
            label=self.label[kept],
            bbox=self.bbox[kept],
            score=self.score[kept],
            masks=masks,
        )

    def to_arrays(self) -> dict[str, Any]:
        """The columns by name, for a file."""
        arrays = {"image": self.image, "label": self.label, "bbox": self.bbox, "score": self.score}
        return arrays if self.masks is None else {**arrays, "masks": np.array(self.masks, dtype=str)}


def box_overlaps(found: Floats, true: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """Intersection over union of boxes, (found, true); with a crowd, over the found box alone, as COCO has it."""
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    high = np.minimum(found[:, None, 2:], true[None, :, 2:])
    intersection = np.maximum(high - low, 0).prod(axis=2)
    area_found, area_true = (np.maximum(b[:, 2:] - b[:, :2], 0).prod(axis=1) for b in (found, true))
    union = np.where(crowd[None, :], area_found[:, None], area_found[:, None] + area_true[None, :] - intersection)
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))


def mask_overlaps(found: Sequence[str], true: Sequence[str], crowd: NDArray[np.bool_]) -> Floats:
    """As `box_overlaps`, of masks."""
    from faster_coco_eval.core import mask

    if not found or not true:
        return np.zeros((len(found), len(true)))
    codes = [[coco_code(text) for text in texts] for texts in (found, true)]
    return np.asarray(mask.iou(*codes, crowd.astype(int).tolist()), np.float64)


def coco_code(text: str) -> dict[str, Any]:
    """A mask's code as COCO's tools take it."""
    code = MaskCode.from_text(text)
    return {"size": [code.height, code.width], "counts": code.counts.encode()}
