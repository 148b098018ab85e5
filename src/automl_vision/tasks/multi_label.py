"""Multi-label image classification: every image has any number of labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from automl_vision.core.tasks import MULTI_LABEL
from automl_vision.tasks.image_labels import ImageLabelTask


class MultiLabelTask(ImageLabelTask):
    """Any number of labels per image; a sigmoid per label, binary cross-entropy."""

    name = MULTI_LABEL
    outcomes = 2

    def losses(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Binary cross-entropy, summed over labels, (images,)."""
        return (F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * weights).sum(dim=1)
