"""Multi-class image classification: every image has exactly one class."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.tasks.image_labels import ImageLabelTask


class ClassificationTask(ImageLabelTask):
    """One class per image; softmax, cross-entropy."""

    name = CLASSIFICATION

    @property
    def outcomes(self) -> int:
        """One per class."""
        return len(self.classes)

    def losses(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy with soft targets, (images,), without renormalising by the weights."""
        return (-F.log_softmax(logits, dim=1) * targets * weights).sum(dim=1)
