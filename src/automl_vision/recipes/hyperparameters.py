"""Typed hyperparameters; search space, job file, command line and documentation are derived from these fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION
from automl_vision.core.validation import problems_of


class TrainingHyperparameters(BaseModel):
    """Hyperparameters of every algorithm."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    number_of_epochs: int = Field(15, gt=0, description="passes over the training images")
    training_batch_size: int | None = Field(None, gt=0, description="images a step; none: by device memory")
    validation_batch_size: int | None = Field(
        None, gt=0, description="images a validation step; none: twice the training batch"
    )
    grad_accumulation_step: int = Field(1, gt=0, description="batches whose gradients are added up for one step")
    early_stopping: bool = Field(
        True,
        description="end when validation no longer gains; a learning rate that is still high first comes to its end in "
        "a quarter more epochs",
    )
    early_stopping_patience: int = Field(5, gt=0, description="evaluations without gain before the end")
    early_stopping_delay: int = Field(5, ge=0, description="evaluations before gain starts to count")
    learning_rate: float | None = Field(
        None, ge=0, le=1, description="highest learning rate; none: the task's default for the optimizer"
    )
    lr_scheduler: Literal["warmup_cosine", "step"] = Field("warmup_cosine", description="course of the rate")
    step_lr_gamma: float = Field(0.5, ge=0, le=1, description="step: factor at each step")
    step_lr_step_size: int = Field(5, gt=0, description="step: epochs between steps")
    warmup_cosine_lr_cycles: float = Field(0.45, ge=0, le=1, description="warmup_cosine: periods of the cosine")
    warmup_cosine_lr_warmup_epochs: int = Field(2, gt=0, description="warmup_cosine: epochs of linear rise from 0")
    optimizer: Literal["sgd", "adam", "adamw"] = Field("adamw", description="update rule")
    momentum: float = Field(0.9, ge=0, le=1, description="sgd: momentum")
    nesterov: bool = Field(True, description="sgd: Nesterov's momentum")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="decay of weights; biases and norms are spared")
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="factor on the rate for each block further from the head; none: 0.75 for a detector's pretrained "
        "backbone, otherwise 1",
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="adam, adamw: decay of the gradient's mean")
    beta2: float = Field(0.999, ge=0, lt=1, description="adam, adamw: decay of the squared gradient's mean")
    amsgrad: bool = Field(False, description="adam, adamw: the AMSGrad variant")
    gradient_clipping: float | None = Field(
        None, gt=0, description="largest norm of a step's gradients; none: 0.1 for dfine, otherwise any"
    )
    evaluation_frequency: int = Field(
        1, gt=0, description="epochs between validations; more when a time budget is too short for all epochs"
    )
    checkpoint_frequency: int | None = Field(
        None, gt=0, description="epochs between kept weights; none: the best epoch only"
    )
    checkpoint_run_id: str | None = Field(None, description="run whose best trial's weights are the start")
    checkpoint_filename: str | None = Field(None, description="file of weights in that run's trial")
    layers_to_freeze: int | None = Field(None, gt=0, description="the first so many stages do not train")
    split_ratio: float = Field(0.2, gt=0, lt=1, description="share held out for validation when none is given")
    log_training_metrics: bool = Field(False, description="also compute the metrics on training batches")
    log_validation_loss: bool = Field(True, description="record the validation loss")
    pretrained: bool = Field(True, description="start from pretrained weights")
    weights: str | None = Field(None, description="file or folder with weights to start from instead of a hub's")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto measures which is faster")
    ema_decay: float = Field(0.99, ge=0, lt=1, description="decay of the weights' moving average; 0: none")
    freeze_batch_norm: bool = Field(True, description="keep the pretrained batch-norm statistics")

    @property
    def frozen_stages(self) -> int:
        """How many stages do not train."""
        return self.layers_to_freeze or 0

    @property
    def most_warmup(self) -> float:
        """Share of the epochs that the warm-up fills at most."""
        return 0.5

    @property
    def rate_decay(self) -> float:
        """The factor on the rate for each block further from the head."""
        return 1.0 if self.layer_decay is None else self.layer_decay

    @property
    def largest_gradient(self) -> float:
        """The norm from which a step's gradients are made smaller."""
        return math.inf if self.gradient_clipping is None else self.gradient_clipping

    @property
    def keeps_batch_norm(self) -> bool:
        """Whether batch norms keep their statistics; random weights have none worth keeping."""
        return self.freeze_batch_norm and self.pretrained


