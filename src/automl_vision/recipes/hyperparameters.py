"""Typed hyperparameters; search space, job file, command line and documentation are derived from these fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from automl_vision.data.defaults import SPLIT_RATIO
from automl_vision.recipes.optimizers import OPTIMIZERS, users_of

if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(OPTIMIZERS)]


class TrainingHyperparameters(BaseModel):
    """Hyperparameters that every algorithm has."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    max_warmup_fraction: ClassVar[float] = 0.5
    """Maximum fraction of the epochs that the warm-up may take."""

    most_epochs: ClassVar[int] = 40
    """Passes over the training images when a time is given and `number_of_epochs` is not, if that many fit into it."""

    number_of_epochs: int = Field(
        15,
        gt=0,
        description="passes over the training images; where a time is given and no number, as many as fit, at most 40 "
        "(detectors 100)",
    )
    training_batch_size: int | None = Field(
        None, gt=0, description="images per training step; none: chosen by device memory"
    )
    validation_batch_size: int | None = Field(
        None, gt=0, description="images per validation step; none: twice the training batch"
    )
    grad_accumulation_step: int = Field(
        1, gt=0, description="batches whose gradients are accumulated for one optimizer step"
    )
    early_stopping: bool = Field(
        True,
        description="stop when the validation metric stops improving; if the learning rate is still high, first finish "
        "the schedule in 25 % more epochs",
    )
    early_stopping_patience: int = Field(5, gt=0, description="validations without improvement before training stops")
    early_stopping_delay: int = Field(5, ge=0, description="validations before early stopping starts to count")
    learning_rate: float | None = Field(
        None, ge=0, le=1, description="peak learning rate; none: the algorithm's default for the optimizer"
    )
    lr_scheduler: Literal["warmup_cosine", "step"] = Field("warmup_cosine", description="learning rate schedule")
    step_lr_gamma: float = Field(0.5, ge=0, le=1, description="step: factor by which the learning rate drops")
    step_lr_step_size: int = Field(5, gt=0, description="step: epochs between drops")
    warmup_cosine_lr_cycles: float = Field(
        0.45, ge=0, le=1, description="warmup_cosine: cosine periods over the training"
    )
    warmup_cosine_lr_warmup_epochs: int = Field(2, gt=0, description="warmup_cosine: epochs of linear warm-up from 0")
    optimizer: OptimizerName = Field("adamw", description="optimizer")
    momentum: float = Field(0.9, ge=0, le=1, description=f"{users_of('momentum')}: momentum")
    nesterov: bool = Field(True, description=f"{users_of('nesterov')}: use Nesterov momentum")
    weight_decay: float = Field(
        1e-4, ge=0, le=1, description="weight decay; not applied to biases and normalization layers"
    )
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="factor on the learning rate for each block further from the head; none: 0.75 for a detector's "
        "pretrained backbone and for vision transformers, 0.8 for rfdetr, ConvNeXt and Swin, otherwise 1",
    )
    beta1: float = Field(0.9, ge=0, lt=1, description=f"{users_of('beta1')}: decay rate of the first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description=f"{users_of('beta2')}: decay rate of the second moment")
    amsgrad: bool = Field(False, description=f"{users_of('amsgrad')}: use the AMSGrad variant")
    gradient_clipping: float | None = Field(
        None, gt=0, description="maximum gradient norm of a step; none: 0.1 for dfine and rfdetr, otherwise unlimited"
    )
    evaluation_frequency: int = Field(
        1, gt=0, description="epochs between validations; increased when the time budget is too short for all epochs"
    )
    checkpoint_frequency: int | None = Field(
        None, gt=0, description="epochs between saved weights; none: keep only the best epoch"
    )
    checkpoint_run_id: str | None = Field(None, description="run whose best trial provides the starting weights")
    checkpoint_filename: str | None = Field(None, description="weights file in that run's trial")
    layers_to_freeze: int | None = Field(
        None,
        ge=0,
        description="number of stages to freeze, counted from the input; none: 4 of a pretrained EfficientNet, "
        "MobileNetV2 or V3, otherwise 0",
    )
    split_ratio: float = Field(
        SPLIT_RATIO,
        gt=0,
        lt=1,
        description="fraction of the training images held out for validation when no validation data is given",
    )
    log_training_metrics: bool = Field(False, description="also compute the metrics on the training batches")
    log_validation_loss: bool = Field(True, description="record the validation loss")
    pretrained: bool = Field(True, description="start from pretrained weights")
    weights: str | None = Field(None, description="file or folder with weights to start from instead of a hub")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="number format; auto measures which one is faster"
    )
    ema_decay: float = Field(0.99, ge=0, lt=1, description="decay of the moving average of the weights (EMA); 0: off")
    freeze_batch_norm: bool = Field(True, description="keep the pretrained batch-norm statistics")

    @property
    def frozen_stages(self) -> int:
        """Number of frozen stages, whatever the network; more by its family (`frozen_stages` of `network_families`)."""
        return self.layers_to_freeze or 0

    @property
    def effective_layer_decay(self) -> float:
        """Factor on the learning rate for each block further from the head."""
        return 1.0 if self.layer_decay is None else self.layer_decay

    @property
    def max_gradient_norm(self) -> float:
        """Maximum norm of the gradients; larger ones are scaled down."""
        return math.inf if self.gradient_clipping is None else self.gradient_clipping

    @property
    def freezes_batch_norm(self) -> bool:
        """Whether batch-norm statistics stay as they are; random weights have none worth keeping."""
        return self.freeze_batch_norm and self.pretrained


