"""RF-DETR (Robinson et al. 2025) of the transformers library, as a detector for the loop, with and without masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torchvision.ops import roi_align
from transformers import RfDetrConfig

from automl_vision.models.detectors.detector import DetectionTensors, Detector, Losses, means_of
from automl_vision.models.detectors.library_source import LibrarySource, described_source, description_of
from automl_vision.models.detectors.queries import Size, hide_crowds, hub_labels, on_canvas, traced_from_code
from automl_vision.models.detectors.rfdetr_losses import matched_losses
from automl_vision.models.detectors.rfdetr_source import RFDETR, find_rfdetr, load_rfdetr
from automl_vision.models.model import Model, NetworkRequest
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import RFDetrHyperparameters
from automl_vision.recipes.network import NetworkDescription
from automl_vision.tasks.object_targets import ObjectTargets

_MASK_SIDE, _MASK_SAMPLES = 28, 2  # cells of a mask across its box, as Mask R-CNN's, and samples across each
_AFTER_ALL = 1000  # number of the group behind all blocks
_STEEPEST = 15.0  # logit up to which the library's loss of scores has a finite logarithm of 1 - score


class _Extracted(NamedTuple):
    """The outputs of the library's network, the size of its images, and its masks where it has them.

    Attributes:
        found: hidden states and reference points of the decoder, and what it was given by the first stage.
        size: height and width of the images.
        masks: logits (n, queries, height / 4, width / 4) of each layer.
        first_masks: likewise of the first stage; only with targets.
    """

    found: Any
    size: Size
    masks: list[Tensor] | None = None
    first_masks: Tensor | None = None


class RFDetr(Detector):
    """A detector on a vision transformer whose queries are matched to the objects, each to one.

    In training there are several groups of queries, each of which has to find all objects (Group DETR). The losses are
    the library's.

    Args:
        network: with its heads.
        geometry: of its input, a square.
        classes: how many.
        nms_threshold: overlap above which NMS drops the box with the lower score; 1: no NMS.
    """

    def __init__(self, network: nn.Module, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(geometry, classes=classes, nms_threshold=nms_threshold)
        self.network = network

    @property
    def boxed(self) -> Any:
        """The part of the library's network that finds boxes."""
        return self.network

    def extract(self, images: Tensor, targets: ObjectTargets | None) -> _Extracted:  # noqa: ARG002 - masks need them
        """What the network found."""
        return _Extracted(self.boxed.model(images), (images.shape[2], images.shape[3]))

    @property
    def body(self) -> nn.Module:
        """The vision transformer."""
        return _Blocks(self.boxed.model.backbone.backbone)

    @property
    def pretrained_part(self) -> nn.Module:
        """The whole network."""
        return self

    def features(self, extracted: _Extracted) -> Tensor:
        """The means of the map that the decoder sees."""
        return means_of([extracted.found.backbone_features])

    def traced(self, network: nn.Module, example: Tensor) -> ExportedProgram:
        """The program, read from its code, with the embeddings of its patches' positions for the example's size.

        ONNX has no operator that resizes them as the library does.
        """
        with self._fixed_positions(example):
            return traced_from_code(network, example)

    @contextmanager
    def _fixed_positions(self, example: Tensor) -> Iterator[None]:
        """The embeddings of positions are those of an example's patches, which need not be resized."""
        embeddings = self.boxed.model.backbone.backbone.embeddings
        trained = embeddings.position_embeddings
        with torch.no_grad():
            patches = embeddings.patch_embeddings(example[:1])
            whole = torch.cat([embeddings.cls_token, patches], dim=1)
            resized = embeddings.interpolate_pos_encoding(whole, *example.shape[2:])
        embeddings.position_embeddings = nn.Parameter(resized.detach().clone(), requires_grad=False)
        try:
            yield
        finally:
            embeddings.position_embeddings = trained

    def detect(self, extracted: _Extracted) -> DetectionTensors:
        """The last layer's queries."""
        return self._detections(extracted)[0]

    def _detections(self, extracted: _Extracted) -> tuple[DetectionTensors, Tensor]:
        """The last layer's queries, and which they are (n, d)."""
        found = extracted.found
        logits, boxes = self.boxed.predict_class_and_boxes(
            found.last_hidden_state, found.intermediate_reference_points[-1]
        )
        return self.best_rows(on_canvas(boxes.float(), extracted.size), logits.float().sigmoid(), extracted.size)

    def losses(self, extracted: _Extracted, targets: ObjectTargets) -> Losses:
        """The library's losses of the first stage and of each layer, summed by kind."""
        found, size = extracted.found, extracted.size
        logits, boxes = self.boxed.predict_class_and_boxes(
            found.intermediate_hidden_states, found.intermediate_reference_points
        )
        first = self.boxed.predict_encoder_class_logits(found.enc_outputs_class)
        stages = [
            self._stage(stage_logits, stage_boxes, targets, size)
            for stage_logits, stage_boxes in ((first, found.enc_outputs_coord_logits), *zip(logits, boxes, strict=True))
        ]
        if extracted.masks is not None and extracted.first_masks is not None:
            for stage, masks in zip(stages, (extracted.first_masks, *extracted.masks), strict=True):
                stage["pred_masks"] = masks.float()
        labels = hub_labels(targets, size)
        if targets.masks is not None:
            for each, masks, valid in zip(labels, targets.masks, targets.valid, strict=True):
                each["masks"] = masks[valid]
        return matched_losses(stages, labels, self.boxed.config, training=self.training)

    @staticmethod
    def _stage(logits: Tensor, boxes: Tensor, targets: ObjectTargets, size: Size) -> dict[str, Tensor]:
        """What a layer found, in the library's form."""
        boxes = boxes.float()
        steep = logits.float().clamp(-_STEEPEST, _STEEPEST)
        shown = hide_crowds(steep.unsqueeze(1), boxes.unsqueeze(1), targets, size).squeeze(1)
        return {"logits": shown, "pred_boxes": boxes}


