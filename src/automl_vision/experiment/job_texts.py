"""A config as texts that others can use: a job file in YAML, Python, a command; and a run's specification as a job."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

import automl_vision
from automl_vision.core.errors import ConfigError, Problem
from automl_vision.experiment.config import MAX_ITERATIONS, SIX_DAYS, AutoMLVisionConfig
from automl_vision.experiment.job_file import DEFAULT_EXPERIMENT
from automl_vision.runs.spec import RunSpec
from automl_vision.search.distributions import Choice, Distribution
from automl_vision.search.policies import POLICIES
from automl_vision.search.samplers import SAMPLINGS
from automl_vision.search.space import SearchSpace
from automl_vision.storage.urls import is_url

_DATA = ("training_data", "validation_data")
_TYPED = {"hyperparameter_sampling": SAMPLINGS, "policy": POLICIES}
_WIDTH = 110  # columns, within which a value stays on its line


def job_values(config: AutoMLVisionConfig, experiment: str = DEFAULT_EXPERIMENT) -> dict[str, Any]:
    """What a job file of a config holds: the fields that were given, as plain values.

    Raises:
        ConfigError: its data was opened in Python, so that no file can name it.
    """
    values: dict[str, Any] = {} if experiment == DEFAULT_EXPERIMENT else {"experiment": experiment}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name not in config.model_fields_set or value is None or (name == "arguments" and not value):
            continue
        values[name] = _plain(name, value)
    return values


def _plain(name: str, value: Any) -> Any:
    if name in _TYPED:
        return _TYPED[name].to_json(value)  # type: ignore[attr-defined]
    if name not in _DATA:
        return value
    if not isinstance(value, str):
        sentence = f"{name} was opened in Python; give its path or its registered name to write the job down"
        raise ConfigError([Problem((name,), sentence)])
    return data_text(value)


def data_text(text: str) -> str:
    """Data as a job file in any folder can name it: a URL, a registered name, or a whole path."""
    path = Path(text).expanduser()
    is_name = "/" not in text and not os.path.exists(path)  # noqa: PTH110 - pathlib raises for a path that is too long
    return text if is_url(text) or is_name else str(path.absolute())


def job_yaml(config: AutoMLVisionConfig, experiment: str = DEFAULT_EXPERIMENT) -> str:
    """The job file of a config; `read_job` reads an equal config from it.

    Raises:
        ConfigError: the config's data was opened in Python.
    """
    values = job_values(config, experiment)
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


def job_command(config: AutoMLVisionConfig, experiment: str = DEFAULT_EXPERIMENT, *, workspace: Path) -> str:
    """The command that starts the run; a search space and a policy need the job file, as `job.yaml`.

    Raises:
        ConfigError: the config's data was opened in Python.
    """
    values = job_values(config, experiment)
    words = ["automl-vision", "train"]
    if _TYPED.keys() & values.keys():
        words.append("job.yaml")
    else:
        arguments = values.pop("arguments", {})
        for name, value in values.items():
            option = f"--{name.replace('_', '-')}"
            words += ([option] if value else []) if isinstance(value, bool) else [option, str(value)]
        for name, value in arguments.items():
            words += ["--set", f"{name}={_flow(value)}"]
    return shlex.join([*words, "--workspace", str(workspace)])


def _flow(value: Any) -> str:
    """A value as one line of YAML, as `--set` reads it."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("...\n").strip()


def job_python(config: AutoMLVisionConfig, experiment: str = DEFAULT_EXPERIMENT, *, workspace: Path) -> str:
    """The Python program that starts the run.

    Raises:
        ConfigError: the config's data was opened in Python.
    """
    values = job_values(config, experiment)
    values.pop("experiment", None)
    writer = _Writer()
    lines = [f"    {name}={writer.value(_typed(config, name, value), 4)},\n" for name, value in values.items()]
    body = f"config = AutoMLVisionConfig(\n{''.join(lines)})\n"
    names = ", ".join(sorted({"AutoMLVisionConfig", "Experiment", "Workspace", *writer.names}, key=str.swapcase))
    return (
        f"from automl_vision import {names}\n\n{body}"
        f"run = Experiment(Workspace({str(workspace)!r}), {experiment!r}).submit(config)\n"
        "run.wait_for_completion(show_output=True)\n"
    )


