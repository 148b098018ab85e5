"""The algorithms by name: what there is, and how to make one."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import nn

from automl_vision.core.errors import UnknownModelError
from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION, TASKS
from automl_vision.core.text import did_you_mean
from automl_vision.models.detectors.build import create_detector
from automl_vision.models.detectors.coco import PUBLISHED, coco_weights, load_coco
from automl_vision.models.detectors.detector import Detector, Limits
from automl_vision.models.weights import WeightsOrigin, load_pretrained
from automl_vision.recipes.catalog import (
    BUNDLED_WEIGHTS,
    CLASSIFICATION_ARCHITECTURES,
    DETECTORS,
    DFINE,
    DFINE_LICENCE,
    DFINE_PARAMETERS,
    ONE_STAGE_BACKBONES,
    detector_parts,
    missing_package,
    own_models,
)
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectorHyperparameters,
    DFineHyperparameters,
    Hyperparameters,
    OneStageHyperparameters,
)
from automl_vision.recipes.normalization import Normalization

NETWORK_FILE = "network.json"
"""Where a trial keeps its model's description, when it has one."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, for architectures that name none


@dataclass(frozen=True)
class Model:
    """A network with what it needs around it.

    Attributes:
        network: maps normalised images (n, 3, height, width) to logits (n, classes).
        name: the algorithm's name.
        architecture: timm's name, or the hub's.
        normalization: of its input.
        weights: where its first weights come from.
        note: a sentence to tell when better weights could not be had.
        description: JSON values without which it cannot be built again, where name and hyperparameters do not suffice.
    """

    network: nn.Module
    name: str
    architecture: str
    normalization: Normalization
    weights: WeightsOrigin
    note: str | None = None
    description: dict[str, Any] | None = None


@dataclass(frozen=True)
class ModelDescription:
    """An algorithm as it stands in a listing.

    Attributes:
        name: to be given as `model_name`.
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


def architecture_of(name: str, *, task: str = CLASSIFICATION) -> str:
    """The timm architecture behind an algorithm's name: the network, or the backbone of a detector; D-FINE has its own.

    Args:
        name: of the algorithm.
        task: which it shall solve.

    Raises:
        UnknownModelError: neither the product nor timm knows the name, or it is of another task.
    """
    if name == DFINE and task == OBJECT_DETECTION:
        return "d_fine"
    backbone = _backbone_of(name, task)
    if backbone in CLASSIFICATION_ARCHITECTURES:
        return CLASSIFICATION_ARCHITECTURES[backbone]
    if backbone is not None and timm.is_model(backbone):
        return backbone
    known = own_models(task) + (timm.list_models() if task in (CLASSIFICATION, MULTI_LABEL) else [])
    raise UnknownModelError(
        f'no model of {task} is named "{name}".{did_you_mean(name, known)} '
        f'List them with: automl-vision models "*" --task {task}'
    )


def _backbone_of(name: str, task: str) -> str | None:
    """The name of the network behind an algorithm of a task; None when the task has no such algorithm."""
    if task in (CLASSIFICATION, MULTI_LABEL):
        return name
    if task == OBJECT_DETECTION and name in ("tood", "yolov5"):
        return ONE_STAGE_BACKBONES["medium"]
    parts = detector_parts(name)
    return parts[1] if parts is not None and DETECTORS[parts[0]] == task else None


def _task_of(name: str) -> str:
    """The task that an algorithm's name belongs to; of both kinds of classification the first."""
    if name in ("tood", "yolov5", DFINE):
        return OBJECT_DETECTION
    parts = detector_parts(name)
    return DETECTORS[parts[0]] if parts is not None else CLASSIFICATION


def list_models(pattern: str = "*", *, task: str | None = None) -> list[str]:
    """Names of algorithms that match a pattern with `*` and `?`: the product's own first, then timm's.

    Any network of timm that gives features is also a backbone: `fasterrcnn_NAME_fpn`.

    Args:
        pattern: as for file names, such as "resnet*".
        task: only algorithms for this task; None lists classification's, then detectors.
    """
    if task is not None and task not in TASKS:
        return []
    tasks = (CLASSIFICATION, OBJECT_DETECTION, INSTANCE_SEGMENTATION) if task is None else (task,)
    names = [name for each in tasks for name in own_models(each)]
    if CLASSIFICATION in tasks or MULTI_LABEL in tasks:
        names += timm.list_models()
    return [name for name in dict.fromkeys(names) if fnmatch.fnmatch(name, pattern)]


def describe_model(name: str) -> ModelDescription:
    """Size, licence and source of the weights of an algorithm.

    Raises:
        UnknownModelError: nothing has this name.
    """
    architecture = architecture_of(name, task=_task_of(name))
    if name == DFINE:
        return ModelDescription(name, architecture, DFINE_PARAMETERS["medium"], DFINE_LICENCE, "hub")
    with torch.device("meta"):
        network = timm.create_model(architecture)
    config = timm.get_pretrained_cfg(architecture)
    on_hub = config is not None and config.hf_hub_id
    source = "package" if architecture in BUNDLED_WEIGHTS else "hub" if on_hub else "none"
    licence = config.license if config is not None and source != "none" else None
    return ModelDescription(name, architecture, sum(p.numel() for p in network.parameters()), licence, source)