class RFDetrSeg(RFDetr):
    """RF-DETR whose queries also have masks over the whole image."""

    @property
    def boxed(self) -> Any:
        """The part of the library's network that finds boxes."""
        return self.network.model

    def extract(self, images: Tensor, targets: ObjectTargets | None) -> _Extracted:
        """What the network found, with the masks; those of the first stage only for the losses."""
        network: Any = self.network
        found, size = super().extract(images, targets)[:2]
        spatial = found.backbone_features
        masks = network.segmentation_head(spatial, found.intermediate_hidden_states, size)
        if targets is None:
            return _Extracted(found, size, masks)
        first = network.segmentation_head(spatial, found.enc_outputs_class, size, skip_blocks=True)
        return _Extracted(found, size, masks, first)

    def detect(self, extracted: _Extracted) -> DetectionTensors:
        """The last layer's queries, with the probabilities of their masks within their boxes."""
        detections, rows = self._detections(extracted)
        assert extracted.masks is not None
        return *detections, masks_in_boxes(extracted.masks[-1].float(), rows, detections[0], extracted.size)


class _Blocks(nn.Module):
    """A vision transformer whose blocks timm's tools tell apart, the patches first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:  # noqa: ARG002 - timm's signature
        """Patterns of parameters' names."""
        blocks = [(r"^network\.encoder\.layer\.(\d+)", None), (r"^network\.layernorm", (_AFTER_ALL,))]
        return {"stem": r"^network\.embeddings", "blocks": blocks}


def masks_in_boxes(masks: Tensor, rows: Tensor, boxes: Tensor, size: Size) -> Tensor:
    """The probabilities of masks within boxes, (n, d, 28, 28).

    Args:
        masks: logits (n, queries, height, width) over the images.
        rows: (n, d), the query of each box.
        boxes: (n, d, 4) in pixels of the images.
        size: height and width of the images in pixels.
    """
    n, d = rows.shape
    height, width = masks.shape[2:]
    chosen = masks.gather(1, rows.view(n, d, 1, 1).expand(n, d, height, width)).reshape(n * d, 1, height, width)
    own = torch.arange(n * d, device=boxes.device, dtype=boxes.dtype).unsqueeze(1)
    cells = boxes.reshape(n * d, 4) * boxes.new_tensor([width / size[1], height / size[0]] * 2)
    cropped: Tensor = roi_align(chosen, torch.cat([own, cells], dim=1), _MASK_SIDE, 1.0, _MASK_SAMPLES, True)
    return cropped.reshape(n, d, _MASK_SIDE, _MASK_SIDE).sigmoid()


def create_rfdetr(request: NetworkRequest) -> Model:
    """Make an RF-DETR, with the hub's COCO weights when pretrained ones are asked for.

    Raises:
        ConfigError: the input does not suit the network.
        WeightsUnavailableError: weights were asked for and no source has them.
    """
    hyperparameters = cast(RFDetrHyperparameters, request.hyperparameters)
    source = find_rfdetr(request.name, hyperparameters)
    description = description_of(request, hyperparameters, source)
    return Model(_from_source(source, description), description)


def rebuild_rfdetr(description: NetworkDescription) -> RFDetr:
    """Build a described RF-DETR with random weights."""
    return _from_source(described_source(RFDETR[description.algorithm], description), description)


def _from_source(source: LibrarySource[RfDetrConfig], description: NetworkDescription) -> RFDetr:
    """The described RF-DETR with the weights of a source."""
    geometry, settings, name = description.canvas, description.settings, description.algorithm
    network = load_rfdetr(source, name, geometry, classes=description.classes, multi_scale=settings.multi_scale)
    kind = RFDetrSeg if name == "rfdetr_seg" else RFDetr
    return kind(network, geometry, classes=description.classes, nms_threshold=settings.nms_iou_threshold)
