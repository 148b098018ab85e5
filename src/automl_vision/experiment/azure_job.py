"""Image jobs of Azure Machine Learning's command line (version 2) as ours: what has no meaning here is named.

A job is `type: automl` with an image task, or `type: pipeline` with one such node, whose inputs are resolved. Names of
settings, metrics and algorithms are mostly those that this product has; the tables below have the rest.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.data.dataset import Dataset
from automl_vision.search.distributions import DISTRIBUTIONS

TASK_NAMES = {
    "image_classification": "image-classification",
    "image_classification_multilabel": "image-classification-multi-label",
    "image_object_detection": "image-object-detection",
    "image_instance_segmentation": "image-instance-segmentation",
}
_METRICS = {
    "norm_macro_recall": "balanced_accuracy",
    **{
        f"{figure}_score_{average}": f"{figure}_{average}"
        for figure in ("precision", "recall", "f1", "average_precision")
        for average in ("macro", "micro", "weighted")
    },
}
_SETTINGS = {
    "gradient_accumulation_step": "grad_accumulation_step",
    "learning_rate_scheduler": "lr_scheduler",
    "ams_gradient": "amsgrad",
}
_WITHOUT_MEANING = {
    "advanced_settings": "it is for experiments of Azure's own",
    "augmentations": "say augmentation, random_crop_scale, mixup_alpha and others",
    "checkpoint_model": "name a run of yours by checkpoint_run_id, or a file by weights",
    "distributed": "say processes_per_trial",
    "enable_onnx_normalization": "the exported model always normalises as it was trained",
    "number_of_workers": "workers follow the machine",
}
_SAID_ELSEWHERE = {
    "$schema", "type", "description", "display_name", "tags", "properties", "name", "log_verbosity", "outputs",
    "services", "queue_settings", "identity", "id", "status", "creation_context",
}  # fmt: skip
_KNOWN = {
    "task", "experiment_name", "compute", "primary_metric", "target_column_name", "training_data", "validation_data",
    "validation_data_size", "limits", "training_parameters", "sweep", "search_space", "test_data", "resources",
    "environment_variables", "image_model", "label_column_name",
}  # fmt: skip
_LIMITS = {"timeout_minutes", "max_trials", "max_concurrent_trials", "trial_timeout_minutes", "max_nodes"}
_INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.([A-Za-z0-9_]+)\s*\}\}")
_OUTPUT = re.compile(r"\$\{\{.*\}\}")
_DEFAULT_LABEL = "label"


@dataclass
class Translated:
    """A job of Azure's in our words.

    Attributes:
        experiment: its name; None if the job has none.
        values: fields of the config; data as the job says it.
        label_column: the target column, where it is not `label`.
        notes: what has no meaning here, and what happens instead.
    """

    experiment: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    label_column: str | None = None
    notes: list[str] = field(default_factory=list)


def is_azure_job(values: Any) -> bool:
    """Whether the values of a file are a job of Azure's: those of ours have no `type`."""
    return isinstance(values, Mapping) and values.get("type") in ("automl", "pipeline")


def translate(job: Mapping[str, Any], *, subject: str = "The job") -> Translated:
    """A job of Azure's in our words.

    Args:
        job: the values of its file.
        subject: what mistakes are said of.

    Raises:
        ConfigError: the job is for no image task, or has what cannot be read; all mistakes at once.
    """
    problems: list[Problem] = []
    found = Translated()
    node = _image_node(job, found, problems) if job.get("type") == "pipeline" else job
    if node is not None:
        _translate(node, job, found, problems)
    if problems:
        raise ConfigError(problems, subject=subject)
    return found


def _image_node(job: Mapping[str, Any], found: Translated, problems: list[Problem]) -> Mapping[str, Any] | None:
    """The one image job of a pipeline; the other nodes are named."""
    nodes = job.get("jobs")
    nodes = nodes if isinstance(nodes, Mapping) else {}
    images = [name for name, node in nodes.items() if isinstance(node, Mapping) and node.get("task") in TASK_NAMES]
    if len(images) != 1:
        said = f"has {', '.join(images)}" if images else "has none"
        problems.append(Problem(("jobs",), f"of a pipeline one node of type automl for images is run; this one {said}"))
        return None
    others = [name for name in nodes if name != images[0]]
    if others:
        found.notes.append(f"jobs: {images[0]} is run; not run: {', '.join(others)}")
    node: Mapping[str, Any] = nodes[images[0]]
    return node