class ClassificationHyperparameters(TrainingHyperparameters):
    """Hyperparameters of both kinds of image classification."""

    weighted_loss: Literal[0, 1, 2] = Field(
        0, description="0: none; 1: root of the class weights; 2: class weights, total / (classes x count)"
    )
    training_crop_size: int = Field(
        224,
        gt=0,
        validation_alias=AliasChoices("training_crop_size", "crop_size"),
        description="pixels, square",
    )
    validation_resize_size: int = Field(
        224,
        gt=0,
        validation_alias=AliasChoices("validation_resize_size", "resize_size"),
        description="pixels of the shorter side before the crop",
    )
    validation_crop_size: int = Field(224, gt=0, description="pixels, square; also the deployed model's input")
    linear_probe: bool = Field(
        True,
        description="start the head from a logistic regression on the pretrained features, then fine-tune",
    )
    weight_interpolation: bool = Field(
        True, description="keep weights between the start and the best epoch when validation says so (WiSE-FT)"
    )
    augmentation: Literal["none", "flip", "trivial_augment"] = Field(
        "trivial_augment", description="changes of training images besides the random crop"
    )
    random_crop_scale: float = Field(0.7, gt=0, le=1, description="least share of the image in a random crop")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target spread over all classes")
    mixup_alpha: float = Field(0.2, ge=0, description="mixup's beta distribution; 0: none")
    cutmix_alpha: float = Field(1.0, ge=0, description="cutmix's beta distribution; 0: none")
    drop_rate: float = Field(0.0, ge=0, lt=1, description="dropout before the head")

    @model_validator(mode="after")
    def _crop_fits(self) -> ClassificationHyperparameters:
        if self.validation_crop_size > self.validation_resize_size:
            raise ValueError(
                f"validation_crop_size ({self.validation_crop_size}) must not exceed "
                f"validation_resize_size ({self.validation_resize_size})"
            )
        return self


class DetectorHyperparameters(TrainingHyperparameters):
    """Hyperparameters of every detector, with and without masks."""

    validation_metric_type: Literal["none", "coco", "voc", "coco_voc"] = Field(
        "voc", description="figures of each validation besides the primary metric; the final report holds all"
    )
    validation_iou_threshold: float = Field(0.5, ge=0, le=1, description="overlap from which a box counts as found")
    box_score_threshold: float = Field(
        0.3,
        ge=0,
        le=1,
        validation_alias=AliasChoices("box_score_threshold", "box_score_thresh"),
        description="score from which the deployed model shows an object",
    )
    nms_iou_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        validation_alias=AliasChoices("nms_iou_threshold", "box_nms_thresh"),
        description="of two boxes of a class that overlap more, the one with the lower score is dropped",
    )
    box_detections_per_image: int = Field(100, gt=0, description="most objects in an image")
    tile_grid_size: str | None = Field(
        None, pattern=r"^[1-9]\d?x[1-9]\d?$", description='tiles across and down, such as "3x2", for small objects'
    )
    tile_overlap_ratio: float = Field(0.25, ge=0, lt=1, description="share of a tile that the next one repeats")
    tile_predictions_nms_threshold: float = Field(
        0.25, ge=0, le=1, description="as nms_iou_threshold, for boxes of different tiles"
    )
    augmentation: Literal["none", "flip", "standard"] = Field(
        "standard", description="changes of training images; standard: mirroring, scale, crop and colour"
    )
    vertical_flip: bool = Field(False, description="also turn training images upside down")
    iou_crop: float = Field(
        0.0, ge=0, le=1, description="share of training images that are first cut to a part with objects"
    )
    mosaic: float = Field(0.0, ge=0, le=1, description="share of training images that are put together from four")

    layers_to_freeze: int | None = Field(
        None, ge=0, description="the first so many stages of the backbone do not train; none: 4 when pretrained"
    )

    @property
    def frozen_stages(self) -> int:
        """How many stages do not train: those that see single pixels, where pretrained weights are as good as any."""
        if self.layers_to_freeze is None:
            return 4 if self.pretrained else 0
        return self.layers_to_freeze

    @property
    def most_warmup(self) -> float:
        """Share of the epochs that the warm-up fills at most: new heads have much to learn in few epochs."""
        return 0.25

    @property
    def rate_decay(self) -> float:
        """The factor on the rate for each block further from the head: what is pretrained moves less."""
        if self.layer_decay is None:
            return 0.75 if self.pretrained else 1.0
        return self.layer_decay