class ClassificationHyperparameters(TrainingHyperparameters):
    """Hyperparameters of image classification, single-label and multi-label."""

    weighted_loss: Literal[0, 1, 2] = Field(
        0, description="class weights in the loss; 0: off; 1: their square root; 2: total / (classes x count)"
    )
    training_crop_size: int = Field(
        224,
        gt=0,
        validation_alias=AliasChoices("training_crop_size", "crop_size"),
        description="side of the square training crop in pixels",
    )
    validation_resize_size: int = Field(
        224,
        gt=0,
        validation_alias=AliasChoices("validation_resize_size", "resize_size"),
        description="shorter side in pixels before the centre crop",
    )
    validation_crop_size: int = Field(
        224, gt=0, description="side of the square centre crop in pixels; also the input of the deployed model"
    )
    linear_probe: bool = Field(
        True,
        description="initialise the head by a logistic regression on the pretrained features, then fine-tune (LP-FT)",
    )
    weight_interpolation: bool = Field(
        True, description="interpolate between the initial and the best weights where validation improves (WiSE-FT)"
    )
    augmentation: Literal["none", "flip", "trivial_augment"] = Field(
        "trivial_augment", description="augmentation of training images besides the random crop"
    )
    random_crop_scale: float = Field(0.7, gt=0, le=1, description="minimum fraction of the image area in a random crop")
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="label smoothing: fraction of the target spread over all classes"
    )
    mixup_alpha: float = Field(0.2, ge=0, description="parameter of mixup's beta distribution; 0: no mixup")
    cutmix_alpha: float = Field(1.0, ge=0, description="parameter of CutMix's beta distribution; 0: no CutMix")
    drop_rate: float = Field(0.0, ge=0, lt=1, description="dropout rate before the head")

    @model_validator(mode="after")
    def _crop_fits(self) -> ClassificationHyperparameters:
        if self.validation_crop_size > self.validation_resize_size:
            raise ValueError(
                f"validation_crop_size ({self.validation_crop_size}) must not exceed "
                f"validation_resize_size ({self.validation_resize_size})"
            )
        return self


def _nms_field(
    *old_names: str,
    default: float = 0.5,
    description: str = "NMS: of two boxes of a class with a higher IoU, the one with the lower score is dropped",
) -> Any:
    names = AliasChoices("nms_iou_threshold", "box_nms_thresh", *old_names)
    return Field(default, ge=0, le=1, validation_alias=names, description=description)