def _translate(node: Mapping[str, Any], job: Mapping[str, Any], found: Translated, problems: list[Problem]) -> None:
    name = node.get("experiment_name", job.get("experiment_name"))
    found.experiment = None if name is None else str(name)
    task = node.get("task")
    if task not in TASK_NAMES:
        listed = ", ".join(TASK_NAMES)
        problems.append(Problem(("task",), f'task is one of {listed}, not "{task}"; this product is for images'))
        return
    found.values["task"] = TASK_NAMES[task]
    for key in node:
        if key not in _KNOWN | _SAID_ELSEWHERE:
            problems.append(Problem((key,), f'"{key}" is no part of an image job of Azure'))
    _compute(node, job, found)
    _metric(node, found)
    _data(node, job, found, problems)
    _limits(node, found, problems)
    _sweep(node, found, problems)
    arguments = _arguments(node.get("training_parameters"), ("training_parameters",), found, problems)
    arguments |= _arguments(node.get("image_model"), ("image_model",), found, problems)
    seed = arguments.pop("random_seed", None)
    if isinstance(seed, int):
        found.values["seed"] = seed
    if arguments:
        _as_azure_optimises(arguments, found, fixed={})
        found.values["arguments"] = arguments
    _space(node, found, arguments, problems)


def _compute(node: Mapping[str, Any], job: Mapping[str, Any], found: Translated) -> None:
    settings = job.get("settings")
    default = settings.get("default_compute") if isinstance(settings, Mapping) else None
    compute = node.get("compute", job.get("compute", default))
    if compute is not None:
        found.notes.append(
            f"compute: {str(compute).removeprefix('azureml:')} is not asked; the job runs on this machine, or where "
            "compute_target says, such as ray://HOST:PORT"
        )
    if "resources" in node:
        found.notes.append("resources: the job uses what this machine has")


def _metric(node: Mapping[str, Any], found: Translated) -> None:
    metric = node.get("primary_metric")
    if metric is not None:
        name = str(metric).lower()
        found.values["primary_metric"] = _METRICS.get(name, name)


def _data(node: Mapping[str, Any], job: Mapping[str, Any], found: Translated, problems: list[Problem]) -> None:
    for name in ("training_data", "validation_data"):
        if name in node:
            found.values[name] = _data_path(node[name], job, (name,), problems)
    if "training_data" not in node:
        problems.append(Problem(("training_data",), "training_data is missing"))
    if "validation_data_size" in node:
        found.values["validation_data_size"] = node["validation_data_size"]
    if "test_data" in node:
        found.notes.append("test_data: images of the training data whose split is test are evaluated; join the two")
    column = node.get("target_column_name", node.get("label_column_name", _DEFAULT_LABEL))
    found.label_column = None if column == _DEFAULT_LABEL else str(column)


def _data_path(value: Any, job: Mapping[str, Any], path: tuple[str, ...], problems: list[Problem]) -> Any:
    """Where data lies: a path, a URL, or the address of Azure's that names it; or data that is opened already."""
    if isinstance(value, str) and (given := _INPUT.fullmatch(value.strip())):
        inputs = job.get("inputs")
        value = inputs.get(given[1]) if isinstance(inputs, Mapping) else None
        if value is None:
            problems.append(Problem(path, f"{path[0]}: the pipeline has no input named {given[1]}"))
            return ""
    if isinstance(value, Mapping):
        value = value.get("path")
    if isinstance(value, Dataset | PathLike):
        return value
    if not isinstance(value, str) or not value:
        problems.append(Problem(path, f"{path[0]} is a mapping with path, or a path"))
        return ""
    if _OUTPUT.fullmatch(value):
        problems.append(Problem(path, f"{path[0]}: {value} is made by another node; give the path of a copy of it"))
    return value


def _limits(node: Mapping[str, Any], found: Translated, problems: list[Problem]) -> None:
    limits = node.get("limits") or {}
    if not isinstance(limits, Mapping):
        problems.append(Problem(("limits",), "limits is a mapping"))
        return
    for key in limits:
        if key not in _LIMITS:
            problems.append(Problem(("limits", key), f'limits has no "{key}"'))
    minutes = limits.get("timeout_minutes")
    if isinstance(minutes, int | float) and not isinstance(minutes, bool):
        found.values["experiment_timeout_hours"] = round(minutes / 60, 6)
    elif minutes is not None:
        problems.append(Problem(("limits", "timeout_minutes"), f"timeout_minutes is a number, not {minutes!r}"))
    for theirs, ours in (("max_trials", "iterations"), ("max_concurrent_trials", "max_concurrent_iterations")):
        if theirs in limits:
            found.values[ours] = limits[theirs]
    concurrent, most = (found.values.get(name, 1) for name in ("max_concurrent_iterations", "iterations"))
    if isinstance(concurrent, int) and isinstance(most, int) and concurrent > 1:
        found.notes.append(f"max_concurrent_trials: {concurrent} trials run at once only where the machine bears it")
    if "trial_timeout_minutes" in limits:
        found.notes.append("trial_timeout_minutes: a trial has the time of the run; as many epochs as fit are planned")
    if "max_nodes" in limits:
        found.notes.append("max_nodes: nodes are those of the cluster that compute_target names")


