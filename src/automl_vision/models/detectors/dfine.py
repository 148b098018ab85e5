"""D-FINE (Peng et al. 2024) of the transformers library, as a detector for the loop."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from transformers import DFineConfig, DFineModel
from transformers.loss.loss_d_fine import DFineForObjectDetectionLoss

from automl_vision.models.detectors.detector import DetectionTensors, Detector, Losses, means_of
from automl_vision.models.detectors.dfine_source import DFINE, find_dfine, load_dfine
from automl_vision.models.detectors.library_source import LibrarySource, described_source, description_of
from automl_vision.models.detectors.queries import Size, hide_crowds, hub_labels, on_canvas, traced_from_code
from automl_vision.models.model import Model, NetworkRequest
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import DFineHyperparameters
from automl_vision.recipes.network import NetworkDescription
from automl_vision.tasks.object_targets import ObjectTargets

_TERMS = {"vfl": "classification", "bbox": "box", "giou": "overlap", "fgl": "sides", "ddf": "distillation"}


class _Extracted(NamedTuple):
    """The outputs of the library's network, the size of its images, and their objects in the library's form."""

    found: Any
    size: Size
    labels: list[dict[str, Tensor]] | None


class DFine(Detector):
    """A detector whose queries are matched to the objects, each to one, so that nothing needs suppression.

    The losses are the library's: varifocal, L1 and GIoU, fine-grained localization of the sides' distributions and
    their distillation from the last layer, all summed over layers and denoising queries.

    Args:
        network: with its decoder's heads.
        geometry: of its input.
        classes: how many.
        nms_threshold: overlap above which NMS drops the box with the lower score; 1: no NMS.
    """

    def __init__(self, network: DFineModel, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(geometry, classes=classes, nms_threshold=nms_threshold)
        self.network = network

    def extract(self, images: Tensor, targets: ObjectTargets | None) -> _Extracted:
        """What the network found; with targets it also had them to denoise."""
        size = (images.shape[2], images.shape[3])
        labels = None if targets is None else hub_labels(targets, size)
        return _Extracted(self.network(images, labels=labels), size, labels)

    @property
    def body(self) -> nn.Module:
        """The convolutional backbone."""
        return _Stages(self.network.backbone.model)

    @property
    def pretrained_part(self) -> nn.Module:
        """The whole network."""
        return self

    def features(self, extracted: _Extracted) -> Tensor:
        """The means of the encoder's maps."""
        return means_of(extracted.found.encoder_last_hidden_state)

    def traced(self, network: nn.Module, example: Tensor) -> ExportedProgram:
        """The program, read from its code: when it is run, the library's code fixes the number of images."""
        return traced_from_code(network, example)

    def detect(self, extracted: _Extracted) -> DetectionTensors:
        """The last layer's queries."""
        boxes = on_canvas(extracted.found.intermediate_reference_points[:, -1].float(), extracted.size)
        return self.best(boxes, extracted.found.intermediate_logits[:, -1].float().sigmoid(), extracted.size)

    def losses(self, extracted: _Extracted, targets: ObjectTargets) -> Losses:
        """The library's losses, summed by kind."""
        found, size = extracted.found, extracted.size
        boxes = found.intermediate_reference_points.float()  # (n, layers, queries, 4)
        denoising = found.denoising_meta_values
        extra = denoising["dn_num_split"][0] if denoising else 0
        logits = found.intermediate_logits.float()
        logits = torch.cat(
            [logits[:, :, :extra], hide_crowds(logits[:, :, extra:], boxes[:, :, extra:], targets, size)], dim=2
        )
        first_boxes = found.enc_topk_bboxes.float()
        first = hide_crowds(found.enc_topk_logits.float().unsqueeze(1), first_boxes.unsqueeze(1), targets, size)
        _, terms, _ = DFineForObjectDetectionLoss(
            logits[:, -1], extracted.labels, logits.device, boxes[:, -1], self.network.config, logits, boxes,
            enc_topk_logits=first.squeeze(1),
            enc_topk_bboxes=first_boxes,
            denoising_meta_values=denoising,
            predicted_corners=found.intermediate_predicted_corners.float(),
            initial_reference_points=found.initial_reference_points.float(),
        )  # fmt: skip
        losses = {ours: _sum_of(terms, theirs) for theirs, ours in _TERMS.items()}
        # without objects there is nothing to denoise, and several processes wait for every parameter's gradient
        if self.network.config.num_denoising > 0:
            losses["classification"] = losses["classification"] + 0 * self.network.denoising_class_embed.weight.sum()
        return losses


class _Stages(nn.Module):
    """A backbone whose stages timm's tools tell apart, the stem first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:  # noqa: ARG002 - timm's signature
        """Patterns of parameters' names."""
        return {"stem": r"^network\.embedder", "stages": r"^network\.encoder\.stages\.(\d+)"}


def _sum_of(terms: dict[str, Tensor], name: str) -> Tensor:
    """The sum of the losses of a kind, over layers and denoising queries."""
    found = [value for key, value in terms.items() if key.split("_")[1] == name]
    return torch.stack(found).sum() if found else next(iter(terms.values())).new_zeros(())


def create_dfine(request: NetworkRequest) -> Model:
    """Make a D-FINE, with the hub's COCO weights when pretrained ones are asked for.

    Raises:
        WeightsUnavailableError: they were asked for and no source has them.
    """
    hyperparameters = cast(DFineHyperparameters, request.hyperparameters)
    source = find_dfine(hyperparameters)
    description = description_of(request, hyperparameters, source)
    return Model(_from_source(source, description), description)


def rebuild_dfine(description: NetworkDescription) -> DFine:
    """Build a described D-FINE with random weights."""
    return _from_source(described_source(DFINE, description), description)


def _from_source(source: LibrarySource[DFineConfig], description: NetworkDescription) -> DFine:
    """The described D-FINE with the weights of a source."""
    geometry, settings = description.canvas, description.settings
    network = load_dfine(source, geometry, classes=description.classes, multi_scale=settings.multi_scale)
    return DFine(network, geometry, classes=description.classes, nms_threshold=settings.nms_iou_threshold)
