"""What this machine can do, and what of the product is installed on it."""

from __future__ import annotations

import math
import platform
import re
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import psutil
from pydantic import Field

from automl_vision.compute.local import visible_gpus
from automl_vision.core.files import read_json
from automl_vision.core.records import Record
from automl_vision.core.tasks import TASKS
from automl_vision.core.version import VERSION
from automl_vision.recipes.catalog import BACKBONES, BUNDLED_WEIGHTS
from automl_vision.recipes.start_models import choose_start, is_at_hand, weights_in_reach
from automl_vision.serving.device import (
    computes_bfloat16,
    gpu_names,
    processor_name,
    sums_8_bit_exactly,
    usable_cores,
)
from automl_vision.storage.hub import fetched_repositories, hub_answers
from automl_vision.workspace.storage_use import FolderUse, folder_size, storage_use
from automl_vision.workspace.workspace import Workspace

_PACKAGE = "automl-vision"
_EXTRAS = {
    "train": "training, sweeps, data checks, the studio",
    "serve": "endpoints over HTTP",
    "openvino": "the fastest runtime on Intel and AMD processors",
    "detr": "D-FINE and RF-DETR, detectors of the DETR kind",
    "ray": "trials on a cluster",
    "s3": "data and models in S3",
    "svg": "charts as SVG, PNG and PDF files",
    "video": "predictions for videos and cameras",
    "heic": "HEIC and HEIF images",
    "dicom": "DICOM images",
    "label": "labelling projects in Label Studio",
    "pipelines": "pipelines in Dagster's pages",
    "demo": "the pictures of the demo",
    "testing": "contracts of plugins as tests",
}
_VERSIONS = ("torch", "torchvision", "timm", "onnxruntime", "openvino", "mlflow", "numpy", "pillow")
_EXTRA = re.compile(r"extra == ['\"]([a-z0-9-]+)['\"]")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_INCLUDED = re.compile(rf"{_PACKAGE}\[([^]]+)]")


class Extra(Record):
    """A part of the product that is installed apart."""

    name: str
    brings: str
    is_installed: bool
    missing: list[str] = Field(description="packages that it lacks")


class StartWeights(Record):
    """Pretrained weights that a training could start from."""

    name: str
    source: str = Field(description='"installed", or "cached" of the hub')
    bytes: int


class Environment(Record):
    """What this machine can do, and what is installed."""

    version: str
    python: str
    system: str
    processor: str
    cores: int = Field(description="that this process may use")
    memory_bytes: int
    available_bytes: int = Field(description="of memory, now")
    gpus: list[str]
    bfloat16: bool = Field(description="whether the processor has instructions for it")
    int8: bool = Field(description="whether it sums products of 8-bit integers exactly")
    steps: dict[str, dict[str, float]] = Field(
        description="seconds of a training step by number format, as trials of the workspace measured them"
    )
    hub: bool | None = Field(description="whether the hub of weights answers; None where it was not asked")
    weights: list[StartWeights]
    defaults: dict[str, str] = Field(description="by task, the algorithm that is taken where none is named, and why")
    extras: list[Extra]
    versions: dict[str, str]
    workspace: str
    storage: list[FolderUse]


def environment(workspace: Workspace, *, ask_hub: bool = True) -> Environment:
    """Look at this machine; nothing is installed or changed.

    Args:
        workspace: whose folders are measured.
        ask_hub: whether to ask the hub of weights for an answer, which takes seconds where there is none.
    """
    memory = psutil.virtual_memory()
    return Environment(
        version=VERSION,
        python=platform.python_version(),
        system=platform.platform(),
        processor=processor_name(),
        cores=usable_cores(),
        memory_bytes=memory.total,
        available_bytes=memory.available,
        gpus=list(gpu_names()),
        bfloat16=computes_bfloat16(),
        int8=sums_8_bit_exactly(),
        steps=_measured_steps(workspace.cache_path / "precision.json"),
        hub=hub_answers() if ask_hub else None,
        weights=[*_installed_weights(), *_cached_weights()],
        defaults=_defaults(ask_hub=ask_hub),
        extras=_extras(),
        versions={name: found for name in _VERSIONS if (found := _version(name)) is not None},
        workspace=str(workspace.path),
        storage=storage_use(workspace),
    )


def _defaults(*, ask_hub: bool) -> dict[str, str]:
    """By task, the algorithm that it starts from here, with the reason."""
    has_gpu, in_reach = bool(visible_gpus()), weights_in_reach if ask_hub else is_at_hand
    starts = {task: choose_start(task, has_gpu=has_gpu, minutes=math.inf, in_reach=in_reach) for task in TASKS}
    return {task: f"{start.model}: {start.reason}" for task, start in starts.items()}


def _measured_steps(file: Path) -> dict[str, dict[str, float]]:
    """What trials measured, by network, input and batch."""
    try:
        known = read_json(file)
    except (OSError, ValueError):
        return {}
    return {entry.partition("|")[0]: seconds for entry, seconds in known.items() if isinstance(seconds, dict)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _installed_weights() -> list[StartWeights]:
    """The packages of weights that are installed."""
    found = []
    names = {architecture: name for name, architecture in BACKBONES.items()}
    for architecture, package in BUNDLED_WEIGHTS.items():
        with suppress(metadata.PackageNotFoundError):
            distribution = metadata.distribution(package.distribution)
            files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
            size = sum(file.stat().st_size for file in files if file.exists())
            found.append(StartWeights(name=names.get(architecture, architecture), source="installed", bytes=size))
    return found


def _cached_weights() -> list[StartWeights]:
    """The repositories of the hub that were fetched."""
    return [
        StartWeights(name=name, source="cached", bytes=folder_size(folder))
        for name, folder in fetched_repositories().items()
    ]


def _extras() -> list[Extra]:
    """The extras with what they lack; an extra that includes another one lacks what that one lacks."""
    wanted: dict[str, set[str]] = {name: set() for name in _EXTRAS}
    included: dict[str, set[str]] = {name: {name} for name in _EXTRAS}
    for requirement in metadata.requires(_PACKAGE) or ():
        extra, package = _EXTRA.search(requirement), _NAME.match(requirement)
        if extra and package and extra[1] in wanted and _applies(requirement):
            wanted[extra[1]].add(package[0].lower())
            if others := _INCLUDED.match(requirement):
                included[extra[1]].update(others[1].split(","))
    found = []
    for name, brings in _EXTRAS.items():
        needed = set().union(*(wanted[other] for each in included[name] for other in included[each]))
        missing = sorted(each for each in needed if each != _PACKAGE and _version(each) is None)
        found.append(Extra(name=name, brings=brings, is_installed=not missing, missing=missing))
    return found


def _applies(requirement: str) -> bool:
    """Whether a requirement is for this system."""
    return not (sys.platform == "win32" and "sys_platform != 'win32'" in requirement.replace('"', "'"))