class DetectorHyperparameters(TrainingHyperparameters):
    """Hyperparameters of every detector, with and without masks."""

    max_warmup_fraction = 0.25  # new heads have much to learn in few epochs
    most_epochs = 100  # bccd and sets of small objects gained until there

    validation_metric_type: Literal["none", "coco", "voc", "coco_voc"] = Field(
        "voc",
        description="metrics computed at each validation besides the primary metric; the final report has all of them",
    )
    validation_iou_threshold: float = Field(
        0.5, ge=0, le=1, description="minimum IoU at which a detection matches a ground-truth object"
    )
    box_score_threshold: float = Field(
        0.3,
        ge=0,
        le=1,
        validation_alias=AliasChoices("box_score_threshold", "box_score_thresh"),
        description="minimum score of the objects that the deployed model returns",
    )
    nms_iou_threshold: float = _nms_field()
    box_detections_per_image: int = Field(100, gt=0, description="maximum number of detections per image")
    tile_grid_size: str | None = Field(
        None, pattern=r"^[1-9]\d?x[1-9]\d?$", description='tiles across and down for small objects, such as "3x2"'
    )
    tile_overlap_ratio: float = Field(
        0.25, ge=0, lt=1, description="overlap of neighbouring tiles as a fraction of a tile"
    )
    tile_predictions_nms_threshold: float = Field(
        0.25, ge=0, le=1, description="as nms_iou_threshold, between boxes of different tiles"
    )
    augmentation: Literal["none", "flip", "standard"] = Field(
        "standard", description="augmentation of training images; standard: horizontal flip, scale, crop and colour"
    )
    vertical_flip: bool = Field(False, description="also flip training images vertically")
    iou_crop: float = Field(
        0.0, ge=0, le=1, description="fraction of training images that are first cropped to a region with objects"
    )
    mosaic: float = Field(
        0.0,
        ge=0,
        le=1,
        description="fraction of training images that are mosaics of four images, until the last fifth of the epochs",
    )
    repeat_factor_threshold: float = Field(
        0.0,
        ge=0,
        le=1,
        description="draw images more often, up to 4 times, if they have a class that is in less than this fraction of "
        "the training images (repeat-factor sampling); 0: every image once per epoch",
    )

    layers_to_freeze: int | None = Field(
        None, ge=0, description="number of backbone stages to freeze, counted from the input; none: 4 if pretrained"
    )

    @property
    def frozen_stages(self) -> int:
        """Number of frozen stages: the earliest ones, where pretrained features transfer as they are."""
        if self.layers_to_freeze is None:
            return 4 if self.pretrained else 0
        return self.layers_to_freeze

    @property
    def backbone(self) -> str | None:
        """The product's name of the backbone, where the hyperparameters choose it and not the algorithm's name."""
        return None

    @property
    def effective_layer_decay(self) -> float:
        """Factor on the learning rate for each block further from the head: pretrained blocks change less."""
        if self.layer_decay is None:
            return 0.75 if self.pretrained else 1.0
        return self.layer_decay


class DetectionHyperparameters(DetectorHyperparameters):
    """Hyperparameters of detectors over a feature pyramid: Faster R-CNN, RetinaNet, FCOS."""

    min_size: int | None = Field(
        None,
        gt=0,
        description="shorter side of the model's input in pixels; none: chosen by the sizes of the boxes",
    )
    max_size: int = Field(1333, gt=0, description="maximum longer side of the model's input in pixels")


def _mask_threshold_field() -> Any:
    return Field(0.5, gt=0, lt=1, description="minimum probability at which a pixel belongs to an object")


def _copy_paste_field() -> Any:
    description = "fraction of training images onto which objects of another image are pasted"
    return Field(0.0, ge=0, le=1, description=description)


class SegmentationHyperparameters(DetectionHyperparameters):
    """Hyperparameters of Mask R-CNN."""

    mask_threshold: float = _mask_threshold_field()
    copy_paste: float = _copy_paste_field()


ONE_STAGE_BACKBONES = {
    "small": "efficientnet_lite0",
    "medium": "efficientnet_lite1",
    "large": "efficientnet_lite2",
    "extra_large": "resnet50",
}
"""The one-stage detector's backbone by `model_size`."""


class OneStageHyperparameters(DetectorHyperparameters):
    """Hyperparameters of the one-stage detector of this package."""

    side_step: ClassVar[int] = 32
    """Pixels of which the input's sides are multiples: the coarsest stride of the backbones."""

    number_of_epochs: int = Field(
        30,
        gt=0,
        description="passes over the training images; where a time is given and no number, as many as fit, at most 100",
    )
    nms_iou_threshold: float = _nms_field("box_iou_threshold")
    image_size: int | None = Field(
        None, gt=0, description="longer side of the model's input in pixels; none: chosen by the sizes of the boxes"
    )
    model_size: Literal["small", "medium", "large", "extra_large"] = Field("medium", description="size of the backbone")
    multi_scale: bool = Field(
        False, description="vary the input size between training batches, from 0.75 to 1.25 times"
    )

    @property
    def backbone(self) -> str | None:
        """The product's name of the backbone."""
        return ONE_STAGE_BACKBONES[self.model_size]