def _typed(config: AutoMLVisionConfig, name: str, value: Any) -> Any:
    return getattr(config, name) if name in _TYPED else value


class _Writer:
    """Writes values as Python, and notes which public names that takes."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def value(self, value: Any, indent: int) -> str:
        """A value at an indentation, in several lines if one is too long."""
        if isinstance(value, SearchSpace):
            return self._mapping(dict(value.entries), indent)
        if isinstance(value, Mapping):
            return self._mapping(value, indent)
        return self._object(value, indent) if hasattr(value, "__dataclass_fields__") else repr(value)

    def _object(self, value: Any, indent: int) -> str:
        """A distribution, a sampling or a policy; one of another package as the mapping that stands for it."""
        parts, is_distribution = _fields(value), isinstance(value, Distribution)
        name = value.type if is_distribution else type(value).__name__
        if not self._is_public(name):
            return self._mapping({"type": value.type, **parts}, indent)
        if isinstance(value, Choice):
            return self._call(name, [("", option) for option in value.values], indent)
        return self._call(name, [("" if is_distribution else key, part) for key, part in parts.items()], indent)

    def _is_public(self, name: str) -> bool:
        found = name in dir(automl_vision)  # its public names
        self.names |= {name} if found else set()
        return found

    def _call(self, name: str, parts: list[tuple[str, Any]], indent: int) -> str:
        texts = [(f"{key}=" if key else "") + self.value(part, indent + 4) for key, part in parts]
        return _joined(f"{name}(", texts, ")", indent)

    def _mapping(self, value: Mapping[str, Any], indent: int) -> str:
        texts = [f"{key!r}: {self.value(part, indent + 4)}" for key, part in value.items()]
        return _joined("{", texts, "}", indent)


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, without its type and those that are at their default."""
    found = {field.name: (getattr(value, field.name), field.default) for field in fields(value) if field.name != "type"}
    return {name: part for name, (part, default) in found.items() if part is not None and part != default}


def _joined(start: str, parts: list[str], end: str, indent: int) -> str:
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) + indent <= _WIDTH - 20 and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{start}\n{inner}{' ' * indent}{end}"


def job_of_run(spec: RunSpec) -> dict[str, Any]:
    """The job that a run was started with, as plain values: a config of them runs the same on the same data."""
    base = AutoMLVisionConfig.model_fields
    arguments = dict(spec.arguments)
    found: dict[str, Any] = {
        "experiment": spec.experiment,
        "task": spec.task,
        "training_data": spec.data_version or spec.manifest,
        "compute_target": spec.compute_target,
        "model_name": arguments.pop("model_name", None),
        "hyperparameter_sampling": spec.sampling,
        "policy": spec.policy,
        "max_concurrent_iterations": spec.concurrent,
        "primary_metric": spec.primary_metric,
        "arguments": arguments or None,
        "seed": spec.seed,
        "max_bad_share": spec.max_bad_share,
        "threads": spec.threads,
        "processes_per_trial": spec.processes,
    }
    values = {
        name: value
        for name, value in found.items()
        if value is not None and (name not in base or base[name].is_required() or value != base[name].default)
    }
    # whether these are given decides between one trial, a sweep and AutoMode
    searches = spec.automode or spec.sampling is not None
    if (searches and spec.iterations < MAX_ITERATIONS) or not searches:
        values["iterations"] = spec.iterations
    if spec.budget_seconds != 3600 * SIX_DAYS or "iterations" not in values:
        values["experiment_timeout_hours"] = spec.budget_seconds / 3600
    return values
