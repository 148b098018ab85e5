"""A job as YAML: the config's fields with an experiment's name; mistakes are told with their lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from automl_vision.core.errors import ConfigError
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.recipes.catalog import families
from automl_vision.recipes.hyperparameters import accepted_names
from automl_vision.search.space import ALTERNATIVES
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
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values, repeated = yaml.safe_load(text), list(_repeated_keys(root))
    except OSError as error:
        raise ConfigError([f"the file cannot be read ({error.strerror})"], subject=subject) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"the file is no valid YAML: {error}"], subject=subject) from None
    if not isinstance(values, dict):
        raise ConfigError(["the file must be a mapping of settings"], subject=subject)
    if repeated:
        raise ConfigError(repeated, subject=subject)
    values = {str(key): value for key, value in values.items()}
    experiment = str(values.pop("experiment", DEFAULT_EXPERIMENT))
    for name in ("training_data", "validation_data"):
        if isinstance(values.get(name), str):
            values[name] = _data(values[name], path.parent.resolve())
    try:
        return experiment, AutoMLVisionConfig(**values)
    except ConfigError as error:
        lines = _lines(root)
        problems = [f"{_place(problem, lines)}{problem}" for problem in error.problems]
        raise ConfigError(problems, subject=subject) from None


def _data(text: str, folder: Path) -> str:
    """Data that a job file names: a path relative to the file, unless it is a URL or a registered data set."""
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
        for old_name in sorted(set(accepted_names(family)) - set(fields)):
            found.setdefault(old_name, []).append({"description": "an old name", "type": ["integer", "number"]})
    schema = {}
    for name, fields_of_name in found.items():
        distinct = [field for i, field in enumerate(fields_of_name) if field not in fields_of_name[:i]]
        schema[name] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    return schema


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """Sentences on keys that stand twice in a mapping, of which YAML would keep the last one silently."""
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


def _lines(node: yaml.Node | None, lines: dict[str, int] | None = None) -> dict[str, int]:
    """Line numbers of all keys and of the texts in lists, from 1; the first one of a name counts.

    What stands in a search space has a second name: its place there, such as `model[1].drop_rate`.
    """
    lines = {} if lines is None else lines
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines.setdefault(str(key.value), key.start_mark.line + 1)
            if key.value == "space":
                lines.update(_space_lines(value))
            _lines(value, lines)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                lines.setdefault(str(item.value).removeprefix("--"), item.start_mark.line + 1)
            _lines(item, lines)
    return lines


def _space_lines(space: yaml.Node, place: str = "") -> Iterator[tuple[str, int]]:
    """Lines of a search space's entries by their places; a list of alternatives is a choice of this name."""
    if isinstance(space, yaml.SequenceNode):
        for i, item in enumerate(space.value):
            yield from _space_lines(item, f"{place or ALTERNATIVES}[{i}].")
    elif isinstance(space, yaml.MappingNode):
        for key, value in space.value:
            path = f"{place}{key.value}"
            yield path, key.start_mark.line + 1
            parts = {str(k.value): v for k, v in value.value} if isinstance(value, yaml.MappingNode) else {}
            if isinstance(parts.get("values"), yaml.SequenceNode):
                yield from _space_lines(parts["values"], path)


def _place(problem: str, lines: dict[str, int]) -> str:
    """`line 7: ` for the key that a problem speaks of: its place in a search space, or the first known one."""
    words = problem.replace('"', " ").replace(":", " ").split()
    found = next((word for word in words if word in lines and word not in _SECTIONS), None)
    if found is None:
        parts = [part for word in words for part in word.split(".")]
        found = next((part for part in parts if part in lines), None)
    return "" if found is None else f"line {lines[found]}: "


_SECTIONS = ("arguments", "hyperparameter_sampling", "sampling", "policy")  # where a problem may name what is in them