def _no_nms_field() -> Any:
    return _nms_field(
        "box_iou_threshold",
        default=1.0,
        description="1: no NMS, since the detector learns to find each object once; below 1: as for other detectors",
    )


def _weights_folder_field() -> Any:
    description = "folder with config.json and model.safetensors to start from instead of a hub"
    return Field(None, description=description)


class DFineHyperparameters(OneStageHyperparameters):
    """Hyperparameters of D-FINE, a DETR-like detector with COCO weights on the hub."""

    nms_iou_threshold: float = _no_nms_field()
    model_size: Literal["nano", "small", "medium", "large", "extra_large"] = Field(  # type: ignore[assignment]
        "medium", description="size of the published model; ignored when a folder of weights is given"
    )
    weights: str | None = _weights_folder_field()
    layers_to_freeze: int | None = Field(
        None,
        ge=0,
        description="number of backbone stages to freeze, counted from the input; none: 1, the stem, if pretrained",
    )

    @property
    def frozen_stages(self) -> int:
        """Number of frozen stages."""
        return int(self.pretrained) if self.layers_to_freeze is None else self.layers_to_freeze

    @property
    def max_gradient_norm(self) -> float:
        """As published (Peng et al. 2024): queries that switch objects produce steep gradients."""
        return 0.1 if self.gradient_clipping is None else self.gradient_clipping


RFDETR_SIDES = {"nano": 384, "small": 512, "medium": 576, "large": 704}
RFDETR_SEG_SIDES = {"nano": 312, "small": 384, "medium": 432}
"""Pixels of the side of the input with which RF-DETR was published, for boxes and for masks, by `model_size`."""


class RFDetrHyperparameters(OneStageHyperparameters):
    """Hyperparameters of RF-DETR, a DETR-like detector on a vision transformer with COCO weights on the hub."""

    side_step = 32  # two windows of patches of 16 pixels

    nms_iou_threshold: float = _no_nms_field()
    image_size: int | None = Field(
        None,
        gt=0,
        description="side of the model's square input in pixels, rounded to a multiple of 32; none: as published, 384, "
        "512, 576 or 704 by model_size",
    )
    model_size: Literal["nano", "small", "medium", "large"] = Field(  # type: ignore[assignment]
        "medium", description="size of the published model; of a folder of weights only the input's side follows it"
    )
    weights: str | None = _weights_folder_field()
    layers_to_freeze: int | None = Field(
        None,
        ge=0,
        description="number of backbone stages to freeze, counted from the input: patches, then blocks; none: 0",
    )
    ema_decay: float = Field(0.993, ge=0, lt=1, description="decay of the moving average of the weights (EMA); 0: off")

    @property
    def frozen_stages(self) -> int:
        """Number of frozen stages."""
        return self.layers_to_freeze or 0

    @property
    def backbone(self) -> str | None:
        """None: the published model decides."""
        return None

    @property
    def side(self) -> int:
        """Pixels of the input's side."""
        return self.image_size or RFDETR_SIDES[self.model_size]

    @property
    def effective_layer_decay(self) -> float:
        """As published (Robinson et al. 2025) for the pretrained blocks of the vision transformer."""
        if self.layer_decay is None:
            return 0.8 if self.pretrained else 1.0
        return self.layer_decay

    @property
    def max_gradient_norm(self) -> float:
        """As published."""
        return 0.1 if self.gradient_clipping is None else self.gradient_clipping


class RFDetrSegHyperparameters(RFDetrHyperparameters):
    """Hyperparameters of RF-DETR-Seg, which also predicts masks."""

    side_step = 24  # two windows of patches of 12 pixels

    image_size: int | None = Field(
        None,
        gt=0,
        description="side of the model's square input in pixels, rounded to a multiple of 24; none: as published, 312, "
        "384 or 432 by model_size",
    )
    model_size: Literal["nano", "small", "medium"] = Field(
        "medium", description="size of the published model; of a folder of weights only the input's side follows it"
    )
    mask_threshold: float = _mask_threshold_field()
    copy_paste: float = _copy_paste_field()

    @property
    def side(self) -> int:
        """Pixels of the input's side."""
        return self.image_size or RFDETR_SEG_SIDES[self.model_size]


MaskHyperparameters = SegmentationHyperparameters | RFDetrSegHyperparameters
"""Hyperparameters of algorithms that predict masks."""

Hyperparameters = TrainingHyperparameters