class DetectionHyperparameters(DetectorHyperparameters):
    """Hyperparameters of detectors over a feature pyramid: Faster R-CNN, RetinaNet, FCOS."""

    min_size: int | None = Field(
        None,
        gt=0,
        description="pixels of the shorter side of the model's input; none: by the sizes of the boxes and the device",
    )
    max_size: int = Field(1333, gt=0, description="most pixels of the longer side of the model's input")


class SegmentationHyperparameters(DetectionHyperparameters):
    """Hyperparameters of Mask R-CNN."""

    mask_threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel belongs to an object")
    copy_paste: float = Field(
        0.0, ge=0, le=1, description="share of training images onto which objects of another one are pasted"
    )


_ONE_STAGE_NMS_NAMES = AliasChoices("nms_iou_threshold", "box_nms_thresh", "box_iou_threshold")


class OneStageHyperparameters(DetectorHyperparameters):
    """Hyperparameters of the one-stage detector."""

    number_of_epochs: int = Field(30, gt=0, description="passes over the training images")
    nms_iou_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        validation_alias=_ONE_STAGE_NMS_NAMES,
        description="of two boxes of a class that overlap more, the one with the lower score is dropped",
    )
    image_size: int | None = Field(
        None, gt=0, description="pixels of the longer side of the model's input; none: by the boxes and the device"
    )
    model_size: Literal["small", "medium", "large", "extra_large"] = Field("medium", description="of the backbone")
    multi_scale: bool = Field(False, description="each training batch has another input size, 0.75 to 1.25 of it")


class DFineHyperparameters(OneStageHyperparameters):
    """Hyperparameters of D-FINE, a detector of the DETR kind whose COCO weights a hub has."""

    nms_iou_threshold: float = Field(
        1.0,
        ge=0,
        le=1,
        validation_alias=_ONE_STAGE_NMS_NAMES,
        description="1: nothing is suppressed, for it learns to give each object once; below: as for other detectors",
    )
    model_size: Literal["small", "medium", "large", "extra_large"] = Field(
        "medium", description="of the published models; a folder of weights decides it itself"
    )
    weights: str | None = Field(
        None, description="folder with config.json and model.safetensors to start from instead of a hub's"
    )
    layers_to_freeze: int | None = Field(
        None,
        ge=0,
        description="the first so many stages of the backbone do not train; none: 1, the stem, if pretrained",
    )

    @property
    def frozen_stages(self) -> int:
        """How many stages do not train."""
        return int(self.pretrained) if self.layers_to_freeze is None else self.layers_to_freeze

    @property
    def largest_gradient(self) -> float:
        """As published (Peng et al. 2024): queries that change their object give steep gradients."""
        return 0.1 if self.gradient_clipping is None else self.gradient_clipping


Hyperparameters = TrainingHyperparameters

ONE_STAGE_MODELS = ("yolov5", "tood*")
"""Patterns of the one-stage detectors' names."""

