"""A network that also returns its features, for the export: who watches a model's images compares those."""

from __future__ import annotations

from torch import Tensor, nn
from torch.export import ExportedProgram

from automl_vision.models.detectors.detector import Detector
from automl_vision.models.image_model import linear_head, pooled_features


class FeaturedNetwork(nn.Module):
    """Returns the outputs of a network, and after them its features (n, features).

    Features are what the last linear layer of a classifier sees; of a detector, what its heads take, averaged over the
    image.

    Args:
        network: in evaluation mode; see `has_features`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The outputs for normalised images (n, 3, height, width)."""
        network = self.network
        if isinstance(network, Detector):
            extracted = network.extract(images, None)
            return (*network.detect(extracted), network.features(extracted))
        head, pooled = linear_head(network), pooled_features(network, images)
        assert head is not None
        return head(pooled), pooled

    def traced(self, example: Tensor) -> nn.Module | ExportedProgram:
        """What the exporter to ONNX is given.

        Args:
            example: images whose number may change.
        """
        return self.network.traced(self, example) if isinstance(self.network, Detector) else self


def has_features(network: nn.Module) -> bool:
    """Whether a network is a detector, or a classifier with a linear head."""
    return isinstance(network, Detector) or linear_head(network) is not None