def _sweep(node: Mapping[str, Any], found: Translated, problems: list[Problem]) -> None:
    """The sampling, whose space is filled in later, and the policy."""
    sweep = node.get("sweep")
    if sweep is None:
        return
    if not isinstance(sweep, Mapping):
        problems.append(Problem(("sweep",), "sweep is a mapping"))
        return
    if "search_space" not in node:
        found.notes.append("sweep: there is no search_space, so AutoMode decides what is tried")
        return
    found.values["hyperparameter_sampling"] = {"type": str(sweep.get("sampling_algorithm", "random")).lower()}
    early = sweep.get("early_termination")
    if isinstance(early, Mapping):
        policy = {key: value for key, value in early.items() if value not in (0, 0.0) or "evaluation" in key}
        found.values["policy"] = policy | {"type": str(early.get("type", "")).lower().removesuffix("_policy")}
    elif early is not None:
        problems.append(Problem(("sweep", "early_termination"), "early_termination is a mapping with a type"))


def _space(node: Mapping[str, Any], found: Translated, arguments: Mapping[str, Any], problems: list[Problem]) -> None:
    space = node.get("search_space")
    if space is None:
        return
    alternatives = space if isinstance(space, list) else [space]
    made = []
    for number, alternative in enumerate(alternatives):
        path: tuple[str | int, ...] = ("search_space", number)
        if not isinstance(alternative, Mapping):
            problems.append(Problem(path, f"search_space: alternative {number} is a mapping of names"))
            continue
        entries = {
            _SETTINGS.get(str(name), str(name)): _entry(value, (*path, str(name)), problems)
            for name, value in alternative.items()
            if _has_meaning(str(name), found)
        }
        _as_azure_optimises(entries, found, fixed=arguments)
        made.append(entries)
    sampling = found.values.setdefault("hyperparameter_sampling", {"type": "random"})
    sampling["space"] = made if len(made) > 1 else made[0] if made else {}


def _entry(value: Any, path: tuple[str | int, ...], problems: list[Problem]) -> Any:
    """A distribution as a mapping, from a mapping or from an expression such as `uniform(0.001, 0.01)`."""
    if not isinstance(value, str) or "(" not in value:
        return _as_choice(value) if isinstance(value, Mapping) else value
    try:
        call = ast.parse(value.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
            raise ValueError
        numbers = [ast.literal_eval(argument) for argument in call.args]
    except (SyntaxError, ValueError):
        problems.append(Problem(path, f'{path[-1]}: "{value}" is no expression such as uniform(0.001, 0.01)'))
        return value
    kind = call.func.id.lower()
    if kind == "choice":
        options = numbers[0] if len(numbers) == 1 and isinstance(numbers[0], list | tuple) else numbers
        return {"type": "choice", "values": list(options)}
    names = {"randint": ("upper",), "normal": ("mu", "sigma"), "lognormal": ("mu", "sigma")}
    names |= {f"q{name}": (*names[name], "q") for name in ("normal", "lognormal")}
    wanted = names.get(kind, ("low", "high", "q") if kind.startswith("q") else ("low", "high"))
    if kind not in DISTRIBUTIONS.types or len(wanted) != len(numbers):
        problems.append(Problem(path, f'{path[-1]}: "{value}" is no distribution; such as uniform(0.001, 0.01)'))
        return value
    return {"type": kind, **dict(zip(wanted, numbers, strict=True))}


def _as_choice(value: Mapping[str, Any]) -> dict[str, Any]:
    """A distribution whose type is written in any case."""
    kind = value.get("type", value.get("distribution"))
    return {**value, "type": str(kind).lower()} if kind is not None else dict(value)


def _arguments(value: Any, path: tuple[str, ...], found: Translated, problems: list[Problem]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.append(Problem(path, f"{path[0]} is a mapping of names to values"))
        return {}
    return {
        _SETTINGS.get(str(name), str(name)): _lower(each)
        for name, each in value.items()
        if each is not None and _has_meaning(str(name), found)
    }


def _lower(value: Any) -> Any:
    """Names of schedulers, optimizers and sizes, which Azure also writes in capitals."""
    return value.lower() if isinstance(value, str) and value.isupper() else value


def _has_meaning(name: str, found: Translated) -> bool:
    if name not in _WITHOUT_MEANING:
        return True
    note = f"{name}: it has no meaning here; {_WITHOUT_MEANING[name]}"
    if note not in found.notes:
        found.notes.append(note)
    return False


def _as_azure_optimises(entries: dict[str, Any], found: Translated, *, fixed: Mapping[str, Any]) -> None:
    """Learning rates were meant for Azure's default optimizer; ours is another one, at other rates."""
    if "learning_rate" in entries and "optimizer" not in entries and "optimizer" not in fixed:
        entries["optimizer"] = "sgd"
        note = (
            "learning_rate: it was meant for sgd, the default optimizer there, so sgd it is; without both of them ours "
            "trains with adamw at rates of its own, which was better wherever it was measured"
        )
        if note not in found.notes:
            found.notes.append(note)