def create_model(
    name: str,
    *,
    task: str,
    classes: int,
    hyperparameters: Hyperparameters,
    geometry: Geometry | None = None,
    description: Mapping[str, Any] | None = None,
) -> Model:
    """Make an algorithm's network for the given number of classes.

    Args:
        name: the product's name; a classifier's may also be timm's.
        task: which it shall solve.
        classes: outputs of the head.
        hyperparameters: of its family; `pretrained` and `weights` count here, and what shapes the network.
        geometry: of a detector's input.
        description: of a model that was made before, to make the same one with random weights.

    Raises:
        UnknownModelError: nothing has this name, or the package that has it is not installed.
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    if isinstance(hyperparameters, DFineHyperparameters) and geometry is not None:
        return _create_dfine(classes, hyperparameters, geometry, description)
    if isinstance(hyperparameters, DetectorHyperparameters) and geometry is not None:
        return _create_detector(name, task, classes, hyperparameters, geometry)
    assert isinstance(hyperparameters, ClassificationHyperparameters)
    architecture = architecture_of(name, task=task)
    settings: dict[str, object] = {"num_classes": classes, "drop_rate": hyperparameters.drop_rate}
    config = timm.get_pretrained_cfg(architecture)
    crop = hyperparameters.validation_crop_size
    if config is not None and config.fixed_input_size and config.input_size[-1] != crop:
        settings["img_size"] = crop
    network = timm.create_model(architecture, **settings)
    if hyperparameters.pretrained:
        origin = load_pretrained(network, architecture, hyperparameters.weights)
    else:
        origin = WeightsOrigin("random", "none", None)
    return Model(network, name, architecture, _normalization(network), origin)


def _normalization(network: nn.Module) -> Normalization:
    data = resolve_model_data_config(network)
    return Normalization(tuple(data.get("mean", _MEAN)), tuple(data.get("std", _STD)))


def _create_detector(
    name: str, task: str, classes: int, hyperparameters: DetectorHyperparameters, geometry: Geometry
) -> Model:
    """A detector whose backbone, or all of it, starts from pretrained weights."""
    kind, architecture = _detector_kind(name, task, hyperparameters)
    body = timm.create_model(architecture)
    normalization = _normalization(body)
    origin = WeightsOrigin("random", "none", None)
    coco = coco_weights(name, hyperparameters.weights) if hyperparameters.pretrained else None
    if hyperparameters.pretrained and coco is None:
        origin = load_pretrained(body, architecture, hyperparameters.weights)
    network = create_detector(kind, body, geometry, classes=classes, hyperparameters=hyperparameters)
    if coco is not None:
        load_coco(network, coco.state)
        origin = coco.origin
    note = None
    if coco is None and name in PUBLISHED and hyperparameters.pretrained and hyperparameters.weights is None:
        note = f"torchvision's COCO weights of {name} cannot be fetched; its backbone starts from ImageNet weights"
    return Model(network, name, architecture, normalization, origin, note)


def _create_dfine(
    classes: int, hyperparameters: DFineHyperparameters, geometry: Geometry, description: Mapping[str, Any] | None
) -> Model:
    """The detector of an optional package."""
    missing = missing_package(DFINE)
    if missing is not None:
        raise UnknownModelError(missing)
    from automl_vision.models.detectors.dfine import DFine
    from automl_vision.models.detectors.dfine_source import described_source, find_source, load_dfine

    source = find_source(hyperparameters) if description is None else described_source(description)
    network = load_dfine(source, geometry, classes=classes, multi_scale=hyperparameters.multi_scale)
    limits = Limits(hyperparameters.nms_iou_threshold, geometry.detections)
    detector = DFine(network, geometry, classes=classes, limits=limits)
    architecture = architecture_of(DFINE, task=OBJECT_DETECTION)
    return Model(detector, DFINE, architecture, source.normalization, source.origin, description=source.to_json())


def _detector_kind(name: str, task: str, hyperparameters: DetectorHyperparameters) -> tuple[str, str]:
    """The kind of detector and the timm architecture of its backbone."""
    parts = detector_parts(name)
    if parts is not None:
        return parts[0], architecture_of(name, task=task)
    architecture_of(name, task=task)  # raises for a name that is none of ours
    assert isinstance(hyperparameters, OneStageHyperparameters)
    return "tood", CLASSIFICATION_ARCHITECTURES[ONE_STAGE_BACKBONES[hyperparameters.model_size]]


def freeze_stages(network: nn.Module, stages: int) -> list[str]:
    """Stop the first `stages` stages from training: stem first, then blocks, never the head.

    Frozen stages come before everything that trains, so they run without autograd. Of a detector, the stages are
    those of its backbone.

    Args:
        network: a timm model, grouped by its own `group_matcher`, or a detector on one.
        stages: how many groups to freeze, counted from the input.

    Returns:
        The names of the frozen modules' parameters.
    """
    from timm.models import group_parameters

    body = network.body if isinstance(network, Detector) else network
    head = set() if body is not network else {id(p) for p in network.get_classifier().parameters()}  # type: ignore[operator]
    groups = group_parameters(body, body.group_matcher(coarse=True))  # type: ignore[operator]
    parameters = dict(body.named_parameters())
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    frozen = []
    for group in sorted(groups)[:stages]:
        for name in groups[group]:
            if id(parameters[name]) not in head:
                parameters[name].requires_grad_(False)
                frozen.append(names[id(parameters[name])])
    return frozen
