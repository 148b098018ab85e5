"""A job as YAML: the config's fields with an experiment's name; mistakes are reported with their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.tasks import TASKS
from automl_vision.core.validation import names_of
from automl_vision.experiment.config import MAX_ITERATIONS, AutoMLVisionConfig
from automl_vision.recipes.catalog import families
from automl_vision.runs.spec import RunSpec
from automl_vision.storage.urls import is_url

DEFAULT_EXPERIMENT = "default"


def read_job(path: str | Path) -> tuple[str, AutoMLVisionConfig]:
    """Experiment name and config of a job file.

    Relative data paths are taken from the file's folder.

    Raises:
        ConfigError: the file cannot be read, or breaks the config's rules; each mistake with its line.
    """
    path = Path(path)
    subject = f"The job {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"the file cannot be read ({error.strerror})"], subject=subject) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"the file is not valid YAML: {error}"], subject=subject) from None
    experiment, values, root = _parsed(text, subject, path.parent.resolve())
    try:
        return experiment, AutoMLVisionConfig(**values)
    except ConfigError as error:
        raise ConfigError([_with_line(problem, root) for problem in error.problems], subject=subject) from None


def read_job_values(text: str, folder: Path) -> dict[str, Any]:
    """The values of a job file's text, which need not keep the config's rules.

    Args:
        text: of the file.
        folder: that relative data paths are taken from.

    Raises:
        ConfigError: the text is not valid YAML, or not a mapping.
    """
    experiment, values, _ = _parsed(text, "The job", folder)
    return {"experiment": experiment, **values}


def _parsed(text: str, subject: str, folder: Path) -> tuple[str, dict[str, Any], yaml.Node | None]:
    """Experiment name, values and nodes of a job file's text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values, repeated = yaml.safe_load(text), list(_repeated_keys(root))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"the file is not valid YAML: {error}"], subject=subject) from None
    if not isinstance(values, dict):
        raise ConfigError(["the file must be a mapping of settings"], subject=subject)
    if repeated:
        raise ConfigError(repeated, subject=subject)
    values = {str(key): value for key, value in values.items()}
    experiment = str(values.pop("experiment", DEFAULT_EXPERIMENT))
    for name in ("training_data", "validation_data"):
        if isinstance(values.get(name), str):
            values[name] = _data(values[name], folder)
    return experiment, values, root


def job_of(spec: RunSpec) -> str:
    """The job file that submits a run's configuration again, as YAML.

    Args:
        spec: of the run.
    """
    arguments = dict(spec.arguments)
    model_name = arguments.pop("model_name", None)
    searches = spec.automode or spec.sampling is not None
    values = {
        "experiment": spec.experiment,
        "task": spec.task,
        "training_data": spec.data_version or spec.manifest,
        "model_name": model_name,
        "primary_metric": spec.primary_metric,
        "experiment_timeout_hours": spec.budget_seconds / 3600,
        "iterations": spec.iterations,
        "max_concurrent_iterations": spec.concurrent,
        "hyperparameter_sampling": spec.sampling,
        "policy": spec.policy,
        "arguments": arguments,
        "compute_target": spec.compute_target,
        "threads": spec.threads,
        "processes_per_trial": spec.processes,
        "max_bad_share": spec.max_bad_share,
        "seed": spec.seed,
    }
    fields = AutoMLVisionConfig.model_fields
    without = {name: field.default for name, field in fields.items()} | {"arguments": {}}
    without["primary_metric"] = TASKS[spec.task].primary_metric if spec.task in TASKS else None
    if searches:
        without["iterations"] = MAX_ITERATIONS
    kept = {name: value for name, value in values.items() if value is not None and value != without.get(name)}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def _data(text: str, folder: Path) -> str:
    """Data that a job file names: a path relative to the file, unless it is a URL or a registered dataset."""
    beside = folder / Path(text).expanduser()
    return text if is_url(text) or ("/" not in text and not beside.exists()) else str(beside)


def job_schema() -> dict[str, Any]:
    """JSON Schema of a job file, derived from the config and the hyperparameters."""
    schema = AutoMLVisionConfig.model_json_schema(by_alias=False)
    properties = schema["properties"]
    hyperparameters = _hyperparameter_schema()
    hyperparameters["model_name"] = {"type": "string", "description": "the algorithm"}
    properties["arguments"] = {
        "anyOf": [
            {"type": "object", "properties": hyperparameters, "additionalProperties": False},
            {"type": "array", "description": 'pairs of "--name" and value'},
        ],
        "description": "fixed hyperparameters",
    }
    properties["experiment"] = {
        "type": "string",
        "default": DEFAULT_EXPERIMENT,
        "description": "name of the experiment",
    }
    schema.pop("$defs", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "AutoML Vision job",
        "description": "What to learn, from what, how, and for how long.",
    }


def _hyperparameter_schema() -> dict[str, Any]:
    """What each hyperparameter may be; where families differ, any of their values."""
    found: dict[str, list[dict[str, Any]]] = {}
    for family in families():
        fields = family.model_json_schema(by_alias=False)["properties"]
        for name, field in fields.items():
            found.setdefault(name, []).append(field)
        for old_name in sorted(names_of(family).keys() - fields):
            found.setdefault(old_name, []).append({"description": "an old name", "type": ["integer", "number"]})
    schema = {}
    for name, fields_of_name in found.items():
        distinct = [field for i, field in enumerate(fields_of_name) if field not in fields_of_name[:i]]
        schema[name] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    return schema


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """Sentences on keys that occur twice in a mapping, of which YAML would silently keep the last one."""
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if first.setdefault(str(key.value), line) != line:
                yield f"line {line}: {key.value} stands in line {first[str(key.value)]} already; keep one of them"
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _with_line(problem: Problem, root: yaml.Node | None) -> Problem:
    """The problem with the line of its value in front, if it has a path that leads into the file."""
    line = _line(root, problem.path)
    return problem if line is None else Problem(problem.path, f"line {line}: {problem.sentence}")


def _line(node: yaml.Node | None, path: Sequence[str | int]) -> int | None:
    """Line, from 1, of the last key or item of a path that the file has; a shorter way of writing lacks some."""
    line = None
    for part in path:
        found = _child(node, part)
        if found is not None:
            line, node = found
    return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node | None] | None:
    """Line and value of a key or an item of a node; an item of a list may also be a `--name` before its value."""
    if isinstance(node, yaml.MappingNode):
        fields = names_of(AutoMLVisionConfig)
        for key, value in node.value:
            if key.value == str(part) or fields.get(key.value) == part:
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            is_name = isinstance(item, yaml.ScalarNode) and item.value.startswith("--")
            if i == part or (is_name and item.value[2:].replace("-", "_") == part):
                return item.start_mark.line + 1, item
    return None
