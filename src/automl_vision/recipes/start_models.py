"""What a run starts from when no algorithm is named: the first row of a table that this machine can have.

The table is `start_models.toml` beside this file.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Literal

from automl_vision.recipes.catalog import BUNDLED_WEIGHTS, architecture_of, missing_extra
from automl_vision.storage.hub import fetched_repositories, hub_answers, torch_file, url_answers

Source = Literal["package", "hub", "torchvision"]

_REMEMBERED = 60.0  # seconds, for which the answer of the hub holds
_TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class StartModel:
    """A row of the table.

    Attributes:
        tasks: that it is for.
        model: the algorithm, as `model_name`.
        device: "gpu" needs one, "cpu" is for machines without, "any" for all.
        source: of the weights.
        name: of the package, the repository of the hub, or the file on torchvision's server.
        licence: of the weights, as their source states it.
        minutes: the least budget.
        evidence: why it is in the table.
    """

    tasks: tuple[str, ...]
    model: str
    device: Literal["gpu", "cpu", "any"]
    source: Source
    name: str
    licence: str
    minutes: float
    evidence: str


@dataclass(frozen=True)
class Start:
    """The algorithm that a run starts from.

    Attributes:
        model: as `model_name`.
        reason: why it is this one, in a sentence.
    """

    model: str
    reason: str


@cache
def start_models(task: str) -> tuple[StartModel, ...]:
    """The rows for a task, most wanted first; the last one needs nothing but the product."""
    text = files(__package__).joinpath("start_models.toml").read_text(encoding="utf-8")
    rows = [StartModel(**{**values, "tasks": tuple(values["tasks"])}) for values in tomllib.loads(text)["start"]]
    return tuple(row for row in rows if task in row.tasks)


def choose_start(
    task: str,
    *,
    has_gpu: bool,
    minutes: float,
    accepts: Callable[[str], bool] = lambda _: True,
    in_reach: Callable[[StartModel], bool] | None = None,
) -> Start:
    """The algorithm that this machine starts from.

    Args:
        task: the product's name of the task.
        has_gpu: whether trials run on a GPU.
        minutes: of the whole run.
        accepts: whether the settings of the run are those of an algorithm.
        in_reach: whether the weights of a row can be had; by default it is looked for here and asked on the network.
    """
    *wanted, last = start_models(task)
    device, passed_over = "gpu" if has_gpu else "cpu", ""
    for row in wanted:
        if row.device not in (device, "any"):
            continue
        missing = _obstacle(row, task, minutes, accepts) or _unreachable(row, in_reach or weights_in_reach)
        if missing is None:
            return Start(row.model, f"{_on(has_gpu)}; its weights come from {row.name} ({row.licence}){passed_over}")
        passed_over += f"; {row.model} {missing}"
    return Start(last.model, f"{_on(has_gpu)}; its weights are installed ({last.licence}){passed_over}")


def _on(has_gpu: bool) -> str:
    return "on a GPU" if has_gpu else "without a GPU"


def _obstacle(row: StartModel, task: str, minutes: float, accepts: Callable[[str], bool]) -> str | None:
    """What keeps a row from being taken, weights aside, as the rest of a sentence about it."""
    if minutes < row.minutes:
        return f"needs {row.minutes:g} minutes"
    extra = missing_extra(row.model, task)
    if extra is not None:
        return f"needs the package {extra.package}"
    return None if accepts(row.model) else "does not have the settings that are given"


def _unreachable(row: StartModel, in_reach: Callable[[StartModel], bool]) -> str | None:
    if in_reach(row):
        return None
    if row.source == "package":
        return f"needs the package {row.name} ({BUNDLED_WEIGHTS[architecture_of(row.model, row.tasks[0])].install})"
    return f"has its weights at {row.name}, which is out of reach"


def weights_in_reach(row: StartModel) -> bool:
    """Whether the weights of a row are installed, were fetched before, or can be fetched now."""
    moment = int(time.monotonic() / _REMEMBERED)
    return is_at_hand(row) or (row.source != "package" and _answered(_address(row), moment))


def is_at_hand(row: StartModel) -> bool:
    """Whether the weights of a row are installed, or were fetched before."""
    if row.source == "package":
        return find_spec(row.name.replace("-", "_")) is not None
    return _is_cached(row.name) if row.source == "hub" else torch_file(row.name).exists()


def _address(row: StartModel) -> str:
    """Where a row's weights are fetched; empty for the hub, which may be another one."""
    return _TORCHVISION + row.name if row.source == "torchvision" else ""


@lru_cache(maxsize=8)
def _answered(url: str, moment: int) -> bool:  # noqa: ARG001 - another moment is another question
    """Whether a server answers; asked once in a while, since a form asks for a plan with every change."""
    return url_answers(url) if url else hub_answers()


def _is_cached(repository: str) -> bool:
    """Whether weights of a repository were fetched from the hub before."""
    folder = fetched_repositories().get(repository)
    return folder is not None and any(folder.glob("snapshots/*/*.safetensors"))