FAMILIES: dict[str, dict[str, type[TrainingHyperparameters]]] = {
    CLASSIFICATION: {"*": ClassificationHyperparameters},
    MULTI_LABEL: {"*": ClassificationHyperparameters},
    OBJECT_DETECTION: {
        **dict.fromkeys(ONE_STAGE_MODELS, OneStageHyperparameters),
        "dfine": DFineHyperparameters,
        "*": DetectionHyperparameters,
    },
    INSTANCE_SEGMENTATION: {"*": SegmentationHyperparameters},
}
"""The typed hyperparameters of each task's algorithms, by pattern of the algorithm's name; the first match counts."""


def family_of(task: str, model_name: str | None = None) -> type[TrainingHyperparameters]:
    """The typed hyperparameters of an algorithm.

    Args:
        task: the product's name of the task.
        model_name: the algorithm; None or a name that is unknown gives those of most algorithms of the task.
    """
    return next(family for pattern, family in FAMILIES[task].items() if fnmatch(model_name or "", pattern))


def families() -> list[type[TrainingHyperparameters]]:
    """Every family once, in the order of the tasks."""
    return list(dict.fromkeys(family for by_name in FAMILIES.values() for family in by_name.values()))


def hyperparameter_names(task: str, model_name: str | None = None) -> list[str]:
    """Every accepted name, old names included."""
    return accepted_names(family_of(task, model_name))


def accepted_names(family: type[TrainingHyperparameters]) -> list[str]:
    """Every accepted name of a family, old names included."""
    names = []
    for name, field in family.model_fields.items():
        alias = field.validation_alias
        names += [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
    return names


def own_name(task: str, name: str) -> str:
    """The name of a hyperparameter that is given by this name or by an old one."""
    for family in dict.fromkeys(FAMILIES[task].values()):
        for own, field in family.model_fields.items():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices) and name in alias.choices:
                return own
    return name


def parse_arguments(arguments: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings from a mapping or from `["--early_stopping", 1, "--evaluation_frequency", 2]`.

    Raises:
        ConfigError: the list does not consist of pairs of `--name` and value.
    """
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        return {str(name).removeprefix("--").replace("-", "_"): value for name, value in arguments.items()}
    problems = []
    if len(arguments) % 2:
        sentence = f'pairs of "--name" and value are expected; {arguments[-1]!r} has no partner'
        problems.append(Problem((len(arguments) - 1,), sentence))
    names = list(arguments[::2])
    problems += [
        Problem((2 * i,), f'a "--name" is expected, not {name!r}')
        for i, name in enumerate(names)
        if not (isinstance(name, str) and name.startswith("--"))
    ]
    if problems:
        raise ConfigError(problems, subject="The arguments")
    return {name[2:].replace("-", "_"): value for name, value in zip(names, arguments[1::2], strict=False)}


def check_hyperparameters(
    task: str, values: Mapping[str, Any], model_name: str | None = None
) -> tuple[Hyperparameters | None, list[Problem]]:
    """Typed hyperparameters with all defaults filled in, or one problem per mistake.

    Args:
        task: the product's name of the task.
        values: by name.
        model_name: the algorithm; it decides which hyperparameters there are.
    """
    try:
        return family_of(task, model_name).model_validate(dict(values)), []
    except ValidationError as error:
        return None, problems_of(error, hyperparameter_names(task, model_name), noun="hyperparameter")


def with_family(task: str, trial: Any) -> Any:
    """A trial's values with its hyperparameters typed by task and model name, as they are read back from JSON.

    Args:
        task: the product's name of the task.
        trial: a mapping with `model_name` and `hyperparameters`; anything else is given back as it is.
    """
    if not isinstance(trial, Mapping) or not isinstance(trial.get("hyperparameters"), Mapping):
        return trial
    family = family_of(task, trial.get("model_name"))
    return {**trial, "hyperparameters": family.model_validate(dict(trial["hyperparameters"]))}
